"""One line for all processes of a machine.

The theory. In this process each lane is a semaphore with one permit, and whoever holds the permit
is the lane's *head*: the head alone speaks for the lane on the machine's waiting list (see
`_waiting_list`, which decides everything). The head sleeps to the due time of its wish, looks, and
either has the turn or a new due time. The permit goes on when the turn is told `left()` or
`withdrawn()`; the wish of the next head stands on the list by then, for it joined in the same look.

Only one who waits for a turn may sleep for the list (`_shared_list`); what is told in between never
waits. A process that can't have the list paces alone.

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
import weakref
from collections.abc import Callable
from typing import Self

from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.limiters._local import UNLIMITED, refuse_no_rate
from s2v_detect.limiters._semaphore import LaneSemaphore
from s2v_detect.limiters._shared_list import SharedList, usable_folder
from s2v_detect.limiters._turns import Sharing, Turn
from s2v_detect.limiters._waiting_list import EARLY_S, Claim, WaitingList, Wish
from s2v_detect.models import LANES, Lane

_LOCK_PATIENCE_S = 0.3
_ALONE_PATIENCE_S = 0.005  # the others may be back, and at the list at this moment
_LOCK_PAUSE_S = 0.001  # a transaction takes less, but its process may lose the processor in it
_TICK_S = 1e-5

_Answer = tuple[float | None, Wish | None]
"""What a look comes to: the start of the turn, or None; and the wish that stays on the list."""


class HostLimiter:
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
        refuse_no_rate(rate, per_s)
        self.rate = rate
        self.per_s = per_s
        self.name = name
        self._directory = directory
        self._clock = clock
        self._bound: dict[str, Self] = {}
        self._begin()
        if not math.isinf(rate):
            usable_folder(directory)  # one that can't be used is told now
            if name is not None:
                _ = self._list
        _limiters.add(self)

    def __repr__(self) -> str:
        named = "" if self.name is None else f", name={self.name!r}"
        return f"HostLimiter({self.rate:g}, per_s={self.per_s:g}{named})"

    def bound_to(self, account: str) -> Self:
        """Return the line of an account, where this one has no name of its own."""
        if self.name is not None:
            return self
        if account not in self._bound:
            self._bound[account] = type(self)(
                self.rate, self.per_s, name=account, directory=self._directory, clock=self._clock
            )
        return self._bound[account]

    async def turn(self, lane: Lane = "bulk") -> Turn:
        """Return when a request may leave. Cancelling leaves the line, and costs nobody a turn."""
        if math.isinf(self.rate):
            return UNLIMITED
        who = object()
        with self._list.mutex:
            self._waiting[lane][who] = self._clock()
        try:
            await self._heads[lane].acquire(lane)
            try:
                claim = await self._claim(lane, who)
            except BaseException:
                self._heads[lane].release()
                raise
        except BaseException:
            self._gone(lane, who)
            raise
        return _HostTurn(self, lane, claim)

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the line of all processes once; further 429s of the same episode change nothing."""
        if math.isinf(self.rate):
            return
        now = self._clock()
        with self._list.mutex:
            self._list.throttled(now, retry_after_s)
        self._list.tell(lambda line: line.throttled(now, retry_after_s))

    def forecast_s(self, lane: Lane = "bulk") -> float:
        """Return the seconds that a request joining `lane` now would wait, as far as known."""
        if math.isinf(self.rate):
            return 0.0
        with self._list.mutex:
            waiting = [len(self._waiting[each]) for each in LANES]
            return self._list.view().forecast_s(LANES.index(lane), waiting)

    def expect(self, lane: Lane, whose: object, count: int) -> None:
        """Tell the other processes that so many more will ask, beside those who have asked."""
        if math.isinf(self.rate):
            return
        with self._list.mutex:
            self._expected[lane][whose] = count

    def sharing(self) -> Sharing:
        """Return how many processes share this line."""
        if math.isinf(self.rate):
            return Sharing()
        with self._list.mutex:
            return Sharing(len(self._list.living()), self._list.met())

    def _begin(self) -> None:
        """Have nobody in line, as a new process has."""
        self._opening = threading.Lock()
        self._shared: SharedList | None = None
        self._heads = {lane: LaneSemaphore() for lane in LANES}
        self._waiting: dict[Lane, dict[object, float]] = {lane: {} for lane in LANES}
        self._expected: dict[Lane, weakref.WeakKeyDictionary[object, int]] = {
            lane: weakref.WeakKeyDictionary() for lane in LANES
        }
        self._wishes: dict[Lane, Wish | None] = dict.fromkeys(LANES)

    def _forget(self) -> None:
        """Be a process of its own, in the child of a fork."""
        shared = self._shared
        self._begin()
        if shared is not None:
            shared.close()

    @property
    def _list(self) -> SharedList:
        with self._opening:
            if self._shared is None:
                name = "" if self.name is None else self.name
                self._shared = SharedList(name, self._directory, self.rate, self.per_s, self._clock)
            return self._shared

    async def _claim(self, lane: Lane, who: object) -> Claim:
        """Return a granted turn at its start. The caller is the lane's head."""
        while True:
            wish = self._wishes[lane]
            if wish is not None:
                await self._sleep_until(wish.due)
            claim = await self._look(lane, who)
            if claim is not None:
                break
        try:
            await self._sleep_until(claim.at)
        except asyncio.CancelledError:
            self._withdraw(lane, claim)
            raise
        return claim

    async def _sleep_until(self, at: float) -> None:
        if (wait_s := at - self._clock()) > _TICK_S:
            await asyncio.sleep(wait_s)

    async def _look(self, lane: Lane, who: object) -> Claim | None:
        """Look at the list, as soon as its lock is to be had; after a while, look alone."""
        shared = self._list
        until = self._clock() + (_ALONE_PATIENCE_S if shared.is_alone else _LOCK_PATIENCE_S)
        pause_s = _LOCK_PAUSE_S
        while True:
            with shared.mutex:
                is_done, answer = shared.changed(lambda line: self._asked(line, lane, who))
                if answer is None and self._clock() >= until:
                    shared.go_alone("whoever holds its lock does not go on")
                    is_done, answer = True, self._asked_alone(lane, who)
                if is_done and answer is not None:
                    at, self._wishes[lane] = answer
                    if at is None:
                        return None
                    del self._waiting[lane][who]
                    return Claim(shared.owner, at)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311  # no secret
            pause_s = min(2 * pause_s, 16 * _LOCK_PAUSE_S)

    def _asked(self, line: WaitingList, lane: Lane, who: object) -> _Answer:
        waiting = self._waiting[lane]
        wish = self._wishes[lane] or self._new_wish(line, lane, who)
        wish = wish._replace(waiting=len(waiting) + sum(self._expected[lane].values()))
        if lane != "bulk":  # whoever is the head now
            wish = wish._replace(place=waiting[who])
        behind = next((each for each in waiting if each is not who), None)
        following = None if behind is None else self._new_wish(line, lane, behind)
        self._list.drop_the_dead(line)
        not_before = self._list.start_by_own_rate(line)
        return line.look(wish, not_before=not_before, following=following)

    def _new_wish(self, line: WaitingList, lane: Lane, who: object) -> Wish:
        place = line.now if lane == "bulk" else self._waiting[lane][who]
        waiting = max(1, len(self._waiting[lane]) - 1) + sum(self._expected[lane].values())
        return Wish(line.owner, LANES.index(lane), waiting, place)

    def _asked_alone(self, lane: Lane, who: object) -> _Answer:
        start, round_s = self._list.look_alone()
        better = LANES[: LANES.index(lane)]
        if any(self._waiting[each] for each in better):
            start += round_s
        elif start <= self._clock() + EARLY_S:
            self._list.use_alone()
            return start, None
        now = self._clock()
        place = now if lane == "bulk" else self._waiting[lane][who]
        return None, Wish(self._list.owner, LANES.index(lane), 1, place, max(start, now))

    def _gone(self, lane: Lane, who: object) -> None:
        """One who waited leaves; the last of a lane takes the wish along."""
        shared = self._list
        with shared.mutex:
            self._waiting[lane].pop(who, None)
            wish = None if self._waiting[lane] else self._wishes[lane]
            if wish is not None:
                self._wishes[lane] = None
        if wish is not None:
            shared.tell(lambda line: line.leave(wish))

    def _left(self, lane: Lane, claim: Claim) -> None:
        at = self._clock()
        with self._list.mutex:
            self._list.left(at)
        self._list.tell(lambda line: line.left(claim, at))
        self._heads[lane].release()

    def _withdraw(self, lane: Lane, claim: Claim) -> None:
        """Give a turn back; the next of the lane looks at once, and may have it."""
        self._list.tell(lambda line: line.withdrawn(claim))
        with self._list.mutex:
            wish = self._wishes[lane]
            if wish is not None:
                self._wishes[lane] = wish._replace(due=self._clock())

    def _withdrawn(self, lane: Lane, claim: Claim) -> None:
        self._withdraw(lane, claim)
        self._heads[lane].release()


class _HostTurn:
    __slots__ = ("_claim", "_lane", "_limiter")

    def __init__(self, limiter: HostLimiter, lane: Lane, claim: Claim) -> None:
        self._limiter, self._lane, self._claim = limiter, lane, claim

    def left(self) -> None:
        self._limiter._left(self._lane, self._claim)  # noqa: SLF001  # a turn is its limiter's half

    def withdrawn(self) -> None:
        self._limiter._withdrawn(self._lane, self._claim)  # noqa: SLF001  # as above


_limiters: "weakref.WeakSet[HostLimiter]" = weakref.WeakSet()


def _forget_in_a_child() -> None:
    for limiter in list(_limiters):
        limiter._forget()  # noqa: SLF001  # this module's own


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_in_a_child)
