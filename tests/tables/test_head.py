"""The header of a table is found below a title, and the images' column by its addresses."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.bulk.test_lists import every, read, told
from tests.tables.test_excel_in import Books, book, link

from s2v_detect.bulk import Input
from s2v_detect.tables import InputError

A, B = (f"https://a.example/{n}.jpg" for n in (1, 2))
Cells = list[list[Any]]

HEADS: dict[str, tuple[Cells, int, str]] = {
    "a title": ([["2026年人像清单"], ["姓名", "人像"], ["王", A]], 2, "人像"),
    "a title and a blank row": ([["清单"], [], ["姓名", "人像"], ["王", A]], 3, "人像"),
    "a title of two rows": ([["清单"], ["制表人 张三"], ["姓名", "url"], ["王", A]], 3, "url"),
    "a title of two cells": ([["清单", "2026"], ["n", "姓名", "url"], [1, "王", A]], 2, "url"),
    "a head over groups": ([["", "人", ""], ["n", "姓名", "图片"], [1, "王", A]], 2, "图片"),
    "a title of one letter": ([["x", ""], ["n", "photo"], [1, A]], 2, "photo"),
    "a title, and no usual name": ([["清单"], ["姓名", "正面"], ["王", A]], 2, "正面"),
    "that, and no first image": ([["x"], ["n", "正面"], ["王", "-"], ["李", A]], 2, "正面"),
    "a title over one usual name": ([["x 2026"], ["名", "照片"], ["王", A]], 2, "照片"),
    "a title, and labels": (
        [["清单"], ["部门：", "x", "日期：", "2026"], ["名", "电", "照片地址", "注"], ["王", 1, A]],
        3, "照片地址",
    ),
    "labels, and a name with a remark": (
        [["部门：", "市场部"], ["姓名", "证件照（必填）"], ["王", A]], 2, "证件照（必填）",
    ),
    "labels, and no usual name": ([["部门:", "市场部"], ["姓名", "正面"], ["王", A]], 2, "正面"),
    "more labels than columns": ([["a:", 1, "b:", 2], ["名", "照片"], ["王", A]], 2, "照片"),
    "a title, and pairs without a colon": (
        [["清单"], ["部门", "市场部"], ["姓名", "照片*"], ["王", A]], 3, "照片*",
    ),
    "names that all end in a colon": ([["姓名：", "照片："], ["王", A]], 1, "照片："),
    "such names, and no usual one": ([["姓名：", "正面："], ["王", A]], 1, "正面："),
    "a first one that is missing": ([["x"], ["名", "正面"], ["王", "无"], ["李", A]], 2, "正面"),
    "no title": ([["n", "url"], ["x", A]], 1, "url"),
    "no title, no usual name": ([["n", "face"], ["x", A]], 1, "face"),
    "a row with a usual name": ([["n", "k", "f"], [1, "photo", "-"], [2, "k", A]], 1, "f"),
    "no title, an unnamed column": ([["", "n", "face"], [1, 2, "-"], [2, 3, A]], 1, "face"),
    "no title, many rows without": ([["n", "f"], *[[n, "-"] for n in range(30)], [9, A]], 1, "f"),
}  # fmt: skip


def as_csv(rows: Cells, width: int, delimiter: str = ",") -> str:
    """As Excel writes a sheet: each line as wide as the table."""
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    return "".join(delimiter.join(map(str, row)) + "\n" for row in padded)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("is_padded", [True, False])
async def test_the_header_of_csv_is_found(
    tmp_path: Path, name: str, delimiter: str, *, is_padded: bool
) -> None:
    """Below a title; the rows above are in no row, and those below all are."""
    rows, header, column = HEADS[name]
    width = max(map(len, rows)) if is_padded else 0
    path = tmp_path / "list.csv"
    path.write_text(as_csv(rows, width, delimiter))
    with closing(Input.open(path)) as source:
        await source.count()
        found = await every(source)
        assert source.total == len(found)
        assert (f"header in line {header}" in source.guessed) == (header > 1)
    assert [row.number for row in found] == list(range(header + 1, len(rows) + 1))
    assert [row.image for row in found if row.image.startswith("http")] == [A]
    assert all(column in (row.columns or {}) for row in found)


@pytest.mark.parametrize("name", HEADS)
async def test_the_header_of_a_sheet_is_found(tmp_path: Path, name: str) -> None:
    """The same in Excel."""
    rows, header, column = HEADS[name]
    path = book(tmp_path / "in.xlsx", [[cell or None for cell in row] for row in rows])
    with closing(Input.open(path)) as source:
        found = await every(source)
        assert source.total == len(found)
        assert (f"header in row {header}" in source.guessed) == (header > 1)
    assert [row.number for row in found] == list(range(header + 1, len(rows) + 1))
    assert [row.image for row in found if row.image.startswith("http")] == [A]
    assert all(column in (row.columns or {}) for row in found)


SHEET: Cells = [["清单"], ["注"], ["n", "a", "b"], [1, A, B], [2, B, A]]


@pytest.mark.parametrize("kind", ["list.csv", "list.tsv", "in.xlsx"])
async def test_a_header_s_row_may_be_said(tmp_path: Path, kind: str) -> None:
    """By its number in the file or the sheet; what is above it is in no row."""
    path = tmp_path / kind
    if kind == "in.xlsx":
        book(path, SHEET)
    else:
        path.write_text(as_csv(SHEET, 3, "," if kind == "list.csv" else "\t"))
    for column in ("b", "3"):
        with closing(Input.open(path, header_row=3, column=column)) as source:
            assert told(await every(source)) == [B, A]
            assert source.columns == ("n", "a", "b")
            assert source.guessed == ""
    with closing(Input.open(path, header_row=0, column="2")) as source:
        rows = await every(source)
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert [row.image for row in rows][-2:] == [A, B]
    for number, message in ((4, "is no header"), (9, "has nothing in"), (-1, "number of a row")):
        with pytest.raises(InputError, match=message):
            with closing(Input.open(path, header_row=number)) as source:
                await every(source)


TITLED: Cells = [["2026年员工头像清单"], ["姓名", "部门", "照片地址"]]
UNUSUAL: Cells = [["清单"], [], ["姓名", "部门", "正面"]]
PATHS: Cells = [[name, "市场部", f"照片/{name}.jpg"] for name in "王李张"]
ADDRESSES: Cells = [[name, "市场部", A] for name in "王李张"]
MISSED: dict[str, tuple[Cells, str, str]] = {
    "paths": ([*TITLED, *PATHS], "照片地止", "姓名, 部门, 照片地址. {}row 2; if"),
    "many paths": ([*TITLED, *PATHS * 20], "照片地止", "姓名, 部门, 照片地址. {}row 2; if"),
    "addresses": ([*TITLED, *ADDRESSES], "照片地止", "姓名, 部门, 照片地址. {}row 2; if"),
    "a wrong number": ([*TITLED, *PATHS], "4", "姓名, 部门, 照片地址. {}row 2; if"),
    "no usual name": ([*UNUSUAL, *PATHS], "正而", "姓名, 部门, 正面. {}row 3; if"),
    "no title": ([TITLED[1], *PATHS], "照片地止", "姓名, 部门, 照片地址.$"),
}


@pytest.mark.parametrize("name", MISSED)
@pytest.mark.parametrize("kind", ["list.csv", "in.xlsx"])
@pytest.mark.parametrize("takes_files", [True, False])
async def test_a_column_that_is_missed_is_answered_with_those_of_the_header(
    tmp_path: Path, name: str, kind: str, *, takes_files: bool
) -> None:
    """The header is that which is found without the name, and its row is told."""
    rows, column, told_of = MISSED[name]
    path = tmp_path / kind
    if kind == "in.xlsx":
        book(path, rows)
    else:
        path.write_text(as_csv(rows, 3))
    message = told_of.format("The header is taken to be ")
    with closing(Input.open(path, column=column, takes_files=takes_files)) as source:
        with pytest.raises(InputError, match=message):
            await every(source)


@pytest.mark.parametrize(
    ("column", "header", "images"),
    [
        ("照片", 2, ["1.jpg", "2.jpg"]),
        ("照片_3", 2, ["3.jpg", "4.jpg"]),
        ("column_2", 1, ["照片", "1.jpg", "2.jpg"]),
    ],
)
async def test_a_name_that_we_give_is_found_below_a_title(
    tmp_path: Path, column: str, header: int, images: list[str]
) -> None:
    """One that the first row would have is of that row."""
    rows = [["清单", "", ""], ["n", "照片", "照片"], ["a", "1.jpg", "3.jpg"]]
    rows.append(["b", "2.jpg", "4.jpg"])
    path = tmp_path / "list.csv"
    path.write_text(as_csv(rows, 3))
    with closing(Input.open(path, column=column, takes_files=True)) as source:
        found = await every(source)
    assert [row.number for row in found] == list(range(header + 1, 5))
    assert [row.image for row in found] == images


@pytest.mark.parametrize(
    ("content", "number", "message"),
    [
        (f"id,url\n1,{A}\n", 7, "nothing in line 7"),
        (f"\nurl\n{A}\n", 1, "no row that begins in line 1"),
        (f"t\nurl,n\n{A},1\n", 3, "is no header"),
    ],
)
async def test_a_line_that_can_be_no_header_is_told(
    tmp_path: Path, content: str, number: int, message: str
) -> None:
    """Another line never takes its place."""
    with pytest.raises(InputError, match=message):
        await read(tmp_path, "list.csv", content, header_row=number)


async def test_a_faulty_title_is_passed_by_a_number(tmp_path: Path) -> None:
    """A quote in it opens no cell, and its bytes may be of any encoding."""
    content = f'5" "x\n"2026\nn,url\n1,{A}\n'
    assert told(await read(tmp_path, "list.csv", content, header_row=3)) == [A]
    rows = await read(tmp_path, "list.csv", b"\xff\n" + content.encode(), header_row=4)
    assert told(rows) == [A]
    with pytest.raises(InputError, match="--header-row"):
        await read(tmp_path, "list.csv", content)


@pytest.mark.parametrize("name", ["list.txt", "list.jsonl", "list.parquet"])
async def test_what_has_no_header_takes_no_number(tmp_path: Path, name: str) -> None:
    """The option is not accepted and ignored."""
    if name == "list.parquet":
        parquet.write_table(pa.table({"url": [A]}), tmp_path / name)
    else:
        (tmp_path / name).write_text(json.dumps({"url": A}))
    with pytest.raises(InputError, match="--header-row is for CSV and Excel"):
        Input.open(tmp_path / name, header_row=1)


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.parquet", "in.xlsx"])
async def test_the_only_column_with_addresses_is_taken_and_said(tmp_path: Path, name: str) -> None:
    """Where no name says it; of two the user is asked, and a name given goes before."""
    path = tmp_path / name

    def write(rows: list[dict[str, str]]) -> None:
        if name == "list.csv":
            path.write_text(as_csv([list(rows[0]), *[list(row.values()) for row in rows]], 0))
        elif name == "list.jsonl":
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        elif name == "list.parquet":
            parquet.write_table(pa.Table.from_pylist(rows), path)
        else:
            book(path, [list(rows[0]), *[list(row.values()) for row in rows]])

    write([{"n": "1", "face": "-", "x": "?"}, {"n": "2", "face": A, "x": "?"}])
    with closing(Input.open(path)) as source:
        assert [row.image for row in await every(source)] == ["-", A]
        assert "with its images in the column 'face'" in source.guessed
    write([{"n": "1", "face": A, "x": "?"}, {"n": "2", "face": A, "x": B}])
    with closing(Input.open(path)) as source, pytest.raises(InputError, match="'face' or 'x'"):
        await every(source)
    with closing(Input.open(path, column="x")) as source:
        assert [row.image for row in await every(source)] == ["?", B]
        assert source.guessed == ""
    write([{"url": "x", "face": A, "n": ""}])
    with closing(Input.open(path)) as source:
        with pytest.raises(InputError, match="Give --column 'face'"):
            await every(source)


async def test_an_unnamed_column_of_a_sheet_can_be_said(tmp_path: Path) -> None:
    """By the name that a message gives it, and by its number; found by its addresses too."""
    path = book(tmp_path / "in.xlsx", [["a title"], ["x", A, 1], ["y", B, 2]])
    for column in ("column_2", "2", None):
        with closing(Input.open(path, column=column)) as source:
            assert told(await every(source)) == [A, B]
            assert source.columns == ("a title", "column_2")


@pytest.mark.parametrize(
    "content",
    [
        f"2026清单\n1,{A}\n2,{B}\n",
        f"2026清单\n{A},Ann\n{B},Bo\n",
        f"url\n{A}?x-oss-process=image/resize,w_4\n",
    ],
)
async def test_a_list_whose_every_row_is_cut_otherwise_is_refused(
    tmp_path: Path, content: str
) -> None:
    """With the reason, and the option that says where the header is."""
    with pytest.raises(InputError, match=r"(The|None of the) first.*--header-row"):
        await read(tmp_path, "list.csv", content)
    if "2026" in content:
        assert len(await read(tmp_path, "list.csv", content, header_row=0, column="1")) == 3


LIST: Cells = [["url", "n"], [A, 1]]
HELP: Cells = [["How to use this file"], ["1. Fill the next sheet"]]
SHEETS: dict[str, tuple[list[tuple[str, Cells]], str, str]] = {
    "one": ([("L", LIST)], A, ""),
    "an empty one behind": ([("L", LIST), ("Sheet2", [])], A, ""),
    "another list behind": ([("L", LIST), ("M", [["url"], [B]])], A, "'L'"),
    "notes behind": ([("L", LIST), ("N", HELP)], A, "'L'"),
    "instructions first": ([("说明", HELP), ("L", LIST)], A, "'L'"),
    "a cover, and notes behind": ([("C", [["2026"]]), ("L", LIST), ("N", HELP)], A, "'L'"),
    "an empty one first": ([("C", []), ("L", LIST)], A, "'L'"),
    "links as images": ([("C", HELP), ("L", [["n", "photo"], [1, link("a", A)]])], A, "'L'"),
    "no usual name": ([("C", HELP), ("L", [["n", "face"], [1, A]])], A, "'L'"),
    "two lists behind instructions": ([("C", HELP), ("L", LIST), ("M", LIST)], "!", "L, M"),
    "instructions with a link": ([("C", [["Help"], [B]]), ("L", LIST)], "!", "C, L"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHEETS)
async def test_the_sheet_is_the_one_with_the_list(tmp_path: Path, name: str) -> None:
    """It is said where there was a choice, and nothing is guessed between two."""
    sheets, image, told_of = SHEETS[name]
    path = tmp_path / "in.xlsx"
    with Books(path, {"strings_to_urls": False}) as made:
        for title, rows in sheets:
            made.sheet(title, rows)
    with closing(Input.open(path)) as source:
        if image == "!":
            with pytest.raises(InputError, match=f"{told_of}. Give --sheet"):
                await every(source)
            return
        assert [row.image for row in await every(source)] == [image]
        assert (told_of in source.guessed) if told_of else source.guessed == ""
    with closing(Input.open(path, sheet=sheets[0][0])) as source:
        assert "--sheet" not in source.guessed


async def test_a_hidden_sheet_is_named_where_nothing_else_is_a_list(tmp_path: Path) -> None:
    """And read only by its name."""
    path = tmp_path / "in.xlsx"
    with Books(path) as made:
        made.sheet("Cover", [["about", "this"], ["x", "y"]]).activate()
        made.sheet("List", LIST).hide()
    with closing(Input.open(path)) as source:
        with pytest.raises(InputError, match=r"a hidden sheet 'List' .* --sheet 'List'"):
            await every(source)
    with closing(Input.open(path, sheet="List")) as source:
        assert [row.image for row in await every(source)] == [A]
