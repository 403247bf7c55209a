"""Where in somebody's item an image is: for the sentence that says how to get it from there.

An item is of whatever kind a table or an ORM makes: mappings, tuples, records with fields. A place
is written as Python that a user can paste: `item["url"]`, `item[1]`, `item.url`, `str(item)`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from inspect import iscoroutinefunction
from itertools import islice
from os import PathLike
from typing import Any

from s2v_detect.errors import ImageSkipped
from s2v_detect.images._identity import IN_BUCKET, NO_URL, image_of, trimmed
from s2v_detect.images._signed import SignedImage

_DEEP = 2
_MOST_SEEN = 100
_MOST_NAMED = 10
_SHOWN_CHARACTERS = 40
_BY_KEY = re.compile(r'item\[("(?:[^"\\]|\\.)*")\]')
_NO_ADDRESS = {IN_BUCKET: "an address in a bucket", NO_URL: "no address"}
_CONVERTED = {"str(item)": "str", "bytes(item)": "bytes"}


def is_image(value: object) -> bool:
    """Whether it is an image: an address, a path or bytes."""
    if isinstance(value, bytes | PathLike | SignedImage):
        return True
    if not isinstance(value, str):
        return False
    try:
        image_of(value)
    except ImageSkipped:
        return False
    return True


def no_address(text: str) -> str:
    """Return what a text is that is not meant as an address of an image, or nothing.

    What is meant as one may be faulty: it is data.

    Example:
        >>> no_address("s3://portraits/1.jpg"), no_address("faces/1.jpg"), no_address("https://")
        ('an address in a bucket', 'no address', '')
    """
    try:
        image_of(trimmed(text))
    except ImageSkipped as skipped:
        return _NO_ADDRESS.get(skipped.reason, "")
    return ""


def place_of_image(item: object) -> str | None:
    """Return where the first image in an item is, or None.

    Example:
        >>> place_of_image({"name": "Ada", "urls": ["https://example.com/1.jpg"]})
        'item["urls"][0]'
    """
    return next(_places(item, "item", _DEEP), None)


def place_like(wanted: str, item: object, *, of_image: bool) -> str | None:
    """Return the place whose name is most like the wanted one, or None where none is like it.

    With `of_image` a place that has an image goes before others.

    Example:
        >>> place_like("uri", {"id": 7, "url": "https://example.com/1.jpg"}, of_image=True)
        'item["url"]'
    """
    parts = {
        str(name): (place, part) for name, place, part in _parts(item, "item") if name is not None
    }
    images = [name for name, (_, part) in parts.items() if of_image and is_image(part)]
    for names in (images, [] if images else list(parts)):
        folded = {name.casefold(): name for name in names}
        for near in get_close_matches(wanted.casefold(), folded, n=1):
            return parts[folded[near]][0]
    return None


def as_getter(place: str) -> str:
    """Return a place as what `image=` takes.

    Example:
        >>> as_getter('item["url"]'), as_getter("item[1]"), as_getter("str(item)")
        ('"url"', 'lambda item: item[1]', 'str')
    """
    if key := _BY_KEY.fullmatch(place):
        return key[1]
    return _CONVERTED.get(place) or f"lambda item: {place}"


def described(item: object) -> str:
    """Return what an item is, and what it has, for a message.

    Example:
        >>> described({"id": 7, "url": ""}), described((1, 2)), described(None)
        ("a dict with 'id', 'url'", 'a tuple of 2', 'nothing (None)')
    """
    if item is None:
        return "nothing (None)"
    kind = type(item).__name__
    text = f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}"
    names = [name for name, _, _ in _parts(item, "") if name is not None]
    if not names:
        return f"{text} of {len(item)}" if isinstance(item, tuple | list) else text
    shown = ", ".join(_clipped(repr(name)) for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{text} with {shown}" + (f" and {more} more" if more > 0 else "")


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _places(item: Any, place: str, deep: int) -> Iterator[str]:
    """Yield where images are in an item: those in its own parts first."""
    if is_image(item):
        yield place
    elif isinstance(item, bytearray | memoryview):
        yield f"bytes({place})"
    elif callable(read := getattr(item, "read", None)) and not iscoroutinefunction(read):
        yield f"{place}.read()"
    elif "url" in type(item).__name__.lower() and is_image(
        str(item)
    ):  # pydantic's, httpx's, yarl's
        yield f"str({place})"
    elif deep:
        parts = [(inner, part) for _, inner, part in _parts(item, place)]
        yield from (inner for inner, part in parts if is_image(part))
        for inner, part in parts:
            yield from _places(part, inner, deep - 1)


def _parts(item: Any, place: str) -> Iterator[tuple[object, str, Any]]:
    """Yield of each part of an item its name (None in a plain sequence), its place, and itself."""
    if isinstance(item, str | bytes):
        return
    if _has_keys(item):
        for key in islice(item.keys(), _MOST_SEEN):
            written = json.dumps(key, ensure_ascii=False) if isinstance(key, str) else repr(key)
            yield key, f"{place}[{written}]", item[key]
    elif names := _fields(item):
        for name in names:
            yield name, f"{place}.{name}", getattr(item, name, None)
    elif isinstance(item, tuple | list) or hasattr(type(item), "tolist"):  # NumPy's
        item = item if isinstance(item, tuple | list) else list(item.tolist())
        for index, part in enumerate(item[:_MOST_SEEN]):
            yield None, f"{place}[{index}]", part


def _has_keys(item: Any) -> bool:
    """Whether it is a mapping, or a row that acts as one: of sqlite3, asyncpg, pandas."""
    kind = type(item)
    return isinstance(item, Mapping) or (hasattr(kind, "keys") and hasattr(kind, "__getitem__"))


def _fields(item: Any) -> list[str]:
    """Return the names of the fields of a namedtuple, and the public ones of another object."""
    if isinstance(item, type):
        return []
    kind = type(item)
    named: Any = getattr(kind, "_fields", None)
    if isinstance(named, tuple):
        return list(named[:_MOST_SEEN])
    names = [*getattr(item, "__dict__", ())]
    for each in kind.__mro__:
        slots: Any = vars(each).get("__slots__", ())
        names += (slots,) if isinstance(slots, str) else slots
    return [name for name in names if not name.startswith("_")][:_MOST_SEEN]
