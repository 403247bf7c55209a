"""What may be shown of an image's address: all but what signs it.

A signed address is a key to somebody's file, and error messages, reprs, logs and spans travel.
"""

import re

_URL = re.compile(
    r"""(?P<head>\b[a-z][a-z0-9+.-]*://)   # scheme
        (?:[^\s/?\#@"'<>]*@)?              # user and password: never shown
        (?P<path>[^\s?\#"'<>]*)
        (?P<query>[?\#][^\s"'<>]*)?        # query and fragment: shown as ?…""",
    re.VERBOSE | re.IGNORECASE,
)
_KEY = re.compile(r"\bsk-[\w.-]{6,}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]|[\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
_SHOWN_CHARACTERS = 300


def redacted(text: str) -> str:
    """Return `text` with every URL's query as `?…`, keys as `sk-…`, controls as `�`, and short."""
    text = _URL.sub(
        lambda url: url["head"] + url["path"] + ("?…" if url["query"] else ""),
        text,
    )
    text = _UNPRINTABLE.sub("�", _KEY.sub("sk-…", text))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def shown(image: object) -> str:
    """Return what a message or a repr may say of an image."""
    if isinstance(image, str):
        return redacted(image)
    if isinstance(image, bytes | bytearray | memoryview):
        return f"{len(image)} bytes"
    return redacted(repr(image))
