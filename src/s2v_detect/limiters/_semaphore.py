"""A semaphore with one permit and several lanes, for every event loop and thread of a process.

asyncio's and anyio's semaphores belong to one loop and know no lanes; a process has one account.
"""

import asyncio
import threading
from collections import OrderedDict

from s2v_detect.models import LANES, Lane


class LaneSemaphore:
    """First come, first served within a lane; lanes in the order of `LANES`.

    A release wakes exactly one waiter, however many there are. A waiter that is cancelled leaves at
    no cost; one that was cancelled as the permit reached it passes it on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # An OrderedDict is a queue whose members can leave from the middle at no cost.
        self._lanes: dict[Lane, OrderedDict[_Waiter, None]] = {
            lane: OrderedDict() for lane in LANES
        }
        self._holder: asyncio.AbstractEventLoop | None = None

    async def acquire(self, lane: Lane) -> None:
        """Return holding the permit."""
        loop = asyncio.get_running_loop()
        with self._lock:
            # A loop that was closed with the permit in its hands will not bring it back.
            if self._holder is None or self._holder.is_closed():
                self._holder = loop
                return
            waiter = loop.create_future()
            self._lanes[lane][waiter] = None
        try:
            await waiter
        except asyncio.CancelledError:
            self._leave(waiter, lane)
            raise

    def release(self) -> None:
        """Pass the permit on to the first of the best lane that has one."""
        with self._lock:
            while (waiter := self._next()) is not None:
                loop = waiter.get_loop()
                if not loop.is_closed():
                    self._holder = loop
                    break
            else:
                self._holder = None
                return
        _wake(waiter)

    def ahead_of(self, lane: Lane) -> int:
        """Return how many would go before one that joined `lane` now, the holder included."""
        with self._lock:
            better = LANES[: LANES.index(lane) + 1]
            return sum(len(self._lanes[each]) for each in better) + (self._holder is not None)

    def _next(self) -> "_Waiter | None":
        for lane in self._lanes.values():
            if lane:
                return lane.popitem(last=False)[0]
        return None

    def _leave(self, waiter: "_Waiter", lane: Lane) -> None:
        with self._lock:
            waited = self._lanes[lane].pop(waiter, _GONE) is not _GONE
        if not waited:  # the permit was on its way
            self.release()


_Waiter = asyncio.Future[None]
_GONE = object()


def _wake(waiter: _Waiter) -> None:
    loop = waiter.get_loop()
    try:
        same_loop = asyncio.get_running_loop() is loop
    except RuntimeError:  # released from a thread without a loop
        same_loop = False
    if same_loop:
        _grant(waiter)
    else:
        loop.call_soon_threadsafe(_grant, waiter)


def _grant(waiter: _Waiter) -> None:
    if not waiter.done():  # a cancelled waiter passes the permit on by itself
        waiter.set_result(None)
