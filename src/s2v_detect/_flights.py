"""All flights of an open client: one for an image, in a set that the client holds."""

import asyncio

from s2v_detect._addresses import private_reason
from s2v_detect._asking import Crew
from s2v_detect._flight import Flight, Landing
from s2v_detect._identity import identity_of, image_of
from s2v_detect._recording import UNRECORDED, Recorded
from s2v_detect._turns import Lane
from s2v_detect.errors import ConfigurationError, ImageSkipped
from s2v_detect.ledger import LedgerRun


class Flights:
    """All flights of an open client, one for an image."""

    def __init__(
        self, crew: Crew, ledger: LedgerRun | None = None, *, allow_private: bool = False
    ) -> None:
        self.ledger = ledger
        self._allow_private = allow_private
        self._crew = crew
        self._by_identity: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def image_of(self, value: object) -> str:
        """Return `value` as an image that the service can reach. Raises `ImageSkipped`."""
        url = image_of(value)
        if not self._allow_private and (reason := private_reason(url)):
            raise ImageSkipped(reason, image=url)
        return url

    def find(self, image: str) -> Flight | None:
        """Return the flight that a check of this image would join."""
        return self._by_identity.get(identity_of(image))

    def join(self, image: str, lane: Lane) -> tuple[Flight, asyncio.Future[Landing]]:
        """Return the image's flight, new or under way, and what will be told of its end."""
        if self._is_closed:
            raise ConfigurationError(
                "the client is closed.", do="Check inside its `async with` block.", image=image
            )
        identity = identity_of(image)
        flight = self._by_identity.get(identity)
        if flight is None:
            recording = Recorded(self.ledger, image, identity) if self.ledger else UNRECORDED
            flight = Flight(
                image, lane, self._crew, recording, lambda ended: self._end(identity, ended)
            )
            self._by_identity[identity] = flight
            self._tasks.add(flight.task)
            flight.task.add_done_callback(self._tasks.discard)
        return flight, flight.join(lane)

    async def close(self, timeout_s: float) -> None:
        """Let what was sent finish, for at most `timeout_s`; what is still in line is not sent."""
        self._is_closed = True
        for flight in list(self._by_identity.values()):
            flight.ground("the client was closed")
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._crew.gate.close()
        if self.ledger:
            await self.ledger.end()

    def skip(self, image: object, reason: str) -> None:
        """Count an image that is not sent, and record it."""
        self._crew.books.count("skipped")
        if self.ledger and isinstance(image, str):
            self.ledger.skip(image, reason)

    def _end(self, identity: str, flight: Flight) -> None:
        if self._by_identity.get(identity) is flight:
            del self._by_identity[identity]
