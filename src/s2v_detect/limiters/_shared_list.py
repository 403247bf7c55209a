"""The waiting list of a machine's line, as one process has it: transactions on a file.

A transaction is: lock, read, decide, write, unlock, some 50 µs. The lock is tried and never waited
for. What is told while it is another's is kept, and comes with the next transaction.

Where the list can't be had (its lock's holder is stopped, the disk is full, another release laid it
out), this process is *alone*: it goes at its own starts among those of all living processes, from
the last start that all of them know, and says so once. Every further look tries the list again.
"""

import math
import os
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from s2v_detect._logging import log
from s2v_detect.errors import ConfigurationError
from s2v_detect.limiters._alone import Alone
from s2v_detect.limiters._block import Block, OtherLayout, decoded, encoded
from s2v_detect.limiters._folder import boot, state_folder
from s2v_detect.limiters._line_file import LifeSign, LineFile
from s2v_detect.limiters._waiting_list import Member, Shared, WaitingList

_LOST = {"of": "of this machine", "goes_on": "keeps to its share of the rate"}
_MOST_KEPT = 256  # more than a window holds: of those alone, the older ones decide nothing

Result = TypeVar("Result")
Change = Callable[[WaitingList], None]


class SharedList:
    """One process's way to the list. Hold a mutex around everything.

    Raises `ConfigurationError` where the folder can't be used.
    """

    def __init__(
        self,
        name: str,
        directory: str | os.PathLike[str] | None,
        rate: float,
        per_s: float,
        clock: Callable[[], float],
    ) -> None:
        stem = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        folder = usable_folder(directory)
        try:
            self._file = LineFile(folder, stem)
            self._file.prepare()
            self._life = LifeSign(folder, stem)
        except OSError as error:
            raise _unusable(error) from error
        self._is_given = directory is not None
        self._end = weakref.finalize(self, _end, self._file, self._life)
        self._rate, self._per_s = rate, per_s
        self._clock = clock
        self._boot = boot()
        self._kept: deque[Change] = deque(maxlen=_MOST_KEPT)
        self._seen: Shared | None = None
        self._written = b""
        self._line: WaitingList | None = None
        self.alone = Alone(rate, per_s)
        self._opened_at = clock()
        self._met: set[int] = set()
        self.is_alone = False
        self._why = ""
        self._alone_since = math.inf

    @property
    def owner(self) -> int:
        """What this process is called on the list."""
        return self._life.owner

    def living(self) -> list[int]:
        """Return the owners of all processes that live and have this line open."""
        try:
            return self._life.living()
        except OSError:  # those who were there when the folder was
            seen = () if self._seen is None else self._seen.members
            return sorted({self.owner, *(member.owner for member in seen)})

    @property
    def lost(self) -> str:
        """Why this process is alone; empty where it is not."""
        return self._why if self.is_alone else ""

    def drop_the_dead(self, line: WaitingList) -> None:
        """Take the next wish from the list where its process was killed, and its start is lost."""
        owner = line.next_owner()
        if owner is not None and self._life.is_dead(owner):
            line.without(owner)

    def met(self) -> int:
        """Return how many others have used the list since this process opened it."""
        return len(self._met - {self.owner})

    def start_by_own_rate(self, line: WaitingList) -> float:
        """Return before which instant this process does not go, where the line is faster."""
        if line.gap_s < self._per_s / self._rate:
            return self.alone.own.start_at(line.now)
        return -math.inf

    def tell(self, change: Change) -> None:
        """Change the list now, or with the next transaction: this never waits."""
        self._kept.append(change)
        self.changed(lambda _: None)

    def changed(self, work: Callable[[WaitingList], Result]) -> tuple[bool, Result | None]:
        """Do the work on the list, and return True with its result.

        False where the list can't be had: nothing of the work counts then.
        """
        try:
            if not self._locked():
                return False, None
            try:
                result = self._transaction(work)
            finally:
                self._file.unlock()
        except OtherLayout:
            self.go_alone("another release of s2v-detect uses it")
        except OSError as error:
            self.go_alone(str(error))
        else:
            if self.is_alone:
                self.is_alone = False
                log("line_shared", _LOST, limiter="HostLimiter")
            return True, result
        return False, None

    def view(self) -> WaitingList:
        """Return the list as it was seen last, or as it is where that can be read whole."""
        with suppress(OSError, OtherLayout):
            self._seen = self._decoded(self._file.read()).shared or self._seen
        return WaitingList(self._seen, self._me(), is_new=True)

    def go_alone(self, why: str) -> None:
        """Pace without the others."""
        if not self.is_alone:
            self.is_alone, self._why = True, why
            self._alone_since = self._clock()
            log("line_lost", _LOST, limiter="HostLimiter", cause=why)

    def look_alone(self) -> tuple[float, float]:
        """Return the next start of this process alone, and the time between two of them."""
        start, anchor, gap_s = self.view().at_present()
        living = self.living()
        place, now = living.index(self.owner), max(self._clock(), start)
        start = self.alone.start(now, anchor, gap_s, place=place, of=len(living))
        return start, gap_s * len(living)

    def close(self) -> None:
        """Close the files, as a child of a fork must: what it was born with is its parent's."""
        self._end.detach()
        self._file.close()
        self._life.close()

    def _me(self) -> Member:
        return Member(self.owner, self._rate, self._per_s, self._clock())

    def _locked(self) -> bool:
        try:
            return self._file.locked()
        except FileNotFoundError:
            if self._is_given:
                raise
            state_folder(None)  # somebody tidied all of it up
            return self._file.locked()

    def _transaction(self, work: Callable[[WaitingList], Result]) -> Result:
        line, self._line = self._opened(), None
        for change in self._kept:
            change(line)
        result = work(line)
        shared = line.shared()
        written = encoded(shared, self._boot)
        self._file.write(written)
        self._kept.clear()
        self._seen, self._written, self._line = shared, written, line
        since = self._opened_at
        self._met.update([each.owner for each in shared.members if each.seen_at >= since])
        return result

    def _opened(self) -> WaitingList:
        """Return the list as it stands in the file, which is locked."""
        read = self._file.read()
        # Where nobody wrote since: so it is mostly, when bytes leave after a look.
        line = self._line if read == self._written else None
        if line is not None and line.go_on(self._clock()):
            return line
        block = self._decoded(read)
        shared = block.shared
        if block.is_new:  # a new line, unless somebody tidied up
            shared = self._decoded(self._file.left_behind).shared or self._seen
        if self._file.left_behind:
            self._file.left_behind = b""
            with suppress(OSError):
                self._life.renew()
        line = WaitingList(shared, self._me(), is_new=block.is_new)
        if self.is_alone and shared is not None and shared.used_at < self._alone_since:
            line.assume_others()  # the first who is back does not know when the others went
        return line

    def _decoded(self, block: bytes) -> Block:
        return decoded(block, self._boot, self._clock())


def _end(file: LineFile, life: LifeSign) -> None:
    """Leave nothing behind: at the end of the process, or of the last who used the limiter."""
    life.end()
    file.close()


def usable_folder(directory: str | os.PathLike[str] | None) -> Path:
    """Return the folder of the lines. Raises `ConfigurationError`."""
    if not (directory is None or isinstance(directory, str | os.PathLike)):
        raise ConfigurationError(
            f"directory is {directory!r}.", do="Give a path, or None for the machine's own."
        )
    try:
        return state_folder(directory)
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the machine's line can't be kept, {error}.",
        do="Give a `directory` on a local disk that can be written, or LocalLimiter().",
    )
