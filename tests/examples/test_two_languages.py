"""The two READMEs say the same: headings, programs, commands, names, figures and links."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")

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
