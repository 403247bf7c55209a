"""An output's place: who may write there, what grows beside it, and what of it must not be lost.

A pass has the output's lock, and writes into a new file beside it. That file takes the output's
place in one step. What stood there goes away only if runs wrote it, nobody changed it since, and
the new file has its rows; anything else is kept under another name, which is told. Stopping would
be no better: a run of the night would then fail for a note that somebody made by day.
"""

import errno
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal

from s2v_detect import LedgerError
from s2v_detect.bulk._beside import kept_aside, new_beside, remove_abandoned
from s2v_detect.bulk._lock import OutputLock
from s2v_detect.bulk._marks import Mark, Marks, as_text, from_text, is_as_written
from s2v_detect.tables import OutputError, Record, format_of, read_records

OnReplaced = Callable[[Path, Path, Literal["changed", "other rows"]], None]
"""Told of an output that was kept, under which name, and why: somebody changed it, or it has rows
that the new one has not."""

_HEAD_ROWS = 1000
_LONGEST_NAME = 2000
_LARGEST_HEAD = 1 << 23
"""Bytes of an Excel file, which is read whole for its first rows: 200 MB of memory or so."""

_MARKED_EVERY_S = 2.0
"""A mark is a commit of the ledger, of some 6 ms."""


class Earlier:
    """The rows of the output that is there: how many, and the images of the first of them.

    A resume, and a list that has grown, write all of these again; another list does not. Nothing
    of a longer output is held in memory. `known_by`: the column that names an image in each pass.
    """

    def __init__(self, path: Path, rows: int, known_by: str) -> None:
        self._rows = rows
        self._known_by = known_by
        self._unmet: set[str] = set()
        # What is no output of ours says so by its mark, and an absent one has no rows.
        with suppress(OSError, OutputError):
            for record in islice(read_records(path), _HEAD_ROWS if _has_head(path) else 0):
                self._unmet |= self._names_in([record])

    def meet(self, records: Sequence[Record]) -> None:
        """Take note of what the new file has."""
        if self._unmet:
            self._unmet -= self._names_in(records)

    def is_within(self, rows: int) -> bool:
        """Whether a new file of so many rows has what the earlier one has."""
        return rows >= self._rows and not self._unmet

    def _names_in(self, records: Sequence[Record]) -> set[str]:
        names = [record.get(self._known_by) for record in records]
        return {str(name) for name in names if _is_kept_as_it_is(name)}


def _is_kept_as_it_is(name: object) -> bool:
    """Whether every format gives this name back: no time, nothing cut off, nothing guarded."""
    if isinstance(name, int):
        return True
    is_short = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME
    return is_short and str(name).isprintable() and not str(name).startswith("'")


def _has_head(path: Path) -> bool:
    return format_of(path) != "xlsx" or path.stat().st_size <= _LARGEST_HEAD


class Place:
    """One pass's claim on an output, and the new file for it.

    Raises `OutputLocked` where another run has it, and `OSError` where no file can be made.
    """

    def __init__(self, path: Path, marks: Marks | None, on_kept: OnReplaced | None) -> None:
        self.path = Path(os.path.realpath(path))  # a link stays one
        self.is_taken = False
        """Whether the new file is the output now."""
        self._marks = marks
        self._on_kept = on_kept
        self._marked_at = 0.0
        self._lock = OutputLock(self.path)
        try:
            if self._lock.is_certain:
                remove_abandoned(self.path)
            self._earlier = from_text(marks.output_mark()) if marks else []
            self.part, self.descriptor = new_beside(self.path)
        except BaseException:
            self._lock.let_go()
            raise

    def take(self, mark: Mark, *, has_all: bool) -> None:
        """Put the new file in the output's place; `mark` is what it holds.

        `has_all`: it has the rows of the output that is there; otherwise that is kept. Killed at
        any line, the ledger knows the output by one of the two marks.
        """
        self._keep_mark([*self._earlier, mark])
        if self.path.exists():
            is_changed = not is_as_written(self.path, self._earlier)
            if is_changed or not has_all:
                kept = kept_aside(self.path)
                if self._on_kept:
                    self._on_kept(self.path, kept, "changed" if is_changed else "other rows")
        self.part.replace(self.path)
        self.is_taken = True
        self._earlier = [mark]
        self._marked_at = time.monotonic()

    def grown(self, mark: Mark, *, is_last: bool = False) -> None:
        """Have the mark kept of what was added meanwhile, unless that was done a moment ago."""
        now = time.monotonic()
        if is_last or now - self._marked_at >= _MARKED_EVERY_S:
            self._keep_mark([mark._replace(is_last=is_last)])
            self._marked_at = now

    def check(self, size: int) -> None:
        """Raise `OSError` where somebody else has written into the output, or replaced it."""
        told = os.fstat(self.descriptor)
        if told.st_size != size:
            raise OSError(errno.EBUSY, "somebody else writes into it")
        if self.is_taken and not self._is_ours(told):
            raise OSError(errno.ESTALE, "somebody replaced it or moved it away")

    def sync_folder(self) -> None:
        """Make sure that the new file is found at its place after a power failure."""
        if hasattr(os, "O_DIRECTORY"):
            descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def leave(self) -> None:
        """Let go of the output. A new file that did not take its place goes away."""
        os.close(self.descriptor)
        if not self.is_taken:
            self.part.unlink(missing_ok=True)
        self._lock.let_go()

    def _keep_mark(self, marks: Sequence[Mark]) -> None:
        if self._marks:
            # A ledger that can't be written ends the run by itself. The rows since the last mark
            # are told by what they hold.
            with suppress(LedgerError):
                self._marks.mark_output(as_text(marks))

    def _is_ours(self, told: os.stat_result) -> bool:
        try:
            return os.path.samestat(told, self.path.lstat())
        except FileNotFoundError:
            return False
