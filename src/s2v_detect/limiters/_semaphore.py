"""A semaphore with one permit and several lanes, for every event loop and thread of a process.

asyncio's and anyio's semaphores belong to one loop and know no lanes; a process has one account.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from s2v_detect._waiting import Mutex
from s2v_detect.models import LANES, Lane


class LaneSemaphore:
    """First come, first served within a lane; lanes in the order of `LANES`.

    A release wakes exactly one waiter, however many there are, and waits for nobody. A waiter that
    is cancelled leaves at no cost; one that was cancelled as the permit reached it passes it on.
    """

    def __init__(self) -> None:
        self._mutex = Mutex()
        # An OrderedDict is a queue whose members can leave from the middle at no cost.
        self._lanes: dict[Lane, OrderedDict[_Waiter, None]] = {
            lane: OrderedDict() for lane in LANES
        }
        self._holder: asyncio.AbstractEventLoop | None = None

    async def acquire(self, lane: Lane) -> Callable[[], None]:
        """Return holding the permit; what is returned passes it on, and is called once.

        A loop that was closed holds it no longer, once another has taken it.
        """
        loop = asyncio.get_running_loop()
        release = partial(self._mutex.do, partial(self._pass_on, loop))
        with self._mutex:
            # A loop that was closed with the permit in its hands will not bring it back.
            if self._holder is None or self._holder.is_closed():
                self._holder = loop
                return release
            waiter = loop.create_future()
            self._lanes[lane][waiter] = None
        try:
            await waiter
        except BaseException:  # cancelled, or closed
            self._mutex.do(partial(self._leave, waiter, lane))
            raise
        return release

    def ahead_of(self, lane: Lane) -> int:
        """Return how many would go before one that joined `lane` now, the holder included."""
        with self._mutex:
            better = LANES[: LANES.index(lane) + 1]
            return sum(len(self._lanes[each]) for each in better) + (self._holder is not None)

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have the first of the best lane hold what this loop holds."""
        if self._holder is loop:
            self._holder = self._woken()

    def _woken(self) -> asyncio.AbstractEventLoop | None:
        """Return the loop of the next waiter, who has the permit; None where nobody waits."""
        for lane in self._lanes.values():
            while lane:
                waiter, _ = lane.popitem(last=False)
                if _is_granted(waiter):
                    return waiter.get_loop()
        return None

    def _leave(self, waiter: "_Waiter", lane: Lane) -> None:
        if self._lanes[lane].pop(waiter, _GONE) is _GONE:  # the permit was on its way
            self._pass_on(waiter.get_loop())


_Waiter = asyncio.Future[None]
_GONE = object()


def _is_granted(waiter: _Waiter) -> bool:
    """Wake a waiter, unless its loop was closed."""
    loop = waiter.get_loop()
    try:
        same_loop = asyncio.get_running_loop() is loop
    except RuntimeError:  # released from a thread without a loop
        same_loop = False
    if same_loop:
        _grant(waiter)
        return True
    try:
        loop.call_soon_threadsafe(_grant, waiter)
    except RuntimeError:
        return False
    return True


def _grant(waiter: _Waiter) -> None:
    if not waiter.done():  # a cancelled waiter passes the permit on by itself
        waiter.set_result(None)
