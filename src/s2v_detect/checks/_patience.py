"""How long one who asked for a check will wait: for the whole of it, and for the line."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from s2v_detect._waiting import after
from s2v_detect.checks._flight import Flight, Landing
from s2v_detect.errors import busy

_LOOK_AGAIN_S = 0.01
"""How soon at the least to see how long a check has been in line."""


class Patience(NamedTuple):
    """The bounds of one check."""

    image: object
    give_up_after_s: float | None
    """Of the whole check, from `began` on."""
    max_wait_s: float | None
    """Of the line alone: a look or an upload before it is none."""
    forecast_s: Callable[[], float]
    """Returns how long the line would be now."""
    began: float

    def refuse_a_long_line(self) -> None:
        """Raise `Busy` where the line is longer than there is patience for."""
        if self.max_wait_s is not None and (forecast_s := self.forecast_s()) > self.max_wait_s:
            raise busy(self.image, forecast_s, self.max_wait_s)

    async def landing(self, flight: Flight, waiter: asyncio.Future[Landing]) -> Landing:
        """Return how the flight ended, or what there is to say when the patience did."""
        loop = asyncio.get_running_loop()
        joined = loop.time()
        give_up_after_s, max_wait_s = self.give_up_after_s, self.max_wait_s
        left_s = give_up_after_s and max(0.0, give_up_after_s - (joined - self.began))

        def give_up() -> None:
            flight.tell(waiter, flight.so_far(f"given up after {give_up_after_s:g} s"))

        def leave_the_line() -> float | None:
            most_s, waited_s = max_wait_s or 0.0, flight.first_line_s
            if waited_s is None:
                return None
            too_soon_s = most_s - min(waited_s, loop.time() - joined)
            if not waited_s or too_soon_s > 0:
                return max(too_soon_s, _LOOK_AGAIN_S)
            flight.tell(waiter, busy(self.image, waited_s + self.forecast_s(), most_s))
            return None

        try:
            with after(left_s, give_up), after(max_wait_s, leave_the_line):
                return await waiter
        finally:
            flight.leave(waiter)
