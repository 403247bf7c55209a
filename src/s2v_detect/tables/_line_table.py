"""The rows of a list that is read line by line: text, CSV, TSV or JSON lines, gzip or not.

What the list is in truth is learned from its head: the first piece that has a whole line.
"""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from s2v_detect._waiting import in_thread
from s2v_detect.languages import _
from s2v_detect.tables._array import ItemSplitter
from s2v_detect.tables._csv import CsvRows
from s2v_detect.tables._dialect import delimiter_named, shown
from s2v_detect.tables._encodings import Decoding, encoding_named
from s2v_detect.tables._file_formats import FORMATS, Format, no_header_row
from s2v_detect.tables._json import JsonRows
from s2v_detect.tables._reading import (
    LONGEST_ADDRESS,
    LONGEST_ROW,
    LineSplitter,
    lines_in,
    pieces,
)
from s2v_detect.tables._recognising import refuse_by_content, refuse_csv
from s2v_detect.tables._rows import InputError, Row, Rows, in_column, read_as
from s2v_detect.tables._text import TextRows

_HEAD = 65_536
_MARK = b"\xef\xbb\xbf"


class LineTable:
    """Lines from an open descriptor. Raises `InputError` for options that can't be."""

    def __init__(
        self,
        descriptor: int,
        format_: Format,
        *,
        path: Path | None,
        column: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        header_row: int | None = None,
        is_said: bool = False,
    ) -> None:
        """`is_said`: somebody has said the format."""
        self._descriptor = descriptor
        self._format = format_
        self._path = path
        self._is_said = is_said
        self._column = column
        self._encoding = None if encoding is None else encoding_named(encoding)
        self._delimiter = None if delimiter is None else delimiter_named(delimiter)
        if delimiter and not FORMATS[format_].delimiter:
            if format_ != "text":
                told = _("--delimiter is for CSV, not for {format}.")
                raise InputError(told.format(format=_(FORMATS[format_].words)))
            self._format = "csv"
        if header_row is not None and not FORMATS[self._format].delimiter:
            raise InputError(no_header_row(self._format))
        self._header_row = header_row
        self._decoding: Decoding | None = None
        self._rows: Rows = TextRows()
        self._splitter: LineSplitter | ItemSplitter = LineSplitter(LONGEST_ADDRESS)
        self._counted: int | None = None

    @property
    def columns(self) -> tuple[str, ...] | None:
        return self._rows.columns

    @property
    def column(self) -> str | None:
        return self._rows.column

    @property
    def delimiter(self) -> str:
        """What separates the cells, once the first rows were read; empty where nothing does."""
        return self._rows.delimiter if isinstance(self._rows, CsvRows) else ""

    @property
    def guessed(self) -> str:
        """What the list was read as, where that is not what it looks like from outside."""
        words = [*self._found().values()]
        kind = _("a list")
        if isinstance(self._splitter, ItemSplitter):
            kind = _("a JSON array")
        elif isinstance(self._rows, JsonRows) and self._format == "text":
            kind = _("JSON lines")
        elif not words:
            return ""
        return read_as(kind, _(", ").join(words))

    @property
    def correction(self) -> str:
        return _(" or ").join(self._found())

    def _found(self) -> dict[str, str]:
        """Return what was guessed, by the option that says another."""
        found = {}
        if self._decoding and not (self._decoding.is_plain or self._encoding):
            found["--encoding"] = _("in {encoding}").format(encoding=self._decoding.called)
        rows = self._rows
        if isinstance(rows, CsvRows):
            if not self._delimiter and rows.delimiter != FORMATS[self._format].delimiter:
                told = _("separated by {delimiter}")
                found["--delimiter"] = told.format(delimiter=shown(rows.delimiter))
            if self._header_row is None and not rows.has_header:
                found["--header-row"] = _("without a header")
            elif self._header_row is None and rows.header_line:
                told = _("with its header in line {line}")
                found["--header-row"] = told.format(line=rows.header_line)
        if isinstance(rows, CsvRows | JsonRows) and rows.is_chosen:
            found["--column"] = in_column(rows.column)
        return found

    @property
    def total(self) -> int | None:
        """Lines still ahead that will be passed over are in it."""
        if self._counted is None or isinstance(self._splitter, ItemSplitter):
            return None
        if self._decoding and not self._decoding.counts_by_bytes:
            return None
        return self._counted - self._rows.passed_over

    async def batches(self) -> AsyncGenerator[list[Row]]:
        source = pieces(self._descriptor)
        head = await _head(source)
        refuse_by_content(head)
        self._decoding = decoding = Decoding(head, self._encoding)
        text = decoding.feed(head)
        self._begin(text.removeprefix(_MARK))
        while text:
            self._splitter.unreadable = decoding.fault
            yield self._rows.rows(self._splitter.feed(text))
            piece = await anext(source, b"")
            text = decoding.feed(piece, is_last=not piece)
            while piece and not text:  # half a character
                piece = await anext(source, b"")
                text = decoding.feed(piece, is_last=not piece)
        yield self._rows.rows(self._splitter.end()) + self._rows.rest()

    async def count(self) -> None:
        path = self._path
        if path and path.is_file():
            with suppress(OSError):  # the reading will say so
                self._counted = await in_thread(lambda: _counted(path))

    def _begin(self, head: bytes) -> None:
        """Know what makes rows of this list, whose head is in UTF-8 and has no mark."""
        refuse_by_content(head)
        delimiter = FORMATS[self._format].delimiter
        if delimiter:
            self._rows = CsvRows(delimiter, self._column, self._delimiter, self._header_row)
        elif self._format == "jsonl" or _is_json(head):
            self._rows = JsonRows(self._column)
        else:
            if not self._is_said:
                refuse_csv(head.decode(errors="replace"))
            return
        is_array = not delimiter and head.lstrip().startswith(b"[")
        self._splitter = ItemSplitter() if is_array else LineSplitter(LONGEST_ROW)


async def _head(source: AsyncGenerator[bytes]) -> bytes:
    """Return the first piece that has the end of a line, or all that there is."""
    head = b""
    async for piece in source:
        head += piece
        if b"\n" in piece or b"\r" in piece[:-1] or len(head) >= _HEAD:
            break
    return head


def _is_json(head: bytes) -> bool:
    """Whether a list whose name does not say it has JSON lines, or is a JSON array."""
    first = next((line for line in head.splitlines() if line.strip()), b"")
    if first.strip() == b"[" or first.lstrip().startswith((b"[{", b'["', b"[]")):
        return True
    if not first.lstrip().startswith(b"{"):
        return False
    with suppress(ValueError, RecursionError):
        return isinstance(json.loads(first), dict)
    return False


def _counted(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return lines_in(descriptor)
    finally:
        os.close(descriptor)
