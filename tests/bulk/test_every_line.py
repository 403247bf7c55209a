"""Rows in are rows out: of bytes that are almost a list, each line and each address is in a row.

The lines are counted another way than the reader does: by where the bytes of their ends are. A line
that is not blank must be the header, or the line of exactly one row, or lie within a row's cells.
`S2V_DETECT_EXAMPLES` says how many examples are tried.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from s2v_detect.tables import InputError, Row
from s2v_detect.tables._csv import CsvRows
from s2v_detect.tables._encodings import Decoding
from s2v_detect.tables._json import JsonRows
from s2v_detect.tables._reading import LONGEST_ADDRESS, LONGEST_ROW, LineSplitter
from s2v_detect.tables._rows import Rows
from s2v_detect.tables._text import TextRows

EXAMPLES = int(os.environ.get("S2V_DETECT_EXAMPLES", "300"))
ADDRESS = re.compile(rb"(?<![\x80-\xff])https://a\.example/\d+\.jpg")
BOM = b"\xef\xbb\xbf"
PARTS = [
    *(b'"', b'"', b'""', b",", b",", b",", b";", b"\t", b"|", b"\n", b"\n", b"\r\n", b"\r", b" "),
    *(b"a", b"5 inch", b"#", b"{", b"[", b"\\", b"{A}", b"{A}", b"{A}", b'"{A}"', b",{A},"),
    *(b"1,{A},x\n", b'2,{A},"y\n', b'3,{A},y"\n', b'4,{A},"two\nlines"\r\n', b'{"url": "{A}"}\n'),
    *(b"\xff", b"\0", BOM, "头像".encode(), "头像".encode("gb18030"), "画像".encode("cp932")),
]
HEADERS = [
    b"id,url,note\n",
    b"url\n",
    b"url,note\r\n",
    b"note;url;id\n",
    b"a,image\r",
    b"sep=;\na;url\n",
    b"2026,,\nid,url,note\n",
    "清单\n\n制表人 张三\r\nid,图片\n".encode(),
    b"id,face\n",
]


@st.composite
def almost_lists(draw: st.DrawFn) -> tuple[bytes, list[int]]:
    """Bytes with addresses that are all different, and where they are cut into pieces."""
    parts = draw(st.lists(st.sampled_from(PARTS), max_size=30))
    content = b"".join(parts)
    number = 0
    while b"{A}" in content:
        number += 1
        content = content.replace(b"{A}", b"https://a.example/%d.jpg" % number, 1)
    cuts = draw(st.lists(st.integers(0, len(content) + 20), max_size=3))
    return content, sorted(cuts)


def read(content: bytes, cuts: Sequence[int], rows: Rows, longest: int) -> list[Row]:
    """All rows of a list that comes in pieces; the first has a whole line, as in a pipe."""
    head = re.match(rb"[^\r\n]*(\r\n|\n|\r)?", content)
    first = head.end() if head else 0
    places = sorted({0, *(cut for cut in cuts if first < cut < len(content)), len(content)})
    pieces = [content[at:to] for at, to in pairwise(places)] or [b""]
    decoding = Decoding(pieces[0], None)
    splitter = LineSplitter(longest)
    found: list[Row] = []
    for piece in [*pieces, b""]:
        text = decoding.feed(piece, is_last=not piece)
        splitter.unreadable = decoding.fault
        found += rows.rows(splitter.feed(text))
    return found + rows.rows(splitter.end()) + rows.rest()


def numbers_of(content: bytes, after: int = 0) -> tuple[set[int], set[int]]:
    """The lines that must be rows, and those that may be.

    A line of marks alone is blank in UTF-8, and three letters in another encoding.
    """
    lines = [line.strip() for line in re.split(rb"\r\n|\n|\r", content)]
    must = {n for n, line in enumerate(lines, 1) if line.replace(BOM, b"").strip() and n > after}
    return must, {n for n, line in enumerate(lines, 1) if line and n > after}


def ends_within(row: Row) -> int:
    """How many ends of lines a row's cells hold."""
    cells = (row.columns or {}).values()
    return sum(len(re.findall(r"\r\n|\n|\r", str(cell))) for cell in cells)


