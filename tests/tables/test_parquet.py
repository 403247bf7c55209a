"""Parquet keeps whatever is in it: no value holds back its row, and no row another one."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from s2v_detect.bulk import open_output
from s2v_detect.tables import OUTCOME_KEYS, InputError, Record, Row, open_table

URL = "https://a.example/1.jpg"


async def read(path: Path, **options: Any) -> list[Row]:
    """All rows of a file."""
    table = open_table(-1, path, **options)
    return [row async for batch in table.batches() for row in batch]


def raw(kind: Any, *buffers: bytes) -> Any:
    """One value that pyarrow does not make by itself."""
    return pa.Array.from_buffers(kind, 1, [None, *map(pa.py_buffer, buffers)])


LATE = 4 * 10**17  # microseconds: the year 14645
INCOMING: dict[str, tuple[Any, list[Any]]] = {
    "nanoseconds": (
        pa.array([1, 1000, None], pa.timestamp("ns")),
        ["1970-01-01 00:00:00.000000001", datetime(1970, 1, 1, 0, 0, 0, 1), None],  # noqa: DTZ001  # without a zone
    ),
    "nanoseconds of a zone": (
        pa.array([1], pa.timestamp("ns", "Asia/Shanghai")),
        ["1970-01-01 08:00:00.000000001+0800"],
    ),
    "nanoseconds of a day": (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
    "nanoseconds of a span": (pa.array([1], pa.duration("ns")), ["1 ns"]),
    "a long span": (pa.array([2**60], pa.duration("s")), ["1152921504606846976 s"]),
    "years beyond 9999": (
        pa.array([LATE, 5], pa.timestamp("us")),
        ["14645-06-30 15:06:40.000000", datetime(1970, 1, 1, 0, 0, 0, 5)],  # noqa: DTZ001  # as above
    ),
    "years before 1": (
        pa.array([-9 * 10**16], pa.timestamp("us")),
        ["-0882-01-06 08:00:00.000000"],
    ),
    "days beyond 9999": (pa.array([10**7], pa.date32()), ["29349-01-26"]),
    "an unknown zone": (
        pa.array([1], pa.timestamp("us", "Foo/Bar")),
        ["1970-01-01 00:00:00.000001Z"],
    ),
    "an unknown zone, late": (
        pa.array([LATE], pa.timestamp("us", "Foo/Bar")),
        ["14645-06-30 15:06:40.000000Z"],
    ),
    "a zone that is an offset": (
        pa.array([1], pa.timestamp("us", "+08:00")),
        [datetime(1970, 1, 1, 8, 0, 0, 1, timezone(timedelta(hours=8)))],
    ),
    "nested nanoseconds": (
        pa.StructArray.from_arrays([pa.array([1], pa.timestamp("ns"))], names=["a"]),
        [{"a": "1970-01-01 00:00:00.000000001"}],
    ),
    "a list in an unknown zone": (
        pa.array([[datetime(2026, 1, 1)], None, []], pa.list_(pa.timestamp("us", "Foo/Bar"))),  # noqa: DTZ001  # as above
        [["2026-01-01 00:00:00.000000Z"], None, []],
    ),
    "a struct with two fields of one name": (
        pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]),
        [{"a": 1, "a_2": 2}],
    ),
    "a dictionary of nanoseconds": (
        pa.array([1, 1], pa.timestamp("ns")).dictionary_encode(),
        ["1970-01-01 00:00:00.000000001"] * 2,
    ),
    "text that is no UTF-8": (raw(pa.string(), b"\0\0\0\0\1\0\0\0", b"\xff"), ["\\xff"]),
    "long text that is no UTF-8": (
        raw(pa.large_string(), b"\0" * 8 + b"\1" + b"\0" * 7, b"\xff"),
        ["\\xff"],
    ),
    "bytes": (pa.array([b"a", b"\xff"]), [b"a", b"\xff"]),
    "long text": (pa.array(["a"], pa.large_string()), ["a"]),
    "a view of text": (pa.array(["a"], pa.string_view()), ["a"]),
    "a dictionary": (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
    "a map": (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), [[("a", 1)]]),
    "half precision": (pa.array([1.5], pa.float16()), [1.5]),
    "a decimal": (pa.array([Decimal("1.50")]), [Decimal("1.50")]),
    "the largest whole number": (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
    "nothing": (pa.array([None, None]), [None, None]),
}


@pytest.mark.parametrize("name", INCOMING)
async def test_every_value_that_parquet_can_hold_is_read(tmp_path: Path, name: str) -> None:
    """What Python has no type for is a text, in its cell alone."""
    column, values = INCOMING[name]
    images = [f"{URL}?{n}" for n in range(len(values))]
    path = tmp_path / "in.parquet"
    parquet.write_table(pa.table({"url": images, "x": column}), path)
    rows = await read(path)
    assert [(row.image, row.fault) for row in rows] == [(image, "") for image in images]
    assert [(row.columns or {})["x"] for row in rows] == values


@pytest.mark.parametrize(
    "kind",
    [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(len(URL)), pa.string_view()],
)
async def test_an_address_may_be_called_binary(tmp_path: Path, kind: Any) -> None:
    """As Spark and Impala write text; the column itself passes as it is."""
    path = tmp_path / "in.parquet"
    parquet.write_table(pa.table({"url": pa.array([URL.encode()], pa.binary()).cast(kind)}), path)
    [row] = await read(path)
    assert (row.image, row.fault) == (URL, "")


async def test_bytes_that_are_no_text_are_no_address(tmp_path: Path) -> None:
    """A picture in its own column, say."""
    parquet.write_table(pa.table({"url": [b"\xff\xd8", URL.encode()]}), tmp_path / "in.parquet")
    first, second = await read(tmp_path / "in.parquet")
    assert "holds no text" in first.fault
    assert second.image == URL


async def test_columns_of_one_name_are_all_there(tmp_path: Path) -> None:
    """The first keeps its name."""
    path = tmp_path / "in.parquet"
    columns = [pa.array([URL]), pa.array(["x"]), pa.array([1])]
    parquet.write_table(pa.Table.from_arrays(columns, names=["url", "url", "n"]), path)
    [row] = await read(path)
    assert row == Row(1, URL, "", {"url": URL, "url_2": "x", "n": 1})


async def test_row_groups_without_rows_end_nothing(tmp_path: Path) -> None:
    """Before, between and behind those that have some."""
    path, schema = tmp_path / "in.parquet", pa.schema([("url", pa.string())])
    with parquet.ParquetWriter(path, schema) as writer:
        for count in (0, 2, 0, 0, 1500, 0):
            writer.write_table(pa.table({"url": [URL] * count}, schema=schema))
    assert [row.number for row in await read(path)] == list(range(1, 1503))


@pytest.mark.parametrize("ending", ["parquet", "parq", "pq", "PQ"])
async def test_parquet_is_known_by_each_of_its_endings(tmp_path: Path, ending: str) -> None:
    """The total is known before the first row is read."""
    path = tmp_path / f"in.{ending}"
    parquet.write_table(pa.table({"url": [URL]}), path)
    table = open_table(-1, path)
    await table.count()
    assert table.total == 1
    assert [row.image for row in await read(path)] == [URL]


async def test_a_file_without_anything_is_no_parquet(tmp_path: Path) -> None:
    """One without rows has none."""
    path = tmp_path / "in.parquet"
    path.touch()
    with pytest.raises(InputError, match="no Parquet file"):
        await read(path)
    await open_table(-1, path).count()
    parquet.write_table(pa.table({"url": pa.array([], pa.string())}), path)
    assert await read(path) == []


def record(index: int, **fields: Any) -> Record:
    """A row as a run writes it."""
    ours = dict.fromkeys(OUTCOME_KEYS)
    return {**fields, **ours, "index": index, "kind": "skipped", "image": str(index)}


async def kept(path: Path, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Write records, and read the rows back."""
    output = open_output(path, columns=list)
    for start in range(0, len(records), 5000):  # a row group each
        await output.write(records[start : start + 5000])
    assert await output.finish(is_complete=True)
    output.close()
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


