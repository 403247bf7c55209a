"""What a list can't be, whatever its ending says: files that are known by their first bytes.

None of them is ever read as lines of text. Each is refused by its name, with what to do.
"""

import re

from s2v_detect.languages import N_, _
from s2v_detect.tables._dialect import GUESSED, shown
from s2v_detect.tables._file_formats import Format
from s2v_detect.tables._rows import InputError, is_address, usual_column

_UNPACK = N_("Unpack the file, and give what was in it.")
_IMAGE = N_("Give the folder of the images, or `s2v-detect check` for a single one.")
_AS_CSV = N_("Save the list as CSV.")
_AS_LINES = N_("Give one object a line, as `jq -c .` does.")

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
            N_("a ZIP file or a workbook"),
            N_("Give the name of an Excel file, or save the list as CSV."),
        ),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", N_("an old Excel workbook"), _AS_CSV),
        (rb"SQLite format 3\0", N_("an SQLite database"), N_("Export the list as CSV.")),
        (rb"\xff\xd8\xff", N_("a JPEG image"), _IMAGE),
        (rb"\x89PNG\r\n\x1a\n", N_("a PNG image"), _IMAGE),
        (rb"GIF8[79]a", N_("a GIF image"), _IMAGE),
        (rb"RIFF....WEBP", N_("a WebP image"), _IMAGE),
        (rb"BM....\0\0\0\0", N_("a BMP image"), _IMAGE),
        (rb"(II\*\0|MM\0\*)", N_("a TIFF image"), _IMAGE),
        (rb"....ftyp(hei|hev|mif1|msf1|avi)", N_("a HEIC or AVIF image"), _IMAGE),
        (rb"%PDF-", N_("a PDF"), N_("Give the list as CSV.")),
        (rb"\{\\rtf", N_("an RTF document"), N_("Save the list as plain text.")),
        (rb"\s*<(!doctype\s|html|head|body)", N_("an HTML page"), N_("Give the list itself.")),
        (rb"\s*<(\?xml|svg)", N_("XML"), N_("Give the list as CSV.")),
        (rb"\x1f\x8b", N_("gzip within gzip"), _UNPACK),
        (rb"BZh[1-9](1AY&SY|\x17rE8P)", N_("packed with bzip2"), _UNPACK),
        (rb"\xfd7zXZ\0", N_("packed with xz"), _UNPACK),
        (rb"\x28\xb5\x2f\xfd", N_("packed with Zstandard"), _UNPACK),
        (rb"7z\xbc\xaf\x27\x1c", N_("a 7z archive"), _UNPACK),
        (rb"Rar!\x1a\x07", N_("a RAR archive"), _UNPACK),
        (rb"(ARROW1\0\0|FEA1)", N_("an Arrow file"), N_("Give the list as Parquet or CSV.")),
        (
            rb"PAR1",
            N_("a Parquet file"),
            N_("Give the name of a file, not packed, and not a pipe."),
        ),
        (rb"\{[\s]*[\r\n]", N_("one JSON object over several lines"), _AS_LINES),
    )
)


def format_by_content(head: bytes) -> Format | None:
    """Return the format that needs a whole file, where a file begins as one."""
    return next((name for begin, name in _BY_CONTENT if head.startswith(begin)), None)


def refuse_by_content(head: bytes) -> None:
    """Raise `InputError` for the head of what is no list of lines."""
    for pattern, words, what_to_do in _KNOWN:
        if pattern.match(head):
            told = _("The input is {words}, and no list of images. {what_to_do}")
            raise InputError(told.format(words=_(words), what_to_do=_(what_to_do)))


def refuse_csv(head: str) -> None:
    """Raise `InputError` for the head of a text that is a table: a name of a column is in it."""
    lines = (line for line in head.splitlines() if line.strip() and not line.startswith("#"))
    header, row = next(lines, ""), next(lines, "")
    if is_address(header):
        return
    for delimiter in (*GUESSED, "，"):
        cells = [cell.strip().strip('"') for cell in header.split(delimiter)]
        column = usual_column(cells) if 1 < len(cells) <= row.count(delimiter) + 1 else None
        if column is None:
            continue
        told = _(
            "The input looks like CSV: its first line names a column {column!r}, and {delimiter}"
            " separates the cells. Give {option}, or --format text if each line is an address."
        )
        option = "--format csv" if delimiter in GUESSED else f"--delimiter '{delimiter}'"
        raise InputError(told.format(column=column, delimiter=shown(delimiter), option=option))