def assert_nothing_vanished(content: bytes, rows: list[Row], after: int) -> None:
    """Each line behind the header is in one row, none is in two, and each address is in a row."""
    try:
        content.decode()
    except UnicodeDecodeError:
        at_least = 0  # read in another encoding than that of the header, which is a row then
    else:
        at_least = after
    covered = [range(row.number, row.number + 1 + ends_within(row)) for row in rows if row.number]
    assert all(one[-1] < other[0] for one, other in pairwise(covered))
    must, _ = numbers_of(content, after)
    _, may = numbers_of(content, at_least)
    assert must <= {number for lines in covered for number in lines}
    assert {row.number for row in rows} <= may
    told = repr(rows)
    # A faulty line is told by its beginning; behind a byte that is not ASCII, the first letter of
    # an address is half of a character in some encodings.
    for line in re.split(rb"\r\n|\n|\r", content):
        for address in ADDRESS.findall(line[:150]):
            assert address.decode() in told


@given(st.sampled_from(HEADERS), almost_lists())
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@example(HEADERS[0], (b'1,https://a.example/1.jpg,"5\n2,https://a.example/2.jpg,"6\n3,,x\n', []))
@example(HEADERS[0], (b'1,https://a.example/1.jpg,"5\n2,https://a.example/2.jpg,6"\n', []))
@example(HEADERS[8], (";,;,头像".encode(), []))
@example(HEADERS[7], (b"\xcd\xb7\xcf\xf1,\xff,\xcd\xb7\xcf\xf1", []))
def test_of_almost_csv_each_line_is_in_a_row(header: bytes, made: tuple[bytes, list[int]]) -> None:
    """Or the list is refused as a whole, before anything is asked for."""
    body, cuts = made
    content = header + body
    table = CsvRows(",", None)
    try:
        rows = read(content, cuts, table, LONGEST_ROW)
    except InputError:
        return
    heads = len(re.findall(rb"\r\n|\n|\r", header))
    # Where a line of the body has a usual name, and no address is above, that one is the header.
    assert_nothing_vanished(content, rows, max(heads, table.header_line or 0))


@given(almost_lists())
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_of_almost_text_each_line_is_a_row(made: tuple[bytes, list[int]]) -> None:
    """But for blank lines and comments."""
    content, cuts = made
    try:
        rows = read(content, cuts, TextRows(), LONGEST_ADDRESS)
    except InputError:  # it looks like UTF-16
        return
    must, may = numbers_of(content)
    lines = re.split(rb"\r\n|\n|\r", content)
    comments = {n for n in must if lines[n - 1].replace(BOM, b"").strip().startswith(b"#")}
    assert must - comments <= {row.number for row in rows} <= may
    assert len(rows) == len({row.number for row in rows})


@given(almost_lists())
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_of_almost_json_each_line_is_a_row(made: tuple[bytes, list[int]]) -> None:
    """In their order, once the column is known."""
    content, cuts = made
    try:
        rows = read(content, cuts, JsonRows("url"), LONGEST_ROW)
    except InputError:  # no record has that column
        return
    must, may = numbers_of(content)
    assert must <= {row.number for row in rows} <= may
    assert len(rows) == len({row.number for row in rows})


CELL = st.text(st.sampled_from('ab ,;\t|"\r\n头é#\ufeff'), max_size=6)


@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=6),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=EXAMPLES)
def test_what_a_spreadsheet_writes_is_read_to_the_byte(
    cells: list[list[str]], delimiter: str, end: str, quoting: int
) -> None:
    """Whatever its cells hold: an address is in another column."""
    made = [[f"https://a.example/{n}.jpg", *row] for n, row in enumerate(cells)]
    file = io.StringIO()
    writer: Callable[..., None] = csv.writer(
        file,
        delimiter=delimiter,
        lineterminator=end,
        quoting=quoting,  # type: ignore[arg-type]  # one of those two
    ).writerows
    writer([["url", "a", "b", "c"]])
    quoted = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    quoted.writerows(made)
    rows = read(file.getvalue().encode(), [], CsvRows(",", None, delimiter), LONGEST_ROW)
    assert [list((row.columns or {}).values()) for row in rows] == made
    assert not any(row.fault for row in rows)
