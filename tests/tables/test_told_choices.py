"""Who reads a list with more than one place for images is told which place was taken."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.bulk.test_lists import every
from tests.tables.test_excel_in import Books, book

from s2v_detect.bulk import Input
from s2v_detect.tables import InputError
from s2v_detect.tables._rows import usual_column

A, B = (f"https://a.example/{n}.jpg" for n in (1, 2))

TWO_COLUMNS = [
    (["照片", "头像链接"], [A, B], "照片"),
    (["头像链接", "照片"], [A, B], "照片"),
    (["照片", "照片"], [A, B], "照片"),
    (["url", "page"], [A, B], "url"),
    (["image", "source", "n"], [A, B, "1"], "image"),
    (["n", "page", "photo"], ["1", A, B], "photo"),
]
ONE_COLUMN = [
    (["照片", "头像链接"], [A, "-"]),
    (["url", "note"], [A, "see 1.jpg"]),
    (["n", "image"], ["1", A]),
]


def lists(folder: Path, names: list[str], cells: list[str]) -> list[Path]:
    """The same table in each format; a format that has no two columns of one name is left out."""
    rows = [names, cells]
    quoted = folder / "quoted.csv"
    quoted.write_text("".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows))
    plain = folder / "plain.csv"
    plain.write_text("".join(",".join(row) + "\n" for row in rows))
    made = [quoted, plain, book(folder / "in.xlsx", rows)]
    if len(set(names)) == len(names):
        lines = folder / "list.jsonl"
        lines.write_text(json.dumps(dict(zip(names, cells, strict=True))))
        parquet.write_table(
            pa.table(dict(zip(names, [[cell] for cell in cells], strict=True))),
            folder / "list.parquet",
        )
        made += [lines, folder / "list.parquet"]
    return made


async def guessed(path: Path, **options: Any) -> str:
    """Return what a list was read as."""
    with closing(Input.open(path, **options)) as source:
        await every(source)
        return source.guessed


@pytest.mark.parametrize(("names", "cells", "taken"), TWO_COLUMNS)
async def test_the_column_is_told_where_another_has_addresses(
    tmp_path: Path, names: list[str], cells: list[str], taken: str
) -> None:
    """In every format, and not where the user said the column."""
    for path in lists(tmp_path, names, cells):
        assert f"images in the column {taken!r}" in await guessed(path), path.name
        assert "column" not in await guessed(path, column=taken), path.name


@pytest.mark.parametrize(("names", "cells"), ONE_COLUMN)
async def test_nothing_is_told_where_there_is_no_choice(
    tmp_path: Path, names: list[str], cells: list[str]
) -> None:
    """One column has addresses, and a usual name."""
    for path in lists(tmp_path, names, cells):
        assert await guessed(path) == "", path.name


LIST = [["姓名", "照片"], ["王", A]]
OTHERS: list[tuple[dict[str, list[list[Any]]], str]] = [
    (
        {"一班": LIST, "二班": LIST},
        "the sheet '一班' with its images in the column '照片'; '二班' has",
    ),
    ({"一班": LIST, "二班": LIST, "三班": LIST}, "; '二班', '三班' have images too"),
    ({"一班": LIST, "二班": [["a", "b"], ["x", A]]}, "; '二班' has images too"),
    ({"一班": LIST, "二班": [[B]]}, "; '二班' has images too"),
    ({"一班": LIST, "注": [["a"], ["b"]], "二班": LIST}, "; '二班' has images too"),
]


@pytest.mark.parametrize(("sheets", "told"), OTHERS)
async def test_another_sheet_with_images_is_told(
    tmp_path: Path, sheets: dict[str, list[list[Any]]], told: str
) -> None:
    """With the name of the one that was read."""
    path = tmp_path / "in.xlsx"
    with Books(path, {"strings_to_urls": False}) as made:
        for name, rows in sheets.items():
            made.sheet(name, rows)
    assert told in await guessed(path)
    assert await guessed(path, sheet="一班") == ""


async def test_a_sheet_without_images_is_not_told(tmp_path: Path) -> None:
    """A page of notes is no choice; the sheet is named in whatever is told."""
    path = tmp_path / "in.xlsx"
    with Books(path, {"strings_to_urls": False}) as made:
        made.sheet("一班", [["t"], ["姓名", "正面"], ["王", A]])
        made.sheet("注", [["a"], ["b"]])
    assert "images too" not in await guessed(path)
    assert (await guessed(path, sheet="一班")).startswith("the sheet '一班' with its images")


@pytest.mark.parametrize("top", [["姓名", "材料", ""], ["序号", "材料", ""], ["n", "docs", ""]])
@pytest.mark.parametrize("kind", ["in.csv", "in.xlsx"])
async def test_a_header_of_two_rows_is_advised_on(
    tmp_path: Path, kind: str, top: list[str]
) -> None:
    """The names are in the second row."""
    rows = [top, ["", "照片", "简历"], ["王", A, B]]
    path = tmp_path / kind
    if kind == "in.csv":
        path.write_text("".join(",".join(row) + "\n" for row in rows))
    else:
        book(path, [[cell or None for cell in row] for row in rows])
    with pytest.raises(InputError, match="give --header-row 2"):
        with closing(Input.open(path)) as source:
            await every(source)
    assert "照片" in await guessed(path, header_row=2)


@pytest.mark.parametrize(
    "name",
    ["证件照（必填）", "照片(必填)", "照片*", "* 照片", "照片【必填】", "Photo [required]",
     "照片：", "Image URL (jpg)", "证件照链接", "人脸照片"],
)  # fmt: skip
def test_a_remark_in_a_name_is_passed_over(name: str) -> None:
    """For whoever fills the column in; the exact name comes first."""
    assert usual_column(["n", name]) == name
    assert usual_column(["照片（旧）", "照片"]) == "照片"
    assert usual_column(["照片数量", "url count", "(photo) id"]) is None


ROWS = [{"照片": A}, {"照片": B}]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"data": ROWS}, "data"),
        ({"code": 0, "data": ROWS}, "data"),
        ({"rows": ROWS[:1], "total": 1, "errors": []}, "rows"),
        ({"结果": ROWS}, "结果"),
        ({"url": A, "tags": [{"n": 1}]}, None),
        ({"data": A, "tags": [{"n": 1}]}, None),
    ],
)
async def test_a_list_within_an_object_is_named(
    tmp_path: Path, value: dict[str, Any], name: str | None
) -> None:
    """The object is no row; a row with a list in it is one."""
    path = tmp_path / "list.json"
    path.write_text(json.dumps(value))
    with closing(Input.open(path)) as source:
        if name is None:
            assert [row.image for row in await every(source)] == [A]
            return
        with pytest.raises(InputError, match=f"the list is under '{name}'"):
            await every(source)
