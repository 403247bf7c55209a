"""Lists as people have them: no line vanishes, and what can't be read is told before it costs."""

import codecs
import gzip
import json
import os
import re
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

from s2v_detect.bulk import Input
from s2v_detect.tables import InputError, Row
from s2v_detect.tables._encodings import Decoding

A, B, C = (f"https://a.example/{n}.jpg" for n in (1, 2, 3))


async def every(source: Input) -> list[Row]:
    """All rows of an input."""
    async with aclosing(source.batches()) as batches:
        return [row async for rows in batches for row in rows]


async def read(folder: Path, name: str, content: bytes | str, **options: Any) -> list[Row]:
    """All rows of a file with that name and content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with closing(Input.open(path, **options)) as source:
        return await every(source)


def told(rows: list[Row]) -> list[str]:
    """Each row as its address, or as `!` and its line."""
    return [f"!{row.number}" if row.fault else row.image for row in rows]


@pytest.mark.parametrize(
    ("content", "images"),
    [
        (f"{A}\n{B}\n{C}\n", [A, B, C]),
        (f"\ufeff{A}\r\n{B}\r\n", [A, B]),
        (f"\n\n{A}\n\n{B}", [A, B]),
        (f'"{A}"\n"{B}"\n', [A, B]),
        (f"Ann,{A}\nBo,{B}\n", [A, B]),
        (f"{A},Ann\n{B},Bo\n", [A, B]),
        (f"Ann;{A}\nBo;{B}\n", [A, B]),
        (f"{A}\tAnn\n{B}\tBo\n", [A, B]),
        (f"{A}|Ann\n{B}|Bo\n", [A, B]),
        (f"sep=;\n{A};Ann\n{B};Bo\n", [A, B]),
        (f" {A.upper()} \n{B}\n", [A.upper(), B]),
        (f"{A};v=1\n{B}\n", [f"{A};v=1", B]),
    ],
)
async def test_a_first_line_with_an_address_is_a_row(
    tmp_path: Path, content: str, images: list[str]
) -> None:
    """Never a header: the columns have numbers then."""
    path = tmp_path / "list.csv"
    path.write_bytes(content.encode())
    with closing(Input.open(path)) as source:
        assert told(await every(source)) == images
        assert source.columns
        assert source.columns[0] == "column_1"
        assert "without a header" in source.guessed


@pytest.mark.parametrize("column", ["2", "column_2"])
async def test_a_list_without_a_header_has_numbers_for_its_columns(
    tmp_path: Path, column: str
) -> None:
    """And asks which, where two have addresses."""
    content = f"{A},{B}\n{C},{A}\n"
    assert told(await read(tmp_path, "list.csv", content, column=column)) == [B, A]
    with pytest.raises(InputError, match="--column 1 or 2"):
        await read(tmp_path, "list.csv", content)
    with pytest.raises(InputError, match="first line is no header"):
        await read(tmp_path, "list.csv", content, column="url")


OSS = "https://b.example/1.jpg?x-oss-process=image/resize"


@pytest.mark.parametrize(
    "content",
    [
        f"{OSS},w_400\n{OSS},w_500\n",
        f"1,{OSS},w_400\n",
        "https://b.example/w_300,h_400/1.jpg\n",
    ],
)
async def test_an_address_that_may_be_cut_is_asked_about(tmp_path: Path, content: str) -> None:
    """Where no header says how many cells there are."""
    with pytest.raises(InputError, match="on behind the"):
        await read(tmp_path, "list.csv", content)


@pytest.mark.parametrize("column", [None, "1"])
async def test_an_address_that_is_cut_later_is_a_faulty_row(
    tmp_path: Path, column: str | None
) -> None:
    """Unless it stands in quotes."""
    content = f'{A},Ann\n{OSS},w_400\n"{OSS},w_400",Bo\n"{OSS}",Bo\n{B},\n'
    rows = await read(tmp_path, "list.csv", content, column=column)
    assert told(rows) == [A, "!2", f"{OSS},w_400", OSS, B]


S = "https://b.example/"


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("url,name", f"{OSS},w_400"),  # as many cells as names
        ("url,name,age", f"{OSS},w_400"),  # fewer
        ("url,a,b,c", f"{OSS},w_400,h_300"),
        ("name,url,b", f"Ann,{OSS},w_400"),
        ("url,name", f"{OSS.replace('/resize', '/auto-orient')},1/resize"),
        ("url,name", f"{S}1.jpg?x-oss-process=image%2Fresize,m_lfit"),
        ("url,name", f"{S}1.jpg?X-OSS-Process=image/format,webp"),
        ("url,a,b", f"{S}image/upload/w_400,h_300,c_fill/1.jpg"),
        ("url,b", f"{S}cdn-cgi/image/width=400,quality=75/1.jpg"),
        ("url,b", f"{S}1?ids=1,2&size=3"),
        ("url;b", f"{S}1;jsessionid=17"),
        ("url|b", f"{S}1?a=1|b=2"),
        ("url,b", f"{S}Berlin,_Germany.jpg"),
        ("url,b", f"{S}a,b.jpeg?v=1"),
        ("url,b", f'"Ann",x\n{S}a,b.PNG'),
    ],
)
async def test_half_an_address_is_never_sent(tmp_path: Path, header: str, line: str) -> None:
    """However many cells its row has; a list of nothing else is refused as a whole."""
    whole = re.sub(r"\w+", f'"{A}"', header)
    *_, row, last = await read(tmp_path, "list.csv", f"{header}\n{line}\n{whole}\n")
    assert "on behind" in row.fault
    assert last.image == A
    if "\n" not in line:
        with pytest.raises(InputError, match=r"line 2.*on behind"):
            await read(tmp_path, "list.csv", f"{header}\n{line}\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "url,name\n{S}1,Ann\n"),
        ("a.csv", "url,id\n{S}1,17\n"),
        ("a.csv", "url,user\n{S}1,user_17\n"),
        ("a.csv", "url,mail\n{S}1,a@b.example\n"),
        ("a.csv", "url,name\n{S}1,图片_1\n"),
        ("a.csv", "url,name,size\n{S}1,Ann\n"),
        ("a.csv", "url,file\n{S}get?id=7,face.jpg\n"),
        ("a.csv", "url,file\n{S}1.jpg,face.jpg\n"),
        ("a.csv", "url,thumb\n{S}1,{S}1?size=2\n"),
        ("a.csv", "url,hash\n{S}1,YWJj==\n"),
        ("a.csv", "name,url\nAnn,{S}1?x-oss-process=image/resize\n"),
        ("a.csv", "url,name\n{S}1?x-oss-process=image/resize,\n"),
        ("a.csv", "url,name\n{S}1?x-oss-process=image/resize%2Cw_400,Ann\n"),
        ("a.csv", "url,name\n{S}1?x-oss-process=style/small,Ann\n"),
        ("a.csv", "url,name\n{S}1?x-oss-process=image/info,Ann\n"),
        ("a.csv", 'url,name\n"{S}1?x-oss-process=image/resize",Ann\n'),
        ("a.tsv", "{S}1\tAnn\n"),
        ("a.tsv", "{S}1?x-oss-process=image/resize\tw_400\n"),
        ("a.tsv", "url\tname\n{S}image/upload/w_400\th_300\n"),
    ],
)
async def test_an_ordinary_table_is_asked_nothing(tmp_path: Path, name: str, content: str) -> None:
    """Nothing in these rows says that an address goes on."""
    (row,) = await read(tmp_path, name, content.replace("{S}", S))
    assert (row.fault, row.image.startswith(S)) == ("", True)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"\xff\xfeid,url\n1," + A.encode() + b"\n", "nothing"),
        (b"id,\xff\n1," + A.encode() + b"\n", "line 1"),
        (b"\n\nid,\xff\n1," + A.encode() + b"\n", "line 3"),
        (b"id,u\0rl\n1," + A.encode() + b"\n", "line 1"),
        (b'id,"url\n1,' + A.encode() + b"\n", "line 1"),
        (b'id,"u"rl\n1,' + A.encode() + b"\n", "line 1"),
        (b"x" * (1 << 24) + b"x,url\n1," + A.encode() + b"\n", "line 1"),
    ],
)
async def test_a_header_that_can_t_be_read_ends_the_run(
    tmp_path: Path, content: bytes, where: str
) -> None:
    """It is said where, and the next row is not taken in its place."""
    with pytest.raises(InputError, match=where if where != "nothing" else "."):
        await read(tmp_path, "list.csv", content)


HEAD = "id,url,note\n"


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        # A quote that another cell's quote seems to close.
        (f'1,{A},"5 inch\n2,{B},"6 inch\n3,{C},x\n', ["!2", "!3", C]),
        (f'1,{A},"5 inch\n2,{B},6 inch"\n3,{C},x\n', ["!2", B, C]),
        (f'1,{A},"5 inch\n2,"{B}",x\n3,{C},x\n', ["!2", B, C]),
        (f'1,{A},"5 inch\n2,{B},""\n3,{C},x\n', ["!2", B, C]),
        (f'1,"{A},x\n2,"{B},x\n3,{C},x\n', ["!2", "!3", C]),
        (f'1,"{A},x\n2,{B}",x\n3,{C},x\n', ["!2", "!3", C]),
        (f'"1,{A},x\n2,{B},x\n3,{C},x"\n', ["!2", B, C]),
        (f'1,{A},"5 inch\n2,{B},x\n3,{C},"""\n', ["!2", B, "!4"]),
        # A quote in the middle of a cell.
        (f'1,{A},"5" inch\n2,{B},x\n', ["!2", B]),
        (f'1,{A},5" inch\n2,{B},6" inch\n', [A, B]),
        (f'1,{A}",x\n2,{B},x\n', ["!2", B]),
        (f'1,"{A}"x,x\n2,{B},x\n', ["!2", B]),
        # One that never closes.
        (f'1,{A},"x', ["!2"]),
        (f'1,{A},"x\n\n\n2,{B},y\n', ["!2", B]),
        # Cells of several lines are still such.
        (f'1,{A},"two\nlines"\n2,{B},x\n', [A, B]),
        (f'1,{A},"two\n\n, ""lines"""\n2,{B},x\n', [A, B]),
        (f'1,{A},"see\n{C}\nthere"\n2,{B},x\n', [A, B]),
        (f'"1\n2",{A},"two\n"\n2,{B},x\n', [A, B]),
        # More cells than the header has.
        (f"1,{A},x,y\n2,{B},x\n", ["!2", B]),
        (f"1,https://a.example/w_1,h_2/1.jpg,x\n2,{B},x\n", ["!2", B]),
        (f"1,{A},x,,\n2,{B},x\n", [A, B]),
        (f"1,{A}\n2,{B},x\n", [A, B]),
    ],
)
async def test_every_line_of_a_table_is_in_a_row(
    tmp_path: Path, content: str, rows: list[str]
) -> None:
    """A line that can't be read is told of by its number, and those after it are read."""
    found = await read(tmp_path, "list.csv", HEAD + content)
    assert told(found) == rows
    text = repr(found)
    assert all(address in text for address in (A, B, C) if address in content)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("cell", ["a\r\nb", "a\rb", "a\nb", "\r\n", "\n\n", 'a "b"\r\n', "\ufeffx"])
