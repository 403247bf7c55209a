"""The gate of the streams: shut in an outage, so that no image uses up its retries waiting for it.

After some faults of the service or lost connections in a row nothing more is admitted but one
image at a time, to try whether the service is back; its first answer opens the gate. A `check` is
not held: somebody waits for it, and it has its own bounds.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from s2v_detect._turns import Lane

_IN_A_ROW = 5
"""At one fault in twenty this happens by chance in three of ten million."""

_PROBE_EVERY_S = 2.6
_PATIENT_AFTER = 50
_PROBE_LATER_S = 30.0
"""A minute's outage costs some 23 requests, and the streams go on within 3 s of its end; one that
has lasted for two minutes is tried twice a minute."""


class Gate:
    """Open, or shut while the service does not answer."""

    def __init__(self) -> None:
        self._faults = 0
        self._is_shut = False
        self._is_probing = False
        self._probes = 0
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._may_probe = False

    @property
    def is_shut(self) -> bool:
        """Whether the service counts as out."""
        return self._is_shut

    async def passage(self, lane: Lane) -> Callable[[], None]:
        """Return when a request may go its way, with what to call once it has ended."""
        if lane != "bulk" or not self._is_shut:
            return _nothing
        if not self._may_probe or self._is_probing:
            waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                is_probe = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled() and waiter.result():
                    self._end_probe()
                raise
            return self._end_probe if is_probe else _nothing
        self._begin_probe()
        return self._end_probe

    def holds(self, lane: Lane, end_passage: Callable[[], None]) -> bool:
        """Whether one that passed must come back: the gate was shut behind it, and it is no try."""
        return self._is_shut and lane == "bulk" and end_passage is _nothing

    def give_back(self, end_passage: Callable[[], None]) -> None:
        """Hear that one that passed came to nothing: if it was a try, another is made at once."""
        if end_passage == self._end_probe and self._is_probing and self._is_shut:
            self._is_probing = False
            self._let_one_try()

    def answered(self) -> bool:
        """Hear that the service answers. Returns whether that ended an outage."""
        self._faults = 0
        if not self._is_shut:
            return False
        self._is_shut = False
        self._stop_timer()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(False)
        return True

    def failed(self) -> bool:
        """Hear of a fault or a lost connection. Returns whether that began an outage."""
        self._faults += 1
        if self._is_shut or self._faults < _IN_A_ROW:
            return False
        self._is_shut = True
        self._is_probing = self._may_probe = False
        self._probes = 0
        self._set_timer()
        return True

    def close(self) -> None:
        """Try no more."""
        self._stop_timer()

    def _let_one_try(self) -> None:
        self._may_probe = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._begin_probe()
                waiter.set_result(True)
                return

    def _begin_probe(self) -> None:
        self._is_probing = True
        self._may_probe = False
        self._probes += 1

    def _end_probe(self) -> None:
        if self._is_probing and self._is_shut:
            self._is_probing = False
            self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        wait_s = _PROBE_EVERY_S if self._probes < _PATIENT_AFTER else _PROBE_LATER_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._let_one_try)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _nothing() -> None:
    pass
