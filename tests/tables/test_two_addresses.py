"""A cell with two addresses is no image, and an address within an address is one."""

import json
from pathlib import Path

import pytest
from tests.bulk.test_lists import read
from tests.tables.test_excel_in import book
from tests.tables.test_excel_in import read as read_sheet

from s2v_detect.tables._rows import has_two_addresses

A, B = "https://a.example/5.jpg", "https://b.example/6.jpg"
SEPARATORS = [
    "；",
    "，",
    "、",
    "｜",
    "。",
    " ",
    "\u3000",
    "\n",
    "\t",
    "\r\n",
    ",",
    ";",
    "|",
    ", ",
    "； ",
]
PAIRS = [f"{A}{separator}{B}" for separator in SEPARATORS] + [
    f"{A}?Expires=1&Signature=x,{B}?Expires=1&Signature=y",
    f"{A}?Expires=1；{B}",
    f"oss://bucket/1.jpg,{B}",
    f"{A};oss://bucket/1.jpg",
    f"{A.upper()},{B.upper()}",
    f"{A}|{A}|{B}",
]
SINGLES = [
    f"https://proxy.example/fetch?u={A}",
    f"https://proxy.example/fetch?u={A}&v={B}",
    f"https://proxy.example/join?u={A},{B}",
    f"https://web.archive.org/web/2020/{A}",
    f"https://web.archive.org/web/2020/{A}?x=1,2",
    f"https://c.example/image/fetch/w_300,h_200/{A}",
    f"https://c.example/image/width=80,quality=75/{A}",
    f"https://t.example/filters:watermark(0,{B})/5.jpg",
    f"https://i.example/rs:fill/plain/{A}",
    f"https://a.example/5.jpg?a=1;{B}",
    f"https://a.example/5.jpg?next=1|{B}",
    f"https://a.example/5.jpg#{B}",
    "https://a.example/1,2;3|4.jpg",
    "https://a.example/王，李.jpg",
    f"see {A}；{B}",
]


@pytest.mark.parametrize("text", PAIRS)
def test_two_addresses_are_seen(text: str) -> None:
    """Whatever stands between them."""
    assert has_two_addresses(text)


@pytest.mark.parametrize("text", SINGLES)
def test_an_address_within_an_address_is_one(text: str) -> None:
    """A proxy or an archive names another address in its own."""
    assert not has_two_addresses(text)


async def test_a_cell_with_two_addresses_is_a_faulty_row(tmp_path: Path) -> None:
    """In each format, in its own row; the single ones are sent as they are."""
    cells = [*PAIRS, *SINGLES[:-1]]
    quoted = "".join(f'"{cell}",x\n' for cell in cells)
    path = book(tmp_path / "in.xlsx", [["url", "n"], *([cell, "x"] for cell in cells)])
    lines = "".join(json.dumps({"url": cell}) + "\n" for cell in cells)
    expected = [cell in PAIRS for cell in cells]
    for rows in (
        await read(tmp_path, "list.csv", f"url,n\n{quoted}"),
        await read(tmp_path, "list.jsonl", lines),
        await read_sheet(path),
    ):
        assert [row.fault.startswith("two addresses in one cell") for row in rows] == expected


async def test_a_bare_cell_or_line_with_two_addresses_is_faulty(tmp_path: Path) -> None:
    """Without quotes around it, and in a text."""
    for name, head, delimiter in (("list.csv", "url,n\n", ",x"), ("list.txt", "", "")):
        content = f"{head}{A}；{B}{delimiter}\n{A};{B}{delimiter}\n{SINGLES[0]}{delimiter}\n"
        rows = await read(tmp_path, name, content)
        assert [row.fault[:13] for row in rows] == ["two addresses", "two addresses", ""]