async def test_a_cell_passes_through_to_the_byte(tmp_path: Path, end: str, cell: str) -> None:
    """The ends of lines within it too, whatever the end of the file's own lines is."""
    quoted = '"' + cell.replace('"', '""') + '"'
    content = end.join(["url,note", f"{A},{quoted}", f"{B},{quoted}"]) + end
    rows = await read(tmp_path, "list.csv", content)
    assert told(rows) == [A, B]
    assert [(row.columns or {})["note"] for row in rows] == [cell, cell]


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list.jsonl"])
@pytest.mark.parametrize(
    "end", ["\n", "\r\n", "\r", "\n\r", "\r\r\n", "\n\ufeff", "\n\ufeff\ufeff", "\r\n\r\n"]
)
async def test_a_line_ends_as_any_system_ends_it(tmp_path: Path, name: str, end: str) -> None:
    """Alone, mixed, and with the marks of files that were joined."""
    lines = [A, B, C]
    if name == "list.csv":
        lines = ["url", *lines]
    elif name == "list.jsonl":
        lines = [json.dumps({"url": line}) for line in lines]
    content = "\ufeff" + end.join(lines) + "\n"
    assert told(await read(tmp_path, name, content)) == [A, B, C]
    path = tmp_path / name
    with closing(Input.open(path)) as source:
        await source.count()
        await every(source)
        assert source.total == 3


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_a_mark_of_utf_8_in_mid_file_ends_another_encoding(size: int) -> None:
    """Wherever the pieces are cut: the first letter of an address is no half of a character."""
    first, second = f"头像,名字\n{A},王\r\n", f"\ufeff{B},上海\n\ufeff{C},x\n"
    content = first.encode("gb18030") + second.encode()
    decoding = Decoding(content[:10], "gb18030")
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    text = b"".join(map(decoding.feed, pieces)) + decoding.feed(b"", is_last=True)
    assert text.decode() == first + second


