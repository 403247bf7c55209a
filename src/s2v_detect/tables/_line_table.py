"""The rows of a list that is read line by line: text, CSV, TSV or JSON lines, gzip or not."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from s2v_detect._waiting import in_thread
from s2v_detect.tables._csv import CsvRows
from s2v_detect.tables._file_formats import FORMATS, Format
from s2v_detect.tables._json import JsonRows
from s2v_detect.tables._reading import LineSplitter, lines_in, pieces
from s2v_detect.tables._rows import Row, Rows
from s2v_detect.tables._text import TextRows


class LineTable:
    """Lines from an open descriptor."""

    def __init__(
        self, descriptor: int, format_: Format, *, path: Path | None, column: str | None
    ) -> None:
        self._descriptor = descriptor
        self._path = path
        self._rows = _rows_of(format_, column)
        self._counted: int | None = None

    @property
    def columns(self) -> tuple[str, ...] | None:
        return self._rows.columns

    @property
    def total(self) -> int | None:
        """Lines still ahead that will be passed over are in it."""
        return None if self._counted is None else self._counted - self._rows.passed_over

    async def batches(self) -> AsyncIterator[list[Row]]:
        splitter = LineSplitter()
        async for piece in pieces(self._descriptor):
            yield self._rows.rows(splitter.feed(piece))
        yield self._rows.rows(splitter.end()) + self._rows.rest()

    async def count(self) -> None:
        path = self._path
        if path and path.is_file():
            with suppress(OSError):  # the reading will say so
                self._counted = await in_thread(lambda: _counted(path))


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
