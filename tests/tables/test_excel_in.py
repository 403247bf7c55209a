"""A sheet of an Excel file gives every row that a person sees in it, with its number."""

import io
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xlsxwriter import Workbook

from s2v_detect.tables import InputError, Row, open_table
from s2v_detect.tables._excel_parts import kind_of

URL = "https://a.example/1.jpg"
Write = Callable[[Any, int, int], Any]


class Books(Workbook):  # type: ignore[misc]  # XlsxWriter ships no types
    """A workbook whose cells are values, or functions that write one."""

    def sheet(
        self, name: str, rows: Sequence[Sequence[Any]], *, top: int = 0, left: int = 0
    ) -> Any:
        """Add a sheet, its first cell in this row and column, from 0."""
        sheet = self.add_worksheet(name)
        for row, cells in enumerate(rows, start=top):
            for column, value in enumerate(cells, start=left):
                if callable(value):
                    value(sheet, row, column)
                elif isinstance(value, str):
                    sheet.write_string(row, column, value)
                elif value is not None:
                    sheet.write(row, column, value)
        return sheet


def formula(text: str, value: Any) -> Write:
    """A cell that is computed, and its value at the last saving."""
    return lambda sheet, row, column: sheet.write_formula(row, column, text, None, value)


def link(text: str, target: str) -> Write:
    """A cell that leads somewhere."""
    return lambda sheet, row, column: sheet.write_url(row, column, target, string=text)


def book(path: Path, rows: Sequence[Sequence[Any]], **where: int) -> Path:
    """A file with one sheet."""
    with Books(path, {"strings_to_urls": False}) as made:
        made.sheet("Faces", rows, **where)
    return path


async def read(path: Path, **options: Any) -> list[Row]:
    """All rows of a file."""
    table = open_table(-1, path, **options)
    return [row async for batch in table.batches() for row in batch]


