"""What is an image, and what makes two of them the same.

Two addresses are one image when every server must take them for one: the scheme and the host in
any case and any alphabet (it is sent as punycode), the default port written or not, an empty path
or `/`, a character or the UTF-8 escapes that it is sent as, whatever the fragment (it is never
sent). Nothing else is folded: servers may and do tell apart the order of a query, `%7E` from `~`,
`%e4` from `%E4`, a trailing slash, a trailing dot of the host.

Where addresses change and images don't (signed ones), a user names an image by an identity of the
user's own. Those are a namespace of their own, by how they begin: an address begins with its
scheme, a file's content with `sha256:`, and what is no image is kept as it was written, unless that
would begin as one of these.
"""

import hashlib
import math
import re
from decimal import Decimal
from functools import lru_cache
from operator import index
from os import PathLike
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import idna

from s2v_detect._redaction import path_text, text_of
from s2v_detect._service import IMAGE_SCHEMES
from s2v_detect.errors import ImageSkipped
from s2v_detect.images._addresses import INVISIBLE
from s2v_detect.images._signed import SignedImage

_OWN = "id:"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_HALF = re.compile("[\ud800-\udfff]")  # of a character
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_LONGEST_URL = 65_536
"""Characters. No server known takes a request line near it: it is a mistake in the data."""

_DRAWN_AS = ("\ufe0e", "\ufe0f")
"""As text, as an emoji: a file may be called so."""

_EXACT = 2.0**53
"""From here on a float may stand for its neighbours too: two identities would be one."""

_MOST_DIGITS = 100
"""Of an identity. No list counts so far, and Python writes out no more than some thousand."""

_SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+[Ee][+-]?|[Ee]\+)\d+", re.ASCII)
"""With a point or a plus, as programs write a number: `12e45678` may be a code, and stays one."""

_TOO_LONG = f"is a number of more than {_MOST_DIGITS} digits"
DIGITS = "give all of its digits, as a text"
_MISSING = ("NAType", "NaTType")

_PLAIN = re.compile(r"https?://[a-z0-9.-]*[a-z0-9][a-z0-9.-]*/[!\"$-~]*")
"""An address that is sendable and its own identity: no port, no user, no fragment, all in ASCII.
Most are; told at a glance they cost a tenth."""


def image_of(value: object) -> str:
    """Return `value` as an image that can be sent; `ImageSkipped` says why it can't be."""
    if type(value) is str and len(value) <= _LONGEST_URL and _PLAIN.fullmatch(value):
        return value
    if not isinstance(value, str):
        raise ImageSkipped(
            f"{_what(value)} is no image: give a URL, a path (pathlib.Path) or bytes",
            image=value,
        )
    reason = _unsendable(value)
    if reason:
        raise ImageSkipped(reason, image=value)
    return value


def trimmed(text: str) -> str:
    r"""Return an address without what stands around it in a list: white space, seen or not.

    A mark that says how the character before it is drawn belongs to that character, if it is one.

    Example:
        >>> trimmed("\ufeff https://example.com/1.jpg\u200b ")
        'https://example.com/1.jpg'
    """
    if text.isascii():
        return text.strip()
    start, end = 0, len(text)
    while start < end and _is_blank(text[start]):
        start += 1
    while start < end and _is_blank(text[end - 1]):
        end -= 1
    if text[end : end + 1] in _DRAWN_AS and not text[end - 1 : end].isascii():
        end += 1
    return text[start:end]


def _is_blank(character: str) -> bool:
    return character.isspace() or INVISIBLE.match(character) is not None


