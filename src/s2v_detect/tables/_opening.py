"""A list of images, opened as what it is."""

import os
from pathlib import Path
from typing import TypedDict

from s2v_detect.languages import _
from s2v_detect.tables._excel_table import ExcelTable
from s2v_detect.tables._file_formats import FORMATS, Format, format_of, no_header_row
from s2v_detect.tables._fitting import Table
from s2v_detect.tables._line_table import LineTable
from s2v_detect.tables._parquet_table import ParquetTable
from s2v_detect.tables._recognising import format_by_content
from s2v_detect.tables._rows import InputError

__all__ = ["Table", "TableOptions", "open_table"]


class TableOptions(TypedDict, total=False):
    """The options of `open_table`, for a function that hands them on."""

    column: str | None
    format: Format | None
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    header_row: int | None


def open_table(
    descriptor: int,
    path: Path | None = None,
    *,
    column: str | None = None,
    format: Format | None = None,  # noqa: A002  # the option's name
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    header_row: int | None = None,
) -> Table:
    """Return the table in an open file, or in a pipe, which has no path.

    What a file begins as counts more than its name. Raises `InputError` where such a table can't be
    read from there.
    """
    found = format or (_format_of(path) if path else "text")
    if path:
        found = format_by_content(_first_bytes(descriptor)) or found
    if sheet is not None and found != "xlsx":
        raise InputError(_("Only an Excel file has sheets. Leave --sheet out."))
    if header_row is not None and header_row < 0:
        told = _("--header-row is the number of a row, or 0 for none. Give another number.")
        raise InputError(told)
    if found not in ("parquet", "xlsx"):
        return LineTable(
            descriptor,
            found,
            path=path,
            column=column,
            encoding=encoding,
            delimiter=delimiter,
            header_row=header_row,
            is_said=format is not None,
        )
    if encoding is not None or delimiter is not None:
        words = FORMATS[found].words
        told = _("{format} has no encoding and no delimiter. Leave the option out.")
        raise InputError(told.format(format=words))
    if path is None:
        words = FORMATS[found].words
        told = _("{format} can't be read from a pipe. Give the name of a file.")
        raise InputError(told.format(format=words))
    if found == "xlsx":
        return ExcelTable(path, column, sheet, header_row)
    if header_row is not None:
        raise InputError(no_header_row(found))
    return ParquetTable(path, column)


def _first_bytes(descriptor: int) -> bytes:
    """Return how a file begins, and nothing of what can't be read twice."""
    try:
        first = os.read(descriptor, 16) if os.lseek(descriptor, 0, os.SEEK_CUR) == 0 else b""
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError:  # a pipe
        return b""
    return first


def _format_of(path: Path) -> Format:
    return format_of(path.with_suffix("") if path.suffix.lower() == ".gz" else path)
