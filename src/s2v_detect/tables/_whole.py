"""Files that can be read by nobody before their last byte is written. Each needs an extra.

The extra's module is imported when one of its files is met.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from s2v_detect._columns import Column
from s2v_detect.tables._excel_parts import MOST_ROWS, rows_said
from s2v_detect.tables._file_formats import format_of
from s2v_detect.tables._lines import Record


class WholeRecords(Protocol):
    """Records on their way into such a file."""

    def add(self, records: Sequence[Record]) -> None:
        """Take records in. Raises `OSError` when the file takes no more."""

    def close(self) -> None:
        """Write what is left; the file itself stays open. Raises `OSError`."""

    def discard(self) -> None:
        """Leave nothing on the disk beside the file."""


def is_whole(path: Path) -> bool:
    """Whether a file's ending is that of such a format."""
    return format_of(path) in ("parquet", "xlsx")


def most_rows(path: Path) -> int | None:
    """Return how many records the format of a file takes; None: any number."""
    return MOST_ROWS - 1 if format_of(path) == "xlsx" else None


def whole_records(
    path: Path, file: BinaryIO, columns: Sequence[Column], folder: Path
) -> WholeRecords:
    """Return the table that the ending of `path` says, into an open file.

    `columns` are ours, after those of the records. `folder` is a free name for what can't go into
    the file before its end. Raises `OutputError` where the format's extra is missing.
    """
    if format_of(path) == "xlsx":
        from s2v_detect.tables._excel_writing import ExcelRecords  # noqa: PLC0415  # an extra

        return ExcelRecords(file, columns, folder)
    from s2v_detect.tables._parquet_writing import ParquetRecords  # noqa: PLC0415  # an extra

    return ParquetRecords(file, columns)


def rows_in(path: Path) -> int:
    """Return how many rows such a file has; 0 where it is none, or damaged."""
    if format_of(path) == "xlsx":
        return rows_said(path)
    from s2v_detect.tables._parquet_reading import rows_in as rows_in_parquet  # noqa: PLC0415  # an extra

    return rows_in_parquet(path)


def is_output(path: Path) -> bool:
    """Whether such a file has the columns of an output."""
    if format_of(path) == "xlsx":
        from s2v_detect.tables._excel_records import is_output as is_excel  # noqa: PLC0415  # an extra

        return is_excel(path)
    from s2v_detect.tables._parquet_reading import is_output as is_parquet  # noqa: PLC0415  # an extra

    return is_parquet(path)
