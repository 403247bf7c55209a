"""The parts of a workbook: a zip of XML, read a piece at a time. No extra is needed."""

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from xml.parsers import expat

from s2v_detect.languages import _
from s2v_detect.tables._rows import InputError

MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
_MOST_TIMES = 200
"""A part that unpacks to more than so many times its size is a bomb; a table comes to some 10."""
_SMALL = 1 << 24
"""Bytes that any part may unpack to."""
_PIECE = 1 << 18
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PROTECTED = "EncryptedPackage".encode("utf-16-le")
_DIMENSION = re.compile(rb"""<(?:\w+:)?dimension\s+ref=["'][A-Z]+\d+:[A-Z]+(\d{1,7})["']""")
_TEXTS = re.compile(rb"""\buniqueCount\s*=\s*["'](\d+)""")

_VALUE = re.compile(rb"<(?:\w{1,20}:)?(?:v|is)[ >]")
_LONGEST_FOUND = 400

Kind = Literal["xlsx", "xlsb", "xls", "ods", "protected"]
Start = Callable[[str, dict[str, str]], None]
"""Is told of an element of XML when it begins."""

_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    KeyError,  # a part that is not there
    EOFError,
    RuntimeError,  # a part with a password, or packed as no spreadsheet is
    ValueError,  # text that is no UTF-8, a cell that no sheet has
)


class SheetPart(NamedTuple):
    """One sheet of a workbook."""

    name: str
    part: str
    is_hidden: bool


def kind_of(file: BinaryIO) -> Kind | None:
    """Return which spreadsheet a file is by what it holds; None: none that is known here."""
    file.seek(0)
    start = file.read(8)
    if start == _OLE:
        return "protected" if _PROTECTED in file.read(1 << 22) else "xls"
    if not start.startswith(b"PK"):
        return None
    try:
        with zipfile.ZipFile(file) as parts:
            names = set(parts.namelist())
            is_ods = "mimetype" in names and b"spreadsheet" in parts.read("mimetype")
    except _DAMAGED:
        return None
    if is_ods or "xl/workbook.bin" in names:
        return "ods" if is_ods else "xlsb"
    return "xlsx" if "_rels/.rels" in names else None


def sheets_of(file: BinaryIO) -> list[SheetPart]:
    """Return the sheets of cells, as they stand in the workbook. Raises `InputError`."""
    with parts_of(file) as parts:
        workbook = next(iter(related(parts, "", "/officeDocument").values()), "")
        worksheets = related(parts, workbook, "/worksheet")
        found: list[SheetPart] = []

        def start(name: str, told: dict[str, str]) -> None:
            part = worksheets.get(local(told, "id")) if name.endswith("sheet") else None
            if part:
                is_hidden = told.get("state", "visible") != "visible"
                found.append(SheetPart(told.get("name", ""), part, is_hidden))

        parse(parts, workbook, lambda _: start)
        return found


def shown_first(sheets: Sequence[SheetPart]) -> list[SheetPart]:
    """Return the sheets that a person sees; all of them, where none is shown."""
    return [sheet for sheet in sheets if not sheet.is_hidden] or list(sheets)


def sheet_named(sheets: Sequence[SheetPart], wanted: str) -> SheetPart:
    """Return the sheet of that name, or number among those shown. Raises `InputError`."""
    for sheet in sheets:
        if sheet.name == wanted:
            return sheet
    shown = [sheet for sheet in sheets if not sheet.is_hidden]
    if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) <= len(shown):
        return shown[int(wanted) - 1]
    told = _("The input has no sheet {wanted!r}. Its sheets are {names}.")
    raise InputError(told.format(wanted=wanted, names=names_of(sheets)))


def names_of(sheets: Sequence[SheetPart]) -> str:
    """Return the names of sheets, with a word for those that are hidden."""
    hidden = _("{name} (hidden)")
    names = [hidden.format(name=each.name) if each.is_hidden else each.name for each in sheets[:20]]
    return _(", ").join([*names, *("…" for _more in sheets[20:21])])


def has_values(file: BinaryIO, sheet: SheetPart) -> bool:
    """Whether any cell of a sheet has a value."""
    with parts_of(file) as parts:
        return has_in(parts, sheet.part, _VALUE)


def has_in(parts: zipfile.ZipFile, part: str, pattern: re.Pattern[bytes]) -> bool:
    """Whether a short pattern is anywhere in a part."""
    before = b""
    with parts.open(part) as file:
        while piece := file.read(_PIECE):
            if pattern.search(before + piece):
                return True
            before = piece[-_LONGEST_FOUND:]
    return False


def rows_said(path: Path) -> int:
    """Return how many rows the first sheet of a workbook says it has; 0 where none is said."""
    try:
        with path.open("rb") as file:
            [first, *_] = sheets_of(file)
            with parts_of(file) as parts, parts.open(first.part) as sheet:
                found = _DIMENSION.search(sheet.read(_PIECE))
    except (OSError, InputError, ValueError):  # none, or none of ours
        return 0
    return int(found[1]) if found else 0


def no_excel() -> InputError:
    """Return what is said of a file that is none."""
    told = _(
        "The input is no {format} file, or a damaged one. If its name misleads, give --format."
    )
    return InputError(told.format(format="Excel"))


@contextmanager
def parts_of(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Give the parts of a workbook. Whatever is damaged is an `InputError` within the block."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as parts:
            yield parts
    except _DAMAGED as error:
        raise no_excel() from error


def related(parts: zipfile.ZipFile, part: str, kind: str) -> dict[str, str]:
    """Return what a part refers to, by the references' names."""
    folder, name = posixpath.split(part)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    found: dict[str, str] = {}

    def start(_: str, told: dict[str, str]) -> None:
        if told.get("Type", "").endswith(kind):
            target = told.get("Target", "")
            if told.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            found[told.get("Id", "")] = target

    if relations in parts.namelist():
        parse(parts, relations, lambda _: start)
    return found


def refuse_bombs(parts: zipfile.ZipFile) -> None:
    """Raise where a part would take far more memory than its size tells."""
    for part in parts.infolist():
        if part.file_size > max(_SMALL, _MOST_TIMES * part.compress_size):
            told = _(
                "The input can't be read: its part {name} unpacks to {size:,} bytes. Save its"
                " sheet into a new workbook."
            )
            raise InputError(told.format(name=part.filename[:100], size=part.file_size))
    # A reader reserves memory for as many texts as are said to be there. Each takes five bytes.
    name = "xl/sharedStrings.xml"
    if name in parts.namelist():
        with parts.open(name) as file:
            said = _TEXTS.search(file.read(4096))
        if said and (len(said[1]) > 10 or int(said[1]) * 5 > parts.getinfo(name).file_size):  # noqa: PLR2004  # digits of 4 GB
            raise ValueError("a false count of texts")


def parse(
    parts: zipfile.ZipFile, part: str, follow: Callable[[expat.XMLParserType], Start]
) -> None:
    """Tell of each element of a part. `follow` is given the parser, and returns who is told."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = follow(parser)
    parser.StartDoctypeDeclHandler = _refuse_entities
    with parts.open(part) as file:
        while piece := file.read(_PIECE):
            parser.Parse(piece, False)  # noqa: FBT003  # expat has no name for it
        parser.Parse(b"", True)  # noqa: FBT003  # as above


def _refuse_entities(*_: object) -> None:
    raise ValueError("a spreadsheet declares no entities")


def local(told: dict[str, str], name: str) -> str:
    """Return an attribute of another name space, whatever that is called here."""
    return next((value for key, value in told.items() if key.endswith(f":{name}")), "")
