"""What was spent, what may still be, and the events for whoever watches.

A budget's total: a request is made only if it can be paid for whatever becomes of the others. What
is in flight counts at full price, and so does what is unknown. At the limit a request waits for
those in flight to settle; when none is left and there is still no room, the budget is spent. What
the account may spend in a day or a month is known to the ledger alone, and is held there.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

from s2v_detect._service import PRICE_CNY
from s2v_detect.errors import Billed, DetectError, ImageSkipped, budget_spent
from s2v_detect.models import Event, EventKind, Lane, Spend
from s2v_detect.options import requests_within

_log = logging.getLogger("s2v_detect")

_flights = count(1)
"""Of the process, not of a client: one watcher may have several clients."""

_COUNTS = ("billed", "unknown", "skipped", "refused", "unreachable", "shared", "known")


class Books:
    """The running counts behind `client.spend`."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(_COUNTS, 0)

    def count(self, what: str) -> None:
        """Add one to a count."""
        self._counts[what] += 1

    def count_skipped(self, skipped: ImageSkipped) -> None:
        """Add an image that is not sent."""
        self.count("skipped")
        if skipped.saves == "bill":
            self.count("refused")
        elif skipped.saves == "call":
            self.count("unreachable")

    def count_request(self, billed: Billed, images: int = 1) -> None:
        """Add a request that was sent, by what is known of its bill: so many images, if billed."""
        if billed == "yes":
            self._counts["billed"] += images
        elif billed == "unknown":
            self.count("unknown")

    @property
    def spend(self) -> Spend:
        """The counts as they stand."""
        return Spend(**self._counts)


def next_flight() -> int:
    """Return the number that all events of one more check have."""
    return next(_flights)


class Watch:
    """Hands events to `on_event`, whose exceptions are logged and stay there.

    No exception of a watcher reaches the check that it watches: that one may be paid for. An
    interrupt ends the program, in the loop's next step.
    """

    def __init__(self, on_event: Callable[[Event], object] | None) -> None:
        self._on_event = on_event

    def tell(self, kind: EventKind, image: object, lane: Lane, **more: Any) -> None:
        """Tell the watcher, if there is one."""
        if self._on_event is None:
            return
        more |= {"kind": kind, "at": datetime.now(UTC), "image": image, "lane": lane}
        event = Event.trusted(more)
        try:
            self._on_event(event)
        except (KeyboardInterrupt, SystemExit) as leaving:
            _leave_in_the_loop(leaving)
        except BaseException:  # noqa: BLE001  # pytest's own are none of Exception, nor is a cancellation
            _log.exception("on_event raised on %s; the check goes on", kind)

    def tell_at_once(self, image: object, lane: Lane, error: DetectError) -> None:
        """Tell of a check that ended before it had a flight."""
        self.tell("settled", image, lane, flight=next_flight(), error=type(error).__name__)


def _leave_in_the_loop(leaving: BaseException) -> None:
    def leave() -> None:
        raise leaving

    try:
        asyncio.get_running_loop().call_soon(leave)
    except RuntimeError:  # no loop runs, and so no check
        raise leaving from None


class Costs:
    """What one image's requests have cost so far."""

    def __init__(self) -> None:
        self.billed = 0
        self.unknown = 0

    def add(self, billed: Billed, images: int = 1) -> None:
        """Add one request: so many images, if it was billed."""
        self.billed += images * (billed == "yes")
        self.unknown += billed == "unknown"

    @property
    def at_most(self) -> int:
        """How many images have been paid for, perhaps."""
        return self.billed + self.unknown

    @property
    def bill(self) -> "Bill":
        """What an outcome or an event says of it."""
        sure: Billed = "yes" if self.billed else "unknown" if self.unknown else "no"
        return Bill(sure, self.billed * PRICE_CNY, self.at_most * PRICE_CNY)


class Bill(NamedTuple):
    """What one check has cost."""

    billed: Billed
    cost: Decimal
    """CNY, for certain."""
    cost_at_most: Decimal
    """CNY, if every request whose answer was lost was billed."""


NO_BILL = Bill("no", Decimal(0), Decimal(0))
"""That of a check that had its answer from another's request, or from the ledger."""


class Allowance:
    """How many requests may still be paid for, of a budget's total."""

    def __init__(self, total: Decimal | None, *, spent: int) -> None:
        self._total = total
        self._most = None if total is None else requests_within(total)
        self._spent = spent
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def hold(self) -> None:
        """Return when one more request is within the budget. Raises `BudgetSpent`."""
        while self._is_full:
            self.refuse_if_spent()
            await self._change()
        self._held += 1

    def refuse_if_spent(self) -> None:
        """Raise `BudgetSpent` where there is no room, and nothing in flight that may leave any."""
        if self._total is not None and self._is_full and not self._held:
            raise budget_spent(f"max_cost (CNY {self._total})", "Raise max_cost to go on")

    def settle(self, *, paid: int) -> None:
        """Let go of a held request: so many images were paid for (perhaps), or none."""
        self._held -= 1
        self._spent += paid
        if not paid or not self._held:
            self._wake(len(self._waiting) if not self._held else 1)

    @property
    def _is_full(self) -> bool:
        return self._most is not None and self._spent + self._held >= self._most

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake(1)  # it was this one's to use
            raise

    def _wake(self, count: int) -> None:
        while count and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1
