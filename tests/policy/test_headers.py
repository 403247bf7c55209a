"""An image's first bytes tell its format and its size, as Pillow tells them from the whole file."""

import io
import random
import struct
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from s2v_detect.images._header import Foreign, Header, Needs, read_header, refusal

WRITERS: list[tuple[str, str, dict[str, object]]] = [
    ("JPEG", "RGB", {}),
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "L", {"quality": 5}),
    ("JPEG", "RGB", {"icc_profile": bytes(300_000)}),
    ("JPEG", "RGB", {"exif": b"Exif\0\0" + bytes(60_000)}),
    ("JPEG", "RGB", {"comment": b"\xff\xd8\xff\xc0 not a frame"}),
    ("PNG", "1", {}),
    ("PNG", "L", {}),
    ("PNG", "LA", {}),
    ("PNG", "P", {}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("PNG", "RGB", {"save_all": True}),
    ("BMP", "1", {}),
    ("BMP", "L", {}),
    ("BMP", "RGB", {}),
    ("BMP", "RGBA", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGBA", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGB", {"icc_profile": bytes(300)}),
    ("WEBP", "RGB", {"save_all": True}),
]
OTHERS: list[tuple[str, str]] = [
    ("GIF", "a GIF image"),
    ("TIFF", "a TIFF image"),
    ("PDF", "a PDF document"),
    ("ICO", "a Windows icon"),
    ("JPEG2000", "a JPEG 2000 image"),
    ("PPM", "no image that is known here"),
]


def written(form: str, mode: str, size: tuple[int, int], options: dict[str, object]) -> bytes:
    """Return an image as Pillow writes it."""
    file = io.BytesIO()
    picture = Image.new(mode, size)
    if options.get("save_all"):
        options = {**options, "append_images": [Image.new(mode, size, 200)]}
    picture.save(file, form, **options)
    return file.getvalue()


def told(content: bytes, step: int | None = None) -> tuple[Header | Foreign, int]:
    """Return what a reader who takes just what is needed learns, and how many bytes it took."""
    prefix, finding = b"", read_header(b"")
    while isinstance(finding, Needs):
        assert finding.header_bytes > len(prefix), "it asks for more than it has"
        end = max(finding.header_bytes, len(prefix) + (step or 1))
        prefix = content[:end]
        finding = read_header(prefix, is_whole=len(prefix) == len(content), after=finding)
    return finding, len(prefix)


def pictures(count: int) -> Iterator[bytes]:
    """Yield images of all kinds in sizes by chance."""
    chance = random.Random(4)
    for number in range(count):
        form, mode, options = WRITERS[number % len(WRITERS)]
        yield written(form, mode, (chance.randint(1, 500), chance.randint(1, 500)), options)


def test_formats_and_sizes_are_pillows() -> None:
    """Of every kind of the four, whatever stands before the size."""
    for content in pictures(20 * len(WRITERS)):
        with Image.open(io.BytesIO(content)) as picture:
            whole = Header(picture.format, *picture.size)  # type: ignore[arg-type]  # is asserted
        assert told(content)[0] == whole
        assert read_header(content) == whole


FLAT = bytes.fromhex("5249464614000000574542505650384c080000002fffc17f00c8cc0c")
"""512 x 512, one colour, without loss: 28 bytes, as cwebp writes it."""


def test_the_smallest_whole_image_has_a_size() -> None:
    """Of each kind: one that is shorter than another kind's header is not cut short for that."""
    assert told(FLAT)[0] == Header("WEBP", 512, 512)
    assert told(FLAT[:25])[0] == Header("WEBP", 512, 512)
    assert told(FLAT[:24])[0] == Foreign("cut short after 24 bytes")
    for form, mode, options in WRITERS:
        content = written(form, mode, (1, 1), options)
        assert told(content)[0] == Header(form, 1, 1)  # type: ignore[arg-type]  # one of the four