async def test_two_files_joined_in_the_middle_of_a_line_are_a_faulty_row(tmp_path: Path) -> None:
    """Neither address is sent with the other at its end."""
    assert told(await read(tmp_path, "list.txt", f"{A}\n{B}\ufeff{C}\n{A}\n")) == [A, "!2", A]


WORDS = {
    "gb18030": "头像 红色连衣裙 上海 北京 客户编号 白底图 已删除 春季新款 王小明 审核通过",
    "big5": "頭像 紅色連衣裙 臺北 高雄 客戶編號 白底圖 已刪除 春季新款 王小明 審核通過",
    "cp932": "画像 赤いドレス 東京 大阪 顧客番号 削除済み 春の新作 山田太郎 審査 レディース",
    "cp949": "이미지 빨간드레스 서울 부산 고객번호 삭제됨 봄신상 김철수 심사 여성",
    "cp1252": "Prénom Hélène François été numéro modèle beauté déjà Zoë œuvre",
    "cp1251": "Изображение красное платье Москва фото проверено имя адрес клиент Иванов",
    "euc_jp": "画像 赤いドレス 東京 大阪 顧客番号 削除済み 春の新作 山田太郎 審査 レディース",
}


@pytest.mark.parametrize("encoding", WORDS)
@pytest.mark.parametrize("count", [1, 3, 10, 200])
async def test_a_guess_is_right_or_the_list_is_asked_about(
    tmp_path: Path, encoding: str, count: int
) -> None:
    """Never a cell of other characters; an ASCII row beside is read either way."""
    words = WORDS[encoding].split()
    names = [words[n % len(words)] for n in range(count)]
    content = "url,name\n" + "".join(f"{A}?{n},{name}\n" for n, name in enumerate(names)) + f"{B},x"
    path = tmp_path / "list.csv"
    path.write_bytes(content.encode(encoding))
    with closing(Input.open(path)) as source:
        rows = await every(source)
        guessed = source.guessed
    assert len(rows) == count + 1
    assert rows[-1].image == B
    if guessed:
        assert [(row.columns or {})["name"] for row in rows] == [*names, "x"]
    else:
        faults = {row.fault for row in rows[:-1] if row.fault}
        assert len(faults) == 1
        assert "--encoding" in faults.pop()


