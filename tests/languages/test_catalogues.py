"""Each sentence has its translation, with the same names to be filled in."""

import re
import runpy
import string
from pathlib import Path

import pytest

from s2v_detect.languages import LANGUAGES, _, language_of, ngettext, speaking, spoken

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "catalogue.py"))
OTHERS = [language for language in LANGUAGES if language != "en"]
RUN = "Run `uv run python .ci/catalogue.py`, and translate what it names."


def names_in(text: str) -> list[str]:
    """Return what is filled in, and how often."""
    return sorted(name for _text, name, _form, _as in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("language", OTHERS)
def test_no_sentence_lacks_its_translation(language: str) -> None:
    """A reader of another language meets no English sentence between the others."""
    assert SCRIPT["wanting"](SCRIPT["kept"](language)) == [], RUN


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_names_of_its_sentence(language: str) -> None:
    """What is filled in is the same everywhere; one name more would be an error as it is shown."""
    for message in SCRIPT["kept"](language):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        for text in texts:
            assert names_in(text) == names_in(ids[-1]), text


@pytest.mark.parametrize("language", OTHERS)
def test_what_is_kept_and_what_is_read_are_what_the_source_says(language: str) -> None:
    """No sentence is kept that nothing says; what gettext reads is what a translator wrote."""
    catalog = SCRIPT["kept"](language)
    folder = SCRIPT["FOLDER"]
    assert (folder / f"{language}.po").read_bytes() == SCRIPT["source_of"](catalog), RUN
    assert (folder / f"{language}.mo").read_bytes() == SCRIPT["compiled"](catalog), RUN


@pytest.mark.parametrize(
    ("other", "usual"),
    [
        (r"每秒[^，。；（）]*[}\d] *[张个]|次/秒|次每秒", "每秒 {rate} 次"),
        (r"[}\d] %", "{share}%"),
        (
            r"接着做|接着运行|从中断处继续|同一条命令(?!即可继续|会从头开始|直到结束)",
            "再次运行同一条命令即可继续",
        ),
        (r"长和宽", "宽和高"),
    ],
)
def test_chinese_has_one_word_for_one_thing(other: str, usual: str) -> None:
    """Whoever reads two words looks for two things."""
    texts = [
        text
        for message in SCRIPT["kept"]("zh")
        for text in (message.string if isinstance(message.string, tuple) else (message.string,))
    ]
    assert not [text for text in texts if re.search(other, text)]
    assert any(usual.partition("{")[0] in text for text in texts)


def test_a_language_is_spoken_in_its_block_alone() -> None:
    """What is looked up outside stays English."""
    with speaking("zh"):
        assert spoken() == "zh"
        assert _("") == ""
    assert (spoken(), _("no such sentence"), ngettext("one", "many", 2)) == (
        "en",
        "no such sentence",
        "many",
    )


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh-Hans-CN"}, "zh"),
        ({"LANG": "ZH_TW.Big5"}, "zh"),
        ({"LANG": "zha"}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "de:zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "de"}, "en"),
        ({"LC_ALL": "C", "LANGUAGE": "zh_CN:zh"}, "en"),
        ({"LC_ALL": "POSIX", "LANGUAGE": "zh"}, "en"),
        ({"LANGUAGE": "zh"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_environment_says_the_language(environment: dict[str, str], language: str) -> None:
    """The names of gettext, in its order: an empty one is not set."""
    assert language_of(environment) == language
