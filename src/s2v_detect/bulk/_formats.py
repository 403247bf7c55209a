"""Rows from lines: text, CSV, TSV and JSON lines. What can be no row says why, and ends nothing."""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from s2v_detect.bulk._reading import LONGEST_LINE, TextLine
from s2v_detect.images import trimmed

_USUAL_COLUMNS = ("image", "image_url", "url")
_EXCERPT = 200


class Row(NamedTuple):
    """One row that asks for something: an address, or a `fault` that says why it is none."""

    number: int | None
    """The line where it begins, or the row of a Parquet file, from 1; None: no file."""
    image: str
    """The address without the white space around it; of a faulty row, its beginning."""
    fault: str = ""
    columns: Mapping[str, Any] | None = None
    """All columns as they were read, the image's own too; None for plain text."""
    path: Path | None = None
    """The file, where the image is one of this machine; `image` is then its name."""

    @property
    def source(self) -> str | Path:
        """What is checked."""
        return self.path or self.image


class InputError(Exception):
    """The input can't be read as what it should be; the message says what to do."""


class Rows(Protocol):
    """Makes rows of lines."""

    columns: tuple[str, ...] | None
    passed_over: int
    """Lines that gave no row of their own."""

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        """Return the rows that end in these lines."""

    def rest(self) -> list[Row]:
        """Return what is left at the end."""


def chosen_column(columns: Sequence[str], wanted: str | None) -> str:
    """Return the column that holds the image. Raises `InputError` where none is plain."""
    if wanted is not None:
        if wanted in columns:
            return wanted
        raise InputError(f"The input has no column {wanted!r}. {_named(columns)}")
    by_lower = {name.lower(): name for name in reversed(columns)}
    for usual in _USUAL_COLUMNS:
        if usual in by_lower:
            return by_lower[usual]
    if len(columns) == 1:
        return columns[0]
    raise InputError(
        f"The input does not say which column holds the image. Give --column. {_named(columns)}"
    )


def row_of(number: int, columns: Mapping[str, Any], column: str) -> Row:
    """Return the row whose image is in that column."""
    value = columns.get(column)
    if value is None:
        return Row(number, "", f"the column {column!r} is missing or empty", columns)
    if not isinstance(value, str):
        excerpt = str(value)[:_EXCERPT]
        return Row(number, excerpt, f"the column {column!r} holds no text", columns)
    return Row(number, trimmed(value), "", columns)


class TextRows:
    """One address a line; blank lines and lines that begin with `#` are passed over."""

    def __init__(self) -> None:
        self.columns: tuple[str, ...] | None = None
        self.passed_over = 0

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows = []
        for number, text, fault in lines:
            image = trimmed(text)
            if fault or (image and image[0] != "#"):
                rows.append(Row(number, image, fault))
        self.passed_over += len(lines) - len(rows)
        return rows

    def rest(self) -> list[Row]:
        return []


class JsonRows:
    """One JSON object a line, or a bare string that is the address."""

    columns: tuple[str, ...] | None = None

    def __init__(self, column: str | None) -> None:
        self.passed_over = 0
        self._wanted = column
        self._column = column

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows = [self._row(line) for line in lines if line.text.strip()]
        self.passed_over += len(lines) - len(rows)
        return rows

    def rest(self) -> list[Row]:
        return []

    def _row(self, line: TextLine) -> Row:
        number, text, fault = line
        if fault:
            return Row(number, text, fault)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return Row(number, text[:_EXCERPT], "the line is not JSON")
        if isinstance(value, str):
            return Row(number, trimmed(value))
        if not isinstance(value, dict):
            return Row(number, text[:_EXCERPT], "the line is no JSON object")
        if self._column is None:
            self._column = chosen_column(list(value), self._wanted)
        if self.columns is None:
            self.columns = tuple(value)
        return row_of(number, value, self._column)


class CsvRows:
    """Cells between delimiters; a cell in quotes may hold delimiters and newlines."""

    def __init__(self, delimiter: str, column: str | None) -> None:
        self.columns: tuple[str, ...] | None = None
        self.passed_over = 0
        self._delimiter = delimiter
        self._wanted = column
        self._column = ""
        self._open: TextLine | None = None
        self._following: list[TextLine] = []
        mark = re.escape(delimiter)
        self._quote = re.compile(rf'(?:^|{mark})"(?:[^"]|"")*("|\Z)')

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows: list[Row] = []
        for line in lines:
            self._take(line, rows)
        return rows

    def rest(self) -> list[Row]:
        rows: list[Row] = []
        while self._open:
            self._resynchronise(rows)
        return rows

    def _take(self, line: TextLine, rows: list[Row]) -> None:
        if self._open is None:
            if not line.fault and '"' in line.text and self._is_open(line.text):
                self._open, self._following = line, []
            else:
                self._record(line, rows)
            return
        joined = TextLine(self._open.number, f"{self._open.text}\n{line.text}", line.fault)
        self._following.append(line)
        if line.fault or len(joined.text) > LONGEST_LINE:
            self._resynchronise(rows)
        elif self._is_open(joined.text):
            self._open = joined
        else:
            self._open = None
            self.passed_over += len(self._following)
            self._record(joined, rows)

    def _resynchronise(self, rows: list[Row]) -> None:
        """Give up on a quote that never closes: its line is faulty, those after it are read."""
        open_, following = self._open, self._following
        self._open, self._following = None, []
        if open_ is None:
            return
        first = open_.text.partition("\n")[0][:_EXCERPT]
        rows.append(Row(open_.number, first, "a quote in it never closes"))
        for line in following:
            self._take(line, rows)

    def _is_open(self, text: str) -> bool:
        return any(not match[1] for match in self._quote.finditer(text))

    def _record(self, line: TextLine, rows: list[Row]) -> None:
        number, text, fault = line
        if not fault and not text.strip():
            self.passed_over += 1
        elif fault:
            rows.append(Row(number, text, fault))
        elif self.columns is None:
            self.passed_over += 1
            self.columns = _header(self._cells(text))
            self._column = chosen_column(self.columns, self._wanted)
        else:
            rows.append(self._row(number, self._cells(text)))

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self._delimiter)
        try:
            return next(csv.reader([text], delimiter=self._delimiter))
        except csv.Error:  # a lone carriage return, say: as it stands
            return text.split(self._delimiter)

    def _row(self, number: int, cells: list[str]) -> Row:
        names = self.columns or ()
        columns = dict(zip(names, cells, strict=False))
        if len(cells) > len(names):
            extra = {
                f"column_{len(names) + 1 + place}": cell
                for place, cell in enumerate(cells[len(names) :])
            }
            columns |= extra
        return row_of(number, columns, self._column)


def _header(cells: list[str]) -> tuple[str, ...]:
    """Return names that are all different: none is lost for being another's."""
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column_{place}"
        names.append(f"{name}_{place}" if name in names else name)
    return tuple(names)


def _named(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")  # noqa: PLR2004  # enough to find one
    return f"Its columns are {shown}." if columns else "It has no columns."
