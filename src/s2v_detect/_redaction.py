"""What may be shown of anything: all but keys, signatures, and what signs an address.

A signed address is a key to somebody's file, and error messages, reprs, logs and spans travel.
Whatever a person reads goes through here, whoever wrote it: the service and the store echo what
they were sent. What a program reads (outputs, the ledger) keeps its addresses whole, for they are
what it is about; but the account's key is in none of them.
"""

import re
from os import PathLike, fsdecode
from typing import Any

from pydantic import SecretStr

_URL = re.compile(
    # A scheme of bounded length: without the bound a long "a.a.a.a…" costs its length squared.
    r"""(?P<head>(?:[a-z][a-z0-9+.-]{0,30}:)?//)
        (?:[^\s/?\#]*@)?                   # user and password, which may hold an @: never shown
        (?P<path>[^\s?\#"'<>]*)
        # Query and fragment: shown as ?…. Quotes are allowed in it; only what ends it is not of it.
        (?P<query>[?\#]\S*?(?=["'<>,;.)\]}]{0,3}(?:\s|\Z)))?""",
    re.VERBOSE | re.IGNORECASE,
)
# What comes before a name: no letter, unless that is the end of an escape (`%3F`, `\u0026`).
_BEGIN = r"(?:(?<![a-z0-9])|(?<=%[0-9a-f][0-9a-f])|(?<=\\u[0-9a-f]{4}))"
_KEY = re.compile(_BEGIN + r"(?P<head>sk-)[\w.-]{6,}", re.IGNORECASE)
_QUOTE = r"""["'\\]{0,3}"""
_NAMED = re.compile(
    # Some of these names are parts of words too, and begin where a word does. Behind a colon may
    # be prose (`Policy: Policy expired`): what holds a digit, or is long, is none.
    rf"""(?P<head>
        (?: signature(?:provided)? | (?:oss|aws)?access[_-]?key(?:[_-]?(?:id|secret))?
          | security[_-]?token | access[_-]?token | x-(?:oss|amz)-[a-z0-9-]{{1,40}}
          | api[_-]?key | client[_-]?secret
          | {_BEGIN}(?:token|expires|sig|sign|policy|credential|password|passwd|pwd|secret)
        )
        {_QUOTE}\s{{0,3}}(?:=|>|%(?:25)?3[ad]|:(?=[\s"'\\]{{0,5}}(?:\S{{0,60}}\d|\S{{24}})))
        \s{{0,3}}{_QUOTE}
      | authorization{_QUOTE}\s{{0,3}}[=:]\s{{0,3}}{_QUOTE}(?:[a-z][\w-]{{0,30}}\s{{1,3}})?
      | {_BEGIN}bearer(?:\s{{1,3}}|%20|\+)(?=\S{{0,60}}\d)
        )
        (?P<value>[^\s"'\\&<>,;)\]}}…]+)""",
    re.VERBOSE | re.IGNORECASE,
)
_ID = re.compile(r"\b(?P<head>LTAI|STS\.|AKIA)\w{8,}")  # of an access key, by its own look
_SIGNS = frozenset("?#@=>%")
_WORDS = re.compile("x-oss-|x-amz-|sk-|bearer|ltai|sts\\.|akia")
_SHOWN_CHARACTERS = 300


_ENDED = re.compile(
    r"[.!?\u2026\u3002\uff01\uff1f][)\]}'\"\u201d\u2019\u00bb\uff09\u3011\u300d\u300f]*\Z"
)


def without_key(text: str) -> str:
    """Return `text` with keys of the service as `sk-…`; all else stays."""
    # Asked for of every answer, where none is: told so at a glance, it costs a tenth.
    return _KEY.sub(r"\g<head>…", text) if "sk-" in text.lower() else text


def without_secrets(text: str) -> str:
    """Return `text` with every URL's query as `?…`, and keys, signatures and tokens as `…`.

    Example:
        >>> without_secrets("denied: Signature=aB3%3D of https://a.example/x.jpg?Expires=9")
        'denied: Signature=… of https://a.example/x.jpg?…'
    """
    if not _may_hide(text):
        return text
    text = _URL.sub(
        lambda url: url["head"] + url["path"] + ("?…" if url["query"] else ""),
        text,
    )
    text = _NAMED.sub(r"\g<head>…", without_key(text))
    return _ID.sub(r"\g<head>…", text)


def _may_hide(text: str) -> bool:
    """Whether there may be a secret: most words and addresses have no sign of one.

    They cost a tenth so, and a page has many. An address hides something behind `?` or `#`, or
    before `@`; the colon of its scheme names nothing.
    """
    if not text.isascii():
        return True
    text = text.lower()
    colons = text.count(":")
    if colons and colons > text.count("http:") + text.count("https:"):
        return True
    return not _SIGNS.isdisjoint(text) or _WORDS.search(text) is not None


def legible(text: str) -> str:
    """Return `text` with `�` for what steers a terminal or a reader's eye.

    Controls, marks of direction, line breaks of Unicode, lone surrogates.
    """
    return "".join(character if character.isprintable() else "�" for character in text)


def redacted(text: str) -> str:
    """Return what a message may say of `text`: without secrets, legible, and short."""
    text = legible(without_secrets(text))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def ended(words: str) -> str:
    """Return somebody else's words with a full stop behind them, unless they have their own.

    Example:
        >>> ended("It is too large"), ended("It is too large. (An estimate.) "), ended("图片太大。")
        ('It is too large.', 'It is too large. (An estimate.)', '图片太大。')
    """
    words = words.rstrip()
    return words if not words or _ENDED.search(words) else f"{words}."


def bare(error: BaseException) -> BaseException:
    """Return an error without the frames it came through; so for its causes.

    It will be the cause of one of ours, which travels: to logs, and to services that gather errors
    with the variables of each frame. Those of a transport hold the headers of the request.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return error


def path_text(path: PathLike[str]) -> str:
    """Return a path as text that any file can hold: bytes that are none, as their escapes."""
    try:
        text = fsdecode(path)
    except Exception:  # noqa: BLE001  # a class of the user's own: it has no path, whatever it raises
        return f"<{type(path).__name__}>"
    return text_of(text)


def sealed(api_key: str | SecretStr | None) -> SecretStr | None:
    """Return a key as what shows nothing of it."""
    # What is no text is sealed too, for the same reason; it is told of later.
    return api_key if api_key is None or isinstance(api_key, SecretStr) else SecretStr(api_key)


def seal(options: Any) -> None:
    """Let the key among a client's arguments show nowhere: variables travel with an exception."""
    if "api_key" in options:
        options["api_key"] = sealed(options["api_key"])


def text_of(text: str) -> str:
    """Return text as UTF-8 can hold it: half a character as its escape."""
    return text.encode(errors="backslashreplace").decode()


def text_or_none(text: str | None) -> str | None:
    """Return the same of what may be missing."""
    return None if text is None else text_of(text)


def shown(image: object) -> str:
    """Return what a message or a repr may say of an image."""
    if isinstance(image, str):
        # Cut by hand: it may be no good address, and signed all the same.
        path, *query = re.split(r"[?#]", image, maxsplit=1)
        return redacted(path) + ("?…" if query else "")
    if isinstance(image, PathLike):
        return redacted(path_text(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return f"{len(image)} bytes"
    return redacted(repr(image))