def identity_of(url: str) -> str:
    """Return the one spelling of an image's address that all its equal spellings share."""
    if _PLAIN.fullmatch(url):
        return url
    parts = urlsplit(url)
    if parts.scheme == "oss":  # the store's own words, kept as written: a key may hold a `#`
        return "oss" + url[len("oss") :]
    user, at, _ = parts.netloc.rpartition("@")
    name, port = parts.hostname or "", parts.port
    host = f"[{name}]" if ":" in name else _punycode(name)
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{port}"
    # An empty query is one: servers may tell `x?` from `x`.
    query = f"?{parts.query}" if "?" in url.partition("#")[0] else ""
    path = parts.path or "/"
    return f"{parts.scheme}://{_escaped(user)}{at}{host}{_escaped(path)}{_escaped(query)}"


@lru_cache(128)  # a list has many addresses of few hosts, and one costs 0.2 ms
def _punycode(host: str) -> str:
    """Return a host as it is sent, by IDNA 2008; one that can't be sent is kept as it is."""
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host


def _escaped(part: str) -> str:
    """Return a part of an address with characters that are not ASCII as their UTF-8's escapes."""
    return part if part.isascii() else _NOT_ASCII.sub(lambda found: quote(found[0]), part)


def own_identity(value: object, image: object) -> str:
    """Return the identity of an image that a user gave it: a text, or a whole number as its digits.

    Raises `ImageSkipped` as `identity_text` does.

    Example:
        >>> own_identity("7", "https://example.com/1.jpg") == own_identity(7, None)
        True
    """
    return f"{_OWN}{identity_text(value, image)}"


def identity_text(value: object, image: object) -> str:
    """Return the text that a user's own identity comes to, whatever kind of table it comes from.

    A text without the white space around it; a whole number as its digits, also where a table keeps
    it as a float or a `Decimal`; a UUID as it is written.

    Raises `ImageSkipped` for what is none: to go by the address instead would pay again, unseen.
    Also for a number in scientific notation: that is how programs shorten a long number, and images
    of several numbers would get the verdict of one.

    Example:
        >>> identity_text(" a ", None), identity_text(2.0, None)
        ('a', '2')
    """
    text = _text(value, image)
    if _SCIENTIFIC.fullmatch(text):
        raise no_identity(
            "is in scientific notation, which stands for several whole numbers", image, do=DIGITS
        )
    return text


def asked_identity(value: object, image: object) -> str:
    """Return the identity that a ledger is asked for.

    Older releases kept images by texts that are none any more: these can still be found.
    """
    return f"{_OWN}{_text(value, image)}"


def no_identity(why: str, image: object, *, do: str) -> ImageSkipped:
    """Return what says why a value names no image."""
    return ImageSkipped(f"its identity {why}: {do}", image=image, saves="identity")


def _text(value: object, image: object) -> str:
    """Return a text or a whole number as a text. Raises `ImageSkipped` for what is neither."""
    if isinstance(value, str):
        text = trimmed(str.__str__(value))  # of an Enum too it is its value
        if text and not _HALF.search(text):
            return text
        why = "holds characters that are not Unicode text" if text else "is empty"
    elif isinstance(value, UUID):
        return str(value)
    else:
        whole = _whole(value)
        if isinstance(whole, int):
            return str(whole)
        why = whole
    raise no_identity(why, image, do="give a text or a whole number")


def _whole(value: Any) -> int | str:
    """Return a value as a whole number, or why it is none."""
    if isinstance(value, bool) or is_missing(value):
        return f"is {_what(value)}"
    if isinstance(value, float) and abs(value) >= _EXACT:
        return "is a float of 2**53 or more, which stands for several whole numbers"
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() >= _MOST_DIGITS:
        return _TOO_LONG
    try:
        # NumPy has whole numbers of its own.
        whole = int(value) if isinstance(value, float | Decimal) else index(value)
    except (TypeError, OverflowError):
        return f"is {_what(value)}"
    if whole != value:
        return f"is {value}, of type {type(value).__name__} and no whole number"
    return whole if abs(whole) < 10**_MOST_DIGITS else _TOO_LONG


def is_missing(value: object) -> bool:
    """Whether it is what an empty cell of a table is: None, a NaN, or pandas' `NA` and `NaT`."""
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in _MISSING  # without an import of pandas


