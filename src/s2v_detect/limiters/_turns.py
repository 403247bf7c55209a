"""What a limiter is: the words that flights, the wire and every limiter share.

The theory of a line that several processes share. In each process a lane is a semaphore with one
permit, and whoever holds the permit is the lane's *head*: the head alone speaks for the lane on the
waiting list (see `_waiting_list`, which decides everything). The head sleeps to the due time of its
wish, looks, and either has the turn or a new due time. The permit goes on when the turn is told
`left()` or `withdrawn()`; the wish of the next head stands on the list by then, for it joined in
the same look. Where the list is, and how one looks at it, is the limiter's (`_host`, `_redis`).
"""

import asyncio
import math
import os
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, Self

from s2v_detect._waiting import Mutex
from s2v_detect.errors import ConfigurationError
from s2v_detect.limiters._semaphore import LaneSemaphore
from s2v_detect.limiters._waiting_list import EARLY_S, Claim, WaitingList, Wish, margin_of
from s2v_detect.models import LANES, Lane
from s2v_detect.options import is_number, refuse_no_lane

TICK_S = 1e-5
"""A start is kept to this: shorter sleeps end before a clock has moved, and would spin."""


class Turn(Protocol):
    """The right to let one request's bytes leave now. Exactly one of the two is called, once."""

    def left(self) -> None:
        """Stamp the turn: the bytes leave at this instant. The line moves on."""

    def withdrawn(self) -> None:
        """Give the turn back unused: the next in line has it at once."""


