"""One record for each input row, whole: as JSON lines, CSV, TSV or Parquet, by the ending.

A pass writes into a file beside its output, and puts it in its place as soon as it holds as many
rows as the output that is there: a reader finds either the earlier pass's rows or this one's, and
never half a line.
"""

import asyncio
import csv
import io
import json
import math
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import PydanticSerializationError, to_json

__all__ = [
    "OUTCOME_KEYS",
    "Output",
    "OutputError",
    "Record",
    "open_output",
    "pipe_output",
    "write_table",
]

Record = dict[str, Any]
"""The input row's columns, and what came of its image."""

OUTCOME_KEYS = (
    "line",
    "index",
    "image",
    "kind",
    "check_pass",
    "humanoid",
    "code",
    "message",
    "request_id",
    "error",
    "source",
    "billed",
    "cost",
    "cost_at_most",
    "attempts",
    "elapsed_s",
    "at",
)

_NOT_WRITTEN = (".gz", ".bz2", ".xz", ".zst", ".zip", ".xlsx", ".xls", ".ods")
"""Endings that promise something else."""

MORE = "input_more"
"""What a row of JSON lines has beyond the columns of the first, as JSON."""

# Readers that split text at every Unicode line break would see half a line.
_LINE_BREAKS = {
    "\x85".encode(): b"\\u0085",
    "\u2028".encode(): b"\\u2028",
    "\u2029".encode(): b"\\u2029",
}


class OutputError(Exception):
    """The output can't be begun; the message says what to do."""


class Output(Protocol):
    """Where records go."""

    async def write(self, records: Sequence[Record]) -> None:
        """Put records there, whole. Raises `OSError` when it takes no more."""

    async def finish(self, *, is_complete: bool) -> bool:
        """Make sure of what was written; return whether the output is this pass's now."""

    def close(self) -> None:
        """Let go of it. What was not put in its place goes away."""


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
    except PydanticSerializationError:  # a lone surrogate has no UTF-8, but JSON has its escape
        text = json.dumps(_finite(record), default=str, separators=(",", ":"))
        line = text.encode(errors="backslashreplace")
    if not line.isascii():
        for found, escaped in _LINE_BREAKS.items():
            line = line.replace(found, escaped)
    return line + b"\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


class Delimited:
    """Records as CSV or TSV: the input's columns, then ours."""

    def __init__(self, delimiter: str, columns: Callable[[], Sequence[str]]) -> None:
        self._delimiter = delimiter
        self._columns = columns
        self._keys: tuple[str, ...] = ()
        self._known: frozenset[str] = frozenset()

    def head(self) -> bytes:
        self._keys = (*self._columns(), *OUTCOME_KEYS)
        self._known = frozenset(self._keys)
        return self._encoded([[*self._keys, MORE]])

    def lines(self, records: Sequence[Record]) -> bytes:
        return self._encoded([self._cells(record) for record in records])

    def _cells(self, record: Record) -> list[str]:
        more = {key: value for key, value in record.items() if key not in self._known}
        return [*(_cell(record.get(key)) for key in self._keys), _cell(more or None)]

    def _encoded(self, rows: list[list[str]]) -> bytes:
        return _delimited(rows, self._delimiter)


def _delimited(rows: Iterable[Sequence[str]], delimiter: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, float) else json.dumps(value, default=str)


class Pipe:
    """JSON lines into a descriptor that nothing is ever put in the place of."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines = JsonLines()

    async def write(self, records: Sequence[Record]) -> None:
        """In a thread: a pipe that is full must not hold up the loop."""
        await asyncio.to_thread(_write_all, self._descriptor, self._lines.lines(records))

    async def finish(self, *, is_complete: bool) -> bool:  # noqa: ARG002  # all of it is out already
        return True

    def close(self) -> None:
        os.close(self._descriptor)


class PlacedFile:
    """Lines into a file beside the output, which takes its place in time."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self._path = path.resolve()  # a link stays one
        self._part = self._path.with_name(f"{self._path.name}.part")
        self._lines = lines
        self._rows_there = _rows_in(self._path)
        self._rows = 0
        self._size = 0
        self._has_head = False
        self._is_placed = False
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self._part, flags, 0o666)
        with suppress(OSError):  # none there, or not ours to give
            os.chmod(self._part, stat.S_IMODE(self._path.stat().st_mode))  # noqa: PTH101  # beside os.open

    async def write(self, records: Sequence[Record]) -> None:
        await asyncio.to_thread(self._write, records)

    async def finish(self, *, is_complete: bool) -> bool:
        return await asyncio.to_thread(self._finish, is_complete)

    def close(self) -> None:
        os.close(self._descriptor)
        if not self._is_placed:
            self._part.unlink(missing_ok=True)

    def _write(self, records: Sequence[Record]) -> None:
        head = b"" if self._has_head else self._lines.head()
        block = head + self._lines.lines(records)
        try:
            _write_all(self._descriptor, block)
        except OSError:
            # Half a line may be there: a disk fills up in the middle of one.
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._has_head = True
        self._size += len(block)
        self._rows += len(records)
        if not self._is_placed and self._rows >= self._rows_there:
            self._place()

    def _finish(self, is_complete: bool) -> bool:  # noqa: FBT001  # called by name above
        if is_complete and not self._has_head:
            self._write([])
        os.fsync(self._descriptor)
        if not self._is_placed and (is_complete or self._rows >= self._rows_there > 0):
            self._place()
        if self._is_placed:
            _sync_folder(self._path.parent)
        return self._is_placed

    def _place(self) -> None:
        os.replace(self._part, self._path)  # noqa: PTH105  # beside os.open
        self._is_placed = True


def open_output(path: Path, *, columns: Callable[[], Sequence[str]]) -> Output:
    """Return the output of that name, in the format of its ending. Raises `OutputError`.

    `columns` names the input's columns; it is asked when the first record is written.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        return Pipe(os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0)))
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Give the name of a file after -o.")
    ending = path.suffix.lower()
    if ending in _NOT_WRITTEN:
        raise OutputError(
            f"{path} would be no {ending} file: JSON lines, CSV, TSV and Parquet are written, by"
            " the endings .jsonl, .csv, .tsv and .parquet. Give another name after -o."
        )
    try:
        if ending == ".parquet":
            from s2v_detect.bulk._parquet import ParquetOutput  # noqa: PLC0415  # an extra

            return ParquetOutput(path)
        delimiter = {".csv": ",", ".tsv": "\t"}.get(ending)
        return PlacedFile(path, Delimited(delimiter, columns) if delimiter else JsonLines())
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror}. Give another name after -o."
        ) from error


def write_table(path: Path, rows: Iterable[Record], *, columns: Sequence[str]) -> None:
    """Write rows of these columns to a file, in the format of its ending; whole or not at all."""
    if path.suffix.lower() == ".parquet":
        from s2v_detect.bulk._parquet import write_parquet  # noqa: PLC0415  # an extra

        write_parquet(path, rows)
        return
    delimiter = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            if delimiter:
                file.write(_delimited([columns], delimiter))
            for row in rows:
                cells = [_cell(row[name]) for name in columns]
                file.write(_delimited([cells], delimiter) if delimiter else json_line(row))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def pipe_output(descriptor: int) -> Output:
    """Return an output of JSON lines into an open descriptor."""
    return Pipe(descriptor)


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _rows_in(path: Path) -> int:
    """Return how many lines a file has, its head counted too: near enough to wait for."""
    try:
        with path.open("rb", buffering=0) as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
    except FileNotFoundError:
        return 0


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
