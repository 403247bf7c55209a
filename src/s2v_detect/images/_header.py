"""An image's first bytes: its format, its width and height, or what else it is.

Pure: bytes in, a finding out. By content alone; names and content types lie. No library does this
from a prefix: Pillow wants a file, `imagesize` gives no format. Sizes are as stored, not as EXIF
would turn them: both bounds of the service are the same for width and height.
"""

import re
from dataclasses import dataclass

from s2v_detect._service import ALL_FORMATS, LONGEST_PX, SHORTEST_PX, ImageFormat

FIRST_BYTES = 512
"""What tells the size of nearly every image: a JPEG's EXIF or ICC profile may stand before it."""

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81: the others are tables
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
"""One that has something behind it: padding, escaped bytes and markers that stand alone have not.
Decoders pass over what else stands between two segments."""
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # bytes; 12 is OS/2's, with 16 bits a side
_WEBP_BYTES = {b"VP8X": 30, b"VP8 ": 30, b"VP8L": 25}
"""Where the size ends. A whole image of one colour, without loss, is shorter than 30 bytes."""
_SHORTEST_SIGNATURE = 12
_LONGEST_MARKUP = 256
"""Bytes in which a document of markup has said what it is."""

_STARTS: list[tuple[bytes, str]] = [
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"II+\x00", "a TIFF image"),
    (b"MM\x00+", "a TIFF image"),
    (b"%PDF-", "a PDF document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "a Windows icon"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
]
_BRANDS: dict[bytes, str] = {
    **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"), "a HEIC image"),
}
HTML = "an HTML page"
MARKUP = "a document of markup"
_MARKUP: list[tuple[re.Pattern[bytes], str]] = [
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "an SVG image"),
    (re.compile(rb"<!doctype html|<html[\s>]|<head[\s>]", re.IGNORECASE), HTML),
    (re.compile(rb"^<\?xml"), "an XML document"),
]


@dataclass(frozen=True)
class Header:
    """One of the four formats, and its size."""

    format: ImageFormat
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Needs:
    """More of the image is needed: its first `header_bytes` bytes, at the least."""

    header_bytes: int
    resume_at: int = 0
    """Where reading goes on: what stands before it need not be walked through again."""


@dataclass(frozen=True)
class Foreign:
    """Not one of the four formats, or so damaged that nobody could open it."""

    what: str
    """As in "it is …"."""


Finding = Header | Needs | Foreign
Prefix = bytes | bytearray


def read_header(prefix: Prefix, *, is_whole: bool = False, after: Needs | None = None) -> Finding:
    """Return what an image's first bytes say of it.

    Args:
        prefix: the image from its first byte on.
        is_whole: there is no more of it: what needs more is cut short.
        after: what the last reading of a shorter prefix came to.

    Example:
        >>> read_header(b"GIF89a, and its size")
        Foreign(what='a GIF image')
    """
    finding = _read(prefix, after.resume_at if after else 0, is_whole=is_whole)
    if isinstance(finding, Needs) and is_whole:
        return Foreign(f"cut short after {len(prefix)} bytes" if prefix else "an empty file")
    return finding


def refusal(finding: Header | Foreign) -> str:
    """Return why the service would refuse an image, or nothing. [page] formats, bounds in pixels.

    Example:
        >>> refusal(Header("PNG", 512, 399))
        'it is 512 x 399 pixels; both sides must have 400 to 7000'
    """
    if isinstance(finding, Foreign):
        return f"it is {finding.what}; {ALL_FORMATS} are taken"
    width, height = finding.width_px, finding.height_px
    if min(width, height) >= SHORTEST_PX and max(width, height) <= LONGEST_PX:
        return ""
    return f"it is {width} x {height} pixels; both sides must have {SHORTEST_PX} to {LONGEST_PX}"


def _read(prefix: Prefix, resume_at: int, *, is_whole: bool) -> Finding:
    if prefix.startswith(b"\xff\xd8\xff"):
        return _jpeg(prefix, max(resume_at, 2))
    if len(prefix) < _SHORTEST_SIGNATURE and not is_whole:
        return Needs(_SHORTEST_SIGNATURE)
    if prefix.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(prefix)
    if prefix.startswith(b"RIFF") and prefix[8:12] == b"WEBP":
        return _webp(prefix)
    if prefix.startswith(b"BM"):
        bmp = _bmp(prefix)
        if bmp is not None:
            return bmp
    return _foreign(prefix, is_whole=is_whole)


