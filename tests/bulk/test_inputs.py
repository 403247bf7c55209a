"""Bytes, wherever they are cut, into lines with their numbers."""

import asyncio
import csv
import gzip
import json
import os
import tracemalloc
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from s2v_detect.bulk import Input
from s2v_detect.tables import InputError, Row
from s2v_detect.tables._reading import LONGEST_ADDRESS, LineSplitter
from s2v_detect.tables._text import TextRows

URL = "http://a.example/1.jpg"
LONG = "http://a.example/" + "x" * LONGEST_ADDRESS


def split(content: bytes, step: int | None = None) -> list[Row]:
    """Every row of a text that comes in pieces of `step`."""
    splitter, rows = LineSplitter(LONGEST_ADDRESS), TextRows()
    step = step or max(1, len(content))
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    lines = [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()
    return rows.rows(lines)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"\n", []),
        (f"{URL}\n".encode(), [(1, URL)]),
        (f"{URL}".encode(), [(1, URL)]),
        (f"{URL}\r\n{URL}\r\n".encode(), [(1, URL), (2, URL)]),
        (f"\ufeff{URL}\n".encode(), [(1, URL)]),
        (f" \t{URL}\u3000\n".encode(), [(1, URL)]),
        (f"\n  \n# {URL}\n  #{URL}\n{URL}\n".encode(), [(5, URL)]),
        (f"{URL}#part\n".encode(), [(1, f"{URL}#part")]),
        ("http://a.example/人.jpg\n".encode(), [(1, "http://a.example/人.jpg")]),
        (f"{URL}\u2028x\n".encode(), [(1, f"{URL}\u2028x")]),
        (b"not a url\n", [(1, "not a url")]),
    ],
)
def test_a_line_is_what_stands_between_newlines_without_its_wrapping(
    content: bytes, lines: list[tuple[int, str]]
) -> None:
    """BOM, CRLF, white space, blank lines and comments are gone; the numbers count them."""
    assert [(line.number, line.image) for line in split(content)] == lines
    assert not any(line.fault for line in split(content))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"http://a.example/\xff.jpg", "not UTF-8"),
        (b"\x80", "not UTF-8"),
        (b"http://a.example/\0.jpg", "NUL"),
        (LONG.encode(), "longer than"),
        (b"#" + LONG.encode(), "longer than"),
    ],
)
def test_a_line_that_can_be_no_address_keeps_its_number_and_says_why(
    raw: bytes, fault: str
) -> None:
    """It is one line among the others, with its beginning to find it by."""
    first, bad, last = split(f"{URL}\n".encode() + raw + f"\n{URL}".encode())
    assert (first, last) == (Row(1, URL), Row(3, URL))
    assert bad.number == 2
    assert fault in bad.fault
    assert bad.image.encode(errors="strict")
    assert len(bad.image) < 1000


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_where_the_pieces_are_cut_changes_nothing(step: int) -> None:
    """Also in the middle of a character, a BOM or a CRLF."""
    content = "\ufeff# 人\r\n\r\nhttp://a.example/人.jpg\r\nhttp://a.example/2".encode() + b"\xff\n"
    assert split(content, step) == split(content)


def test_a_line_of_the_longest_length_is_still_an_address() -> None:
    """One byte more is a fault."""
    longest = "x" * LONGEST_ADDRESS
    lines = split(f"{longest}\n{longest}x\n".encode(), 1000)
    assert [bool(line.fault) for line in lines] == [False, True]


