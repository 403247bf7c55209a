"""All flights of an open client: one for an image, in a set that the client holds."""

import asyncio
import math
import os
from collections import Counter
from datetime import UTC, datetime
from typing import NamedTuple

from s2v_detect._waiting import after
from s2v_detect.checks._flight import Flight
from s2v_detect.checks._line import margin_of
from s2v_detect.checks._session import Configuration, Session
from s2v_detect.checks._waiters import Ending
from s2v_detect.errors import ConfigurationError, ImageSkipped, busy
from s2v_detect.images import Subject, kept_as, name_of
from s2v_detect.limiters import Sharing
from s2v_detect.models import (
    FlightStatistics,
    Lane,
    LaneStatistics,
    LineStatistics,
    Statistics,
)
from s2v_detect.wire import LONGEST_AFTERTIME_S

_LOOK_AGAIN_S = 0.05
"""How soon at the least to see how long a check has been in line, or whether it was sent."""


class Patience(NamedTuple):
    """The bounds of one check."""

    image: object
    give_up_after_s: float | None
    """Of the whole check, from `began` on."""
    max_wait_s: float | None
    """From the line to the bytes that leave: a look or an upload before it is none."""
    session: Session
    lane: Lane
    began: float

    @property
    def forecast_s(self) -> float:
        """How long the line would be now."""
        return self.session.line.forecast_s(self.lane)

    def refuse_a_long_line(self) -> None:
        """Raise `Busy` where the line is longer than there is patience for."""
        if self.max_wait_s is not None and (forecast_s := self.forecast_s) > self.max_wait_s:
            error = busy(self.image, forecast_s, self.max_wait_s)
            self.session.watch.tell_at_once(self.image, self.lane, error)
            raise error

    async def ending(self, flight: Flight, waiter: asyncio.Future[Ending]) -> Ending:
        """Return how the flight ended, or what there is to say when the patience did."""
        loop = asyncio.get_running_loop()
        joined = loop.time()
        give_up_after_s, max_wait_s = self.give_up_after_s, self.max_wait_s
        left_s = give_up_after_s and max(0.0, give_up_after_s - (joined - self.began))

        def give_up() -> None:
            flight.tell(waiter, flight.so_far(f"given up after {give_up_after_s:g} s"))

        def leave_the_line() -> float | None:
            most_s, waited_s = max_wait_s or 0.0, flight.unsent_s
            if waited_s is None:
                return None
            too_soon_s = most_s - min(waited_s, loop.time() - joined)
            if not waited_s or too_soon_s > 0:
                return max(too_soon_s if waited_s else 0.0, _LOOK_AGAIN_S)
            long = busy(self.image, waited_s + self.forecast_s, most_s)
            flight.tell(waiter, flight.last_error() or long)
            return None

        try:
            with after(left_s, give_up), after(max_wait_s, leave_the_line):
                return await waiter
        finally:
            flight.leave(waiter)


class Flights:
    """All flights of an open client, one for an image."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._by_identity: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def find(self, subject: Subject) -> Flight | None:
        """Return the flight that a check of this image would join."""
        flight = self._by_identity.get(subject.identity)
        return None if flight is None or flight.is_over else flight

    def join(self, subject: Subject, lane: Lane) -> tuple[Flight, asyncio.Future[Ending]]:
        """Return the image's flight, new or under way, and what will be told of its end."""
        if self._is_closed:
            raise ConfigurationError(
                "the client is closed.",
                do="Check inside its `async with` block.",
                image=subject.image,
            )
        flight = self.find(subject) or self._begin(subject, lane)
        return flight, flight.join(subject, lane)

    def under_way(self) -> list[Flight]:
        """Return those that have not ended. It may be asked from any thread."""
        return [flight for flight in list(self._by_identity.values()) if not flight.is_over]

    async def close(self, timeout_s: float) -> None:
        """Let what was sent finish, for at most `timeout_s`; what is still in line is not sent."""
        self._is_closed = True
        for flight in list(self._by_identity.values()):
            flight.end("the client was closed")
        for task in await _late(self._tasks, timeout_s):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def skip(self, image: object, skipped: ImageSkipped, own: str | None, lane: Lane) -> None:
        """Count an image that is not sent, and record it under the user's own identity, or its own.

        One whose own identity is none is not recorded: there is nothing to record it by.
        """
        self.session.books.count_skipped(skipped)
        self.session.watch.tell_at_once(image, lane, skipped)
        run = self.session.run
        if run and isinstance(image, str | os.PathLike) and skipped.saves != "identity":
            run.skip(name_of(image), own or kept_as(image), skipped.reason)

    def _begin(self, subject: Subject, lane: Lane) -> Flight:
        flight = self._by_identity[subject.identity] = Flight(subject, lane, self.session)
        self._tasks.add(flight.task)

        def forget(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            if self._by_identity.get(subject.identity) is flight:
                del self._by_identity[subject.identity]

        flight.task.add_done_callback(forget)
        return flight


def statistics_of(configuration: Configuration, flights: Flights | None) -> Statistics:
    """Return a client at one instant; it is not open without flights, or in a loop that ended."""
    if flights and flights.session.loop.is_closed():
        flights = None
    limiter = configuration.limiter
    under_way = flights.under_way() if flights else []
    waiting = Counter(flight.lane for flight in under_way if not flight.is_sent)
    ahead = flights.session.line if flights else limiter

    def lane(name: Lane) -> LaneStatistics:
        return LaneStatistics(waiting=waiting[name], forecast_s=ahead.forecast_s(name))

    sharing, rate_per_s = Sharing.of(limiter), limiter.rate / limiter.per_s
    return Statistics(
        at=datetime.now(UTC),
        is_open=flights is not None,
        line=LineStatistics(
            limiter=type(limiter).__name__,
            rate_per_s=None if math.isinf(rate_per_s) else rate_per_s,
            given_per_s=sharing.given_per_s,
            margin=margin_of(limiter) or 0.0,
            processes=sharing.processes,
            processes_met=sharing.met,
            lost=str(getattr(limiter, "lost", "")),
            interactive=lane("interactive"),
            bulk=lane("bulk"),
        ),
        flights=FlightStatistics(
            in_flight=len(under_way),
            sent=len(under_way) - waiting.total(),
            waiting=waiting.total(),
        ),
        outages=flights.session.outages() if flights else (),
        spend=configuration.books.spend,
    )


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