def _jpeg(prefix: Prefix, at: int) -> Finding:
    """Walk from marker to marker to the frame's own header."""
    while True:
        found = _MARKER.search(prefix, at)
        if not found:
            end = len(prefix)
            is_cut = end > at and prefix[-1] == 0xFF  # its other half is still to come
            return Needs(end + 1, max(at, end - 1)) if is_cut else Needs(end + 2, max(at, end))
        at = found.start()
        marker = prefix[at + 1]
        if marker in (0xD9, 0xDA):  # the end, or the pixels
            return Foreign("a damaged JPEG: it says nothing of its size")
        needed = at + (9 if marker in _SOF else 4)
        if needed > len(prefix):
            return Needs(needed, at)
        if marker in _SOF:
            return Header("JPEG", _big(prefix, at + 7, 2), _big(prefix, at + 5, 2))
        length = _big(prefix, at + 2, 2)
        if length < 2:
            return Foreign("a damaged JPEG: one of its segments has no length")
        at += 2 + length
        if at >= len(prefix):
            return Needs(at + 2, at)


def _png(prefix: Prefix) -> Finding:
    if len(prefix) < 24:
        return Needs(24)
    if prefix[12:16] != b"IHDR":  # Apple's own kind begins with another: no decoder but theirs
        return Foreign("a damaged PNG: it does not begin with its size")
    return Header("PNG", _big(prefix, 16, 4), _big(prefix, 20, 4))


def _webp(prefix: Prefix) -> Finding:
    if len(prefix) < 16:
        return Needs(16)
    kind = bytes(prefix[12:16])
    needed = _WEBP_BYTES.get(kind, 0)
    if len(prefix) < needed:
        return Needs(needed)
    if kind == b"VP8X":
        return Header("WEBP", _little(prefix, 24, 3) + 1, _little(prefix, 27, 3) + 1)
    if kind == b"VP8L" and prefix[20] == 0x2F:
        bits = _little(prefix, 21, 4)
        return Header("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and prefix[23:26] == b"\x9d\x01\x2a":
        return Header("WEBP", _little(prefix, 26, 2) & 0x3FFF, _little(prefix, 28, 2) & 0x3FFF)
    return Foreign("a damaged WEBP: it does not begin with its size")


def _bmp(prefix: Prefix) -> Finding | None:
    """Return nothing where it only begins like one, as a text with `BMW` does."""
    if len(prefix) < 18:
        return Needs(18)
    header_bytes = _little(prefix, 14, 4)
    if header_bytes not in _BMP_HEADERS:
        return None
    if len(prefix) < 26:
        return Needs(26)
    if header_bytes == 12:
        return Header("BMP", _little(prefix, 18, 2), _little(prefix, 20, 2))
    height = int.from_bytes(prefix[22:26], "little", signed=True)  # negative: from the top down
    return Header("BMP", _little(prefix, 18, 4), abs(height))


def _foreign(prefix: Prefix, *, is_whole: bool) -> Foreign | Needs:
    for start, what in _STARTS:
        if prefix.startswith(start):
            return Foreign(what)
    if prefix[4:8] == b"ftyp":
        return _boxed(prefix, is_whole=is_whole)
    text = prefix.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] in (b"<", b""):
        if len(prefix) < _LONGEST_MARKUP and not is_whole:
            return Needs(_LONGEST_MARKUP)
        found = (what for pattern, what in _MARKUP if pattern.search(text))
        if text:
            return Foreign(next(found, MARKUP))
    return Foreign("no image that is known here" if prefix else "an empty file")


def _boxed(prefix: Prefix, *, is_whole: bool) -> Foreign | Needs:
    """Name a file of the ISO family by its brands: the first, then those it is compatible with."""
    end = min(_big(prefix, 0, 4), _LONGEST_MARKUP)
    if len(prefix) < end and not is_whole:
        return Needs(end)
    brands = [bytes(prefix[at : at + 4]) for at in (8, *range(16, end, 4))]
    return Foreign(next((_BRANDS[each] for each in brands if each in _BRANDS), "a video"))


def _big(prefix: Prefix, at: int, length: int) -> int:
    return int.from_bytes(prefix[at : at + length], "big")


def _little(prefix: Prefix, at: int, length: int) -> int:
    return int.from_bytes(prefix[at : at + length], "little")
