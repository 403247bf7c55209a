"""The way to a turn: the limiter, and with a ledger the few whose `sent` is being written.

A request may leave only when its `sent` is durable, and a disk takes milliseconds for that. Written
while the line is held, it would cap a lifted rate at the disk's; written for everybody in line, a
kill would leave them all in doubt. So it is written for those who are next, while the line moves:
one of each lane at the account's own rate, and more where the disk is what the line waits for.
"""

import asyncio
import math
import time
from typing import NamedTuple, Self

from s2v_detect._logging import log
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.ledger import Recording
from s2v_detect.limiters import Limiter, LocalLimiter, SharedLine, Sharing, Turn
from s2v_detect.models import LANES, Lane

_MOST_NEAR = 128
"""Measured in turns at a lifted rate, where it tells: 32, 64, 128 and 256 reached 0.66, 0.74, 0.78
and 0.77 of the rate without a ledger. A kill may leave as many more in doubt."""
_AT_ONCE_S = 0.0005
"""A turn that comes within this had been waiting for us."""
_SMOOTHING = 0.1
_MARGIN_EACH_S = 1.0
"""It changes slowly, and a list that many processes share takes 0.2 ms to read."""


class Line:
    """One client's way into its limiter, in one event loop."""

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        # A line that other processes see is told of those who do not stand in it yet.
        self._shared = limiter if isinstance(limiter, SharedLine) else None
        self._near = {lane: _Near() for lane in LANES}
        self._gap_s = 1 / REQUESTS_PER_S
        self._own_gap_s = limiter.per_s / limiter.rate
        self._granted_at = 0.0
        self._lost = ""
        self._before: _Pace | None = None
        self._margin_after = 0.0
        self.coming: dict[Lane, int] = dict.fromkeys(LANES, 0)
        """How many images are on their way to each lane, and not in it yet."""

    async def turn(self, lane: Lane, recording: Recording) -> Turn:
        """Return when it is this request's turn, and its `sent` durable.

        Cancelling leaves the line; a `sent` that was written is taken back.
        """
        if not recording.is_kept:
            return await self._limiter.turn(lane)
        near = self._near[lane]
        came = time.monotonic()
        await near.enter()
        if self._shared:
            self._shared.expect(lane, near, near.waiting)
        try:
            began = time.monotonic()
            try:
                await recording.send()
                written = time.monotonic()
                turn = await self._turn_of(lane, waited_s=written - came)
            except BaseException:  # a cancellation, a failing disk, no budget: no bytes leave
                recording.withdraw()
                raise
            wait_s = time.monotonic() - written
            self._learn(near, came=came, write_s=written - began, wait_s=wait_s)
        finally:
            near.leave()
        return turn

    def throttled(self, retry_after_s: float | None) -> None:
        """Slow the whole line; what that comes to is logged with the next turn.

        Only then is it known: a line that others share learns of it with its next look.
        """
        self._before = self._before or _Pace.of(self._limiter)
        self._limiter.throttled(retry_after_s)

    def log_what_it_learnt(self) -> None:
        """Log what a 429 has come to, once a turn was granted after it."""
        before, self._before = self._before, None
        if before is None or (now := _Pace.of(self._limiter)) is None:
            return
        limiter = type(self._limiter).__name__
        rate_per_s = self._limiter.rate / self._limiter.per_s
        if now.margin > before.margin:
            log(
                "margin_grown",
                {"percent": 100 * now.margin},
                limiter=limiter,
                margin=now.margin,
                margin_before=before.margin,
                rate_per_s=rate_per_s,
            )
        given_per_s = now.given_per_s
        if given_per_s is not None and given_per_s < (before.given_per_s or math.inf):
            log("rate_lowered", limiter=limiter, given_per_s=given_per_s, rate_per_s=rate_per_s)

    def told_anew(self) -> str | None:
        """Return why the line can't be shared (empty: it can), where that is not as it was."""
        lost = getattr(self._limiter, "lost", "")
        if lost == self._lost:
            return None
        self._lost = lost
        return str(lost)

    def margin(self) -> float | None:
        """Return the limiter's margin, where it has one and was not asked for it just before."""
        now = time.monotonic()
        if now < self._margin_after or math.isinf(self._limiter.rate):
            return None
        self._margin_after = now + _MARGIN_EACH_S
        return margin_of(self._limiter)

    def forecast_s(self, lane: Lane) -> float:
        """Return the seconds that a request joining the lane now would wait, as far as known."""
        better = LANES[: LANES.index(lane) + 1]
        ahead = sum(self._near[each].waiting for each in better)
        coming = sum(self.coming[each] for each in better)
        return self._limiter.forecast_s(lane) + ahead * self._gap_s + coming * self._own_gap_s

    async def _turn_of(self, lane: Lane, *, waited_s: float) -> Turn:
        """Return a turn for one who came so long ago: in a shared line, before who came later."""
        if self._shared:
            return await self._shared.turn(lane, waited_s=waited_s)
        return await self._limiter.turn(lane)

    def _learn(self, near: "_Near", *, came: float, write_s: float, wait_s: float) -> None:
        """Let more of them write at once where the limiter had to wait for the disk."""
        now = time.monotonic()
        before, self._granted_at = self._granted_at, now
        gap_s = now - before
        if near.waiting and came <= before:  # else nobody may have been in line for an hour
            self._gap_s += _SMOOTHING * (gap_s - self._gap_s)
            if wait_s < _AT_ONCE_S and gap_s <= 2 * write_s:
                near.widen()


def margin_of(limiter: Limiter) -> float | None:
    """Return the margin that one of our limiters keeps: of a user's own it is not read."""
    return limiter.margin if isinstance(limiter, SharedLine | LocalLimiter) else None


class _Pace(NamedTuple):
    """What a line has learnt."""

    margin: float
    given_per_s: float | None

    @classmethod
    def of(cls, limiter: Limiter) -> Self | None:
        margin = margin_of(limiter)
        return None if margin is None else cls(margin, Sharing.of(limiter).given_per_s)


class _Near:
    """Those of a lane who are next: a semaphore that can grow."""

    def __init__(self) -> None:
        self._semaphore = asyncio.Semaphore(1)
        self._size = 1
        self.waiting = 0

    async def enter(self) -> None:
        self.waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self.waiting -= 1

    def leave(self) -> None:
        self._semaphore.release()

    def widen(self) -> None:
        if self._size < _MOST_NEAR:
            self._size += 1
            self._semaphore.release()
