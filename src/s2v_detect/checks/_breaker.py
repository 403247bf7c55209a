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

A stream's image waits as long as that takes. A check has somebody who waits: one that comes new is
refused at once, one whose request has failed waits for as long as its own bounds leave.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from s2v_detect._waiting import task_of
from s2v_detect.errors import DetectError, NotSent, out

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

FreeCall = Callable[[], Coroutine[Any, Any, bool]]
"""Returns whether the service answers what is free. Whatever it raises is no answer."""


class Passage:
    """The right to make one request. Each is only like itself: so a trial is known."""


FREE = Passage()
"""That of every request while the breaker is closed."""


class Breaker:
    """Closed, or open while the service does not answer."""

    def __init__(self, call: FreeCall | None = None) -> None:
        self._call = call
        self._is_call_known = False  # to whatever answers on this base URL
        self._calls: set[asyncio.Task[bool]] = set()
        self._faults: deque[float] = deque(maxlen=_IN_A_ROW)
        self._last_fault = ""
        self._is_open = False
        self._opened_at = 0.0
        self._rounds = 0
        self._doubts = 0
        self._is_half_open = False
        self._trial: Passage | None = None
        self._waiting: deque[asyncio.Future[Passage]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether the service counts as out."""
        return self._is_open

    async def passage(self) -> Passage:
        """Return when a request may go its way; `end` or `give_back` is to hear of it once."""
        if not self._is_open:
            return FREE
        if self._is_half_open:
            return self._begin_trial()
        waiter: asyncio.Future[Passage] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give_back(waiter.result())
            raise

    async def passage_of_check(self, error: DetectError | None, patience_s: float) -> Passage:
        """Return as `passage` does, within the patience of whoever waits for a check.

        Raises the check's last `error` when that is over, and `NotSent` at once where it has none:
        it has not begun.
        """
        if not self._is_open or self._is_half_open:
            return await self.passage()
        if error is None:
            raise self._refusal()
        try:
            async with asyncio.timeout(max(0.0, patience_s)):
                return await self.passage()
        except TimeoutError:
            raise error from error.__cause__

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
        self._is_open = self._is_half_open = False
        self._trial = None
        self._stop_timer()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(FREE)
        return True

    def failed(self, error: DetectError) -> bool:
        """Hear of a fault or a lost connection. Returns whether that began an outage."""
        now = asyncio.get_running_loop().time()
        self._faults.append(now)
        self._last_fault = type(error).__name__
        is_enough = len(self._faults) == _IN_A_ROW and now - self._faults[0] <= _WITHIN_S
        if self._is_open or not is_enough:
            return False
        self._is_open = True
        self._opened_at = now
        self._rounds = self._doubts = 0
        self._set_timer()
        return True

    async def close(self) -> None:
        """Make no more trials."""
        for call in self._calls:
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls)
        self._stop_timer()  # at last: a call that has ended sets it

    def end(self, passage: Passage, *, in_doubt: bool = False) -> None:
        """Hear that a request has ended, and whether it may have been billed for no answer.

        Where that was a trial and the breaker is still open, no answer came.
        """
        if passage is self._trial and self._is_open:
            self._trial = None
            self._doubts += in_doubt
            self._set_timer()

    def _refusal(self) -> NotSent:
        now = asyncio.get_running_loop().time()
        again_s = 1.0 if self._timer is None else max(1.0, self._timer.when() - now)
        return out(now - self._opened_at, self._last_fault, again_s)

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
        if not self._is_open or self._opened_at != opened_at:
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
