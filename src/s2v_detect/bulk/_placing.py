"""An output's place: who may write there, what grows beside it, and what of it must not be lost.

A pass has the output's lock, and writes into a new file beside it. That file takes the output's
place in one step. What stood there goes away only if runs wrote it and nobody changed it since;
anything else is kept under another name, which is told. Stopping would be no better: a run of the
night would then fail for a note that somebody made by day.
"""

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from s2v_detect import LedgerError
from s2v_detect.bulk._beside import OnKept, kept_aside, new_beside, remove_abandoned
from s2v_detect.bulk._lock import OutputLock
from s2v_detect.bulk._marks import Mark, Marks, as_text, from_text, is_as_written

_MARKED_EVERY_S = 2.0
"""A mark is a commit of the ledger, of some 6 ms."""


class Place:
    """One pass's claim on an output, and the new file for it.

    Raises `OutputLocked` where another run has it, and `OSError` where no file can be made.
    """

    def __init__(self, path: Path, marks: Marks | None, on_kept: OnKept | None) -> None:
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

    def take(self, mark: Mark) -> None:
        """Put the new file in the output's place; `mark` is what it holds.

        Killed at any line, the ledger knows the output by one of the two marks.
        """
        self._keep_mark([*self._earlier, mark])
        if self.path.exists() and not is_as_written(self.path, self._earlier):
            kept = kept_aside(self.path)
            if self._on_kept:
                self._on_kept(self.path, kept)
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
