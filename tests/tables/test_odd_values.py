"""Whatever a row of JSON holds, every format takes the row, and its reader gives the row back."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import Skipped
from s2v_detect.bulk import Input, column_names, open_output
from s2v_detect.bulk.records import outcome_record
from s2v_detect.tables import MORE, OUTCOME_KEYS, Record, Row, read_records

ENDINGS = ["jsonl", "csv", "tsv", "parquet", "xlsx"]


def nested(levels: int) -> Any:
    """Lists within lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


ODD = {
    "an empty object": {},
    "an empty object in a list": [{}],
    "half a character": "smile \ud83d",
    "half a character in an object": {"\ud83d": ["\udfff"]},
    "half a character in a name": "x",
    "no number": [float("nan"), float("inf")],
    "a large number": 10**40,
    "a control character": "\0\x01\x1b\x85\u2028\ufffe",
    "white space": " \t\r\n ",
    "much nesting": nested(300),
    "more nesting": nested(900),
    "the most nesting": nested(5000),
}


def record(place: int, /, **fields: Any) -> Record:
    """A row as a run writes it."""
    row = Row(place + 1, "x", "no image", fields)
    outcome = Skipped(index=place, image="x", reason="no image")
    return outcome_record(row, place, outcome, None)


async def written(path: Path, records: list[Record], columns: list[str]) -> None:
    """A whole pass."""
    output = open_output(path, columns=lambda: column_names(columns))
    await output.write(records)
    assert await output.finish(is_complete=True)
    output.close()


@pytest.mark.parametrize("ending", ENDINGS)
async def test_no_value_holds_a_row_back(tmp_path: Path, ending: str) -> None:
    """Alone, and beside all the others."""
    for number, (name, value) in enumerate(ODD.items()):
        path = tmp_path / f"{number}.{ending}"
        column = "a\ud83d" if name == "half a character in a name" else "a"
        await written(path, [record(0, **{column: value}), record(1, **{column: "y"})], [column])
        assert [row["index"] for row in read_records(path)] == [0, 1], name
    path = tmp_path / f"all.{ending}"
    await written(path, [record(n, a=value) for n, value in enumerate(ODD.values())], ["a"])
    found = list(read_records(path))
    assert [row["index"] for row in found] == list(range(len(ODD)))
    assert all(row["a"] for row in found[2:]), "no value is empty that was not"


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_output_is_an_input_again_and_again(tmp_path: Path, ending: str) -> None:
    """Its columns give way to ours, each with a name of its own, and none is lost."""
    fields: dict[str, Any] = {"url": "x", "note": "first"}
    for generation in range(3):
        path = tmp_path / f"{generation}.{ending}"
        names = list(fields)
        records = [record(0, **fields), record(1, **fields | {f"late {generation}": 1})]
        await written(path, records, names)
        with closing(Input.open(path, column="url")) as source:
            rows = [row async for batch in source.batches() for row in batch]
        assert [row.image for row in rows] == ["x", "x"]
        assert len(column_names(source.columns)) == len(set(column_names(source.columns)))
        assert {"url", "note", *OUTCOME_KEYS} <= {*(source.columns or ())}
        fields = dict(rows[1].columns or {})
    told = json.dumps(fields, default=str)
    assert all(f"late {generation}" in told for generation in range(3))
    if ending != "jsonl":
        assert sum(name.endswith(MORE) for name in fields) == 3
