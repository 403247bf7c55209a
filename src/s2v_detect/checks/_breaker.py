"""The circuit breaker: open in an outage, so that no image is burnt or uses up its retries in it.

*Closed*: every request passes. Some faults in a row, in a short time, open it.
*Open*: nothing passes. A timer runs, whoever waits. At its end a *free call* is made: it reaches
the same host with the same key and is never billed. Not answered: the timer runs again. Answered:
the breaker is half-open. Where the free call was never answered (a gateway may not know it), it is
half-open all the same.
*Half-open*: one passes for a trial, the first who waits, or else the next who comes. How that
request ends: an answer closes the breaker for all; anything else sets the timer. A trial that may
have been billed doubles what the timer waits, so that an hour of a gateway that answers what is
free and loses what is paid costs a dozen images in doubt.
*Given up*: `max_outage_s` after the beginning all who wait are told the outage's last error, which
ends their streams. `_tick` alone decides that. Nobody waits then, no timer runs, and the breaker is
half-open: whoever comes next tries anew. An answer closes the breaker; one fault begins the next
outage, with a clock of its own, while the pace of the trials goes on where it was.

The clock is the outage's, whoever waits and since when: a stream that was opened in the middle has
what is left. It counts the time that was seen to pass, a minute at a step: a machine that slept for
a night has not waited for a night. Who had waited in an outage that was given up, or had failed in
it and rests, gets no trial after it (`held_since`): another round is for those who come anew.

A stream's image waits as long as that takes. A check has somebody who waits, and is told at once:
one that comes new is refused, one whose request has failed ends with its error. Both are told when
the service is tried again (`again_s`).
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from s2v_detect._logging import log
from s2v_detect._waiting import task_of
from s2v_detect.errors import DetectError, given_up, not_sent, out
from s2v_detect.models import OutageStatistics

_IN_A_ROW = 5
"""At one fault in twenty this happens by chance in three of ten million."""
_WITHIN_S = 60.0
"""A quiet web application has five in an afternoon, and no outage."""

_TRIAL_EVERY_S = 2.6
_PATIENT_AFTER = 50
_TRIAL_LATER_S = 30.0
"""A minute's outage is tried some 23 times, and the streams go on within 3 s of its end; one that
has lasted for two minutes is tried twice a minute."""
_LONGEST_WAIT_S = 600.0
"""Between two trials, however many were in doubt."""

_TELL_EVERY_S = 60.0
_TIMERS_ARE_EARLY_S = 0.02
"""At the most: the clock of Windows moves every 16 ms."""

FreeCall = Callable[[], Coroutine[Any, Any, bool]]
"""Returns whether the service answers what is free. Whatever it raises is no answer."""


class Passage:
    """The right to make one request. Each is only like itself: so a trial is known."""


FREE = Passage()
"""That of every request while the breaker is closed."""


class Breaker:
    """Closed, or open while the service does not answer."""

    def __init__(
        self,
        call: FreeCall | None = None,
        *,
        where: str = "the service",
        max_outage_s: float = math.inf,
    ) -> None:
        self.where = where
        """What does not answer while it is open."""
        self._call = call
        self._max_outage_s = max_outage_s
        self._is_call_known = False  # to whatever answers on this base URL
        self._calls: set[asyncio.Task[bool]] = set()
        self._faults: deque[float] = deque(maxlen=_IN_A_ROW)
        self._last_error: DetectError = not_sent(f"{where} is out")
        self._is_open = False
        self._opened_at = 0.0
        self._since = datetime.now(UTC)
        self._until: datetime | None = None
        self._rounds = 0
        self._doubts = 0
        self._is_half_open = False
        self._trial: Passage | None = None
        self._waiting: deque[asyncio.Future[Passage | None]] = deque()
        """None: the outage was given up."""
        self._timer: asyncio.TimerHandle | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._waited_s = 0.0
        self._is_given_up = False
        self._given_up_at = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether the service counts as out."""
        return self._is_open

    @property
    def outage(self) -> OutageStatistics | None:
        """What there is to tell of the outage that is on. It may be asked from any thread."""
        if not self._is_open:
            return None
        error = self._last_error
        return OutageStatistics(
            where=self.where,
            since=self._since,
            until=self._until,
            error=type(error).__name__,
            message=error.what,
        )

    def held_since(self, before: float | None) -> float | None:
        """Return since when one who comes now has been held by the outage; None: there is none."""
        if not self._is_open:
            return None
        return asyncio.get_running_loop().time() if before is None else before

    async def passage(self, held_since: float | None = None) -> Passage:
        """Return when a request may go its way; `end` or `give_back` is to hear of it once.

        Raises the outage's last error, as what stops a run, when the outage is given up: now, or
        before, where the image was held in it.
        """
        if not self._is_open:
            return FREE
        if held_since is not None and held_since <= self._given_up_at:
            raise self._last_word()
        if self._is_half_open:
            return self._begin_trial()
        waiter: asyncio.Future[Passage | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            passage = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and (passage := waiter.result()):
                self.give_back(passage)
            raise
        if passage is None:
            raise self._last_word()
        return passage

    def passage_of_check(self, error: DetectError | None = None) -> Passage:
        """Return a passage at once: nobody waits for the end of an outage behind a check.

        Raises the check's last `error` in an outage, or `NotSent` where it has none.
        """
        if error is not None and self._is_open:
            raise error from error.__cause__
        self.refuse_a_check()
        return self._begin_trial() if self._is_open else FREE

    def refuse_a_check(self) -> None:
        """Raise `NotSent` in an outage, unless a check may be the trial."""
        if self._is_open and not self._is_half_open:
            raise out(self._lasted_s, type(self._last_error).__name__, self.again_s)

    def holds(self, passage: Passage) -> bool:
        """Whether one that passed must come back: an outage began behind it.

        The trial of this outage goes on; that of the last is none any more.
        """
        return self._is_open and passage is not self._trial

    def give_back(self, passage: Passage) -> None:
        """Hear that one that passed made no request: if it was a trial, another is made at once."""
        if passage is self._trial and self._is_open:
            self._trial = None
            self._half_open()

    def answered(self) -> bool:
        """Hear that the service answers. Returns whether that ended an outage."""
        self._faults.clear()
        if not self._is_open:
            return False
        self._is_open = self._is_half_open = self._is_given_up = False
        self._trial = None
        self._stop_timers()
        self._log("outage_ended")
        self._tell_all(FREE)
        return True

    def failed(self, error: DetectError) -> OutageStatistics | None:
        """Hear of a fault or a lost connection. Returns the outage which that has begun, if any."""
        now = asyncio.get_running_loop().time()
        self._faults.append(now)
        self._last_error = error
        is_enough = len(self._faults) == _IN_A_ROW and now - self._faults[0] <= _WITHIN_S
        # A request of before may fail now: after an outage that was given up a trial alone counts.
        is_tried = self._is_given_up and self._trial is not None
        if not (is_tried or (is_enough and not self._is_open)):
            return None
        self._begin(now)
        return self.outage

    async def close(self) -> None:
        """Make no more trials."""
        for call in self._calls:
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls)
        if self._clock is not None:
            self._log("outage_left")
        self._stop_timers()  # at last: a call that has ended sets one

    def end(self, passage: Passage, *, in_doubt: bool = False) -> None:
        """Hear that a request has ended, and whether it may have been billed for no answer.

        Where that was a trial and the breaker is still open, no answer came.
        """
        if passage is self._trial and self._is_open:
            self._trial = None
            self._doubts += in_doubt
            if self._is_given_up:  # it said nothing of the service
                self._half_open()
            else:
                self._set_timer()

    @property
    def again_s(self) -> float:
        """Seconds until the service is tried again, as far as known."""
        if self._timer is None:
            return 1.0 if self._is_open else _TRIAL_EVERY_S
        return max(1.0, self._timer.when() - asyncio.get_running_loop().time())

    @property
    def _lasted_s(self) -> float:
        return asyncio.get_running_loop().time() - self._opened_at

    @property
    def _lasted(self) -> timedelta:
        return timedelta(seconds=round(self._lasted_s))

    def _log(self, event: str, words: dict[str, str] | None = None, **more: Any) -> None:
        error, lasted_s = self._last_error, self._lasted.total_seconds()
        more |= {"where": self.where, "error": type(error).__name__, "cause": error.what}
        log(event, words, lasted_s=lasted_s, **more)

    def _last_word(self) -> DetectError:
        return given_up(self._last_error, self.where, self._lasted)

    def _begin(self, now: float) -> None:
        if not self._is_given_up:  # else nothing was answered since the last began
            self._opened_at, self._since = now, datetime.now(UTC)
            self._rounds = self._doubts = 0
        self._is_given_up = False
        self._waited_s, self._ticked_at = 0.0, now
        self._set_timer()
        self._set_clock()
        bound_s = self._max_outage_s if self._max_outage_s < math.inf else None
        at_most, self._until = "as long as it takes", None
        if bound_s is not None:
            at_most = f"at most {timedelta(seconds=round(bound_s))}"
            self._until = datetime.now(UTC) + timedelta(seconds=bound_s)
        self._is_open = True  # at last: another thread may look
        self._log("outage_begun", {"at_most": at_most}, max_outage_s=bound_s)

    def _set_clock(self) -> None:
        left_s = max(0.0, self._max_outage_s - self._waited_s)
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(min(_TELL_EVERY_S, left_s), self._tick)

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        self._waited_s += min(now - self._ticked_at, _TELL_EVERY_S)
        self._ticked_at = now
        if self._max_outage_s - self._waited_s <= _TIMERS_ARE_EARLY_S:
            self._give_up(now)
            return
        self._log("outage_still_on")
        self._set_clock()

    def _give_up(self, now: float) -> None:
        """Let nobody wait any more. A trial that is under way is none any more either."""
        self._is_given_up = self._is_half_open = True
        self._given_up_at = now
        self._trial = None
        self._stop_timers()
        self._log("outage_given_up")
        self._tell_all(None)

    def _tell_all(self, passage: Passage | None) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(passage)

    def _set_timer(self) -> None:
        self._stop_timer()
        often_s = _TRIAL_EVERY_S if self._rounds < _PATIENT_AFTER else _TRIAL_LATER_S
        wait_s = max(often_s, min(_TRIAL_EVERY_S * 2**self._doubts, _LONGEST_WAIT_S))
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._time_is_up)

    def _time_is_up(self) -> None:
        self._rounds += 1
        if self._call is None:
            self._half_open()
            return
        call = task_of(self._call(), "s2v-detect free call")
        self._calls.add(call)
        call.add_done_callback(partial(self._call_ended, self._opened_at))

    def _call_ended(self, opened_at: float, call: asyncio.Task[bool]) -> None:
        self._calls.discard(call)
        # A transport of the user's own raises what it likes, a cancellation too.
        is_answered = not call.cancelled() and call.exception() is None and call.result()
        self._is_call_known = self._is_call_known or is_answered
        if not self._is_open or self._is_given_up or self._opened_at != opened_at:
            return  # that outage is over
        if is_answered or not self._is_call_known:
            self._half_open()
        else:
            self._set_timer()

    def _half_open(self) -> None:
        self._is_half_open = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._begin_trial())
                return

    def _begin_trial(self) -> Passage:
        self._is_half_open = False
        self._trial = Passage()
        return self._trial

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_timers(self) -> None:
        self._stop_timer()
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
