"""One record for each input row, whole: JSON lines, CSV, TSV, Excel or Parquet, by the ending.

A pass writes into a file beside its output, and puts it in its place as soon as it holds the rows
of the output that is there: a reader finds either the earlier pass's rows or this one's, and never
half a line.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

from s2v_detect._columns import OUTPUT_COLUMNS, Column
from s2v_detect.bulk._beside import free_beside, replacing
from s2v_detect.bulk._lock import OutputLocked
from s2v_detect.bulk._marks import Marking, Marks, mark_of
from s2v_detect.bulk._placing import Earlier, OnReplaced, Place
from s2v_detect.bulk.paths import PathError, refuse_database
from s2v_detect.languages import _
from s2v_detect.tables import (
    DELIMITERS,
    Delimited,
    JsonLines,
    Lines,
    OutputError,
    Record,
    cell,
    delimited,
    format_of,
    is_whole,
    json_line,
    rows_in,
    whole_records,
)

__all__ = ["Output", "open_output", "pipe_output", "write_table"]

_NOT_WRITTEN = (".gz", ".bz2", ".xz", ".zst", ".zip", ".xls", ".xlsb", ".xlsm", ".ods")
"""Endings that promise something else."""


_GROUP = 5000


class Output(Protocol):
    """Where records go."""

    async def write(self, records: Sequence[Record]) -> None:
        """Put records there, whole. Raises `OSError` when it takes no more."""

    async def finish(self, *, is_complete: bool) -> bool:
        """Make sure of what was written; return whether the output is this pass's now."""

    def close(self) -> None:
        """Let go of it. What was not put in its place goes away."""


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

    def __init__(self, place: Place, lines: Lines, known_by: str) -> None:
        self._place = place
        self._lines = lines
        self._earlier = Earlier(place.path, _lines_in(place.path), known_by)
        self._lines_here = 0
        self._marking = Marking()
        self._has_head = False

    async def write(self, records: Sequence[Record]) -> None:
        await asyncio.to_thread(self._write, records)

    async def finish(self, *, is_complete: bool) -> bool:
        return await asyncio.to_thread(self._finish, is_complete)

    def close(self) -> None:
        self._place.leave()

    def _write(self, records: Sequence[Record]) -> None:
        place, size = self._place, self._marking.size
        head = b"" if self._has_head else self._lines.head()
        block = head + self._lines.lines(records)
        place.check(size)
        try:
            _write_all(place.descriptor, block)
        except OSError:
            # Half a line may be there: a disk fills up in the middle of one.
            os.ftruncate(place.descriptor, size)
            os.lseek(place.descriptor, size, os.SEEK_SET)
            raise
        self._has_head = True
        self._marking.add(block)
        self._lines_here += block.count(b"\n")
        if place.is_taken:
            place.grown(self._marking.mark)
            return
        self._earlier.meet(records)
        if self._earlier.is_within(self._lines_here):
            place.take(self._marking.mark, has_all=True)

    def _finish(self, is_complete: bool) -> bool:  # noqa: FBT001  # called by name above
        place = self._place
        if is_complete and not self._has_head:
            self._write([])
        os.fsync(place.descriptor)
        if is_complete and not place.is_taken:
            place.take(self._marking.mark, has_all=self._earlier.is_within(self._lines_here))
        if place.is_taken:
            place.check(self._marking.size)
            place.grown(self._marking.mark, is_last=True)
            place.sync_folder()
        return place.is_taken


class WholeFile:
    """A table into a file beside the output, which takes its place when it is whole."""

    def __init__(self, place: Place, known_by: str) -> None:
        self._place = place
        rows_there = rows_in(place.path) - (format_of(place.path) == "xlsx")  # its head is a row
        self._earlier = Earlier(place.path, rows_there, known_by)
        self._rows = 0
        self._file = os.fdopen(place.descriptor, "wb", closefd=False)
        folder = free_beside(place.path)
        self._records = whole_records(place.path, self._file, OUTPUT_COLUMNS, folder)

    async def write(self, records: Sequence[Record]) -> None:
        self._rows += len(records)
        self._earlier.meet(records)
        await asyncio.to_thread(self._records.add, records)

    async def finish(self, *, is_complete: bool) -> bool:
        return await asyncio.to_thread(self._finish, is_complete)

    def close(self) -> None:
        self._records.discard()
        with suppress(OSError):  # a full disk was told of when it was written to
            self._file.close()
        self._place.leave()

    def _finish(self, is_complete: bool) -> bool:  # noqa: FBT001  # called by name above
        self._records.close()
        self._file.flush()
        os.fsync(self._place.descriptor)
        has_all = self._earlier.is_within(self._rows)
        if is_complete or has_all:
            with self._place.part.open("rb") as file:
                mark = mark_of(file)
            self._place.take(mark, has_all=has_all)
            self._place.grown(mark, is_last=True)
            self._place.sync_folder()
        return self._place.is_taken


