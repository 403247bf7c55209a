"""An address that was cut at a delimiter is never sent, and a plain one always is."""

from pathlib import Path

import pytest
from tests.bulk.test_lists import read, told

from s2v_detect.tables import InputError

CUT = """
https://a.example/1?x-oss-process=image/resize,w_4
https://a.example/1?x-oss-process=image/resize,limit_0/quality,q_80
https://a.example/1.jpg?x-oss-process=image/auto-orient,1
https://a.example/1.jpg?x-oss-process=image/format,png
https://a.example/1?x-oss-process=image/resize%2Cw_4/quality,q_80
https://a.example/1?x-image-process=image/crop,x_10,y_10
https://a.example/1?x-oss-process=video/snapshot,t_1000
https://a.example/1?Expires=1&x-oss-process=image/rotate,90
https://a.example/1?process=image/resize,w_400
https://a.example/1?op=resize,m_9/format,png
https://a.example/1?v=1,w_400
https://b.example/w_300,h_400/1.jpg
https://b.example/w_300,h_400,c_fill/v1/1
https://b.example/cdn-cgi/image/width=80,quality=75/a
https://b.example/v1/fill/w_100,h_100,al_c,q_80/x
https://b.example/iiif/0,0,512,512/300,/0/default.jpg
https://b.example/iiif/full/300,/0/default.jpg
https://b.example/iiif/full/!300,300/0/default.png
https://b.example/a?resize=300,200
https://b.example/a?w=1&fit=300,200&ssl=1
https://b.example/photo-1?auto=format,compress
https://b.example/photo-1?auto=format,compress&q=80
https://b.example/photo-1?crop=faces,top
https://b.example/1?p=1,2&x=3
https://b.example/1?a=1,b=2
https://b.example/1?im=Resize,width=400
https://b.example/1?im=Crop,size=(300,300)
https://b.example/filters:round_corner(10,255,255)/1
https://b.example/images/I/x._AC_UL320_SR160,160_.jpg
https://b.example/wiki/Washington,_D.C.jpg
https://b.example/wiki/Washington,%20DC
https://b.example/Smith,John?size=2
https://b.example/1.jpg;jsessionid=12
https://b.example/1?a=1;b=2
https://b.example/1.jpg?a=1.jpg;b=2
https://b.example/1.jpg;v=1
https://b.example/photo;jsessionid=1?x=2
https://b.example/1.jpg?imageMogr2/auto-orient|imageView2/2/w/400
https://b.example/1?imageView2/2/w/400|watermark/1/image/aHR0
https://b.example/1?imageslim|imageView2/1
""".strip().split("\n")

PLAIN = """
https://a.example/1,Ann
https://a.example/1?v=1,Ann
https://a.example/1?v=1,25
https://a.example/1?v=1,x_400
https://a.example/avatar/1,ann_lee
https://a.example/avatar/1,u_12345
https://a.example/avatar/user_1,user_1
https://a.example/avatar/1,2026/01/02
https://a.example/avatar/12,/faces/12.jpg
https://a.example/file?id=1,photo.jpg
https://a.example/file?id=12,12.jpg
https://a.example/1.jpg,w_400
https://a.example/1.jpg,size=L
https://a.example/1.jpg?v=1,王小明
https://a.example/1?x-oss-process=style/avatar,Ann
https://a.example/1?x-oss-process=image/resize%2Cw_400,Ann
https://a.example/1?mode=crop,Ann
https://a.example/1?mode=crop,25
https://a.example/1?size=300,200
https://a.example/1?auto=format,Ann
https://a.example/1?crop=faces,Ann Lee
https://a.example/1?Expires=1&Signature=a%2Bb%3D,2026-01-02 03:04
https://a.example/1?Signature=aGVsbG8=,true
https://a.example/1?sig=abc,https://b.example/2
https://a.example/1,
https://a.example/1,R&D
https://a.example/1?v=2,Tom & Ann = x
"https://a.example/1?x-oss-process=image/resize",w_400
https://a.example/(1),x)
https://a.example/1?v=2,anna@a.example
https://a.example/1?v=2,13800000000
https://a.example/1?imageMogr2/auto-orient,Ann
https://a.example/1?v=2,1/2
https://a.example/1?v=2,N/A
https://a.example/1?v=2,top
https://a.example/1?v=2,#12
https://a.example/1?resize=300,Ann
https://a.example/a-/xyz=s96-c,Ann
https://a.example/v1/s=96,Ann
https://a.example/1.jpg;color=red
https://a.example/1?v=1;Anna
https://a.example/1;12,5
https://a.example/1.jpg;Ann
https://a.example/1?v=1|Ann
https://a.example/1.jpg?imageMogr2/auto-orient|Ann
https://a.example/1|a/b
https://a.example/1?x-oss-process=image/resize\tw_400
""".strip().split("\n")  # fmt: skip


def delimiter_in(line: str) -> str:
    """What cuts a line of the tables above."""
    return next(each for each in "\t|;," if each in line)


def shapes(line: str) -> list[tuple[list[str], str]]:
    """Headers that a line may stand under, and what stands before it there.

    As many names as cells, one more, and an image that is not the first.
    """
    cells = line.count(delimiter_in(line)) + 1
    names = [f"n{number}" for number in range(cells - 1)]
    return [
        (["url", *names], ""),
        (["url", *names, "more", "last"], ""),
        (["id", "url", *names], f"7{delimiter_in(line)}"),
    ]


@pytest.mark.parametrize("line", CUT)
async def test_an_address_that_a_delimiter_cut_is_a_faulty_row(tmp_path: Path, line: str) -> None:
    """However many cells the header has; in quotes it is sent whole."""
    delimiter = delimiter_in(line)
    for names, before in shapes(line):
        header = delimiter.join(names)
        content = f'{header}\n{before}{line}\n{before}"{line}"\n'
        rows = await read(tmp_path, "list.csv", content, delimiter=delimiter)
        assert told(rows) == ["!2", line], header
        assert "in quotes" in rows[0].fault


@pytest.mark.parametrize("line", PLAIN)
async def test_a_plain_address_beside_a_plain_cell_is_sent(tmp_path: Path, line: str) -> None:
    """No list is asked about for nothing."""
    delimiter = delimiter_in(line)
    address = line.partition(delimiter)[0].strip('"')
    for names, before in shapes(line):
        content = f"{delimiter.join(names)}\n{before}{line}\n"
        assert told(await read(tmp_path, "list.csv", content, delimiter=delimiter)) == [address]


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list"])
async def test_a_tab_is_in_no_address(tmp_path: Path, name: str) -> None:
    """A list without a header that has tabs is read; with commas it is asked about."""
    address = "https://a.example/1?v=1"
    line = f"{address}\tAnn\n"
    options = {"delimiter": "tab"} if name == "list" else {}
    assert told(await read(tmp_path, name, line * 2, **options)) == [address] * 2
    if name == "list.csv":
        with pytest.raises(InputError, match="may go on"):
            await read(tmp_path, name, line.replace("\t", ",") * 2)
