"""A record as a line: JSON, CSV or TSV.

In CSV and TSV a cell that a stranger has chosen may begin as a formula of a spreadsheet does; such
a cell gets an apostrophe in front, which `plain` takes off again. It is done to our own columns.
The input's columns pass through as they are, unless a run is told to guard them too: a reader can't
tell then which apostrophe was there before, so it takes none off.
"""

import csv
import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import to_json

from s2v_detect._columns import OUTPUT_COLUMNS
from s2v_detect.languages import _

Record = dict[str, Any]
"""The input row's columns, and what came of its image."""


class OutputError(Exception):
    """The output can't be begun or read; the message says what to do."""


def no_output(path: Path, *, row: int = 0, line: int = 0) -> OutputError:
    """Return what is said of a file that is no output, as that row or line of it shows."""
    told = _("{name} is no output of `s2v-detect run`. Give one, or a ledger.")
    if row:
        told = _("{name} is no output of `s2v-detect run` (row {row}). Give one, or a ledger.")
    elif line:
        told = _("{name} is no output of `s2v-detect run` (line {line}). Give one, or a ledger.")
    return OutputError(told.format(name=path, row=row, line=line))


def damaged_output(path: Path) -> OutputError:
    """Return what is said of an output that can't be read to its end."""
    told = _("{name} is damaged. Give another output, or a ledger.")
    return OutputError(told.format(name=path))


OUTCOME_KEYS = tuple(column.name for column in OUTPUT_COLUMNS)

MORE = "input_more"
"""What a row of JSON lines has beyond the columns of the first, as JSON."""

_TOO_DEEP = "(nested too deeply to be written)"
"""Python reads JSON a few levels deeper than it writes JSON: a row is kept without such a value."""
_MARGIN = 50

# Readers that split text at every Unicode line break would see half a line.
_LINE_BREAKS = {
    "\x85".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}

GUARDED = frozenset(column.name for column in OUTPUT_COLUMNS if column.is_guarded)
"""Columns of ours whose text a stranger has chosen."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED_FORMULA = re.compile(r"''*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """Return a text that is no formula in a spreadsheet.

    Example:
        >>> guarded("=1+1"), guarded("'=1+1"), guarded("it's"), plain(guarded("'=1+1"))
        ("'=1+1", "''=1+1", "it's", "'=1+1")
    """
    return f"'{text}" if _FORMULA.match(text) else text


def plain(text: str) -> str:
    """Return what a guarded text was before."""
    return text[1:] if _GUARDED_FORMULA.match(text) else text


def is_record(value: object) -> bool:
    """Whether a value that was read is a row's record: its kind, time and counts are such."""
    if not isinstance(value, dict) or value.get("kind") not in ("checked", "skipped", "failed"):
        return False
    counts = (value.get(name) for name in ("attempts", "cost", "cost_at_most"))
    try:
        datetime.fromisoformat(value.get("at") or "0001-01-01")
    except (TypeError, ValueError):
        return False
    return all(count is None or isinstance(count, int | float) for count in counts)


class Lines(Protocol):
    """Records as lines of bytes."""

    def head(self) -> bytes:
        """Return what comes before the first record."""

    def lines(self, records: Sequence[Record]) -> bytes:
        """Return whole lines."""


class JsonLines:
    """Records as JSON lines in UTF-8."""

    def head(self) -> bytes:
        return b""

    def lines(self, records: Sequence[Record]) -> bytes:
        return b"".join(map(json_line, records))


def json_line(record: Mapping[str, Any]) -> bytes:
    r"""Return a record as one line of JSON in UTF-8.

    Example:
        >>> json_line({"line": 7, "image": "\u2028", "cost": float("nan")})
        b'{"line":7,"image":"\\u2028","cost":null}\n'
    """
    try:
        line = to_json(record, inf_nan_mode="null")
    except ValueError:  # half a character, bytes, much nesting
        line = _json_of(record).encode(errors="backslashreplace")
    if not line.isascii():
        for found, escaped in _LINE_BREAKS.items():
            line = line.replace(found, escaped)
    return line + b"\n"