async def test_bytes_that_are_utf_8_are_never_guessed(tmp_path: Path) -> None:
    """A line that is none is a faulty row among them."""
    for words in WORDS.values():
        content = "url,name\n" + "".join(f"{A},{word}\n" for word in words.split())
        path = tmp_path / "list.csv"
        path.write_bytes(content.encode() + b"x,\xff\n")
        with closing(Input.open(path)) as source:
            rows = await every(source)
            assert source.guessed == ""
        assert [bool(row.fault) for row in rows] == [False] * (len(rows) - 1) + [True]


async def test_a_list_may_turn_out_to_be_gb18030_after_a_megabyte(tmp_path: Path) -> None:
    """What came before is ASCII, which is the same in both."""
    names = [""] * 30_000 + WORDS["gb18030"].split()
    content = "url,name\n" + "".join(f"{A},{name}\n" for name in names)
    path = tmp_path / "list.csv"
    path.write_bytes(content.encode("gb18030"))
    with closing(Input.open(path)) as source:
        rows = await every(source)
        assert source.guessed == "a list in gb18030"
    assert [(row.columns or {})["name"] for row in rows] == names


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
@pytest.mark.parametrize("name", ["list.csv", "list.txt"])
async def test_a_mark_of_unicode_says_the_encoding(
    tmp_path: Path, mark: bytes, encoding: str, name: str
) -> None:
    """Also in a pipe that gives a byte at a time, and with an encoding that was asked for."""
    text = f"图片,名字\r\n{A},王 \U0001f600\r\n{B},上\u0a0a海\r\n"
    if name == "list.txt":
        text = f"# 图片\r\n{A}\r\n{B}\r\n"
    content = mark + text.encode(encoding)
    assert told(await read(tmp_path, name, content, encoding="gbk")) == [A, B]
    rows = await read(tmp_path, name, content)
    assert told(rows) == [A, B]
    if name == "list.csv":
        assert [(row.columns or {})["名字"] for row in rows] == ["王 \U0001f600", "上\u0a0a海"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
async def test_utf_16_without_a_mark_is_asked_about(tmp_path: Path, encoding: str) -> None:
    """With the name to give; given it, the list is read."""
    content = f"url,name\n{A},王\n".encode(encoding)
    with pytest.raises(InputError, match=f"--encoding {encoding}"):
        await read(tmp_path, "list.csv", content)
    assert told(await read(tmp_path, "list.csv", content, encoding=encoding)) == [A]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("gb1803", "gb18030"),
        ("utf9", "utf"),
        ("rot13", "such as"),
        ("base64", "such as"),
        ("hex", "such as"),
        ("", "utf-8"),
    ],
)
def test_an_encoding_that_is_none_is_answered_with_names(
    tmp_path: Path, name: str, meant: str
) -> None:
    """Before anything is read."""
    (tmp_path / "list.csv").write_text(f"url\n{A}\n")
    with pytest.raises(InputError, match=meant):
        Input.open(tmp_path / "list.csv", encoding=name)


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "cp932", "cp949", "euc_jp", "utf-16"])
async def test_a_byte_that_is_none_of_the_encoding_is_a_faulty_row(
    tmp_path: Path, encoding: str
) -> None:
    """It takes no end of a line with it."""
    broken = {"utf-16": b"\xff\xdf", "cp932": b"\x81"}.get(encoding, b"\xff")
    whole = f"url\n{A}\n".encode(encoding)
    after = f"\n{B}\n".encode(encoding)
    if encoding == "utf-16":
        after = after[2:]
    rows = await read(tmp_path, "list.csv", whole + broken + after, encoding=encoding)
    assert told(rows) == [A, "!3", B]
    assert encoding.replace("_", "-")[:3] in rows[1].fault


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["list.csv", "list.tsv"])
@pytest.mark.parametrize(
    "rows",
    [
        [["url", "name"], [f"{A}?v=1", "Anna"], [f"{B}?v=1", "Bo"]],
        [["name", "url"], ["a, b; c | d", A], ["Bo", B]],
        [["n", "url", "x"], ["1", A, ""], ["2", B, ""]],
        [["n", "url"], ["two\nlines, and; one | more", A], ["", B]],
    ],
)
async def test_the_delimiter_is_the_one_that_cuts_all_lines_alike(
    tmp_path: Path, delimiter: str, name: str, rows: list[list[str]]
) -> None:
    """Whatever the ending says; it is told where it is another."""
    quoted = [
        [f'"{cell}"' if set(cell) & {",", ";", "|", "\n"} else cell for cell in row] for row in rows
    ]
    content = "".join(delimiter.join(row) + "\r\n" for row in quoted)
    path = tmp_path / name
    path.write_bytes(content.encode())
    with closing(Input.open(path)) as source:
        found = await every(source)
        assert source.delimiter == delimiter
        usual = "," if name == "list.csv" else "\t"
        assert bool(source.guessed) == (delimiter != usual)
    assert [list((row.columns or {}).values()) for row in found] == rows[1:]