ZONED = datetime(2026, 1, 1, tzinfo=UTC)
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # a file may hold both
OUTGOING: dict[str, tuple[list[Any], list[Any]]] = {  # what is written, and what is read back
    "whole numbers": ([1, None, 2**62], [1, None, 2**62]),
    "numbers": ([1, 1.5], [1, 1.5]),
    "yes or no": ([True, None], [True, None]),
    "texts": (["a", ""], ["a", ""]),
    "times": ([ZONED, None], [ZONED, None]),
    "days": ([date(2026, 1, 2)], [date(2026, 1, 2)]),
    "times of a day": ([time(1, 2)], [time(1, 2)]),
    "spans": ([timedelta(days=1)], [timedelta(days=1)]),
    "decimals": ([Decimal("1.5"), Decimal(2)], [Decimal("1.5"), Decimal(2)]),
    "bytes": ([b"a", b"\xff"], [b"a", b"\xff"]),
    "objects": ([{"a": 1}, {"a": None}, None], [{"a": 1}, {"a": None}, None]),
    "lists": ([[1], [], None], [[1], [], None]),
    "no number": ([math.inf, 1.5], [math.inf, 1.5]),
    "an empty object": ([{}, {}], ["{}", "{}"]),
    "an empty object in a list": ([[{}], []], ["[{}]", "[]"]),
    "an empty object in an object": ([{"a": {}}], ['{"a": {}}']),
    "nothing": ([None, None], [None, None]),
    "half a character": (["a\ud83d", "b"], ["a\\ud83d", "b"]),
    "half a character in an object": ([{"a": "\ud83d"}], ['{"a": "\\ud83d"}']),
    "half a character for a name": ([{"\ud83d": 1}], ['{"\\ud83d": 1}']),
    "a number and a text": ([1, "a"], ["1", "a"]),
    "yes and a number": ([True, 1], ["true", "1"]),
    "a number and yes": ([1, True], ["1", "true"]),
    "a text and bytes": (["a", b"b\xff"], ["a", "b\\xff"]),
    "an object and a text": ([{"a": 1}, "a"], ['{"a": 1}', "a"]),
    "objects that differ": ([{"a": 1}, {"a": "x"}], ['{"a": 1}', '{"a": "x"}']),
    "a large whole number": ([2**63, 1], ["9223372036854775808", "1"]),
    "a larger one": ([2**70], [str(2**70)]),
    "a large number among fractions": ([2**53 + 1, 1.5], ["9007199254740993", "1.5"]),
    "with a zone and without": (
        [ZONED, NAIVE],
        ["2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00"],
    ),
    "a day and a time": ([date(2026, 1, 1), NAIVE], ["2026-01-01", "2026-01-01T00:00:00"]),
    "a decimal that is no number": ([Decimal("NaN")], ["NaN"]),
    "a decimal beyond all digits": ([Decimal("1E+90"), Decimal("1E-90")], ["1E+90", "1E-90"]),
}