def test_few_bytes_are_read() -> None:
    """512 nearly always, and never much past where the size stands."""
    taken = sorted(told(content)[1] for content in pictures(len(WRITERS)))
    assert taken[len(taken) // 2] <= 512
    icc = written("JPEG", "RGB", (20, 30), {"icc_profile": bytes(300_000)})
    assert told(icc)[1] <= icc.rindex(b"\xff\xc0") + 9


@pytest.mark.parametrize(("form", "what"), OTHERS)
def test_other_formats_are_named(form: str, what: str) -> None:
    """Whatever the file is called."""
    assert told(written(form, "RGB", (64, 64), {}))[0] == Foreign(what)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "an empty file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "an AVIF image"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video"),
        (b'<?xml version="1.0"?>\n<svg xmlns="a">', "an SVG image"),
        (b"\xef\xbb\xbf  <svg width='9'>", "an SVG image"),
        (b"<!DOCTYPE html><title>404", "an HTML page"),
        (b"<html><body>Sign in</body></html>", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>', "an XML document"),
        (b"BMW is a maker of cars, and not of bitmaps", "no image that is known here"),
        (b"\xff\xd8\xff", "cut short after 3 bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "cut short after 18 bytes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\4CgBI" + bytes(20), "a damaged PNG"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(20), "a damaged WEBP"),
        (b"\xff\xd8\xff\xda\0\x0c" + bytes(30), "a damaged JPEG"),
        (b"\xff\xd8\xff\xe0\0\1" + bytes(30), "a damaged JPEG"),
    ],
)
def test_what_is_none_of_the_four_is_named_for_what_it_is(content: bytes, what: str) -> None:
    """Pages, documents, other formats, and what nobody could open."""
    finding, _ = told(content)
    assert isinstance(finding, Foreign)
    assert finding.what.startswith(what)
    assert refusal(finding)


def test_old_and_turned_bitmaps_have_their_size() -> None:
    """OS/2's header of 12 bytes; a height below zero, for rows from the top down."""
    head = b"BM" + bytes(12)
    old = head + struct.pack("<IHHHH", 12, 640, 480, 1, 24)
    turned = head + struct.pack("<IiiHH", 40, 640, -480, 1, 24) + bytes(24)
    assert told(old)[0] == told(turned)[0] == Header("BMP", 640, 480)


def test_a_jpeg_may_hold_anything_between_its_segments() -> None:
    """Padding, restart markers and stray bytes, as decoders take it."""
    plain = written("JPEG", "RGB", (640, 480), {})
    odd = plain[:2] + b"\xff\xff\xff\x01stray\xff\xd0\xff\x00" + plain[2:]
    assert told(odd)[0] == told(plain)[0] == Header("JPEG", 640, 480)


def test_a_header_of_many_tiny_segments_is_walked_once() -> None:
    """A megabyte of them, read a few bytes at a time, in a number of steps that grows with it."""
    content = b"\xff\xd8" + b"\xff\xe1\0\2" * 50_000 + b"\xff\xd9"
    at, steps, finding = 0, 0, read_header(b"")
    while isinstance(finding, Needs):
        assert finding.resume_at >= at, "it goes back"
        at, steps = finding.resume_at, steps + 1
        finding = read_header(content[: finding.header_bytes], after=finding)
    assert steps <= 2 * len(content) // 4


@pytest.mark.parametrize(
    ("width", "height", "is_taken"),
    [(400, 400, True), (7000, 7000, True), (399, 400, False), (400, 7001, False), (0, 0, False)],
)
def test_the_bounds_are_the_pages(width: int, height: int, is_taken: bool) -> None:  # noqa: FBT001  # a table's column
    """Both included."""
    assert (refusal(Header("PNG", width, height)) == "") == is_taken


STARTS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"BM", b"GIF89a", b"<"]


@given(st.sampled_from(STARTS), st.binary(max_size=300), st.booleans())
def test_any_bytes_come_to_a_finding(start: bytes, rest: bytes, is_whole: bool) -> None:  # noqa: FBT001  # hypothesis gives it
    """Never an exception; whole, never a wish for more."""
    content = start + rest
    finding = read_header(content, is_whole=is_whole)
    if is_whole:
        assert not isinstance(finding, Needs)
    elif isinstance(finding, Needs):
        assert finding.header_bytes > len(content)
    assert told(content, step=7)[0] == read_header(content, is_whole=True)


def test_a_png_that_lies_in_its_checksum_is_still_a_png() -> None:
    """Its size is believed; what is behind it is the service's business."""
    good = written("PNG", "RGB", (500, 600), {})
    at = good.index(b"IHDR") + 17
    assert zlib.crc32(good[12:at]) == int.from_bytes(good[at : at + 4], "big")
    assert told(good[:at] + bytes(4) + good[at + 4 :])[0] == Header("PNG", 500, 600)