@pytest.mark.parametrize(
    "content",
    [
        f"url\n{A}?a=1;b=2\n{B}?a=2;b=3\n",
        f"image url\n{A}\n{B}\n",
        f"url,a|b\n{A},x\n{B},y\n",
        f'id,url\n1,"{A},x"\n2,"{B},y"\n',
        f"id,url\n1,{A};jsessionid=1\n2,{B};jsessionid=2\n",
    ],
)
async def test_a_comma_stays_the_delimiter_where_it_will_do(tmp_path: Path, content: str) -> None:
    """A character that addresses have proves nothing."""
    path = tmp_path / "list.csv"
    path.write_text(content)
    with closing(Input.open(path)) as source:
        rows = await every(source)
        assert (source.delimiter, source.guessed) == (",", "")
    assert not any(row.fault for row in rows)


async def test_an_address_with_a_semicolon_and_no_header_is_asked_about(tmp_path: Path) -> None:
    """Either way is read when it is said."""
    content = f"{A};v=1\n{B};v=1\n"
    with pytest.raises(InputError, match="--delimiter"):
        await read(tmp_path, "list.csv", content)
    assert told(await read(tmp_path, "list.csv", content, delimiter=";")) == [A, B]
    assert told(await read(tmp_path, "list.csv", content, delimiter=","))[0] == f"{A};v=1"


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "\ufeffsep=;", "\nsep=;"])
async def test_excel_s_own_first_line_says_the_delimiter(tmp_path: Path, first: str) -> None:
    """It is no row, and the numbers count it."""
    rows = await read(tmp_path, "list.csv", f"{first}\r\na,b;url\r\n1,2;{A}\r\n")
    assert told(rows) == [A]
    assert rows[0].columns == {"a,b": "1,2", "url": A}
    assert rows[0].number == (4 if first[0] == "\n" else 3)


