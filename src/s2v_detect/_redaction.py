"""What may be shown of an image's address: all but what signs it.

A signed address is a key to somebody's file, and error messages, reprs, logs and spans travel.
"""

import re
from os import PathLike, fsdecode

_URL = re.compile(
    # A scheme of bounded length: without the bound a long "a.a.a.a…" costs its length squared.
    r"""(?P<head>[a-z][a-z0-9+.-]{0,30}://)
        (?:[^\s/?\#]*@)?                   # user and password, which may hold an @: never shown
        (?P<path>[^\s?\#"'<>]*)
        # Query and fragment: shown as ?…. Quotes are allowed in it; only what ends it is not of it.
        (?P<query>[?\#]\S*?(?=["'<>,;.)\]}]{0,3}(?:\s|\Z)))?""",
    re.VERBOSE | re.IGNORECASE,
)
_KEY = re.compile(r"\bsk-[\w.-]{6,}")
_SHOWN_CHARACTERS = 300


def redacted(text: str) -> str:
    """Return `text` with every URL's query as `?…`, keys as `sk-…`, controls as `�`, and short."""
    text = _URL.sub(
        lambda url: url["head"] + url["path"] + ("?…" if url["query"] else ""),
        text,
    )
    text = _KEY.sub("sk-…", text)
    # Controls, marks of direction, line breaks of Unicode, lone surrogates.
    text = "".join(character if character.isprintable() else "�" for character in text)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def path_text(path: PathLike[str]) -> str:
    """Return a path as text that any file can hold: bytes that are none, as their escapes."""
    try:
        text = fsdecode(path)
    except Exception:  # noqa: BLE001  # a class of the user's own: it has no path, whatever it raises
        return f"<{type(path).__name__}>"
    return text_of(text)


def text_of(text: str) -> str:
    """Return text as UTF-8 can hold it: half a character as its escape."""
    return text.encode(errors="backslashreplace").decode()


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
