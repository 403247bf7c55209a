"""Lists as people have them, by the command: what is guessed, and what is refused."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s2v_detect.emulator import Emulator
from s2v_detect.tables import read_records

Command = Callable[..., Any]

FAST = ("--rate", "1000", "--quiet")


def test_a_list_of_excel_in_china_comes_out_as_excel_opens_it(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """GB18030 and semicolons in; UTF-8 with its mark and semicolons out, which a resume takes."""
    names = ["王小明", "张三", "李四", "红色连衣裙", "正面照", "上海", "北京", "客户编号"]
    lines = [f"https://a.example/{n}.jpg;{name}" for n, name in enumerate(names)]
    text = "图片;名字\r\n" + "\r\n".join(lines) + "\r\n"
    (tmp_path / "in.csv").write_bytes(text.encode("gb18030"))
    run = ("run", "in.csv", "-o", "out.csv", "--excel", *FAST)
    done = called(*run)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is read as a list in gb18030, separated by ';'.") == 1
    out = tmp_path / "out.csv"
    assert out.read_bytes().startswith(b"\xef\xbb\xbf")
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert sorted(row["名字"] for row in rows) == sorted(names)
    assert {row["名字"] for row in read_records(out)} == set(names)
    assert called("report", "out.csv", "-o", "page.html").returncode == 0
    with out.open("ab") as file:  # as a run that was killed leaves it
        file.write(b"https://a.exa")
    done = called(*run)
    assert done.returncode == 0
    assert "is kept as" in done.stderr
    assert emulator.requests == len(names)
    with out.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file, delimiter=";"))) == len(names)


def test_what_is_no_list_is_exit_2_and_nothing_is_sent(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """One line says what it is, and an earlier output stays."""
    address = "https://a.example/1.jpg"
    cases: dict[str, tuple[bytes, tuple[str, ...], str]] = {
        "empty.csv": (b"", (), "has no image"),
        "header.csv": (b"url,name\n", (), "no row under its header"),
        "page.txt": (b"<!DOCTYPE html>\n<html>", (), "an HTML page"),
        "unread.csv": (b"\xff,url\n1," + address.encode(), (), "The header, line 1"),
        "other.csv": (f"url,face\nx,{address}\n".encode(), (), "'face' has one"),
        "a.csv": (b"url\nx\n", ("--encoding", "gb1803"), "such as gb18030"),
        "b.csv": (b"url\nx\n", ("--delimiter", "ab"), "can't separate"),
        "c.csv": (b"url\nx\n", ("--column", "2"), "Its columns are url."),
        "d.csv": (b"url\nx\n", ("--excel", "-o", "out.jsonl"), "--excel is for"),
    }
    (tmp_path / "out.csv").write_text("")
    for name, (content, options, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        out = () if "-o" in options else ("-o", "out.csv")
        done = called("run", name, *out, *options, *FAST)
        assert (done.returncode, done.stdout) == (2, ""), name
        assert message in " ".join(done.stderr.split()), name
        assert "Traceback" not in done.stderr
    assert emulator.requests == 0


@pytest.mark.parametrize(
    ("name", "content", "asked"),
    [
        ("headerless.csv", "{A}\n{B}\n{C}\n", 3),
        ("twice.csv", 'id,url,note\n1,{A},"5 inch\n2,{B},"6 inch\n3,{C},x\n', 1),
        ("semicolon.csv", "url;name\n{A}?v=1;Anna\n{B}?v=1;Bo\n", 2),
        ("array.json", '[\n {\n  "url": "{A}"\n },\n {\n  "url": "{B}"\n }\n]\n', 2),
        ("half.jsonl", '{"url": "{A}", "caption": "\\ud83d"}\n', 1),
    ],
)
def test_an_estimate_reads_a_list_as_a_run_does(
    called: Command, tmp_path: Path, name: str, content: str, asked: int
) -> None:
    """Nothing is sent."""
    for number, letter in enumerate("ABC"):
        content = content.replace(f"{{{letter}}}", f"https://a.example/{number}.jpg")
    (tmp_path / name).write_text(content)
    done = called("estimate", name, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["asked"] == asked


OTHER = "Check --column: it is now '部门', and the other columns are 姓名, 照片地址."


@pytest.mark.parametrize(
    ("rows", "options", "is_doubted"),
    [
        (["王,市场部,1.jpg", "李,人事部,2.jpg"], ("--column", "部门"), True),
        (["王,市场部,1.jpg", "李,人事部,2.jpg"], ("--column", "2", "--files"), True),
        (["王,,1.jpg", "李,,2.jpg"], ("--column", "部门"), True),
        (["王,,1.jpg", "李,人事部,2.jpg"], ("--column", "部门"), False),
        (["王,市场部,1.jpg", "李,http://a.example/1.jpg,"], ("--column", "部门"), False),
        (["王,市场部,1.jpg", "李,人事部,2.jpg"], (), False),
        (["王,市场部,1.jpg", "李,人事部,2.jpg"], ("--column", "照片地址"), False),
        (["王,市场部,1.jpg", "李,人事部,2.jpg"], ("--column", "照片地址", "--files"), False),
    ],
)
def test_a_column_without_any_image_is_doubted(
    called: Command, tmp_path: Path, rows: list[str], options: tuple[str, ...], *, is_doubted: bool
) -> None:
    """Where the user named it, and all rows were skipped for one reason; the others are named.

    The path of an image is in the right column: it lacks `--files`, or the file.
    """
    (tmp_path / "in.csv").write_text("\n".join(["姓名,部门,照片地址", *rows]))
    done = called("run", "in.csv", "-o", "out.csv", *options, *FAST)
    assert done.returncode == 1
    assert ("Check --column" in done.stderr) == is_doubted
    assert (OTHER in " ".join(done.stderr.split())) == is_doubted


def test_a_column_is_not_doubted_where_it_is_the_only_one(called: Command, tmp_path: Path) -> None:
    """There is no other to name."""
    (tmp_path / "in.csv").write_text("部门\n市场部\n")
    done = called("run", "in.csv", "-o", "out.csv", "--column", "部门", *FAST)
    assert done.returncode == 1
    assert "Check --column" not in done.stderr
