"""CSV that is called text: read by lines, its header or all of it would be skipped, or paid for."""

from pathlib import Path

import pytest

from s2v_detect.bulk.inputs import Input
from s2v_detect.languages import speaking
from s2v_detect.tables import Format, InputError, Row

A, B = "https://a.example/1.jpg", "https://a.example/2.jpg"
TABLES = {
    "behind another column": (f"id,url\n1,{A}\n", "'url'", "','", "--format csv"),
    "first of its columns": (f"url,name\n{A},Ann\n{B},Bob\n", "'url'", "','", "--format csv"),
    "quoted": (f'"id","url"\n"1","{A}"\n', "'url'", "','", "--format csv"),
    "of tabs": (f"id\tImage URL\n1\t{A}\n", "'Image URL'", "a tab", "--format csv"),
    "below comments and blanks": (
        f"# of Ann\n\n编号;图片地址\n\n1;{A}\n",
        "'图片地址'",
        "';'",
        "csv",
    ),
    "with a mark": (f"\ufeffurl,id\n{A},1\n", "'url'", "','", "--format csv"),
    "of paths": ("photo,name\nfaces/1.jpg,Ann\n", "'photo'", "','", "--format csv"),
    "full-width": (f"编号，照片\n1，{A}\n", "'照片'", "'，'", "--delimiter '，'"),
    "with a comma in a cell": (f'id,url,name\n1,{A},"Ann, of B"\n', "'url'", "','", "--format csv"),
}
LISTS = [
    f"{A}\n{B}\n",
    f"url\n{A}\n",  # a heading, and no table
    f"my list, of images\n{A}\n",
    f"图片地址，共两张\n{A}\n{B}\n",  # nothing separates below it
    f"{A}?x-oss-process=image/resize,w_100\n{B}?x-oss-process=image/resize,w_100\n",
    f"{A},url\n{B},link\n",  # each line is an address
    "id,url\n",
]


async def read(folder: Path, text: str, format_: Format | None = None) -> list[Row]:
    """Return the rows of a text."""
    path = folder / "list.txt"
    path.write_text(text, encoding="utf-8")
    given = Input.open(path, format=format_, takes_files=True)
    try:
        return [row async for rows in given.batches() for row in rows]
    finally:
        given.close()


@pytest.mark.parametrize("case", TABLES)
async def test_a_table_that_is_called_text_is_refused(tmp_path: Path, case: str) -> None:
    """The column, what separates, and the option that reads it, in each language."""
    text, column, delimiter, option = TABLES[case]
    with pytest.raises(InputError) as refused:
        await read(tmp_path, text)
    assert f"names a column {column}, and {delimiter} separates" in str(refused.value)
    assert f"{option}, or --format text" in str(refused.value)
    with speaking("zh"), pytest.raises(InputError) as refused:
        await read(tmp_path, text)
    assert f"输入看上去是 CSV：第一行有列名 {column}，" in str(refused.value)
    assert f"{option}；" in str(refused.value)


@pytest.mark.parametrize("case", sorted(set(TABLES) - {"full-width"}))
async def test_what_it_advises_reads_the_table(tmp_path: Path, case: str) -> None:
    """As it stands."""
    rows = await read(tmp_path, TABLES[case][0], "csv")
    assert rows[0].image in (A, "faces/1.jpg")


async def test_who_says_text_has_text(tmp_path: Path) -> None:
    """A line is then an address, or none."""
    assert len(await read(tmp_path, TABLES["behind another column"][0], "text")) == 2


@pytest.mark.parametrize("text", LISTS)
async def test_a_list_of_addresses_is_none(tmp_path: Path, text: str) -> None:
    """Also with commas in its addresses, and with words above them."""
    lines = [line for line in text.splitlines() if line]
    assert [row.image for row in await read(tmp_path, text)] == lines
