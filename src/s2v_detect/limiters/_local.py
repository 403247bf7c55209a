"""One line for one process.

The theory. A request that wants a turn takes the semaphore's one permit, in its lane. Whoever holds
the permit is next: it asks the pacer for the earliest start, sleeps to it, asks again (a 429 may
have moved it), and returns with the turn, the permit still in its hands. The permit goes on when
the turn is told `left()`, at the instant when the bytes leave, or `withdrawn()`. So one request at
a time is between its start and its bytes, the pace is counted on the wire, and nothing polls.

Cancelled in the queue, a waiter leaves; cancelled while it sleeps, it passes the permit on. A
holder whose event loop was closed will not bring the permit back: the next who asks takes it. A
connection that does not open in time gives its turn back and takes another (see `wire`): nothing
that hangs stops the line.
"""

import asyncio
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Self

from s2v_detect._service import REQUESTS_PER_S
from s2v_detect._waiting import Mutex
from s2v_detect.limiters._pacing import Pacer
from s2v_detect.limiters._semaphore import LaneSemaphore
from s2v_detect.limiters._turns import (
    TICK_S,
    UNLIMITED,
    Sharing,
    Turn,
    refuse_no_rate,
)
from s2v_detect.limiters._waiting_list import margin_of
from s2v_detect.models import LANES, Lane
from s2v_detect.options import refuse_no_lane


class LocalLimiter:
    """A line that starts at most `rate` requests in any `per_s` seconds, evenly.

    Whoever holds the semaphore's one permit is next: it sleeps to its start, and passes the permit
    on when its bytes leave. `rate` may be lower (others use the account too) or higher (the
    account's limit was raised); at `math.inf` there is no line. One limiter may be shared by
    clients of several event loops and threads.

    Example:
        >>> LocalLimiter(2.5)  # half of the account's rate, for `DetectClient(limiter=…)`
        LocalLimiter(2.5, per_s=1)
    """

    def __init__(
        self,
        rate: float = REQUESTS_PER_S,
        per_s: float = 1.0,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        refuse_no_rate(rate, per_s)
        self.rate = rate
        self.per_s = per_s
        self._clock = clock
        self._semaphore = LaneSemaphore()
        self._mutex = Mutex()  # a 429 may be told from any thread
        self._pacer = None if math.isinf(rate) else Pacer(rate, per_s)

    def __repr__(self) -> str:
        return f"LocalLimiter({self.rate:g}, per_s={self.per_s:g})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the configuration: in another process it is another line."""
        return partial(type(self), clock=self._clock), (self.rate, self.per_s)

    def __deepcopy__(self, _: object) -> Self:
        """Return the line itself: in one process a second one would double the rate."""
        return self

    def __copy__(self) -> Self:
        return self

    async def turn(self, lane: Lane = "bulk") -> Turn:
        """Return when a request may leave. Cancelling leaves the line, and costs nobody a turn."""
        refuse_no_lane(lane, LANES)
        if self._pacer is None:
            return UNLIMITED
        release = await self._semaphore.acquire(lane)
        try:
            # Asked again after each sleep: a 429 may have moved the start meanwhile.
            while (wait_s := self._wait_s(self._pacer)) > TICK_S:  # noqa: ASYNC110  # a time, no event
                await asyncio.sleep(wait_s)
        except BaseException:
            release()
            raise
        return _LocalTurn(self, release)

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the whole line once; further 429s of the same episode change nothing."""
        if self._pacer is not None:
            with self._mutex:
                self._pacer.throttled(self._clock(), retry_after_s)

    def forecast_s(self, lane: Lane = "bulk") -> float:
        """Return the seconds that a request joining `lane` now would wait."""
        refuse_no_lane(lane, LANES)
        if self._pacer is None:
            return 0.0
        ahead = self._semaphore.ahead_of(lane)
        with self._mutex:
            pause_s = max(0.0, self._pacer.start_at(self._clock()) - self._clock())
            return pause_s + ahead * self._pacer.gap_s

    def sharing(self) -> Sharing:
        """Return what the account gives this line. Other processes do not share it."""
        share = 1.0 if self._pacer is None else self._pacer.share
        return Sharing(given_per_s=None if share >= 1 else share * self.rate / self.per_s)

    @property
    def margin(self) -> float:
        """By how much the line is slower than its rate, as a part of it: what it has learnt."""
        if self._pacer is None:
            return 0.0
        with self._mutex:
            return margin_of(self._pacer, is_whole=self._pacer.share >= 1)

    def _wait_s(self, pacer: Pacer) -> float:
        now = self._clock()
        with self._mutex:
            return pacer.start_at(now) - now

    def _left(self) -> None:
        at, pacer = self._clock(), self._pacer
        if pacer is not None:
            self._mutex.do(lambda: pacer.left(at))


class _LocalTurn:
    __slots__ = ("_limiter", "withdrawn")

    def __init__(self, limiter: LocalLimiter, release: Callable[[], None]) -> None:
        self._limiter = limiter
        self.withdrawn = release

    def left(self) -> None:
        self._limiter._left()  # noqa: SLF001  # a turn is its limiter's other half
        self.withdrawn()
