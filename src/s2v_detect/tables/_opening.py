"""A list of images, opened as what it is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from s2v_detect.tables._excel_table import ExcelTable
from s2v_detect.tables._file_formats import FORMATS, Format, format_of
from s2v_detect.tables._line_table import LineTable
from s2v_detect.tables._parquet_table import ParquetTable
from s2v_detect.tables._rows import InputError, Row


class Table(Protocol):
    """Rows of a list, each read when it is asked for."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns, once the first rows were read; None where there are none."""

    @property
    def total(self) -> int | None:
        """How many rows there will be; None while that is not known."""

    def batches(self) -> AsyncIterator[list[Row]]:
        """Yield the rows, some at a time. Raises `InputError`, and `OSError` for damage."""

    async def count(self) -> None:
        """Learn the `total` ahead of the reading, where that can be."""


def open_table(
    descriptor: int,
    path: Path | None = None,
    *,
    column: str | None = None,
    format: Format | None = None,  # noqa: A002  # the option's name
    sheet: str | None = None,
) -> Table:
    """Return the table in an open file, or in a pipe, which has no path.

    Raises `InputError` where such a table can't be read from there.
    """
    found = format or (_format_of(path) if path else "text")
    if sheet is not None and found != "xlsx":
        raise InputError("Only an Excel file has sheets. Leave --sheet out.")
    if found not in ("parquet", "xlsx"):
        return LineTable(descriptor, found, path=path, column=column)
    if path is None:
        words = FORMATS[found].words
        raise InputError(f"{words} can't be read from a pipe. Give the name of a file.")
    return ParquetTable(path, column) if found == "parquet" else ExcelTable(path, column, sheet)


def _format_of(path: Path) -> Format:
    return format_of(path.with_suffix("") if path.suffix.lower() == ".gz" else path)
