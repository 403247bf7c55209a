"""Rows from a file or a pipe of any length: text, CSV, TSV, JSON lines or Parquet, gzip or not.

One piece of the input is in memory at a time, and it is read only when the run asks for more, in a
thread: a pipe that says nothing for an hour holds up nobody.
"""

import errno
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from s2v_detect._waiting import in_thread
from s2v_detect.bulk._file_formats import FORMATS, Format, format_of
from s2v_detect.bulk._formats import (
    CsvRows,
    InputError,
    JsonRows,
    Row,
    Rows,
    TextRows,
    chosen_column,
    row_of,
)
from s2v_detect.bulk._reading import LineSplitter, lines_in, pieces
from s2v_detect.bulk.folder import FILES_AT_ONCE, file_row
from s2v_detect.bulk.paths import OwnFiles

__all__ = ["Format", "Input", "InputError", "Row"]

_BATCH = 1000


class Input:
    """An input that is open for reading, and what is known of its length."""

    def __init__(
        self,
        descriptor: int,
        path: Path | None = None,
        *,
        column: str | None = None,
        format: Format | None = None,  # noqa: A002  # the option's name
        files_beside: Path | None = None,
        own: OwnFiles | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._path = path
        self._column = column
        self._format = format or (_format_of(path) if path else "text")
        self._rows = _rows_of(self._format, column)
        self._columns: tuple[str, ...] | None = None
        self._counted: int | None = None
        self._files_beside = files_beside
        self._own = own or OwnFiles([])
        if self._format == "parquet" and path is None:
            raise InputError("Parquet can't be read from a pipe. Give the name of a file.")

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        column: str | None = None,
        format: Format | None = None,  # noqa: A002  # the option's name
        takes_files: bool = False,
        own: OwnFiles | None = None,
    ) -> Self:
        """Return the file's input. With `takes_files` its images may be paths, from beside it.

        A path to one of the run's `own` files is a faulty row.

        Raises `OSError` where there is none that can be read.
        """
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(21, "it is a folder", str(path))
        beside = path.parent if takes_files else None
        return cls(descriptor, path, column=column, format=format, files_beside=beside, own=own)

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._path:
            os.close(self._descriptor)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns, once the first rows were read; None for text."""
        return self._columns or self._rows.columns

    @property
    def total(self) -> int | None:
        """How many rows there will be; None while that is not known.

        Lines still ahead that will be passed over are in it.
        """
        return None if self._counted is None else self._counted - self._rows.passed_over

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the rows, at most 1,000 at a time. Raises `OSError` when no more can be read."""
        source = self._parquet_batches() if self._format == "parquet" else self._line_batches()
        async for rows in source:
            step = _BATCH if self._files_beside is None else FILES_AT_ONCE
            for start in range(0, len(rows), step):
                chosen = rows[start : start + step]
                beside = self._files_beside
                yield chosen if beside is None else self._located(chosen, beside)

    def _located(self, rows: list[Row], beside: Path) -> list[Row]:
        own = self._own.now()
        return [
            row
            if row.fault or not row.image or "://" in row.image
            else row._replace(fault="it is a file of the run itself")
            if (path := beside / row.image) in own
            else file_row(path, row)
            for row in rows
        ]

    async def count(self) -> None:
        """Learn the `total` ahead of the reading, where the input is a regular file."""
        path = self._path
        if path and path.is_file() and self._format != "parquet":
            with suppress(OSError):  # the reading will say so
                self._counted = await in_thread(lambda: _counted(path))

    async def _line_batches(self) -> AsyncIterator[list[Row]]:
        splitter = LineSplitter()
        async for piece in pieces(self._descriptor):
            yield self._rows.rows(splitter.feed(piece))
        yield self._rows.rows(splitter.end()) + self._rows.rest()

    async def _parquet_batches(self) -> AsyncIterator[list[Row]]:
        file, columns = await in_thread(lambda: _parquet_file(str(self._path)))
        self._counted, self._columns = file.metadata.num_rows, columns
        column = chosen_column(columns, self._column)
        batches = file.iter_batches(batch_size=_BATCH)
        number = 0
        while found := await in_thread(lambda: _parquet_rows(batches)):
            yield [row_of(number + n, row, column) for n, row in enumerate(found, 1)]
            number += len(found)


def _format_of(path: Path) -> Format:
    return format_of(path.with_suffix("") if path.suffix.lower() == ".gz" else path)


def _rows_of(format_: Format, column: str | None) -> Rows:
    if format_ == "jsonl":
        return JsonRows(column)
    if delimiter := FORMATS[format_].delimiter:
        return CsvRows(delimiter, column)
    return TextRows()


def _counted(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return lines_in(descriptor)
    finally:
        os.close(descriptor)


def _parquet_file(path: str) -> tuple[Any, tuple[str, ...]]:
    """Return an open file and its columns."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  # an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(
            'Parquet needs an extra. Install it: pip install "s2v-detect[cli,parquet]"'
        ) from error
    try:
        file = ParquetFile(path)
        return file, tuple(file.schema_arrow.names)
    except (ArrowException, OSError, ValueError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        raise InputError(
            "The input is no Parquet file, or a damaged one. Give --format if its ending does not"
            " say what it is."
        ) from error


def _parquet_rows(batches: Iterator[Any]) -> list[dict[str, Any]]:
    """Return the next rows, none at the end. Raises `OSError` for what is damaged."""
    from pyarrow import ArrowException  # noqa: PLC0415  # an extra

    try:
        batch = next(batches, None)
        return [] if batch is None else batch.to_pylist()
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        if getattr(error, "errno", None):
            raise  # the disk's
        raise OSError(errno.EIO, "its Parquet data is damaged") from error