def changed(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """Change the parts of a workbook, as another program would have written them."""
    with zipfile.ZipFile(path) as parts:
        found = {name: parts.read(name) for name in parts.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, content in found.items():
            parts.writestr(name, change(name, content))
    return path


def in_sheet(old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    """Change the first sheet alone."""
    return lambda name, part: part.replace(old, new) if name.endswith("sheet1.xml") else part


VALUES = {
    "whole number": (7, 7),
    "fraction": (1.5, 1.5),
    "negative": (-3, -3),
    "identity of 16 digits": (1_000_000_000_000_001, 1_000_000_000_000_001),
    "identity of 15 digits": (999_999_999_999_999, 999_999_999_999_999),
    "beyond 64 bits": (1e300, 1e300),
    "yes": (True, True),
    "no": (False, False),
    "text": ("a", "a"),
    "number as text": ("007", "007"),
    "text that looks like a formula": ("=1+1", "=1+1"),
    "white space": ("  a ", "  a "),
    "line break": ("a\nb", "a\nb"),
    "carriage return": ("a\r\nb", "a\r\nb"),
    "control character": ("a\x01b", "a\x01b"),
    "its escape": ("_x0001_", "_x0001_"),
    "beyond 16 bits": ("\U0001f600", "\U0001f600"),
    "formula of a number": (formula("=1+1", 2), 2),
    "formula of a text": (formula('="a"&"b"', "ab"), "ab"),
    "formula of no text": (formula('=""', ""), None),
    "formula of yes": (formula("=1=1", True), True),  # noqa: FBT003  # a cell's value
    "error of a formula": (formula("=NA()", "#N/A"), "#N/A"),
    "another error": (formula("=1/0", "#DIV/0!"), "#DIV/0!"),
    "nothing": (None, None),
}


@pytest.mark.parametrize("name", VALUES)
async def test_a_cell_is_its_value(tmp_path: Path, name: str) -> None:
    """Whole numbers without `.0`, formulas as what they come to, errors as their text."""
    written, value = VALUES[name]
    [row] = await read(book(tmp_path / "in.xlsx", [["url", "x"], [URL, written]]))
    assert row == Row(2, URL, "", {"url": URL, "x": value})
    assert row.columns is not None
    assert type(row.columns["x"]) is type(value)


@pytest.mark.parametrize(
    ("value", "shown_as", "text"),
    [
        (date(2026, 1, 2), "yyyy-mm-dd", "2026-01-02"),
        (date(2026, 1, 2), "dd/mm/yy", "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5), "yyyy-mm-dd hh:mm:ss", "2026-01-02T03:04:05"),  # noqa: DTZ001  # Excel has no zones
        (time(3, 4), "hh:mm", "03:04:00"),
        (timedelta(hours=30, seconds=5), "[h]:mm:ss", "30:00:05"),
        (0.25, "0%", 0.25),
        (1234.5, "#,##0.00", 1234.5),
        (5, "0000", 5),
    ],
)
async def test_a_time_is_iso_text_however_it_is_shown(
    tmp_path: Path, value: Any, shown_as: str, text: Any
) -> None:
    """A number with another format is that number."""
    with Books(tmp_path / "in.xlsx") as made:
        format_ = made.add_format({"num_format": shown_as})
        made.sheet("a", [["url", "x"], [URL]]).write(1, 1, value, format_)
    [row] = await read(tmp_path / "in.xlsx")
    assert row.columns == {"url": URL, "x": text}


@pytest.mark.parametrize(
    ("cell", "image"),
    [
        (link("photo", URL), URL),
        (link("photo", f"{URL}#face"), f"{URL}#face"),
        (link("photo", "oss://bucket/1.jpg"), "oss://bucket/1.jpg"),
        (link(URL, "https://old.example/"), URL),  # who mends a text leaves the old link behind
        (link(f" {URL}", "https://old.example/"), URL),
        (link("photo", "internal:Other!A1"), "photo"),
        (link("photo", "mailto:a@a.example"), "photo"),
        (link("1.jpg", "external:folder/1.jpg"), "1.jpg"),
        (formula(f'=HYPERLINK("{URL}","photo")', "photo"), URL),
        (formula(f'=hyperlink( "{URL}" )', URL), URL),
        (formula(f'=HYPERLINK("{URL}?a=""b""","photo")', "photo"), f'{URL}?a="b"'),
        (formula('=HYPERLINK("#Other!A1","photo")', "photo"), "photo"),
        (formula('=HYPERLINK(B2,"photo")', "photo"), "photo"),
        ("photo", "photo"),
    ],
)
async def test_a_name_s_link_is_its_image(tmp_path: Path, cell: Any, image: str) -> None:
    """Out of the workbook, and where the text is no address. The cell itself passes as it is."""
    path = tmp_path / "in.xlsx"
    with Books(path) as made:
        made.sheet("a", [["n", "url", "m"], [1, cell, 2], [3, "plain", 4]], top=3, left=1)
        made.sheet("Other", [])
    row, plain = await read(path)
    assert (row.number, row.image, row.fault, plain.image) == (5, image, "", "plain")
    assert row.columns is not None
    assert row.columns["url"] in ("photo", "1.jpg", URL, f" {URL}")


async def test_one_link_over_several_cells_is_the_image_of_each(tmp_path: Path) -> None:
    """A link over a whole column is a slip, and no list of images."""
    path = book(tmp_path / "in.xlsx", [["url"], [link("a", URL)], ["b"], ["c"]])
    changed(path, in_sheet(b'ref="A2"', b'ref="A2:A3"'))
    assert [row.image for row in await read(path)] == [URL, URL, "c"]
    changed(path, in_sheet(b'ref="A2:A3"', b'ref="A2:A1048576"'))
    assert [row.image for row in await read(path)] == ["a", "b", "c"]


async def test_a_table_may_begin_anywhere(tmp_path: Path) -> None:
    """Empty rows are passed over, and counted; empty columns at its sides are none."""
    rows: list[list[Any]] = [["url", "n"], [URL, 1], [], [None] * 3, ["x", None], [None, 2], []]
    path = tmp_path / "in.xlsx"
    book(path, rows, top=4, left=3)
    table = open_table(-1, path)
    found = [row async for batch in table.batches() for row in batch]
    assert [(row.number, row.image) for row in found] == [(6, URL), (9, "x"), (10, "")]
    assert found[2].fault == "the address is empty"
    assert (table.columns, table.total) == (("url", "n"), 3)


@pytest.mark.parametrize(
    ("head", "columns"),
    [
        (["url", "a", "a"], ("url", "a", "a_3")),
        (["url", None, "b"], ("url", "column_2", "b")),
        (["url", "a", None], ("url", "a")),
        (["url", 2026, True], ("url", "2026", "True")),
        (["url", " a ", "a_4"], ("url", "a", "a_4")),
    ],
)
async def test_every_column_has_a_name_of_its_own(
    tmp_path: Path, head: list[Any], columns: tuple[str, ...]
) -> None:
    """No cell is lost, one beyond the header neither."""
    path = book(tmp_path / "in.xlsx", [head, [URL, "x", "y"]])
    table = open_table(-1, path)
    [row] = [row async for batch in table.batches() for row in batch]
    assert table.columns == columns
    assert list((row.columns or {}).values()) == [URL, "x", "y"]


@pytest.mark.parametrize("cells", [[URL], [1, URL], [URL, "x", None]])
async def test_a_sheet_without_a_header_loses_no_row(tmp_path: Path, cells: list[Any]) -> None:
    """A header cell that is an image's address is no name."""
    found = await read(book(tmp_path / "in.xlsx", [cells, cells]))
    assert [(row.number, row.image) for row in found] == [(1, URL), (2, URL)]


async def test_a_sheet_without_a_header_and_with_two_addresses_is_asked_about(
    tmp_path: Path,
) -> None:
    """Which is the image can't be told."""
    path = book(tmp_path / "in.xlsx", [[URL, URL]])
    with pytest.raises(InputError, match="no header"):
        await read(path)
    assert [row.image for row in await read(path, column="column_2")] == [URL]


@pytest.mark.parametrize(
    ("wanted", "image"),
    [(None, "shown"), ("Shown", "shown"), ("1", "shown"), ("2", "named 3"), ("Hidden", "hidden"),
     ("3", "named 3"), ("人", "last")],
)  # fmt: skip
async def test_the_sheet_is_the_first_that_is_shown_or_the_one_asked_for(
    tmp_path: Path, wanted: str | None, image: str
) -> None:
    """By its name, or else by its number among the tabs that a person sees."""
    with Books(tmp_path / "in.xlsx") as made:
        chart = made.add_chart({"type": "line"})
        chart.add_series({"values": "=Shown!$A$1:$A$2"})
        made.add_chartsheet("Chart").set_chart(chart)
        hidden = made.sheet("Hidden", [["url"], ["hidden"]])
        made.sheet("Shown", [["url"], ["shown"]]).activate()
        made.sheet("3", [["url"], ["named 3"]])
        made.sheet("人", [["url"], ["last"]])
        hidden.hide()
    assert [row.image for row in await read(tmp_path / "in.xlsx", sheet=wanted)] == [image]


@pytest.mark.parametrize("wanted", ["Nope", "0", "4", "-1", "", "²", "9" * 30])
async def test_a_sheet_that_is_not_there_is_an_error_that_lists_them(
    tmp_path: Path, wanted: str
) -> None:
    """With a word for those that are hidden."""
    with Books(tmp_path / "in.xlsx") as made:
        made.sheet("Faces", [["url"]])
        made.sheet("Old", [["url"]]).hide()
    with pytest.raises(InputError, match=r"Its sheets are Faces, Old \(hidden\)\."):
        await read(tmp_path / "in.xlsx", sheet=wanted)


async def test_only_excel_has_sheets(tmp_path: Path) -> None:
    """The option is not accepted and ignored."""
    (tmp_path / "in.csv").write_text("url\nx\n")
    with pytest.raises(InputError, match="Leave --sheet out"):
        open_table(-1, tmp_path / "in.csv", sheet="1")


async def test_a_formula_without_a_saved_value_is_told_of(tmp_path: Path) -> None:
    """As openpyxl writes one. Elsewhere than in the image's cell the formula stands for itself."""
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    for cells in (["url", "n"], [URL, "=1+1"], ['="a"&"b"', 1], [f'=HYPERLINK("{URL}")', 2]):
        sheet.append(cells)
    made.save(tmp_path / "in.xlsx")
    first, second, third = await read(tmp_path / "in.xlsx")
    assert first == Row(2, URL, "", {"url": URL, "n": "=1+1"})
    assert "value is not saved" in second.fault
    assert second.columns == {"url": '="a"&"b"', "n": 1}
    assert (third.image, third.fault) == (URL, "")


async def test_merged_cells_have_their_value_in_the_first(tmp_path: Path) -> None:
    """As Excel keeps them: the other rows say that there is none."""
    with Books(tmp_path / "in.xlsx") as made:
        sheet = made.sheet("a", [["url", "n"], [None, 1], [None, 2]])
        sheet.merge_range(1, 0, 2, 0, URL)
    first, second = await read(tmp_path / "in.xlsx")
    assert (first.image, first.fault) == (URL, "")
    assert second.fault == "the address is empty"


async def test_rows_and_cells_need_no_reference(tmp_path: Path) -> None:
    """Some programs leave the places out, and give their elements a prefix."""
    path = book(tmp_path / "in.xlsx", [["url", "n"], [URL, 1]])
    rows = (
        b"<row><c t='inlineStr'><is><t>url</t></is></c></row><row><c t='inlineStr'><is><t>"
        + URL.encode()
        + b"</t></is></c><c t='e'><v>#REF!</v></c></row>"
    )

    def bare(name: str, part: bytes) -> bytes:
        head, _, rest = part.partition(b"<sheetData>")
        tail = rest.partition(b"</sheetData>")[2]
        return head + b"<sheetData>" + rows + b"</sheetData>" + tail if "sheet1" in name else part

    assert await read(changed(path, bare)) == [Row(2, URL, "", {"url": URL, "column_2": "#REF!"})]


@pytest.mark.parametrize("ending", [".xlsx", ".xlsm", ".XLSX", ".csv"])
async def test_an_excel_file_is_known_by_its_ending_or_its_format(
    tmp_path: Path, ending: str
) -> None:
    """A workbook with macros too; whoever finds one under another name can ask."""
    path = book(tmp_path / "in.xlsx", [["url"], [URL]]).rename(tmp_path / f"in{ending}")
    with path.open("rb") as file:
        assert kind_of(file) == "xlsx"
    format_ = "xlsx" if ending == ".csv" else None
    assert [row.image for row in await read(path, format=format_)] == [URL]


def zipped(**parts: bytes) -> bytes:
    """A zip with these parts."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as made:
            for name, content in parts.items():
                made.writestr(name, content)
        return file.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no Excel file"),
        (b"url\nhttps://a.example/1.jpg\n", "no Excel file"),
        (b"PK\x03\x04", "no Excel file"),
        (b"PAR1", "no Excel file"),
        (zipped(a=b"x"), "no Excel file"),
        (zipped(**{"_rels/.rels": b"<a"}), "no Excel file"),
        (zipped(**{"_rels/.rels": b"<a/>"}), "no Excel file"),
        (zipped(**{"xl/workbook.bin": b"x"}), r"\.xlsb.*Save it as \.xlsx"),
        (zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), r"\.ods.*Save it"),
        (OLE, r"\.xls\).*Save it as \.xlsx"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "password"),
    ],
)
async def test_what_is_no_excel_file_says_what_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """And what to do."""
    path = tmp_path / "in.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        await read(path)


def stray(reference: bytes) -> Callable[[str, bytes], bytes]:
    """Add a cell."""
    cell = b'<row r="7"><c r="' + reference + b'"><v>1</v></c></row></sheetData>'
    return in_sheet(b"</sheetData>", cell)


def texts_said(name: str, part: bytes) -> bytes:
    """Say that there are far more texts than there are."""
    return part.replace(b'uniqueCount="', b'uniqueCount="99999999') if "Strings" in name else part


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (stray(b"XFD1048576"), "row 1,048,576 and column 16,384"),
        (stray(b"XFE1"), "damaged"),
        (stray(b"A1048577"), "damaged"),
        (stray(b"ZZZZZZZZ99999999999"), "damaged"),
        (stray(b"A0"), "damaged"),
        (stray(b"1A"), "damaged"),
        (texts_said, "damaged"),
        (in_sheet(b"?>", b'?><!DOCTYPE a [<!ENTITY x "y">]>'), "damaged"),
        (in_sheet(b"</sheetData>", b" " * (1 << 25) + b"</sheetData>"), "unpacks to"),
        (in_sheet(b"</sheetData>", b""), "damaged"),
        (lambda name, part: b"" if name.endswith("sheet1.xml") else part, "damaged"),
        (lambda name, part: b"<a/>" if name.endswith("workbook.xml") else part, "no sheet"),
    ],
)
async def test_what_no_memory_holds_is_refused(
    tmp_path: Path, change: Callable[[str, bytes], bytes], message: str
) -> None:
    """The reader would end the whole process: it reserves a rectangle, or what it is told."""
    path = changed(book(tmp_path / "in.xlsx", [["url"], [URL]]), change)
    with pytest.raises(InputError, match=message):
        await read(path)


async def test_a_far_cell_without_a_value_is_no_cell(tmp_path: Path) -> None:
    """A style that reaches to the last row is common, and harmless."""
    path = book(tmp_path / "in.xlsx", [["url"], [URL]])
    cell = b'<row r="1048576"><c r="XFD1048576" s="0"/></row></sheetData>'
    assert len(await read(changed(path, in_sheet(b"</sheetData>", cell)))) == 1


async def test_a_flipped_bit_is_rows_or_an_input_error(tmp_path: Path) -> None:
    """Within the zip, and within its parts."""
    path = book(tmp_path / "in.xlsx", [["url", "n"], [link("a", URL), formula("=1", 1)]])
    whole, chance, refused = path.read_bytes(), random.Random(7), 0
    for number in range(300):
        if number % 2:
            at = chance.randrange(len(whole))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << number % 8]) + whole[at + 1 :])
        else:
            path.write_bytes(whole)
            changed(path, flipped(chance))
        try:
            await read(path)
        except InputError:
            refused += 1
    assert refused > 50


def flipped(chance: random.Random) -> Callable[[str, bytes], bytes]:
    """Change one character of one part in three."""

    def change(_: str, part: bytes) -> bytes:
        at = chance.randrange(len(part))
        return part if chance.random() < 0.7 else part[:at] + b"\x7f" + part[at + 1 :]

    return change


CELL = st.none() | st.integers(-9, 9) | st.text("ab :/\n", min_size=1, max_size=3) | st.just(URL)


@settings(max_examples=50)  # a file each
@given(st.lists(st.lists(CELL, min_size=1, max_size=3), max_size=6), st.integers(0, 2))
async def test_rows_in_are_rows_out(
    tmp_path_factory: pytest.TempPathFactory, cells: list[list[Any]], top: int
) -> None:
    """Each row with anything in it is one row, with the number that Excel shows."""
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    book(path, [["url", "n"], *cells], top=top)
    found = await read(path)
    wanted = {
        number: [cell for cell in row if cell is not None]
        for number, row in enumerate(cells, start=top + 2)
        if any(cell is not None for cell in row)
    }
    assert {
        row.number: [cell for cell in (row.columns or {}).values() if cell is not None]
        for row in found
    } == wanted
    assert len(found) == len(wanted)


@pytest.mark.parametrize(
    "number",
    [123456789012345678, 110101199003074512, -1234567890123456789, 9007199254740993, 10**19 + 1,
     1234567890123456, 123456789012345],
)  # fmt: skip
@pytest.mark.parametrize("is_computed", [False, True])
async def test_a_long_number_keeps_all_its_digits(
    tmp_path: Path, number: int, *, is_computed: bool
) -> None:
    """As the file has them: a reader of values keeps some 16, and an identity has 18."""
    value: Any = formula("=A1", 7) if is_computed else 7
    path = book(tmp_path / "in.xlsx", [["url", "id", "n"], [URL, value, 1.5], [URL, 3, 2]])
    changed(path, in_sheet(b"<v>7</v>", b"<v>%d</v>" % number))
    first, second = await read(path)
    assert first.columns == {"url": URL, "id": number, "n": 1.5}
    assert second.columns == {"url": URL, "id": 3, "n": 2}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"123456789012345678.0", 123456789012345678),
        (b"1.23456789012345678E+17", 123456789012345678),
        (b"1.23456789012345678E17", 123456789012345678),
        (b"1.23456789012345678E+15", 1234567890123456.78),
        (b"3.1010119900101E+17", 310101199001010000),
        (b"3.1010119900100998e+17", 310101199001009980),
        (b"-1.1E18", -1_100_000_000_000_000_000),
        (b"1E+17", 10**17),
        (b"310101199001010003", 310101199001010003),
        (b"310101199001009984", 310101199001009984),
        (b"1.5E+300", 1.5e300),
        (b"0.30000000000000004", 0.30000000000000004),
    ],
)
async def test_a_number_may_be_written_with_a_point_or_an_exponent(
    tmp_path: Path, written: bytes, value: Any
) -> None:
    """And nothing need stand behind the last cell."""
    path = book(tmp_path / "in.xlsx", [["url", "id"], [URL, 7]])
    changed(path, in_sheet(b"<v>7</v>", b"<v>%s</v>" % written))

    def bare(name: str, part: bytes) -> bytes:
        before, end, _ = part.partition(b"</sheetData>")
        return before + end + b"</worksheet>" if name.endswith("sheet1.xml") else part

    [row] = await read(changed(path, bare))
    assert row.columns == {"url": URL, "id": value}
    assert type((row.columns or {})["id"]) is type(value)
