"""One line for all processes of a machine.

The theory. How a process waits is told in `_turns`, and who goes first in `_waiting_list`. The list
is a file: only one who waits for a turn may sleep for its lock, and what is told in between never
waits (`_shared_list`). A process that can't have the list paces alone.

Killed on any line: the system drops the locks, the wish is passed over by its time, and a claim
counts as left. A lock as a sign of life only tells earlier that a wish is nobody's: no turn waits
for that.
A child of a fork is a process of its own.
"""

import asyncio
import math
import os
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.limiters._shared_list import SharedList, usable_folder
from s2v_detect.limiters._turns import SharedLine
from s2v_detect.limiters._waiting_list import Claim, WaitingList, Wish
from s2v_detect.models import LANES, Lane

_LOCK_PATIENCE_S = 0.3
_ALONE_PATIENCE_S = 0.005  # the others may be back, and at the list at this moment
_LOCK_PAUSE_S = 0.001  # a transaction takes less, but its process may lose the processor in it

_Answer = tuple[float | None, Wish | None]
"""What a look comes to: the start of the turn, or None; and the wish that stays on the list."""


class HostLimiter(SharedLine):
    """A line that all processes of this user on this machine share: web workers, jobs, notebooks.

    They need know nothing of each other. Together they start at most `rate` requests in any `per_s`
    seconds; where their rates differ, the line has the largest, and none goes over its own. Checks
    of all of them go before all streams; streams take turns, process by process.

    Args:
        rate: requests in `per_s` seconds; at `math.inf` there is no line.
        per_s: seconds.
        name: which line. Default: that of the client's account (base URL, model and key).
            Two keys of one account need a name.
        directory: a folder that is there, for several users or for containers that mount the
            folder; the line's files take its permissions and, with the setgid bit, its group.
            Default: `S2V_DETECT_STATE_DIR`, else the user's state folder.

    Raises:
        ConfigurationError: no such rate; or a folder that can't be used, as on a network disk.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:  # for `DetectClient(limiter=…)`
        ...     HostLimiter(2.5, name="team", directory=folder)
        HostLimiter(2.5, per_s=1, name='team')
    """

    def __init__(
        self,
        rate: float = REQUESTS_PER_S,
        per_s: float = 1.0,
        *,
        name: str | None = None,
        directory: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(rate, per_s, name, clock)
        self._directory = directory
        if not math.isinf(rate):
            # A folder that can't be used is told now.
            _ = usable_folder(directory) if name is None else self._list

    def __repr__(self) -> str:
        named = "" if self.name is None else f", name={self.name!r}"
        return f"HostLimiter({self.rate:g}, per_s={self.per_s:g}{named})"

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the line of all processes once; further 429s of the same episode change nothing."""
        if math.isinf(self.rate):
            return
        with self._mutex:
            now, shared = self._clock(), self._list
            shared.alone.own.throttled(now, retry_after_s)
            shared.tell(lambda line: line.throttled(now, retry_after_s))

    @property
    def lost(self) -> str:
        """Why this process paces by itself; empty where it does not."""
        return "" if self._shared is None else self._shared.lost

    def _view(self) -> WaitingList:
        return self._list.view()

    def _living(self) -> list[int]:
        return self._list.living()

    def _others_met(self) -> int:
        return self._list.met()

    def _made_of(self, name: str | None) -> "partial[Self]":
        where: dict[str, Any] = {"directory": self._directory, "clock": self._clock}
        return partial(type(self), self.rate, self.per_s, name=name, **where)

    def _begin(self) -> None:
        super()._begin()
        self._opening = threading.Lock()
        self._shared: SharedList | None = None

    def _forget(self) -> None:
        shared = self._shared
        self._begin()
        if shared is not None:
            shared.close()

    @property
    def _list(self) -> SharedList:
        if self._shared is None:  # no turn was granted yet: nothing has to be told meanwhile
            with self._opening:
                if self._shared is None:
                    name = "" if self.name is None else self.name
                    pace = self.rate, self.per_s
                    self._shared = SharedList(name, self._directory, *pace, self._clock)
        return self._shared

    async def _look(self, lane: Lane, who: object) -> Claim | None:
        """Look at the list, as soon as its lock is to be had; after a while, look alone."""
        shared = self._list
        until = self._clock() + (_ALONE_PATIENCE_S if shared.is_alone else _LOCK_PATIENCE_S)
        pause_s = _LOCK_PAUSE_S
        while True:
            with self._mutex:
                is_done, answer = shared.changed(lambda line: self._asked(shared, line, lane, who))
                if answer is None and self._clock() >= until:
                    shared.go_alone("whoever holds its lock does not go on")
                    is_done, answer = True, self._asked_alone(lane)
                if is_done and answer is not None:
                    at, self._wishes[lane] = answer
                    if at is None:
                        return None
                    del self._waiting[lane][who]
                    return Claim(shared.owner, at)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311  # no secret
            pause_s = min(2 * pause_s, 16 * _LOCK_PAUSE_S)

    def _asked(self, shared: SharedList, line: WaitingList, lane: Lane, who: object) -> _Answer:
        def new_wish(lane: Lane, who: object, waiting: int) -> Wish:
            place = line.now if lane == "bulk" else self._waiting[lane][who]
            return Wish(line.owner, LANES.index(lane), waiting, place)

        wish, following = self._wishes_now(lane, who, new_wish)
        shared.drop_the_dead(line)
        not_before = shared.start_by_own_rate(line)
        return line.look(wish, not_before=not_before, following=following)

    def _asked_alone(self, lane: Lane) -> _Answer:
        start, round_s = self._list.look_alone()
        wish = self._wish_alone(self._list.owner, lane, start, round_s)
        if wish is not None:
            return None, wish
        self._list.alone.use()
        return start, None

    def _leave(self, lane: Lane) -> None:
        wish, self._wishes[lane] = self._wishes[lane], None
        if wish is not None:
            self._list.tell(lambda line: line.leave(wish))

    def _tell_left(self, claim: Claim, at: float) -> None:
        self._list.alone.left(at)
        self._list.tell(lambda line: line.left(claim, at))

    def _tell_withdrawn(self, claim: Claim) -> None:
        self._list.tell(lambda line: line.withdrawn(claim))
