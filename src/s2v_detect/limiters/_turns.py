"""What a limiter is: the words that flights, the wire and every limiter share."""

from typing import NamedTuple, Protocol, Self

from s2v_detect.errors import ConfigurationError
from s2v_detect.models import Lane
from s2v_detect.options import is_number


class Turn(Protocol):
    """The right to let one request's bytes leave now. Exactly one of the two is called, once."""

    def left(self) -> None:
        """Stamp the turn: the bytes leave at this instant. The line moves on."""

    def withdrawn(self) -> None:
        """Give the turn back unused: the next in line has it at once."""


class Limiter(Protocol):
    """One line for one account. Anything with these five will do as `limiter=`."""

    @property
    def rate(self) -> float:
        """Requests in `per_s` seconds, more than 0; `math.inf` where there is no line."""

    @property
    def per_s(self) -> float:
        """Seconds, more than 0."""

    async def turn(self, lane: Lane) -> Turn:
        """Return when it is this request's turn. Cancelling leaves the line; nothing is owed."""

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Slow the whole line: the service said that it is over its rate."""

    def forecast_s(self, lane: Lane) -> float:
        """Return the seconds that a request joining the lane now would wait, as far as known."""


class Sharing(NamedTuple):
    """How many processes share a line."""

    processes: int = 1
    """Living ones that have the line open, this one among them."""
    met: int = 0
    """Others that have used the line since this process opened it."""

    @classmethod
    def of(cls, limiter: Limiter) -> Self:
        """Return what a limiter says of its line; one that says nothing shares none."""
        sharing: Self = getattr(limiter, "sharing", cls)()
        return sharing


def refuse_no_limiter(value: object) -> None:
    """Raise `ConfigurationError` for what is neither None nor a limiter; say what one has."""
    if value is None:
        return
    names = [name for name in vars(Limiter) if not name.startswith("_")]
    missing = [name for name in names if not hasattr(value, name)]
    do = f"Give LocalLimiter(2.5), say, or an object with {', '.join(names[:-1])} and {names[-1]}."
    if missing:
        what = f"limiter is of type {type(value).__name__}, without {', '.join(missing)}."
        raise ConfigurationError(what, do=do)
    for name in ("rate", "per_s"):
        amount = getattr(value, name)
        if not is_number(amount) or not amount > 0:
            raise ConfigurationError(f"limiter.{name} is {amount!r}, no number above 0.", do=do)
