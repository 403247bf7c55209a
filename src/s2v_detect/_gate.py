"""The circuit breaker: shut in an outage, so that no image is burnt or uses up its retries in it.

*Open*: every request passes. Some faults in a row, in a short time, shut it.
*Shut*: nothing passes. A timer runs, whoever waits. At its end a *free call* is made: it reaches
the same host with the same key and is never billed. Not answered: the timer runs again. Answered:
*one may try*. Where the free call was never answered (a gateway may not know it), one may try all
the same.
*One may try*: the first who waits, or else the next who comes, passes. How its request ends: an
answer opens the gate for all; anything else sets the timer. A try that may have been billed doubles
what the timer waits, so that an hour of a gateway that answers what is free and loses what is paid
costs a dozen images in doubt.

A stream's image waits as long as that takes. A check has somebody who waits: one that comes new is
refused at once, one whose request has failed waits for as long as its own bounds leave.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from s2v_detect._tasks import task_of
from s2v_detect.errors import DetectError, NotSent

_IN_A_ROW = 5
"""At one fault in twenty this happens by chance in three of ten million."""
_WITHIN_S = 60.0
"""A quiet web application has five in an afternoon, and no outage."""

_TRY_EVERY_S = 2.6
_PATIENT_AFTER = 50
_TRY_LATER_S = 30.0
"""A minute's outage is tried some 23 times, and the streams go on within 3 s of its end; one that
has lasted for two minutes is tried twice a minute."""
_LONGEST_WAIT_S = 600.0
"""Between two tries, however many were in doubt."""

FreeCall = Callable[[], Coroutine[Any, Any, bool]]
"""Returns whether the service answers what is free. Whatever it raises is no answer."""


class EndPassage(Protocol):
    """Ends what one passed for; `in_doubt` where that may have been billed for no answer."""

    def __call__(self, *, in_doubt: bool = False) -> None:
        """End it."""


class Gate:
    """Open, or shut while the service does not answer."""

    def __init__(self, call: FreeCall | None = None) -> None:
        self._call = call
        self._is_call_known = False  # to whatever answers on this base URL
        self._calls: set[asyncio.Task[bool]] = set()
        self._faults: deque[float] = deque(maxlen=_IN_A_ROW)
        self._last_fault = ""
        self._is_shut = False
        self._shut_at = 0.0
        self._rounds = 0
        self._doubts = 0
        self._may_try = False
        self._try: _Try | None = None
        self._waiting: deque[asyncio.Future[EndPassage]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_shut(self) -> bool:
        """Whether the service counts as out."""
        return self._is_shut

    async def passage(self) -> EndPassage:
        """Return when a request may go its way, with what to call once it has ended."""
        if not self._is_shut:
            return _nothing
        if self._may_try:
            return self._begin_try()
        waiter: asyncio.Future[EndPassage] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.give_back(waiter.result())
            raise

    async def passage_of_check(self, error: DetectError | None, patience_s: float) -> EndPassage:
        """Return as `passage` does, within the patience of whoever waits for a check.

        Raises the check's last `error` when that is over, and `NotSent` at once where it has none:
        it has not begun.
        """
        if not self._is_shut or self._may_try:
            return await self.passage()
        if error is None:
            raise self._refusal()
        try:
            async with asyncio.timeout(max(0.0, patience_s)):
                return await self.passage()
        except TimeoutError:
            raise error from error.__cause__

    def holds(self, end_passage: EndPassage) -> bool:
        """Whether one that passed must come back: the gate was shut behind it.

        The one that tries in this outage goes on; one that tried in the last is no try any more.
        """
        return self._is_shut and end_passage is not self._try

    def give_back(self, end_passage: EndPassage) -> None:
        """Hear that one that passed came to nothing: if it was a try, another is made at once."""
        if end_passage is self._try and self._is_shut:
            self._try = None
            self._let_one_try()

    def answered(self) -> bool:
        """Hear that the service answers. Returns whether that ended an outage."""
        self._faults.clear()
        if not self._is_shut:
            return False
        self._is_shut = self._may_try = False
        self._try = None
        self._stop_timer()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(_nothing)
        return True

    def failed(self, error: DetectError) -> bool:
        """Hear of a fault or a lost connection. Returns whether that began an outage."""
        now = asyncio.get_running_loop().time()
        self._faults.append(now)
        self._last_fault = type(error).__name__
        is_enough = len(self._faults) == _IN_A_ROW and now - self._faults[0] <= _WITHIN_S
        if self._is_shut or not is_enough:
            return False
        self._is_shut = True
        self._shut_at = now
        self._rounds = self._doubts = 0
        self._set_timer()
        return True

    async def close(self) -> None:
        """Try no more."""
        for call in self._calls:
            call.cancel()
        if self._calls:
            await asyncio.wait(self._calls)
        self._stop_timer()  # at last: a call that has ended sets it

    def end(self, ended: "_Try", *, in_doubt: bool) -> None:
        """Hear that a try has ended; where the gate is still shut, it had no answer."""
        if ended is self._try and self._is_shut:
            self._try = None
            self._doubts += in_doubt
            self._set_timer()

    def _refusal(self) -> NotSent:
        now = asyncio.get_running_loop().time()
        again_s = 1.0 if self._timer is None else max(1.0, self._timer.when() - now)
        return NotSent(
            f"not sent, the service has been out for {now - self._shut_at:.0f} s"
            f" ({self._last_fault}).",
            do=f"Check it again in {again_s:.0f} s or later; it was not billed.",
        )

    def _set_timer(self) -> None:
        self._stop_timer()
        often_s = _TRY_EVERY_S if self._rounds < _PATIENT_AFTER else _TRY_LATER_S
        wait_s = max(often_s, min(_TRY_EVERY_S * 2**self._doubts, _LONGEST_WAIT_S))
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._time_is_up)

    def _time_is_up(self) -> None:
        self._rounds += 1
        if self._call is None:
            self._let_one_try()
            return
        call = task_of(self._call(), "s2v-detect free call")
        self._calls.add(call)
        call.add_done_callback(partial(self._call_ended, self._shut_at))

    def _call_ended(self, shut_at: float, call: asyncio.Task[bool]) -> None:
        self._calls.discard(call)
        # A transport of the user's own raises what it likes, a cancellation too.
        is_answered = not call.cancelled() and call.exception() is None and call.result()
        self._is_call_known = self._is_call_known or is_answered
        if not self._is_shut or self._shut_at != shut_at:
            return  # that outage is over
        if is_answered or not self._is_call_known:
            self._let_one_try()
        else:
            self._set_timer()

    def _let_one_try(self) -> None:
        self._may_try = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(self._begin_try())
                return

    def _begin_try(self) -> EndPassage:
        self._may_try = False
        self._try = _Try(self)
        return self._try

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Try:
    """What one passed for who tries whether the service is back."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __call__(self, *, in_doubt: bool = False) -> None:
        self._gate.end(self, in_doubt=in_doubt)


def _nothing(*, in_doubt: bool = False) -> None:
    """End the passage of one that is no try."""
