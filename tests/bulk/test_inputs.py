"""Bytes, wherever they are cut, into lines with their numbers."""

import asyncio
import os
import tracemalloc
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from s2v_detect.bulk import Input, Line, LineSplitter
from s2v_detect.bulk.inputs import LONGEST_LINE

URL = "http://a.example/1.jpg"
LONG = "http://a.example/" + "x" * LONGEST_LINE


def split(content: bytes, step: int | None = None) -> list[Line]:
    """Every line of some bytes that come in pieces of `step`."""
    splitter = LineSplitter()
    step = step or max(1, len(content))
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()


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
        (f"{URL}\u2028{URL}\n".encode(), [(1, f"{URL}\u2028{URL}")]),
        (b"not a url\n", [(1, "not a url")]),
    ],
)
def test_a_line_is_what_stands_between_newlines_without_its_wrapping(
    content: bytes, lines: list[tuple[int, str]]
) -> None:
    """BOM, CRLF, white space, blank lines and comments are gone; the numbers count them."""
    assert [(line.number, line.text) for line in split(content)] == lines
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
    assert (first, last) == (Line(1, URL), Line(3, URL))
    assert bad.number == 2
    assert fault in bad.fault
    assert bad.text.encode(errors="strict")
    assert len(bad.text) < 1000


def test_every_line_of_a_utf_16_file_is_faulty_and_says_what_to_do() -> None:
    """None of it is taken for an address."""
    lines = split(f"{URL}\n{URL}\n".encode("utf-16"))
    assert all("UTF-16" in line.fault for line in lines)
    assert [line.number for line in lines] == [1, 2, 3]  # the last half of the last newline


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_where_the_pieces_are_cut_changes_nothing(step: int) -> None:
    """Also in the middle of a character, a BOM or a CRLF."""
    content = "\ufeff# 人\r\n\r\nhttp://a.example/人.jpg\r\nhttp://a.example/2".encode() + b"\xff\n"
    assert split(content, step) == split(content)


def test_a_line_of_the_longest_length_is_still_an_address() -> None:
    """One byte more is a fault."""
    longest = "x" * LONGEST_LINE
    lines = split(f"{longest}\n{longest}x\n".encode(), 1000)
    assert [bool(line.fault) for line in lines] == [False, True]


def test_an_endless_line_takes_no_memory() -> None:
    """64 MB without a newline are held as no more than the longest line."""
    splitter = LineSplitter()
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


async def every(source: Input) -> list[Line]:
    """All lines of an input."""
    async with aclosing(source.lines()) as lines:
        return [line async for line in lines]


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
    async with aclosing(source.lines()) as lines:
        first = asyncio.ensure_future(anext(lines))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not first.done()
        os.write(writing, f"{URL}\n".encode())
        assert await first == Line(1, URL)
        os.close(writing)
        assert await anext(lines, None) is None
    os.close(reading)


async def test_a_reader_of_a_silent_pipe_can_leave() -> None:
    """The read that never returns is left behind, and what it brings later is nobody's."""
    reading, writing = os.pipe()
    async with aclosing(Input(reading).lines()) as lines:
        waiting = asyncio.ensure_future(anext(lines))
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
