"""Cells that strangers choose: whole for every reader, and no formula in a spreadsheet."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s2v_detect._columns import LEDGER_COLUMNS
from s2v_detect.bulk import open_output, write_table
from s2v_detect.bulk.inputs import Input
from s2v_detect.tables import MORE, OUTCOME_KEYS, Delimited, delimited, read_records
from s2v_detect.tables._lines import GUARDED, guarded, plain

FORMULA = re.compile(r"[=+\-@\t\r]")
TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("'=+-@\t\r\n,\""))


@given(st.lists(st.lists(TEXT, min_size=2, max_size=4), min_size=1), st.sampled_from(",\t"))
@example([["a\rb", "c"], ["\r", "\r\n"]], ",")
def test_every_cell_is_read_back_as_it_was_written(rows: list[list[str]], delimiter: str) -> None:
    """A lone carriage return too, on every Python; each row is one row."""
    text = delimited(rows, delimiter).decode()
    assert list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) == rows
    assert text.endswith("\n")


@given(TEXT)
@example("=1+1")
@example("'=1+1")
@example("''")
@example("'")
def test_a_guarded_text_is_no_formula_and_comes_back(text: str) -> None:
    """However many apostrophes it had of its own."""
    assert plain(guarded(text)) == text
    assert not FORMULA.match(guarded(text))
    assert guarded(text) == text or guarded(text) == f"'{text}"


def record(**fields: Any) -> dict[str, Any]:
    """A row as a run writes it."""
    empty = dict.fromkeys(OUTCOME_KEYS)
    return {**empty, "index": 0, "kind": "skipped", "at": "2026-11-25T00:00:00.000+00:00", **fields}


HOSTILE = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "'=1", "''-1", "it's", "x"]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
async def test_an_output_guards_our_columns_and_its_reader_takes_the_guard_off(
    tmp_path: Path, ending: str
) -> None:
    """The input's columns pass through as they are; the other formats need no guard."""
    path = tmp_path / f"out.{ending}"
    records = [{"name": text, **record(**dict.fromkeys(GUARDED, text))} for text in HOSTILE]
    output = open_output(path, columns=lambda: ["name"])
    await output.write(records)
    assert await output.finish(is_complete=True)
    output.close()
    found = list(read_records(path))
    assert [row["name"] for row in found] == HOSTILE
    for column in GUARDED:
        assert [row[column] for row in found] == HOSTILE
    if ending in ("csv", "tsv"):
        with path.open(newline="") as file:
            raw = list(csv.DictReader(file, delimiter="," if ending == "csv" else "\t"))
        assert [row["name"] for row in raw] == HOSTILE
        assert not [row for row in raw for column in GUARDED if FORMULA.match(row[column])]


def test_an_option_guards_the_input_s_columns_too() -> None:
    """Their names as well; the rest of a row of JSON is no formula anyhow."""
    lines = Delimited(",", lambda: ["=name"], guards_all=True)
    text = (lines.head() + lines.lines([{"=name": "=1", "more": "=2", **record()}])).decode()
    [row] = csv.DictReader(text.splitlines())
    assert row["'=name"] == "'=1"
    assert row[MORE] == '{"more": "=2"}'


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_an_export_is_guarded_as_an_output_is(tmp_path: Path, ending: str) -> None:
    """It has the same strangers in it."""
    path = tmp_path / f"all.{ending}"
    rows = [{"image": text, "state": "skipped", "message": text} for text in HOSTILE]
    write_table(path, rows, columns=[each for each in LEDGER_COLUMNS if each.name in rows[0]])
    with path.open(newline="") as file:
        raw = list(csv.DictReader(file, delimiter="," if ending == "csv" else "\t"))
    assert [plain(row["image"]) for row in raw] == HOSTILE
    assert not [row for row in raw if FORMULA.match(row["image"]) or FORMULA.match(row["message"])]


async def test_sixty_rows_with_a_carriage_return_are_sixty_rows(tmp_path: Path) -> None:
    """For a reader of ours, for Python's, and as the input of another run."""
    path = tmp_path / "out.csv"
    records = [{"note": f"a\rb{n}", **record(index=n, image=f"x{n}")} for n in range(60)]
    output = open_output(path, columns=lambda: ["note"])
    await output.write(records)
    assert await output.finish(is_complete=True)
    output.close()
    assert [row["note"] for row in read_records(path)] == [f"a\rb{n}" for n in range(60)]
    with path.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 60
    rows = Input.open(path)
    found = [row async for batch in rows.batches() for row in batch]
    rows.close()
    assert [(row.image, (row.columns or {})["note"]) for row in found] == [
        (f"x{n}", f"a\rb{n}") for n in range(60)
    ]