@pytest.mark.parametrize("delimiter", ["tab", r"\t", "\t", "TAB"])
async def test_a_delimiter_may_be_said(tmp_path: Path, delimiter: str) -> None:
    """A tab by its name; a list without an ending is then CSV."""
    content = f"name\turl\nA,b\t{A}\n"
    assert told(await read(tmp_path, "list", content, delimiter=delimiter)) == [A]


@pytest.mark.parametrize("delimiter", ["", ",,", "a", "1", '"', "\n", ".", "/", ":"])
def test_a_delimiter_that_can_be_none_is_refused(tmp_path: Path, delimiter: str) -> None:
    """Before anything is read."""
    (tmp_path / "list.csv").write_text(f"url\n{A}\n")
    with pytest.raises(InputError, match="can't separate"):
        Input.open(tmp_path / "list.csv", delimiter=delimiter)


RECOGNISED = {
    "Excel file": b"PK\x03\x04\x14\0\0\0\x08\0",
    "Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
    "SQLite": b"SQLite format 3\0\x10\0",
    "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "GIF": b"GIF89a\1\0\1\0",
    "WebP": b"RIFF\x14\0\0\0WEBPVP8L",
    "BMP": b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0",
    "TIFF": b"II*\0\x08\0\0\0",
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\n",
    "HTML": b"\n<!DOCTYPE html>\n<html>\n",
    "XML": b'<?xml version="1.0"?>\n',
    "gzip": gzip.compress(gzip.compress(b"x")),
    "bzip2": b"BZh91AY&SY\x01\x02",
    "xz": b"\xfd7zXZ\0\0\x04",
    "Zstandard": b"\x28\xb5\x2f\xfd\x04\0",
    "7z": b"7z\xbc\xaf\x27\x1c\0\4",
    "RAR": b"Rar!\x1a\x07\0",
    "one JSON object": b'{\n "urls": [\n  "https://a.example/1.jpg"\n ]\n}\n',
}


@pytest.mark.parametrize("name", ["list.csv", "list.txt", "list.jsonl", "list", "list.tsv.gz"])
@pytest.mark.parametrize("words", RECOGNISED)
async def test_what_is_no_list_is_refused_by_its_name(
    tmp_path: Path, name: str, words: str
) -> None:
    """Whatever its ending says, and within gzip too."""
    content = RECOGNISED[words]
    if name.endswith(".gz") and words != "gzip":
        content = gzip.compress(content)
    with pytest.raises(InputError, match=words):
        await read(tmp_path, name, content)


@pytest.mark.parametrize(
    "content", ["PK,url\n1,{A}\n", "BMW,url\nx,{A}\n", "GIF,url\nx,{A}\n", "PAR,url\nx,{A}\n"]
)
async def test_letters_alone_are_no_proof_of_a_format(tmp_path: Path, content: str) -> None:
    """A header may begin as one."""
    rows = await read(tmp_path, "list.csv", content.replace("{A}", A))
    assert told(rows) == [A]


ITEMS = [{"url": A, "n": [1, {"a": "]"}]}, {"url": B, "x": 'a "quote" \\ , { ['}, {"url": C}]


@pytest.mark.parametrize("name", ["list.json", "list.jsonl", "list.txt", "list"])
@pytest.mark.parametrize("indent", [None, 0, 1, 4])
async def test_an_array_of_json_is_read_item_by_item(
    tmp_path: Path, name: str, indent: int | None
) -> None:
    """Written on one line or on many; a list of bare addresses is one too."""
    rows = await read(tmp_path, name, json.dumps(ITEMS, indent=indent))
    assert [row.columns for row in rows] == ITEMS
    assert told(rows) == [A, B, C]
    assert told(await read(tmp_path, name, json.dumps([A, B], indent=indent))) == [A, B]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (f'[{{"url": "{A}"}},\n{{"url" "{B}"}},\n{{"url": "{C}"}}]', [A, "!2", C]),
        (f'[1, null, ["{A}"], {{"url": "{B}"}}]', ["!1", "!1", "!1", B]),
        (f'[{{"url": "{A}"}}]\n[{{"url": "{B}"}}]\n', [A, B]),
        (f'[{{"url": "{A}"}},]\n', [A]),
        (f'[{{"url": "{A}"}}] "{B}"\n', [A, B]),
        (f'[{{"url": "{A}", "c": "\\ud83d"}}]', [A]),
    ],
)
async def test_an_item_that_can_be_no_row_is_told_of(
    tmp_path: Path, content: str, rows: list[str]
) -> None:
    """Those after it are read."""
    assert told(await read(tmp_path, "list.json", content)) == rows


