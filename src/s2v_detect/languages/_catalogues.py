"""The catalogues, and the language that is spoken in this task or thread."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Final, Literal, get_args

from s2v_detect._version import install_line

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set is the locale."""
_PLAIN = ("", "c", "posix")

_spoken: ContextVar[Language] = ContextVar("s2v_detect_language", default="en")


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Have sentences in a language while the block is open, in this task or thread."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> Language:
    """Return the language in which sentences are looked up now."""
    return _spoken.get()


def language_of(environment: Mapping[str, str]) -> Language:
    """Return the language that an environment asks for: Chinese, or English for all others.

    The rule is that of gettext: the locale says it, or the first of `LANGUAGE` that there is. In
    the locale C, that of scripts, `LANGUAGE` says nothing.

    Example:
        >>> language_of({"LANG": "zh_CN.UTF-8"}), language_of({"LANG": "de_DE.UTF-8"})
        ('zh', 'en')
        >>> language_of({"LC_ALL": "C.UTF-8", "LANGUAGE": "zh_CN"}), language_of({})
        ('en', 'en')
        >>> language_of({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh_CN:en"})
        'zh'
    """
    locale = next((environment[name] for name in _LOCALES if environment.get(name)), "")
    if _tag_of(locale) in _PLAIN:
        return "en"
    asked = [_tag_of(each) for each in (environment.get("LANGUAGE") or locale).split(":")]
    return next((language for each in asked for language in LANGUAGES if each == language), "en")


def _tag_of(locale: str) -> str:
    """Return the language of a locale, such as `zh` of `zh_CN.UTF-8` and of `zh-Hans`."""
    return locale.lower().replace("-", "_").partition("_")[0].partition(".")[0]


def _(text: str) -> str:
    """Return a sentence in the language that is spoken."""
    if not text:  # the catalogue's own header
        return ""
    return _catalogue(_spoken.get()).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """Return the sentence for a count, in the language that is spoken."""
    return _catalogue(_spoken.get()).ngettext(one, many, count)


def pgettext(context: str, text: str) -> str:
    """Return a word in the language that is spoken, where one word is two in another language."""
    return _catalogue(_spoken.get()).pgettext(context, text)


def N_(text: str) -> str:  # noqa: N802  # the name that gettext's tools look for
    """Return the text itself: it is marked for the catalogue, and looked up when it is shown."""
    return text


def needs_extra(what: str, *extras: str) -> str:
    """Return how to get the extras that something needs, in the language that is spoken."""
    told = _("{what} needs an extra. Install it: {line}")  # as `_version.missing`
    return told.format(what=what, line=install_line(*extras))


@cache
def _catalogue(language: Language) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    with (files(__package__) / f"{language}.mo").open("rb") as file:
        return GNUTranslations(file)