def open_output(
    path: Path,
    *,
    columns: Callable[[], Sequence[str]],
    marks: Marks | None = None,
    on_kept: OnReplaced | None = None,
    guards_all: bool = False,
    excel_delimiter: Callable[[], str] | None = None,
    known_by: str = "image",
) -> Output:
    """Return the output of that name, in the format of its ending. Raises `OutputError`.

    Args:
        path: where it is to be.
        columns: names the input's columns; it is asked when the first record is written.
        marks: a ledger that keeps what the runs wrote there. Without one, what is there is known by
            its records alone.
        on_kept: told of an output that was kept under another name, and why.
        guards_all: in CSV and TSV no cell of the input's columns is a formula either.
        excel_delimiter: CSV and TSV that Excel opens by a double click: see `Delimited`.
        known_by: the column that names an image in every pass, where its address changes.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        return Pipe(os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0)))
    if path.is_dir():
        told = _("{name} is a folder. Give the name of a file after -o.")
        raise OutputError(told.format(name=path))
    _refuse_ending(path)
    placed: Callable[[Place], Output]
    if is_whole(path):
        placed = partial(WholeFile, known_by=known_by)
    else:
        mark = DELIMITERS.get(path.suffix.lower())
        lines: Lines = JsonLines()
        if mark:
            lines = Delimited(mark, columns, guards_all=guards_all, excel_delimiter=excel_delimiter)
        placed = partial(PlacedFile, lines=lines, known_by=known_by)
    place = _placed_at(path, marks, on_kept)
    try:
        return placed(place)
    except BaseException:
        place.leave()
        raise


def _refuse_ending(path: Path) -> None:
    ending = path.suffix.lower()
    if ending in _NOT_WRITTEN:
        told = _(
            "{name} would be no {ending} file: JSON lines, CSV, TSV, Excel and Parquet are written,"
            " by the endings .jsonl, .csv, .tsv, .xlsx and .parquet. Give another name after -o."
        )
        raise OutputError(told.format(name=path, ending=ending))


def _placed_at(path: Path, marks: Marks | None, on_kept: OnReplaced | None) -> Place:
    try:
        refuse_database(path)
        return Place(path, marks, on_kept)
    except OutputLocked as error:
        told = _(
            "{name} is being written by another run. Wait for that run, or give another name after"
            " -o."
        )
        raise OutputError(told.format(name=path)) from error
    except PathError as error:
        raise OutputError(str(error)) from error
    except OSError as error:
        told = _("{name} can't be written: {why}. Give another name after {option}.")
        why = _(error.strerror or str(error))
        raise OutputError(told.format(name=path, why=why, option="-o")) from error


def write_table(path: Path, rows: Iterable[Record], *, columns: Sequence[Column]) -> None:
    """Write rows of these columns to a file, in the format of its ending; whole or not at all.

    Raises `OutputError` where no such file is written or its extra is missing, `PathError` where a
    database is there, and `OSError`.
    """
    _refuse_ending(path)
    if is_whole(path):
        with replacing(path) as file:
            records = whole_records(path, file, columns, free_beside(path))
            try:
                source = iter(rows)
                while some := list(islice(source, _GROUP)):
                    records.add(some)
                records.close()
            finally:
                records.discard()
        return
    mark = DELIMITERS.get(path.suffix.lower())
    with replacing(path) as file:
        if mark:
            file.write(delimited([[column.name for column in columns]], mark))
        for row in rows:
            cells = [cell(row[column.name], guards=column.is_guarded) for column in columns]
            file.write(delimited([cells], mark) if mark else json_line(row))


def pipe_output(descriptor: int) -> Output:
    """Return an output of JSON lines into an open descriptor."""
    return Pipe(descriptor)


def _write_all(descriptor: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _lines_in(path: Path) -> int:
    """Return how many lines a file has, its head counted too: near enough to wait for."""
    try:
        with path.open("rb", buffering=0) as file:
            return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
    except FileNotFoundError:
        return 0
