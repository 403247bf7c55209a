"""What a client tells: the spend, and events for whoever watches."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from s2v_detect._service import PRICE_CNY
from s2v_detect._turns import Lane
from s2v_detect.errors import Billed, ImageSkipped
from s2v_detect.models import Event, EventKind, Spend

_log = logging.getLogger("s2v_detect")

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

    def count_request(self, billed: Billed) -> None:
        """Add a request that was sent, by what is known of its bill."""
        if billed != "no":
            self.count("billed" if billed == "yes" else "unknown")

    @property
    def spend(self) -> Spend:
        """The counts as they stand."""
        return Spend(**self._counts)


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
        event = Event(kind=kind, at=datetime.now(UTC), image=image, lane=lane, **more)
        try:
            self._on_event(event)
        except (KeyboardInterrupt, SystemExit) as leaving:
            _leave_in_the_loop(leaving)
        except BaseException:  # noqa: BLE001  # pytest's own are none of Exception, nor is a cancellation
            _log.exception("on_event raised on %s; the check goes on", kind)


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

    def add(self, billed: Billed) -> None:
        """Add one request."""
        self.billed += billed == "yes"
        self.unknown += billed == "unknown"

    @property
    def at_most(self) -> int:
        """How many requests have been paid for, perhaps."""
        return self.billed + self.unknown

    def told(self) -> dict[str, Any]:
        """Return the fields `billed`, `cost` and `cost_at_most` of an outcome or an event."""
        sure: Billed = "yes" if self.billed else "unknown" if self.unknown else "no"
        return {
            "billed": sure,
            "cost": self.billed * PRICE_CNY,
            "cost_at_most": (self.billed + self.unknown) * PRICE_CNY,
        }
