"""All flights of an open client: one for an image, in a set that the client holds."""

import asyncio
import os
from collections.abc import Callable
from typing import NamedTuple

from s2v_detect._waiting import after
from s2v_detect.checks._flight import Flight, Landing
from s2v_detect.checks._preparing import Subject
from s2v_detect.checks._session import Crew
from s2v_detect.errors import ConfigurationError, ImageSkipped, busy
from s2v_detect.images import name_of
from s2v_detect.ledger import UNRECORDED, Aside, LedgerRun, Recorded, Recording
from s2v_detect.models import Lane
from s2v_detect.wire import LONGEST_AFTERTIME_S

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


class Flights:
    """All flights of an open client, one for an image."""

    def __init__(self, crew: Crew, ledger: LedgerRun | None = None) -> None:
        self.ledger = ledger
        self.aside = Aside()
        self._crew = crew
        self._by_identity: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def find(self, subject: Subject) -> Flight | None:
        """Return the flight that a check of this image would join."""
        return self._by_identity.get(subject.identity)

    def join(self, subject: Subject, lane: Lane) -> tuple[Flight, asyncio.Future[Landing]]:
        """Return the image's flight, new or under way, and what will be told of its end."""
        if self._is_closed:
            raise ConfigurationError(
                "the client is closed.",
                do="Check inside its `async with` block.",
                image=subject.image,
            )
        identity = subject.identity
        flight = self._by_identity.get(identity)
        if flight is None:
            flight = Flight(
                subject,
                lane,
                self._crew,
                self._recording_of(subject),
                lambda ended: self._end(identity, ended),
            )
            self._by_identity[identity] = flight
            self._tasks.add(flight.task)
            flight.task.add_done_callback(self._tasks.discard)
        return flight, flight.join(subject, lane)

    async def close(self, timeout_s: float) -> None:
        """Let what was sent finish, for at most `timeout_s`; what is still in line is not sent."""
        self._is_closed = True
        for flight in list(self._by_identity.values()):
            flight.ground("the client was closed")
        for task in await _late(self._tasks, timeout_s):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._crew.gate.close()
        await self._crew.store_gate.close()

    def skip(self, image: object, skipped: ImageSkipped) -> None:
        """Count an image that is not sent, and record it."""
        self._crew.books.count_skipped(skipped)
        if self.ledger and isinstance(image, str | os.PathLike):
            self.ledger.skip(name_of(image), skipped.reason)

    def _recording_of(self, subject: Subject) -> Recording:
        if self.ledger is None:
            return UNRECORDED
        return Recorded(self.ledger, subject.name, subject.identity, self.aside)

    def _end(self, identity: str, flight: Flight) -> None:
        if self._by_identity.get(identity) is flight:
            del self._by_identity[identity]


async def _late(tasks: set[asyncio.Task[None]], timeout_s: float) -> set[asyncio.Task[None]]:
    """Return those that have not ended in time: after a stop of the process, those not ended then.

    A process that is continued hears of its timers and its sockets at once.
    """
    if not tasks:
        return set()
    loop = asyncio.get_running_loop()
    due = loop.time() + timeout_s
    _, late = await asyncio.wait(tasks, timeout=timeout_s)
    if late:
        away_s = loop.time() - due
        _, late = await asyncio.wait(late, timeout=min(away_s, LONGEST_AFTERTIME_S))
    return late