def _json_of(record: Mapping[str, Any]) -> str:
    """Return JSON of what `to_json` refuses; a half character is its escape there."""
    try:
        text = json.dumps(record, default=text_of)
        whole = json.loads(text, parse_constant=lambda _: None)  # JSON has no word for infinity
        return json.dumps(whole, separators=(",", ":"))
    except RecursionError:
        return _json_of({name: _shallow(value) for name, value in record.items()})


def _shallow(value: Any) -> Any:
    """Return a value, or the words for one that is nested too deeply to be written."""
    nested = value
    for _depth in range(_MARGIN):  # it is written from another depth of the stack, in an object
        nested = [nested]
    try:
        json.loads(json.dumps(nested, default=text_of))
    except RecursionError:
        return _TOO_DEEP
    return value


class Delimited:
    """Records as CSV or TSV: the input's columns, then ours.

    With `excel_delimiter` a spreadsheet opens them right: a mark says that they are UTF-8, and the
    delimiter is the one it returns, if any, when the first record is written. It is the input's,
    and so the one of the machine that saved the input.
    """

    def __init__(
        self,
        delimiter: str,
        columns: Callable[[], Sequence[str]],
        *,
        guards_all: bool = False,
        excel_delimiter: Callable[[], str] | None = None,
    ) -> None:
        self._delimiter = delimiter
        self._excel_delimiter = excel_delimiter
        self._columns = columns
        self._guards_all = guards_all
        self._keys: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._guarded = GUARDED

    def head(self) -> bytes:
        mark = b""
        if self._excel_delimiter:
            mark = BOM_UTF8
            self._delimiter = self._excel_delimiter() or self._delimiter
        own = tuple(self._columns())
        self._keys = (*own, *OUTCOME_KEYS)
        self._known = frozenset(self._keys)
        if self._guards_all:
            self._guarded = GUARDED.union(own)
        names = map(guarded, self._keys) if self._guards_all else self._keys
        return mark + delimited([[*names, MORE]], self._delimiter)

    def lines(self, records: Sequence[Record]) -> bytes:
        return delimited([self._cells(record) for record in records], self._delimiter)

    def _cells(self, record: Record) -> list[str]:
        more = {key: value for key, value in record.items() if key not in self._known}
        cells = [cell(record.get(key), guards=key in self._guarded) for key in self._keys]
        return [*cells, cell(more or None)]


def delimited(rows: Iterable[Sequence[str]], delimiter: str) -> bytes:
    r"""Return rows of cells as lines.

    A cell with a lone `\r` is quoted too. Python 3.11 and 3.12 do that only where `\r` is a part of
    the lines' end, so the rows are written with such an end, and get a plain one.

    Example:
        >>> delimited([["a\rb", "c"]], ",")
        b'"a\rb",c\n'
    """
    lines = _Lines()
    csv.writer(lines, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return "".join(lines).encode(errors="backslashreplace")


class _Lines(list[str]):
    def write(self, row: str) -> None:
        """Take a row: `csv.writer` hands over each at once, with its end."""
        self.append(f"{row[:-2]}\n")


def cell(value: Any, *, guards: bool = False) -> str:
    """Return a value as the text of a cell; `guards` keeps a text from being a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value) if guards else value
    return text_of(value)


def text_of(value: Any) -> str:
    """Return any value as a text.

    Example:
        >>> text_of(0.1), text_of(True), text_of({"年龄": [b"b"]}), text_of(datetime(2026, 1, 2))
        ('0.1', 'true', '{"年龄": ["b"]}', '2026-01-02T00:00:00')
    """
    if isinstance(value, bool):  # ahead of JSON, whose encoder would be made anew for each cell
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, date | time):
        return value.isoformat()
    is_json = value is None or isinstance(value, list | tuple | Mapping)
    return _as_json(value) if is_json else str(value)


def _as_json(value: Any) -> str:
    try:
        text = json.dumps(value, default=text_of, ensure_ascii=False)
    except RecursionError:
        return _TOO_DEEP
    return text.encode(errors="backslashreplace").decode()  # half a character is its escape