@pytest.mark.parametrize("cut", [3, 20, 45, 60])
async def test_an_array_that_never_ends_is_an_error_after_its_rows(
    tmp_path: Path, cut: int
) -> None:
    """Half a download is no whole input."""
    with pytest.raises(OSError, match="JSON array"):
        await read(tmp_path, "list.json", json.dumps(ITEMS)[:cut])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.txt", ""),
        ("list.csv", ""),
        ("list.tsv", ""),
        ("list.jsonl", "\n\n"),
        ("list.json", "[]"),
        ("list.csv", "url,name\n"),
        ("list.csv", "\ufeffurl,name"),
        ("list.csv", "sep=;\n"),
        ("list.txt", "# nothing\n\n  \r\n"),
        ("list.txt", "\ufeff"),
        ("list.gz", gzip.compress(b"", mtime=0)),
    ],
)
async def test_a_list_of_no_image_is_an_error(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    """Nobody runs one on purpose."""
    with pytest.raises(InputError, match="The input has no"):
        await read(tmp_path, name, content)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("id,url", "url"),
        ("链接,图片", "图片"),
        ("link,picture", "picture"),
        ("photo,name", "photo"),
        ("URL,Image", "Image"),
        ("id, url ", "url"),
        ("x,图片链接", "图片链接"),
    ],
)
async def test_a_column_is_known_by_its_usual_name(
    tmp_path: Path, header: str, column: str
) -> None:
    """In the order of how sure the name is."""
    rows = await read(tmp_path, "list.csv", f"{header}\n{A},{A}\n{B},{B}\n")
    names = [name.strip() for name in header.split(",")]
    place = names.index(column)
    row = [f"https://b.example/{n}" for n in range(2)]
    rows = await read(tmp_path, "list.csv", f"{header}\n{','.join(row)}\n")
    assert told(rows) == [row[place]]


@pytest.mark.parametrize(
    ("header", "column", "image"),
    [("a,b", "2", B), ("2,b", "2", A), ("a,b", "1", A), ("1,2", "1", A), ("b,1", "1", B)],
)
async def test_a_column_may_be_a_number(
    tmp_path: Path, header: str, column: str, image: str
) -> None:
    """A name goes before."""
    assert told(await read(tmp_path, "list.csv", f"{header}\n{A},{B}\n", column=column)) == [image]


@pytest.mark.parametrize("column", ["0", "3", "-1", "²", "c"])
async def test_a_column_that_is_not_there_is_an_error(tmp_path: Path, column: str) -> None:
    """It names those that are."""
    with pytest.raises(InputError, match=r"Its columns are a, b\."):
        await read(tmp_path, "list.csv", f"a,b\n{A},{B}\n", column=column)


@pytest.mark.parametrize(
    ("records", "images"),
    [
        ([{"id": 1}, {"id": 2, "url": A}], ["!1", A]),
        ([{"id": 1}, {"image": A, "url": B}, {"url": C}], ["!1", A, "!3"]),
        ([{"id": "x", "n": 1}, {"photo": A}], ["!1", A]),
        ([{"face": A}, {"face": B}], [A, B]),
        ([{"face": None}, {"face": B}], ["!1", B]),
    ],
)
async def test_the_usual_name_counts_in_whichever_record_it_comes(
    tmp_path: Path, records: list[dict[str, Any]], images: list[str]
) -> None:
    """The only column is the image's where no record has one of those names."""
    content = "".join(json.dumps(record) + "\n" for record in records)
    assert told(await read(tmp_path, "list.jsonl", content)) == images


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        (f'{{"url": "{A}", "n": 1, "n": 2}}', {"url": A, "n": 1, "n_3": 2}),
        (f'{{"url": "{A}", "url": "{B}"}}', {"url": A, "url_2": B}),
        (f'{{"n": 1, "n": 1, "url": "{A}", "n": 3}}', {"n": 1, "n_2": 1, "url": A, "n_4": 3}),
        (f'{{"n": 1, "n_2": 5, "n": 2, "url": "{A}"}}', {"n": 1, "n_2": 5, "n_3": 2, "url": A}),
        (f'{{"url": "{A}", "x": {{"a": 1, "a": 2}}}}', {"url": A, "x": {"a": 1, "a_2": 2}}),
        (f'[{{"url": "{A}", "n": [], "n": null}}]', {"url": A, "n": [], "n_3": None}),
    ],
)
async def test_of_two_equal_keys_none_vanishes(
    tmp_path: Path, line: str, columns: dict[str, Any]
) -> None:
    """As of two columns of one name in CSV: the first is the image's."""
    (row,) = await read(tmp_path, "list.jsonl", line)
    assert (row.image, row.columns) == (A, columns)