class Limiter(Protocol):
    """One line for one account. Anything with these five will do as `limiter=`."""

    @property
    def rate(self) -> float:
        """Requests in `per_s` seconds, more than 0; `math.inf` where there is no line."""

    @property
    def per_s(self) -> float:
        """Seconds, more than 0."""

    async def turn(self, lane: Lane) -> Turn:
        """Return when it is this request's turn. Cancelling leaves the line; nothing is owed."""

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the whole line: the service said that it is over its rate."""

    def forecast_s(self, lane: Lane) -> float:
        """Return the seconds that a request joining the lane now would wait, as far as known."""


class Sharing(NamedTuple):
    """Who shares a line, and what the account gives it."""

    processes: int = 1
    """Living ones that have the line open, this one among them."""
    met: int = 0
    """Others that have used the line since this process opened it."""
    given_per_s: float | None = None
    """Requests a second that the account gives, where they are fewer than the line's rate: others
    use it whom the line does not see, or the vendor gives less than before."""

    @classmethod
    def of(cls, limiter: Limiter) -> Self:
        """Return what a limiter says of its line; one that says nothing shares none."""
        sharing: Self = getattr(limiter, "sharing", cls)()
        return sharing


class _Unlimited:
    def left(self) -> None:
        """Nothing to stamp."""

    def withdrawn(self) -> None:
        """Nothing to give back."""


UNLIMITED = _Unlimited()


def refuse_no_rate(rate: float, per_s: float) -> None:
    """Raise `ConfigurationError` for a rate that no line can keep."""
    are_numbers = is_number(rate) and is_number(per_s)
    if not are_numbers or not rate > 0 or not 0 < per_s < math.inf:
        raise ConfigurationError(
            f"a line of {rate!r} requests in {per_s!r} seconds can't be kept.",
            do="Give a rate above 0 and a finite number of seconds: HostLimiter(2.5), say.",
        )


def _refuse_no_name(name: object) -> None:
    if name is not None and not (isinstance(name, str) and name):
        do = 'Give a text, such as "team", or None for the account\'s own.'
        raise ConfigurationError(f"name is {name!r}.", do=do)


class SharedLine(ABC):
    """One process's part of a line that it shares with others."""

    def __init__(
        self, rate: float, per_s: float, name: str | None, clock: Callable[[], float]
    ) -> None:
        refuse_no_rate(rate, per_s)
        _refuse_no_name(name)
        self.rate = rate
        self.per_s = per_s
        self.name = name
        self._clock = clock
        self._bound: dict[str, Self] = {}
        self._begin()
        _lines.add(self)

    def bound_to(self, account: str) -> Self:
        """Return the line of an account, where this one has no name of its own."""
        if self.name is not None:
            return self
        if account not in self._bound:
            self._bound[account] = self._made_of(account)()
        return self._bound[account]

    def __reduce__(self) -> tuple["partial[Self]", tuple[()]]:
        """Pickle the configuration: another process has a part of its own in the same line."""
        return self._made_of(self.name), ()

    async def turn(self, lane: Lane = "bulk", *, waited_s: float = 0.0) -> Turn:
        """Return when a request may leave. Cancelling leaves the line, and costs nobody a turn.

        Who has waited elsewhere for so long already stands before those who came meanwhile.
        """
        refuse_no_lane(lane, LANES)
        if math.isinf(self.rate):
            return UNLIMITED
        who = object()
        with self._mutex:
            self._waiting[lane][who] = self._clock() - waited_s
        try:
            release = await self._heads[lane].acquire(lane)
            try:
                claim = await self._claim(lane, who)
            except BaseException:
                release()
                raise
        except BaseException:
            self._mutex.do(partial(self._go, lane, who))
            raise
        return _SharedTurn(self, lane, claim, release)

    def forecast_s(self, lane: Lane = "bulk") -> float:
        """Return the seconds that a request joining `lane` now would wait, as far as known."""
        refuse_no_lane(lane, LANES)
        if math.isinf(self.rate):
            return 0.0
        with self._mutex:
            waiting = [len(self._waiting[each]) for each in LANES]
            return self._view().forecast_s(LANES.index(lane), waiting)

    def sharing(self) -> Sharing:
        """Return how many processes share this line, and what the account gives it."""
        if math.isinf(self.rate):
            return Sharing()
        with self._mutex:
            return Sharing(len(self._living()), self._others_met(), self._view().given_per_s)

    @property
    def margin(self) -> float:
        """By how much the line is slower than its rate, as a part of it: what it has learnt."""
        if math.isinf(self.rate):
            return 0.0
        with self._mutex:
            line = self._view()
        return margin_of(line, is_whole=line.given_per_s is None)

    def expect(self, lane: Lane, whose: object, count: int) -> None:
        """Tell the other processes that so many more will ask, beside those who have asked."""
        with self._mutex:
            self._expected[lane][whose] = count

    @abstractmethod
    def _made_of(self, name: str | None) -> "partial[Self]":
        """Return what makes a line of this name, and else like this one."""

    @abstractmethod
    def _view(self) -> WaitingList:
        """Return the list as it is, or was seen last. The caller holds the mutex."""

    @abstractmethod
    def _living(self) -> list[int]:
        """Return the owners that use the line now, this process among them, in one order of all."""

    @abstractmethod
    def _others_met(self) -> int:
        """Return how many others have used the line since this process opened it."""

    @abstractmethod
    async def _look(self, lane: Lane, who: object) -> Claim | None:
        """Return a granted turn; else the lane's wish says when to look again."""

    # These never wait, and the caller holds the mutex.

    @abstractmethod
    def _leave(self, lane: Lane) -> None:
        """Take the lane's wish from the list: nobody waits in it any more."""

    @abstractmethod
    def _tell_left(self, claim: Claim, at: float) -> None:
        """Count a turn at the instant when its bytes left, on the list's clock."""

    @abstractmethod
    def _tell_withdrawn(self, claim: Claim) -> None:
        """Give a turn back to the list."""

    def _forget(self) -> None:
        """Be a process of its own, in the child of a fork."""
        self._begin()

    def _begin(self) -> None:
        """Have nobody in line, as a new process has."""
        self._mutex = Mutex()
        self._heads = {lane: LaneSemaphore() for lane in LANES}
        self._waiting: dict[Lane, dict[object, float]] = {lane: {} for lane in LANES}
        self._expected: dict[Lane, weakref.WeakKeyDictionary[object, int]] = {
            lane: weakref.WeakKeyDictionary() for lane in LANES
        }
        self._wishes: dict[Lane, Wish | None] = dict.fromkeys(LANES)

    def _now(self) -> float:
        """Return the time on the clock of the list."""
        return self._clock()

    def _look_at(self, wish: Wish) -> float:
        """Return when to begin a look that arrives when the wish is due."""
        return wish.due

    async def _claim(self, lane: Lane, who: object) -> Claim:
        """Return a granted turn at its start. The caller is the lane's head."""
        while True:
            wish = self._wishes[lane]
            if wish is not None:
                await self._sleep_until(self._look_at(wish))
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
        if (wait_s := at - self._now()) > TICK_S:
            await asyncio.sleep(wait_s)

    def _wishes_now(
        self, lane: Lane, who: object, new_wish: Callable[[Lane, object, int], Wish]
    ) -> tuple[Wish, Wish | None]:
        """Return the lane's wish, of its head now, and that of whoever is the head next.

        `new_wish` makes one: of a lane and who waits in it, with so many of the lane behind it.
        """
        waiting, count = self._waiting[lane], len(self._waiting[lane])
        if expected := self._expected[lane]:
            count += sum(expected.values())
        wish, known = new_wish(lane, who, count), self._wishes[lane]
        if known is not None:
            place = known.place if lane == "bulk" else wish.place
            wish = Wish(known.owner, known.lane, count, place, known.due, known.passed)
        in_line = iter(waiting)
        behind = next(in_line, None)
        if behind is who:
            behind = next(in_line, None)
        return wish, None if behind is None else new_wish(lane, behind, count - 1)

    def _wish_alone(self, owner: int, lane: Lane, start: float, round_s: float) -> Wish | None:
        """Return None where a process that is alone may have the start; else when it looks again.

        Within the process the better lanes go first.
        """
        now = self._now()
        better = LANES[: LANES.index(lane)]
        if any(self._waiting[each] for each in better):
            start += round_s
        elif start <= now + EARLY_S:
            return None
        return Wish(owner, LANES.index(lane), 1, now, max(start, now))

    def _go(self, lane: Lane, who: object) -> None:
        """Have one wait no more. The caller holds the mutex."""
        self._waiting[lane].pop(who, None)
        if not self._waiting[lane]:
            self._leave(lane)

    def _leave_now(self, claim: Claim) -> None:
        self._mutex.do(partial(self._tell_left, claim, self._now()))

    def _withdraw(self, lane: Lane, claim: Claim) -> None:
        """Give a turn back; the next of the lane looks at once, and may have it."""
        now = self._now()

        def give_back() -> None:
            self._tell_withdrawn(claim)
            wish = self._wishes[lane]
            if wish is not None:
                self._wishes[lane] = wish._replace(due=now)

        self._mutex.do(give_back)


class _SharedTurn:
    __slots__ = ("_claim", "_lane", "_line", "_release")

    def __init__(
        self, line: SharedLine, lane: Lane, claim: Claim, release: Callable[[], None]
    ) -> None:
        self._line, self._lane, self._claim, self._release = line, lane, claim, release

    def left(self) -> None:
        self._line._leave_now(self._claim)  # noqa: SLF001  # a turn is its limiter's half
        self._release()

    def withdrawn(self) -> None:
        self._line._withdraw(self._lane, self._claim)  # noqa: SLF001  # as above
        self._release()


_lines: "weakref.WeakSet[SharedLine]" = weakref.WeakSet()


def _forget_in_a_child() -> None:
    """A forked child is a process of its own: the waiters are of its parent's loops."""
    for line in list(_lines):
        line._forget()  # noqa: SLF001  # this module's own


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_in_a_child)
