"""An Excel file holds whatever a run wrote, for a person and for us."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s2v_detect._columns import LEDGER_COLUMNS
from s2v_detect.bulk import open_output, write_table
from s2v_detect.tables import (
    MORE,
    OUTCOME_KEYS,
    OutputError,
    Record,
    is_output,
    open_table,
    read_records,
    rows_in,
)
from s2v_detect.tables._excel_writing import ExcelRecords


def record(index: int = 0, **fields: Any) -> Record:
    """A row as a run writes it, behind the columns of its input."""
    ours = dict.fromkeys(OUTCOME_KEYS)
    told = {"line": index + 2, "index": index, "kind": "checked", "check_pass": True, "cost": 0.004}
    at = {"image": f"https://a.example/{index}.jpg", "at": "2026-11-25T00:00:00.000+00:00"}
    return {**fields, **ours, **told, **at}


async def written(path: Path, records: Sequence[Record]) -> None:
    """A whole pass."""
    output = open_output(path, columns=list)
    await output.write(records)
    assert await output.finish(is_complete=True)
    output.close()
    assert not list(path.parent.glob(f".{path.name}.*"))


def cells_of(path: Path) -> list[tuple[Any, ...]]:
    """The cells of a file, as another program reads them."""
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    return list(sheet.iter_rows(values_only=True))


VALUES: dict[str, tuple[Any, Any, Any]] = {  # what is written, the cell, and what is read back
    "text": ("a", "a", "a"),
    "number as text": ("007", "007", "007"),
    "number with an exponent as text": ("1e5", "1e5", "1e5"),
    "formula": ("=1+1", "=1+1", "=1+1"),
    "array formula": ("{=1}", "{=1}", "{=1}"),
    "address": ("https://a.example/1.jpg", "https://a.example/1.jpg", "https://a.example/1.jpg"),
    "long address": ("https://a.example/" + "x" * 3000,) * 3,
    "apostrophe": ("'x", "'x", "'x"),
    "white space": ("  a ", "  a ", "  a "),
    "line break": ("a\nb", "a\nb", "a\nb"),
    "XML": ("<a>&amp;]]>", "<a>&amp;]]>", "<a>&amp;]]>"),
    "whole number": (7, 7, 7),
    "fraction": (0.25, 0.25, 0.25),
    "largest number": (10**15 - 1, 10**15 - 1, 10**15 - 1),
    "identity of 16 digits": (10**15, "1000000000000000", "1000000000000000"),
    "negative identity": (-(10**20), "-100000000000000000000", "-100000000000000000000"),
    "no number": (math.nan, "nan", "nan"),
    "infinity": (math.inf, "inf", "inf"),
    "yes": (True, True, True),
    "no": (False, False, False),
    "nothing": (None, None, ""),
    "object": ({"a": [1, None]}, '{"a": [1, null]}', '{"a": [1, null]}'),
    "empty object": ({}, "{}", "{}"),
    "list": ([1, "\ud83d"], '[1, "\\ud83d"]', '[1, "\\ud83d"]'),
    "bytes": (b"a\xff", "a\\xff", "a\\xff"),
    "half a character": ("a\ud83d", "a\\ud83d", "a\ud83d"),
    "no character": ("a\ufffe", "a\\ufffe", "a\ufffe"),
    "longest": ("x" * 32_767, "x" * 32_767, "x" * 32_767),
    "too long": ("x" * 32_768, "x" * 32_766 + "…", "x" * 32_768),
    "far too long": ("=" * 200_000, "=" * 32_766 + "…", "=" * 200_000),
    "too long in UTF-16": ("人" * 16_000 + "\U0001f600" * 9000, None, None),
}


async def test_every_value_is_kept(tmp_path: Path) -> None:
    """With its type, as it stands; what a cell can't hold whole, its record has from `input_more`.

    A number of more than 15 digits is a text: Excel would make zeros of the last ones.
    """
    path = tmp_path / "out.xlsx"
    await written(path, [record(n, x=value) for n, (value, _, _) in enumerate(VALUES.values())])
    found, cells = list(read_records(path)), cells_of(path)
    assert len(found) == len(VALUES)
    for (name, (value, cell, back)), row, each in zip(
        VALUES.items(), found, cells[1:], strict=True
    ):
        assert row["x"] == (value if name == "too long in UTF-16" else back), name
        assert type(row["x"]) is type(value if name == "too long in UTF-16" else back), name
        if name != "too long in UTF-16":
            assert each[0] == cell, name
    assert [row["index"] for row in found] == list(range(len(VALUES)))


ODD = st.text(st.characters() | st.sampled_from("=+-@'\t\r\n_x0123\ufffe\x01"), max_size=9)


@settings(max_examples=50)  # a file each
@given(st.lists(st.tuples(ODD, ODD), min_size=1, max_size=5))
@example([("_x000D_", "\r\n"), ("\ud83d", "\uffff"), ("_x005F_", "\x7f\x85"), ("", "\0")])
async def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[tuple[str, str]]
) -> None:
    """As an output's record always; as an input's cell, where a cell holds the text whole."""
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    path.unlink(missing_ok=True)
    await written(path, [record(n, a=a, b=b) for n, (a, b) in enumerate(texts)])
    assert [(row["a"], row["b"]) for row in read_records(path)] == texts
    table = open_table(-1, path)
    rows = [row.columns or {} async for batch in table.batches() for row in batch]
    assert len(rows) == len(texts)
    for row, given_texts in zip(rows, texts, strict=True):
        for name, text in zip("ab", given_texts, strict=True):
            assert (row[name] or "") == text or row[MORE] is not None


async def test_a_person_finds_a_table(tmp_path: Path) -> None:
    """A header that stays, a filter, columns that can be read, no link and no formula."""
    path = tmp_path / "out.xlsx"
    await written(path, [record(n, name="Ann", note="x" * 500) for n in range(3)])
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    assert (sheet.title, sheet.freeze_panes) == ("verdicts", "A2")
    assert sheet.auto_filter.ref == sheet.dimensions.replace("S4", "T4")
    head = [cell.value for cell in sheet[1]]
    assert head == ["name", "note", *OUTCOME_KEYS, MORE]
    assert all(cell.font.bold for cell in sheet[1])
    widths = {name: column.width for name, column in sheet.column_dimensions.items()}
    assert 9 <= widths["A"] < 11
    assert 48 <= widths["B"] < 50
    assert not any(cell.hyperlink or cell.data_type == "f" for row in sheet for cell in row)


async def test_what_comes_late_stands_in_one_place(tmp_path: Path) -> None:
    """A column that the first rows had not; its name may be anything."""
    path, names = tmp_path / "out.xlsx", {"late": 1, "人": "\ud83d", "x" * 40_000: {"a": 2}, "": 3}
    output = open_output(path, columns=list)
    await output.write([record(n, a=n) for n in range(5000)])
    await output.write([record(5000, a="b", **names)])
    assert await output.finish(is_complete=True)
    output.close()
    last = list(read_records(path))[-1]
    assert {name: last[name] for name in names} == names
    assert last["a"] == "b"


async def test_more_columns_than_a_sheet_has_are_kept(tmp_path: Path) -> None:
    """Behind the last one."""
    path = tmp_path / "out.xlsx"
    wide = {f"c{n}": n for n in range(16_400)}
    await written(path, [record(0, **wide)])
    [found] = read_records(path)
    assert {name: found[name] for name in wide} == wide
    assert found["index"] == 0


def test_a_full_sheet_takes_no_more_and_keeps_what_it_has(tmp_path: Path) -> None:
    """The refused rows are not half in it."""

    class Many(list[Record]):
        """A list that says that it is long."""

        def __len__(self) -> int:
            return 1_048_575

    with (tmp_path / "out.xlsx").open("wb") as file:
        records = ExcelRecords(file, LEDGER_COLUMNS, tmp_path / "folder")
        records.add([{"image": "a"}])
        with pytest.raises(OSError, match="no more than 1,048,575 rows"):
            records.add(Many())
        records.close()
    assert [row[0] for row in cells_of(tmp_path / "out.xlsx")] == ["image", "a"]
    assert not (tmp_path / "folder").exists()


async def test_a_file_says_how_many_rows_it_has_and_whose_it_is(tmp_path: Path) -> None:
    """What is none says so too."""
    path = tmp_path / "out.xlsx"
    await written(path, [record(n) for n in range(7)])
    assert rows_in(path) == 8
    assert is_output(path)
    write_table(path, [{"image": "a"}], columns=LEDGER_COLUMNS[:1])
    assert not is_output(path)
    for content in (b"", b"PK", b"a,b\n"):
        path.write_bytes(content)
        assert rows_in(path) == 0
        assert not is_output(path)


@pytest.mark.parametrize("damage", ["kind", "number", "more"])
async def test_what_is_no_output_any_more_says_so(tmp_path: Path, damage: str) -> None:
    """A person changed a cell."""
    path = tmp_path / "out.xlsx"
    await written(path, [record(0), record(1)])
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert sheet is not None
    place = {"kind": 4, "number": 2, "more": 18}[damage]
    sheet.cell(3, place, "x")
    book.save(path)
    with pytest.raises(OutputError, match="Give"):
        list(read_records(path))


async def test_an_output_that_excel_saved_again_is_still_read(tmp_path: Path) -> None:
    """Its texts then stand in a table of their own, and its empty cells nowhere."""
    path = tmp_path / "out.xlsx"
    records = [record(n, a=f"人{n}", b=None) for n in range(3)]
    await written(path, records)
    before = list(read_records(path))
    openpyxl.load_workbook(path).save(path)
    assert list(read_records(path)) == before


@pytest.mark.parametrize("name", ["out.xlsm", "out.xls", "out.xlsb", "out.ods", "out.XLSM"])
def test_no_other_spreadsheet_is_written(tmp_path: Path, name: str) -> None:
    """Excel opens none whose ending says something else than its content; nor an export."""
    with pytest.raises(OutputError, match="Give another name"):
        open_output(tmp_path / name, columns=list)
    with pytest.raises(OutputError, match="Give another name"):
        write_table(tmp_path / name, [], columns=LEDGER_COLUMNS)
    assert list(tmp_path.iterdir()) == []
