"""Where lines end on a terminal: in Chinese, between any two ideographs."""

import sys
from io import StringIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from s2v_detect.cli import main
from s2v_detect.cli._wrapping import WrappingConsole, line_ends

WIDTHS = (20, 40, 60, 80, 100)
KEPT = ("https://a.example/照片/张三,李四.jpg?…", "/数据/图片（新）/人像.csv", "--retry-failed")
SENTENCE = (
    "账本 {} 里以前各次运行的图片是按“图片地址”这一列识别的（原因见消息）：这次运行在里面找不到"
    "任何结果，3 张图片都要重新付费。「请」像以前一样给出 {}，确实要重新付费就加 {}。"
    "Wan2.2 只接受 JPEG、PNG 和 WebP！"
)


def printed(text: object, width: int) -> list[str]:
    """Return the lines of what is printed on a terminal of so many columns."""
    console = WrappingConsole(file=StringIO(), width=width, highlight=False)
    with console.capture() as capture:
        console.print(text)
    return capture.get().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kept", KEPT)
def test_a_chinese_sentence_fills_its_lines(width: int, kept: str) -> None:
    """None is wider than the terminal, and none is left empty by more than the next word."""
    sentence = SENTENCE.format(kept, kept, kept)
    lines = printed(Text(sentence), width)
    assert max(map(cell_len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(sentence.split())
    for line, after in pairwise(lines):
        assert after[0] not in "。，、：；？！）」”"
        assert line[-1] not in "（「“"
    short = [line for line in lines[:-1] if cell_len(line) < width - len("“图片")]
    assert len(short) <= 4  # before what stays whole


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kept", KEPT)
def test_what_is_copied_is_whole_where_a_line_holds_it(width: int, kept: str) -> None:
    """Also where it has ideographs, or stands behind a colon or within brackets."""
    if cell_len(kept) + cell_len("没有（）。") > width:
        return
    for told in ("没有图片的是 {}。", "没有图片：{}", "没有（{}）。再来一次"):
        sentence = "很" * (width // 3) + "长，" + told.format(kept)
        assert any(kept in line for line in printed(sentence, width))


def test_english_is_as_it_was() -> None:
    """Rich's own way: at spaces alone, also where a cell of a table is cut."""
    told = "It is no address of an image: give an https address, or a file behind --files."
    for width in WIDTHS:
        table = Table.grid()
        table.add_row(told, "unbreakable" * 9)
        console = WrappingConsole(width=width)
        assert [*console.render(table)] == [*super(WrappingConsole, console).render(table)]


def test_styles_and_cells_are_kept() -> None:
    """A cell has the width of its column; what is styled stays so."""
    styled = Text("没有图片，", style="red").append("请给出另一个文件夹。", style="bold")
    grid = Table.grid()
    grid.add_column(width=4)
    grid.add_column(width=10, overflow="fold")
    grid.add_row("图片", styled)
    console = WrappingConsole(
        file=StringIO(), width=14, color_system="standard", force_terminal=True
    )
    with console.capture() as capture:
        console.print(grid)
    assert capture.get().splitlines()[0] == "图片\x1b[31m没有图片，\x1b[0m"
    assert "\x1b[1;31m请给出另一\x1b[0m" in capture.get()


@given(st.text("图片人像。，（）“”—… ab-/\n", max_size=60), st.integers(1, 30))
def test_nothing_is_lost_and_no_line_too_long(text: str, width: int) -> None:
    """Whatever stands beside what."""
    ends = list(line_ends(text.replace("\n", ""), max(width, 2)))
    assert ends == sorted(set(ends))
    assert ends == [end for end in ends if 0 < end < len(text)]
    lines = printed(Text(text), width)
    assert width < 2 or all(cell_len(line) <= width for line in lines)
    if width > 1:
        assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_refusal_of_the_command_fills_its_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal; without one it is a single line."""
    words = ["run", "没有的文件夹/名单.csv", "-o", "out.jsonl", "--lang", "zh"]
    monkeypatch.setenv("COLUMNS", "40")
    assert main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(words) == 2
    first, *_ = capsys.readouterr().err.splitlines()
    assert cell_len(first) > 36


MISTAKES = (
    ("--until", "25:00"),
    ("--max-cost", "很多"),
    ("--max-outage", "很久"),
    ("--max-time", "x"),
    ("--rate", "-1"),
    ("多余的一个词", "多余的另一个词"),
)


@pytest.mark.parametrize("width", [50, 60, 80])
@pytest.mark.parametrize("words", MISTAKES)
def test_the_box_of_a_mistake_fills_its_lines(
    words: tuple[str, ...],
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """None begins with a stop or with half of an example, whoever makes the text of the box."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["run", "名单.csv", "-o", "out.jsonl", *words, "--lang", "zh"]) == 2
    box = capsys.readouterr().err.splitlines()
    assert {cell_len(line) for line in box} == {width}
    lines = [line.strip("│ ") for line in box[1:-1]]
    for line, after in pairwise(lines):
        assert after[0] not in "。，、：；？！）」”"
        assert line[-1] not in "（「“"
    for example in ("+08:00", "2026-11-27T07:00", "12.50", "--until"):
        whole = "".join("".join(lines).split())
        assert whole.count(example) == sum(line.count(example) for line in lines)
