"""Rows from a file or a pipe of any length: text, CSV, TSV, JSON lines or Parquet, gzip or not.

One piece of the input is in memory at a time, and it is read only when the run asks for more, in a
thread: a pipe that says nothing for an hour holds up nobody.
"""

import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from s2v_detect._threads import in_thread
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

__all__ = ["Format", "Input", "InputError", "Row"]

Format = Literal["text", "csv", "tsv", "jsonl", "parquet"]

_BATCH = 1000
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


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
    ) -> None:
        self._descriptor = descriptor
        self._path = path
        self._column = column
        self._format = format or (_format_of(path) if path else "text")
        self._rows = _rows_of(self._format, column)
        self._columns: tuple[str, ...] | None = None
        self._counted: int | None = None
        self._files_beside = files_beside
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
    ) -> Self:
        """Return the file's input. With `takes_files` its images may be paths, from beside it.

        Raises `OSError` where there is none that can be read.
        """
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise IsADirectoryError(21, "it is a folder", str(path))
        beside = path.parent if takes_files else None
        return cls(descriptor, path, column=column, format=format, files_beside=beside)

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
                yield [self._located(row) for row in rows[start : start + step]]

    def _located(self, row: Row) -> Row:
        if self._files_beside is None or row.fault or not row.image or "://" in row.image:
            return row
        return file_row(self._files_beside / row.image, row)

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
        file = await in_thread(lambda: _parquet_file(str(self._path)))
        self._counted = file.metadata.num_rows
        self._columns = tuple(file.schema_arrow.names)
        column = chosen_column(self._columns, self._column)
        batches = file.iter_batches(batch_size=_BATCH)
        number = 0
        while batch := await in_thread(lambda: list(islice(batches, 1))):
            rows = [
                row_of(number + n, row, column) for n, row in enumerate(batch[0].to_pylist(), 1)
            ]
            number += len(rows)
            yield rows


def _format_of(path: Path) -> Format:
    name = path.name.lower().removesuffix(".gz")
    return _ENDINGS.get(Path(name).suffix, "text")


def _rows_of(format_: Format, column: str | None) -> Rows:
    if format_ == "jsonl":
        return JsonRows(column)
    if format_ in ("csv", "tsv"):
        return CsvRows("," if format_ == "csv" else "\t", column)
    return TextRows()


def _counted(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return lines_in(descriptor)
    finally:
        os.close(descriptor)


def _parquet_file(path: str) -> Any:
    try:
        from pyarrow import ArrowException  # noqa: PLC0415  # an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(
            'Parquet needs an extra. Install it: pip install "s2v-detect[cli,parquet]"'
        ) from error
    try:
        return ParquetFile(path)
    except ArrowException as error:
        raise InputError(
            "The input is no Parquet file. Give --format if its ending does not say what it is."
        ) from error
