"""What a limiter is: the words that flights, the wire and every limiter share."""

from typing import Protocol

from s2v_detect.models import Lane


class Turn(Protocol):
    """The right to let one request's bytes leave now. Exactly one of the two is called, once."""

    def left(self) -> None:
        """Stamp the turn: the bytes leave at this instant. The line moves on."""

    def withdrawn(self) -> None:
        """Give the turn back unused: the next in line has it at once."""


class Limiter(Protocol):
    """One line for one account. Anything with these three will do as `limiter=`."""

    async def turn(self, lane: Lane) -> Turn:
        """Return when it is this request's turn. Cancelling leaves the line; nothing is owed."""

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the whole line: the service said that it is over its rate."""

    def forecast_s(self, lane: Lane) -> float:
        """Return the seconds that a request joining the lane now would wait, as far as known."""
