"""What a list can't be, whatever its ending says: files that are known by their first bytes.

None of them is ever read as lines of text. Each is refused by its name, with what to do.
"""

import re

from s2v_detect.tables._file_formats import Format
from s2v_detect.tables._rows import InputError

_UNPACK = "Unpack the file, and give what was in it"
_IMAGE = "Give the folder of the images, or `s2v-detect check` for a single one"
_AS_LINES = "Give one object a line: jq -c"

_BY_CONTENT: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"PK\x03\x04", "xlsx"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xlsx"),  # which says what is wrong with it
)

_KNOWN: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), words, what_to_do)
    for pattern, words, what_to_do in (
        (
            rb"PK(\x03\x04|\x05\x06|\x07\x08)",
            "a ZIP file or a workbook",
            "Give the name of an Excel file, or save the list as CSV",
        ),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "Save the list as CSV"),
        (rb"SQLite format 3\0", "an SQLite database", "Export the list as CSV"),
        (rb"\xff\xd8\xff", "a JPEG image", _IMAGE),
        (rb"\x89PNG\r\n\x1a\n", "a PNG image", _IMAGE),
        (rb"GIF8[79]a", "a GIF image", _IMAGE),
        (rb"RIFF....WEBP", "a WebP image", _IMAGE),
        (rb"BM....\0\0\0\0", "a BMP image", _IMAGE),
        (rb"(II\*\0|MM\0\*)", "a TIFF image", _IMAGE),
        (rb"....ftyp(hei|hev|mif1|msf1|avi)", "a HEIC or AVIF image", _IMAGE),
        (rb"%PDF-", "a PDF", "Give the list as CSV"),
        (rb"\{\\rtf", "an RTF document", "Save the list as plain text"),
        (rb"\s*<(!doctype\s|html|head|body)", "an HTML page", "Give the list itself"),
        (rb"\s*<(\?xml|svg)", "XML", "Give the list as CSV"),
        (rb"\x1f\x8b", "gzip within gzip", _UNPACK),
        (rb"BZh[1-9](1AY&SY|\x17rE8P)", "packed with bzip2", _UNPACK),
        (rb"\xfd7zXZ\0", "packed with xz", _UNPACK),
        (rb"\x28\xb5\x2f\xfd", "packed with Zstandard", _UNPACK),
        (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
        (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
        (rb"(ARROW1\0\0|FEA1)", "an Arrow file", "Give the list as Parquet or CSV"),
        (rb"PAR1", "Parquet", "Give the name of a file, not packed, and not a pipe"),
        (rb"\{[\s]*[\r\n]", "one JSON object over several lines", f"{_AS_LINES} ."),
    )
)


def format_by_content(head: bytes) -> Format | None:
    """Return the format that needs a whole file, where a file begins as one."""
    return next((name for begin, name in _BY_CONTENT if head.startswith(begin)), None)


def refuse_by_content(head: bytes) -> None:
    """Raise `InputError` for the head of what is no list of lines."""
    for pattern, words, what_to_do in _KNOWN:
        if pattern.match(head):
            raise InputError(f"The input is {words}, and no list of images. {what_to_do}.")
