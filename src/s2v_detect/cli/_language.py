"""The language in which the command speaks: where it is said, and that of the surroundings."""

import os
import sys
from collections.abc import Sequence
from locale import windows_locale

from s2v_detect.languages import Language, language_of

OPTION = "--lang"
_IN_ITS_OWN_WORDS: dict[Language, str] = {"en": "English", "zh": "中文"}
_END = "--"  # behind it no word is an option


def language_first(words: Sequence[str]) -> list[str]:
    """Return the words of a command line, those that say the language before all others.

    cyclopts gives a command what stands behind its name first, and `run --lang zh portraits.csv`
    would have an input of that name: an input may begin with a hyphen, so that its message says so.

    Example:
        >>> language_first(["run", "--lang", "zh", "in.csv"]), language_first(["run", "--lang"])
        (['--lang', 'zh', 'run', 'in.csv'], ['run', '--lang'])
    """
    end = words.index(_END) if _END in words else len(words)
    first: list[str] = []
    others = list(words[:end])
    while OPTION in others[:-1]:
        at = others.index(OPTION)
        first += others[at : at + 2]
        del others[at : at + 2]
    first += [word for word in others if word.startswith(f"{OPTION}=")]
    others = [word for word in others if not word.startswith(f"{OPTION}=")]
    return [*first, *others, *words[end:]]


def usual_language() -> Language:
    """Return the language of the environment, or else of Windows, which has it elsewhere.

    It is English where stderr can't show another: nobody reads escapes.
    """
    language = language_of({"LANG": _of_the_system(), **os.environ})
    return "en" if unshown(language) else language


def unshown(language: Language) -> str:
    """Return in English why stderr can't show a language; empty where it can.

    Python makes UTF-8 of the locale C (PEP 538 and 540), so somebody has said this encoding, for a
    program that reads it.
    """
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    try:
        _IN_ITS_OWN_WORDS[language].encode(encoding)
    except UnicodeEncodeError:
        return (
            f"{OPTION} {language} is left out: stderr takes {encoding}, as Python is told."
            " Set PYTHONIOENCODING=utf-8."
        )
    return ""


def _of_the_system() -> str:
    if sys.platform != "win32":
        return ""
    import ctypes  # noqa: PLC0415  # not needed on any other system

    return windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