def test_an_endless_line_takes_no_memory() -> None:
    """64 MB without a newline are held as no more than the longest line."""
    splitter = LineSplitter(LONGEST_ADDRESS)
    piece = b"x" * 65_536
    tracemalloc.start()
    try:
        for _ in range(1000):
            splitter.feed(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert [line.number for line in splitter.end()] == [1]


async def every(source: Input) -> list[Row]:
    """All rows of an input."""
    async with aclosing(source.batches()) as batches:
        return [row async for rows in batches for row in rows]


async def read(path: Path, **options: Any) -> list[Row]:
    """All rows of a file."""
    with closing(Input.open(path, **options)) as source:
        return await every(source)


async def test_a_file_gives_all_its_lines_and_its_total(tmp_path: Path) -> None:
    """The total counts newlines ahead, and loses each line that is passed over as it is read."""
    path = tmp_path / "urls.txt"
    path.write_text("# mine\n\n" + f"{URL}\n" * 5000 + URL)
    with closing(Input.open(path)) as source:
        assert source.total is None
        await source.count()
        assert source.total == 5003
        assert len(await every(source)) == 5001
        assert source.total == 5001


@pytest.mark.parametrize(
    ("content", "total"), [("", 0), ("\n", 1), (URL, 1), (f"{URL}\n{URL}\n", 2)]
)
async def test_the_total_is_right_with_and_without_a_last_newline(
    tmp_path: Path, content: str, total: int
) -> None:
    """As wc -l counts, and one more for a last line without its newline."""
    path = tmp_path / "urls.txt"
    path.write_text(content)
    with closing(Input.open(path)) as source:
        await source.count()
        assert source.total == total


async def test_a_pipe_has_no_total_and_gives_each_line_when_it_comes() -> None:
    """The loop goes on while the pipe is silent."""
    reading, writing = os.pipe()
    source = Input(reading)
    await source.count()
    assert source.total is None
    async with aclosing(source.batches()) as batches:
        first = asyncio.ensure_future(anext(batches))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not first.done()
        os.write(writing, f"{URL}\n".encode())
        assert await first == [Row(1, URL)]
        os.close(writing)
        assert await anext(batches, None) is None
    os.close(reading)


async def test_a_reader_of_a_silent_pipe_can_leave() -> None:
    """The read that never returns is left behind, and what it brings later is nobody's."""
    reading, writing = os.pipe()
    async with aclosing(Input(reading).batches()) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    os.write(writing, b"late")
    os.close(writing)


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_what_can_not_be_read_is_an_os_error_at_once(tmp_path: Path, name: str) -> None:
    """A missing file, a folder."""
    with pytest.raises(OSError, match=r"No such file|folder"):
        Input.open(tmp_path / name)


async def test_a_read_that_fails_is_raised_from_the_lines(tmp_path: Path) -> None:
    """Whoever reads the lines hears of it; nothing is taken for the input's end."""
    descriptor = os.open(tmp_path, os.O_RDONLY)  # a folder opens, and can't be read
    with pytest.raises(IsADirectoryError):
        await every(Input(descriptor))
    os.close(descriptor)


TABLE = [
    ["name", "Image_URL", "note"],
    ["Ann", URL, ""],
    ['Bo, the "second"', f"{URL}?2", "two\nlines"],
    ["Cy", f"{URL}?3", "007"],
]


@pytest.mark.parametrize("delimiter", [",", "\t"])
async def test_a_table_gives_the_image_and_all_its_columns(tmp_path: Path, delimiter: str) -> None:
    """Quotes, delimiters and newlines inside of cells; the number is that of the first line."""
    path = tmp_path / ("rows.csv" if delimiter == "," else "rows.tsv")
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(TABLE)
    rows = await read(path)
    assert [(row.number, row.image) for row in rows] == [(2, URL), (3, f"{URL}?2"), (5, f"{URL}?3")]
    assert rows[1].columns == {
        "name": 'Bo, the "second"',
        "Image_URL": f"{URL}?2",
        "note": "two\nlines",
    }
    assert rows[2].columns
    assert rows[2].columns["note"] == "007"


async def test_every_row_of_a_table_that_can_be_none_says_why(tmp_path: Path) -> None:
    """Too short, not UTF-8, a quote that never closes: the rows after it are unharmed."""
    path = tmp_path / "rows.csv"
    path.write_bytes(
        b"id,url\n1\n2,\xff\n\n3,http://a.example/3.jpg,more\n"
        b'5" screen,http://a.example/6.jpg\n4,"http://a.example/4.jpg\n5,http://a.example/5.jpg\n'
    )
    rows = await read(path)
    assert [row.number for row in rows] == [2, 3, 5, 6, 7, 8]
    faults = ["empty", "UTF-8", "3 cells", "", "quote", ""]
    assert all(bool(fault) == bool(row.fault) for fault, row in zip(faults, rows, strict=True))
    assert all(fault in row.fault for fault, row in zip(faults, rows, strict=True))
    assert rows[2].columns == {"id": "3", "url": "http://a.example/3.jpg", "column_3": "more"}
    assert rows[3].image == "http://a.example/6.jpg"
    assert rows[5].image == "http://a.example/5.jpg"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('{"url": "http://a.example/1.jpg", "n": [1, {"a": null}]}', ""),
        ('"http://a.example/1.jpg"', ""),
        ('{"url": 7}', "no text"),
        ('{"n": 1}', "empty"),
        ('{"url": null}', "empty"),
        ("{", "not JSON"),
        ("[" * 60_000, "not JSON"),
        ("[1]", "no JSON object"),
        ("12", "no JSON object"),
        ('{"url": "http://a.example/1.jpg", "n": 1e999}', ""),
    ],
)
async def test_a_line_of_json_is_an_object_or_an_address(
    tmp_path: Path, line: str, fault: str
) -> None:
    """Anything else is one faulty row."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"url": "{URL}"}}\n\n{line}\n{{"url": "{URL}"}}\n')
    first, row, last = await read(path)
    assert (first.number, row.number, last.number) == (1, 3, 4)
    assert bool(row.fault) == bool(fault)
    assert fault in row.fault
    assert last.columns == {"url": URL}


async def test_parquet_gives_its_rows_with_their_values(tmp_path: Path) -> None:
    """The number is that of the row; the total is known at once."""
    path = tmp_path / "rows.parquet"
    table = pa.table({"id": range(2500), "image": [f"{URL}?{n}" for n in range(2499)] + [None]})
    parquet.write_table(table, path)
    with closing(Input.open(path)) as source:
        rows = await every(source)
        assert source.total == 2500
        assert source.columns == ("id", "image")
    assert rows[7] == Row(8, f"{URL}?7", "", {"id": 7, "image": f"{URL}?7"})
    assert "empty" in rows[-1].fault


async def test_gzip_is_recognised_whatever_the_name(tmp_path: Path) -> None:
    """Several members in one file are one text; the ending inside counts."""
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"id,url\n") + gzip.compress(f"1,{URL}\n".encode() * 3000))
    with closing(Input.open(path)) as source:
        await source.count()
        rows = await every(source)
        assert source.total == len(rows) == 3000
    bare = tmp_path / "rows"
    bare.write_bytes(gzip.compress(f"{URL}\n".encode()))
    assert await read(bare) == [Row(1, URL)]


async def test_gzip_that_ends_too_early_is_told_after_its_rows(tmp_path: Path) -> None:
    """Half a download is no whole input."""
    path = tmp_path / "rows.gz"
    packed = gzip.compress(
        "".join(f"{URL}?{os.urandom(8).hex()}\n" for _ in range(20_000)).encode()
    )
    path.write_bytes(packed[: len(packed) // 2])
    rows = []
    with closing(Input.open(path)) as source, pytest.raises(OSError, match="too early"):
        async for batch in source.batches():
            rows += batch
    assert len(rows) > 5000


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("a,b\n1,2\n", None, r"--column\. Its columns are a, b\."),
        ("a,b\n1,2\n", "c", "no column 'c'"),
    ],
)
async def test_a_column_that_is_not_plain_is_an_error_that_names_them(
    tmp_path: Path, content: str, column: str | None, message: str
) -> None:
    """Before anything is asked for."""
    path = tmp_path / "rows.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        await read(path, column=column)


async def test_the_column_is_the_usual_one_or_the_only_one(tmp_path: Path) -> None:
    """Image before image_url before url, in any case; `--column` before all."""
    path = tmp_path / "rows.csv"
    path.write_text("url,IMAGE,photo\n1,2,3\n")
    assert [row.image for row in await read(path)] == ["2"]
    assert [row.image for row in await read(path, column="photo")] == ["3"]
    path.write_text("photo\n3\n")
    assert [row.image for row in await read(path)] == ["3"]


@pytest.mark.parametrize("format_", ["parquet", "xlsx"])
def test_what_must_be_sought_in_says_so_of_a_pipe(format_: Any) -> None:
    """And what to do."""
    with pytest.raises(InputError, match="name of a file"):
        Input(0, format=format_)


async def test_what_is_no_parquet_says_so(tmp_path: Path) -> None:
    """Whatever its ending."""
    path = tmp_path / "rows.parquet"
    path.write_text(json.dumps({"url": URL}))
    with pytest.raises(InputError, match="no Parquet file"):
        await read(path)