async def test_a_column_of_json_may_begin_late(tmp_path: Path) -> None:
    """One that never comes is an error that names the others."""
    content = '{"id": 1}\n' * 50 + json.dumps({"id": 2, "face": A}) + "\n"
    assert told(await read(tmp_path, "list.jsonl", content, column="face"))[-1] == A
    with pytest.raises(InputError, match=r"Its columns are id, face\."):
        await read(tmp_path, "list.jsonl", content, column="photo")
    assert told(await read(tmp_path, "list.jsonl", content))[-1] == A


@pytest.mark.parametrize(
    ("name", "content", "column"),
    [
        ("list.csv", f"id,url,face\n1,x,{A}\n2,y,{B}\n", "face"),
        ("list.csv", f"id,url,face\n1,,{A}\n" * 2, "face"),
        ("list.jsonl", json.dumps({"url": "x", "face": A}), "face"),
        ("list.txt", f"id,url\n1,{A}\n", "csv"),
        ("list.txt", f"url\nAnn\t{A}\n", "tab"),
    ],
)
async def test_addresses_in_another_column_are_told_before_all_is_skipped(
    tmp_path: Path, name: str, content: str, column: str
) -> None:
    """With the name to give."""
    with pytest.raises(InputError, match=column):
        await read(tmp_path, name, content)


async def test_a_pipe_is_given_on_at_its_first_address() -> None:
    """Rows before that would not be sent anyhow; a delimiter is guessed in a pipe too."""
    reading, writing = os.pipe()
    source = Input(reading, format="csv")
    async with aclosing(source.batches()) as batches:
        os.write(writing, f"url;name\nnone;Al\n{A};Ann\n".encode())
        assert told(await anext(batches)) == ["none", A]
        assert (source.delimiter, source.guessed) == (";", "a list separated by ';'")
        os.close(writing)
        assert await anext(batches, []) == []
    os.close(reading)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("list.jsonl", json.dumps({"url": A, "vector": [0.125] * 100_000})),
        ("list.csv", f'{A},"{"x," * 300_000}"'),
        ("list.csv", f"{A},{'x' * 600_000}"),
        ("list.json", json.dumps([{"url": A, "vector": [0.125] * 100_000}])),
    ],
)
async def test_a_long_row_is_read_if_its_address_is_none(
    tmp_path: Path, name: str, row: str
) -> None:
    """The bound of 64 KiB is the address's."""
    content = f"url,more\n{row}\n" if name == "list.csv" else row
    assert told(await read(tmp_path, name, content)) == [A]


@pytest.mark.parametrize("name", ["list.jsonl", "list.csv", "list.txt"])
async def test_an_address_of_more_than_64_kib_is_a_faulty_row(tmp_path: Path, name: str) -> None:
    """In every kind of list; it is shown by its beginning."""
    long = A + "x" * 65_536
    line = json.dumps({"url": long}) if name == "list.jsonl" else long
    head = "url\n" if name == "list.csv" else ""
    after = json.dumps({"url": B}) if name == "list.jsonl" else B
    rows = await read(tmp_path, name, f"{head}{line}\n{after}\n")
    assert [bool(row.fault) for row in rows] == [True, False]
    assert "longer than 65536" in rows[0].fault
    assert len(rows[0].image) < 300


@pytest.mark.parametrize("padding", [1, 16, 70_000])
async def test_zero_bytes_after_gzip_are_padding(tmp_path: Path, padding: int) -> None:
    """Between two members too; other bytes are damage."""
    first, second = (gzip.compress(f"{each}\n".encode()) for each in (A, B))
    zeros = bytes(padding)
    packed = first + zeros + second + zeros
    assert told(await read(tmp_path, "list.txt.gz", packed)) == [A, B]
    with pytest.raises(OSError, match="damaged"):
        await read(tmp_path, "list.txt.gz", packed + b"damage" * 4)