def is_own(identity: str) -> bool:
    """Whether an identity is one that a user gave."""
    return identity.startswith(_OWN)


def kept_as(image: str | PathLike[str] | bytes) -> str:
    """Return what a record of an image is found by; of what is no image, by what was written."""
    if type(image) is str and len(image) <= _LONGEST_URL and _PLAIN.fullmatch(image):
        return image
    name = name_of(image)
    if isinstance(image, SignedImage):
        return f"{_OWN}{image.identity}"
    if isinstance(image, str):
        try:
            return identity_of(image_of(image))
        except ImageSkipped:
            pass
    name = name_of(image)
    return f"text:{name}" if is_own(name) else name


def name_of(image: str | PathLike[str] | bytes) -> str:
    """Return what a record calls an image that was given so; one with no identity is kept by it."""
    if isinstance(image, bytes):
        return f"sha256:{hashlib.sha256(image).hexdigest()}"
    return path_text(image) if isinstance(image, PathLike) else text_of(image)


def _what(value: object) -> str:
    kind = type(value).__name__
    if value is None:
        return "nothing (None)"
    return f"nothing ({value}, of type {kind})" if is_missing(value) else f"a value of type {kind}"


NO_URL = "it is no http, https or oss URL"
"""The reason of a text that may be the name of a file."""
IN_BUCKET = "it is an address in a bucket: give a signed https address of it"
"""The reason of an object's name, which nobody can fetch without the bucket's credentials."""
_BUCKET_SCHEMES = frozenset(
    (
        *("s3", "s3a", "s3n", "aliyun-oss", "gs", "gcs", "az", "azure", "adl", "abfs", "abfss"),
        *("wasb", "wasbs", "cos", "cosn", "obs", "tos", "r2", "b2"),
    )
)
"""As tools call buckets. `oss`, as some call one too, is the service's own store."""
NO_ADDRESS = "the address is empty"
"""The reason of an empty text."""


def is_in_bucket(text: str) -> bool:
    """Whether a text is meant as a bucket, or as an object in one.

    Example:
        >>> is_in_bucket("s3://portraits/1.jpg"), is_in_bucket("oss://portraits/1.jpg")
        (True, False)
    """
    scheme, mark, _ = text.lstrip().partition("://")
    return bool(mark) and scheme.lower() in _BUCKET_SCHEMES


def _blank_in(url: str) -> str:
    """Return what to do about an address with white space in it, or around it alone."""
    if _BLANK_OR_CONTROL.search(url.strip()):
        if "://" not in url:
            return NO_URL
        return "the address holds white space or a control character: percent-encode it"
    is_before, is_behind = url[0].isspace(), url[-1].isspace()
    where = "around it" if is_before and is_behind else f"at its {'start' if is_before else 'end'}"
    return f"the address has white space {where}: strip it"


def _unsendable(url: str) -> str:  # noqa: PLR0911  # a list of reasons, each its own line
    """Return why a string is no address of an image, or nothing."""
    if not url.strip():
        return NO_ADDRESS
    if len(url) > _LONGEST_URL:
        return f"the address has {len(url)} characters"
    if is_in_bucket(url):  # before its blanks: a key may hold some
        return IN_BUCKET
    if _BLANK_OR_CONTROL.search(url):
        return _blank_in(url)
    if _HALF.search(url):
        return "the address holds characters that are not Unicode text"
    try:
        parts = urlsplit(url)
        hostname, _ = parts.hostname, parts.port
    except ValueError:  # its text quotes the host, and what was taken for one may be a password
        return "the address can't be read: its host or its port is malformed"
    if parts.scheme not in IMAGE_SCHEMES:
        return NO_URL
    if not hostname:
        return "the address names no host"
    if parts.scheme == "oss" and len(parts.path) < len("/k"):
        return "the oss address names no object"
    return ""
