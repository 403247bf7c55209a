"""The two READMEs say the same: headings, programs, commands, names, figures and links."""

import re
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")

TEXTS = {"README.md": ENGLISH, "README.zh-CN.md": CHINESE}

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def programs(text: str) -> list[str]:
    """Return the blocks, without their comments and what they print in words."""
    blocks = [re.sub(r" *# .*", "", block) for block in FENCE.findall(text)]
    return [re.sub(r'"never sent:"|"未发送："', '""', block) for block in blocks]


def prose(text: str) -> str:
    """Return what is no block, without the targets of links."""
    return re.sub(r"\]\([^)]*\)", "]", FENCE.sub("", text))


def headings(text: str) -> list[int]:
    """Return the level of each heading."""
    return [len(hashes) for hashes in re.findall(r"^(#+) ", FENCE.sub("", text), re.MULTILINE)]


def names(text: str) -> Counter[str]:
    """Return what stands between backticks."""
    return Counter(re.findall(r"`([^`\n]+)`", prose(text).replace("\n", " ")))


def figures(text: str) -> Counter[str]:
    """Return the numbers in the prose."""
    return Counter(re.findall(r"\d+(?:\.\d+)*", re.sub(r"`[^`]*`", "", prose(text))))


def links(text: str) -> Counter[str]:
    """Return where the links and pictures lead, but for the other language."""
    return Counter(re.findall(r"\]\((?!README)([^)]*)\)", text.replace(".zh.png)", ".png)")))


def rows(text: str) -> list[int]:
    """Return the cells of each row of a table."""
    return [line.count("|") for line in text.splitlines() if line.startswith("|")]


def rendered(text: str) -> str:
    """Return what a reader sees of the prose, as CommonMark and the tables of GitHub have it.

    A line that ends within a paragraph is a newline here. GitHub shows it as a space.
    """
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return "\n\n".join(seen(token) for token in tokens if token.type == "inline")


def seen(token: Token) -> str:
    """Return the words of a paragraph, without its code and what marks emphasis and links."""
    if token.children is not None:
        return "".join(seen(child) for child in token.children)
    return "\n" if token.type == "softbreak" else token.content * (token.type == "text")


@pytest.mark.parametrize("name", TEXTS)
def test_no_mark_of_emphasis_is_left_to_be_read(name: str) -> None:
    """A mark that closes nothing stays: such as one between a full stop and a Chinese character."""
    assert not re.findall(r".*\*.*", rendered(TEXTS[name]))


def test_no_line_ends_between_two_chinese_characters() -> None:
    """GitHub would show a space there, which Chinese has not."""
    wide = r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
    assert not re.findall(rf".*{wide}\n{wide}.*", rendered(CHINESE))
    assert re.search(wide, rendered(CHINESE))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("**甲。**乙", "**甲。**乙"),
        ("**甲**。乙", "甲。乙"),
        ("*甲：*乙", "*甲：*乙"),
        ("*甲：*`x`", "甲："),
        ("**甲。** 乙", "甲。 乙"),
        ("- 甲\n  乙", "甲\n乙"),
        ("|甲|\n|-|\n|*乙*|", "甲\n\n乙"),
        ("```\n**\n```\n`*`", ""),
        ("[*甲*](x)![乙](y)", "甲乙"),
    ],
)
def test_a_text_is_rendered_as_a_reader_sees_it(text: str, told: str) -> None:
    """Code may have any mark, and no other text may have one."""
    assert rendered(text) == told


@pytest.mark.parametrize("part", [headings, programs, names, figures, links, rows])
def test_both_languages_have_the_same(part: object) -> None:
    """What one says and the other does not is a change that was made in one alone."""
    assert callable(part)
    assert part(ENGLISH) == part(CHINESE)
    assert part(ENGLISH)


def test_the_chinese_one_is_chinese() -> None:
    """Each paragraph, and each row of a table that has words; and each leads to the other."""
    words = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)", "", CHINESE)
    for paragraph in FENCE.sub("", words).split("\n\n"):
        if len(re.findall(r"[A-Za-z]{3,}", paragraph)) > 2:
            assert re.search(r"[\u4e00-\u9fff]", paragraph), paragraph
    assert "(README.md)" in CHINESE
    assert "(README.zh-CN.md)" in ENGLISH
    assert CHINESE.count("\n") <= 150
