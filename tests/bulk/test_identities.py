"""What a cell of an identity column names an image by: one image alone, or none."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from xlsxwriter import Workbook

from s2v_detect.bulk import Input
from s2v_detect.tables import Row

DIGITS = ": give all of its digits, as a text in the column 'id'"
SHORTENED = f"is in scientific notation, which stands for several whole numbers{DIGITS}"
ROUNDED = f"is a number of more than 15 digits, which Excel does not keep{DIGITS}"
LARGE = "is a float of 2**53 or more, which stands for several whole numbers"
NOTHING = "which stands for no value"
ERROR = "the error of a formula"


def address(number: int) -> str:
    """Another one for each row."""
    return f"https://a.example/{number}.jpg"


async def named(path: Path) -> list[str]:
    """What each row of a list has for its identity, or why it has none."""
    source = Input.open(path, identity_column="id")
    try:
        rows: list[Row] = [row async for batch in source.batches() for row in batch]
    finally:
        source.close()
    assert all((row.identity is None) == bool(row.fault) for row in rows)
    return [row.identity or row.fault for row in rows]


async def named_in_sheet(path: Path, cells: list[bytes]) -> list[str]:
    """The same of a sheet whose cells are these elements of XML."""
    with Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["url", "id"])
        for number, _ in enumerate(cells, start=1):
            sheet.write_row(number, 0, [address(number), 100 + number])
    with zipfile.ZipFile(path) as parts:
        found = {name: parts.read(name) for name in parts.namelist()}
    part = found["xl/worksheets/sheet1.xml"]
    for number, cell in enumerate(cells, start=1):
        place = b'"B%d"' % (number + 1)
        old = b"<c r=%s><v>%d</v></c>" % (place, 100 + number)
        assert old in part
        part = part.replace(old, cell.replace(b"<c", b"<c r=" + place, 1))
    found["xl/worksheets/sheet1.xml"] = part
    with zipfile.ZipFile(path, "w") as parts:
        for name, content in found.items():
            parts.writestr(name, content)
    return await named(path)


def fits(found: str, expected: str) -> bool:
    """Whether a row has that identity, or a fault that says so."""
    return found == expected or (found.startswith("its identity ") and expected in found)


CELLS_OF_TEXT = {
    "7": "7",
    "7.0": "7",
    "7.00": "7",
    " 7.0 ": "7",
    "-7.0": "-7",
    "-0.0": "0",
    "-7": "-7",
    "100000000000000.0": "100000000000000",
    "9007199254740991.0": "9007199254740991",
    "9007199254740992.0": LARGE,
    "310101199001010000.0": LARGE,
    "9" * 400 + ".0": LARGE,
    "310101199001010003": "310101199001010003",
    "11010119900307451X": "11010119900307451X",
    "007": "007",
    "007.0": "007.0",
    "+7.0": "+7.0",
    "7.": "7.",
    ".0": ".0",
    "7.5": "7.5",
    "7.0.0": "7.0.0",
    "1,000": "1,000",
    "\uff11\uff12\uff13": "\uff11\uff12\uff13",
    "\uff17.0": "\uff17.0",
    "1 000": "1 000",
    "1e3": "1e3",
    "12E45678": "12E45678",
    "0x1F": "0x1F",
    "2026-01-02": "2026-01-02",
    "True": "True",
    "50%": "50%",
    "9" * 101: "9" * 101,
    "#7": "#7",
    "#ACME": "#ACME",
    "Null": "Null",
    "": "is empty",
    "3.10101E+17": SHORTENED,
    "3.1010119900101e+17": SHORTENED,
    "3,10101E+17": SHORTENED,
    "1.23457E+11": SHORTENED,
    "1E+17": SHORTENED,
    "nan": NOTHING,
    "NaN": NOTHING,
    "<NA>": NOTHING,
    "None": NOTHING,
    "NULL": NOTHING,
    r"\N": NOTHING,
    "#N/A": ERROR,
    "#REF!": ERROR,
    "#NAME?": ERROR,
    "#DIV/0!": ERROR,
    "########": ERROR,
    "Err:502": ERROR,
}


@pytest.mark.parametrize(("ending", "delimiter"), [("csv", ","), ("csv", ";"), ("tsv", "\t")])
async def test_a_cell_of_csv_names_one_image_or_none(
    tmp_path: Path, ending: str, delimiter: str
) -> None:
    """A cell has no type there: a whole number is one however its program wrote it."""
    path = tmp_path / f"list.{ending}"
    lines = [
        f'"{cell}"{delimiter}{address(number)}' for number, cell in enumerate(CELLS_OF_TEXT, 1)
    ]
    path.write_text("\n".join([f"id{delimiter}url", *lines]), "utf-8")
    found = dict(zip(CELLS_OF_TEXT, await named(path), strict=True))
    assert [
        cell for cell, expected in CELLS_OF_TEXT.items() if not fits(found[cell], expected)
    ] == []


CELLS_WITH_TYPE: list[tuple[Any, str]] = [
    (310101199001010003, "310101199001010003"),
    (2**63 - 1, str(2**63 - 1)),
    (-7, "-7"),
    (None, "is nothing (None)"),
]
FLOATS: list[tuple[Any, str]] = [
    (7.0, "7"),
    (310101199001010003.0, LARGE),
    (2.0**53, LARGE),
    (float("nan"), "is nothing (nan"),
    (7.5, "no whole number"),
]
TEXTS: list[tuple[Any, str]] = [
    ("7.0", "7.0"),
    ("007", "007"),
    ("3.1010119900101e+17", SHORTENED),
    ("nan", NOTHING),
    ("None", NOTHING),
    ("#N/A", ERROR),
    ("=A1", "=A1"),
]


@pytest.mark.parametrize("cells", [CELLS_WITH_TYPE, FLOATS, TEXTS])
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
async def test_a_value_with_a_type_names_one_image_or_none(
    tmp_path: Path, ending: str, cells: list[tuple[Any, str]]
) -> None:
    """A whole number is exact there, whatever its length; a text is what it is."""
    path = tmp_path / f"list.{ending}"
    rows = [{"id": cell, "url": address(number)} for number, (cell, _) in enumerate(cells)]
    if ending == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    found = await named(path)
    for each, (cell, expected) in zip(found, cells, strict=True):
        assert fits(each, expected), cell


def text(value: str) -> bytes:
    """A cell of text."""
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'.encode()


CELLS_OF_SHEET = [
    (b"<c><v>7</v></c>", "7"),
    (b"<c><v>7.0</v></c>", "7"),
    (b"<c><v>-7</v></c>", "-7"),
    (b"<c><v>999999999999999</v></c>", "999999999999999"),
    (b"<c><v>1000000000000000</v></c>", ROUNDED),
    (b"<c><v>-1000000000000000</v></c>", ROUNDED),
    (b"<c><v>1E+15</v></c>", ROUNDED),
    (b"<c><v>3.1010119900101E+17</v></c>", ROUNDED),
    (b"<c><v>310101199001009984</v></c>", ROUNDED),
    (b"<c><v>310101199001010003</v></c>", ROUNDED),
    (b"<c><v>1E+22</v></c>", ROUNDED),
    (b"<c><f>A1</f><v>310101199001010000</v></c>", ROUNDED),
    (b"<c><v>7.5</v></c>", "no whole number"),
    (b'<c t="b"><v>1</v></c>', "type bool"),
    (b'<c t="e"><v>#N/A</v></c>', ERROR),
    (b"<c><f>VLOOKUP(A1,B:C,2)</f></c>", "is a formula whose value Excel has not saved"),
    (b'<c><f t="shared" si="0"/></c>', "is a formula whose value Excel has not saved"),
    (text("310101199001010003"), "310101199001010003"),
    (text("007"), "007"),
    (text("7.0"), "7.0"),
    (text("3.10101E+17"), SHORTENED),
    (b"<c/>", "is nothing (None)"),
]


async def test_a_cell_of_a_sheet_names_one_image_or_none(tmp_path: Path) -> None:
    """Excel has rounded a long number by then, and several people's have become one."""
    cells = [cell for cell, _ in CELLS_OF_SHEET]
    found = await named_in_sheet(tmp_path / "list.xlsx", cells)
    for each, (cell, expected) in zip(found, CELLS_OF_SHEET, strict=True):
        assert fits(each, expected), cell