@pytest.mark.parametrize("name", OUTGOING)
async def test_every_value_is_kept(tmp_path: Path, name: str) -> None:
    """As it is, or else as text: where Parquet has no such type, or the values do not agree."""
    values, found = OUTGOING[name]
    records = [record(n, x=value) for n, value in enumerate(values)]
    rows = await kept(tmp_path / "out.parquet", records)
    assert [row["x"] for row in rows] == found
    assert [row["input_more"] for row in rows] == [None] * len(values)


LATER: dict[str, tuple[Any, Any, Any]] = {  # the first rows, a later one, and what is told of it
    "a text among numbers": (1, "many", "many"),
    "a fraction among whole numbers": (1, 1.5, 1.5),
    "a large number": (1, 2**70, 2**70),
    "a large whole number among fractions": (1.5, 2**53 + 1, 2**53 + 1),
    "yes among numbers": (1, True, True),
    "another field of an object": ({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
    "another field deeper": ([{"a": 1}], [{"a": 1, "b": 2}], [{"a": 1, "b": 2}]),
    "an object among lists": ([1], {"a": 1}, {"a": 1}),
    "a time in another zone's column": (NAIVE, ZONED, "2026-01-01T00:00:00+00:00"),
    "a time among days": (date(2026, 1, 1), datetime(2026, 1, 1, 5), "2026-01-01T05:00:00"),  # noqa: DTZ001  # as above
    "half a character among numbers": (1, "\ud83d", "\ud83d"),
    "a decimal among numbers": (1, Decimal("1.5"), "1.5"),
    "bytes among numbers": (1, b"b", "b"),
}


async def test_a_later_value_that_does_not_fit_is_kept_beside(tmp_path: Path) -> None:
    """In its own row's `input_more`, whole; its neighbours stay what they are."""
    first = {name: values[0] for name, values in LATER.items()}
    later = {name: values[1] for name, values in LATER.items()}
    fields = [*[first] * 5001, later, first]
    records = [record(n, **row) for n, row in enumerate(fields)]
    rows = await kept(tmp_path / "out.parquet", records)
    assert json.loads(rows[5001]["input_more"]) == {name: each[2] for name, each in LATER.items()}
    assert not [rows[5001][name] for name in LATER if rows[5001][name] is not None]
    for row in (rows[0], rows[5000], rows[5002]):
        assert {name: row[name] for name in LATER} == first
        assert row["input_more"] is None


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@settings(max_examples=50)  # a file each
@given(st.lists(VALUE, min_size=1, max_size=4))
async def test_whatever_json_holds_every_row_is_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    """A row that was answered is never held back by its neighbour's value."""
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    path.unlink(missing_ok=True)
    rows = await kept(path, [record(n, x=value) for n, value in enumerate(values)])
    assert [row["index"] for row in rows] == list(range(len(values)))
    assert [row["x"] is None for row in rows] == [value is None for value in values]
