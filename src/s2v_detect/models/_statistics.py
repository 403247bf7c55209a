"""A client at one instant, for whoever has no telemetry."""

from datetime import datetime

from pydantic import Field

from s2v_detect.models._value import Value
from s2v_detect.models._values import Spend


class LaneStatistics(Value):
    """One lane of the line."""

    waiting: int = 0
    """Images of this client that wait in this lane: in line, on their way to it (a look, an upload,
    the ledger), or at rest before they are asked for again."""
    forecast_s: float = 0.0
    """Seconds that a check asked for now would stand in line, the other processes included."""


class LineStatistics(Value):
    """The line that this client's requests wait in."""

    limiter: str
    """The class of the limiter: `"LocalLimiter"` is a line that no other process shares."""
    rate_per_s: float | None
    """Requests a second that the line may start; None: as many as come."""
    given_per_s: float | None = None
    """Requests a second that the account gives, where they are fewer; None: the whole rate."""
    margin: float = 0.0
    """By how much the line is slower than its rate, as a part of it (0.02: 2 %): at its opening,
    and more after the service refused a request (429)."""
    processes: int = 1
    """Living ones that have the line open, this one among them."""
    processes_met: int = 0
    """Others that have used the line since this process opened it."""
    lost: str = ""
    """Why the line can't be shared with the other processes now; empty where it can."""
    interactive: LaneStatistics = Field(default_factory=LaneStatistics)
    """The lane of `check`."""
    bulk: LaneStatistics = Field(default_factory=LaneStatistics)
    """The lane of streams."""


class FlightStatistics(Value):
    """The images that are being checked. Those who wait for the same image count as one."""

    in_flight: int = 0
    """All of them: the sent ones and the waiting ones."""
    sent: int = 0
    """Those whose request has its turn, and no answer yet."""
    waiting: int = 0
    """The others: those of both lanes. Each may be left at no cost."""


class OutageStatistics(Value):
    """An outage that is still on."""

    where: str
    """What does not answer, with its address."""
    since: datetime
    """UTC."""
    until: datetime | None
    """When streams wait no longer, UTC; None: they wait for ever."""
    error: str
    """The class name of the latest error."""
    message: str
    """What the latest error says."""


class Statistics(Value):
    """A client at one instant: the line, the flights, the outages and the spend.

    Example:
        >>> from s2v_detect import DetectClient, LocalLimiter
        >>> client = DetectClient("sk-none", limiter=LocalLimiter(5.0))
        >>> now = client.statistics()
        >>> now.is_open, now.line.rate_per_s, now.flights.in_flight, now.outages
        (False, 5.0, 0, ())
    """

    at: datetime
    """UTC."""
    is_open: bool
    """Whether the client is open. Where it is not, nothing waits and no outage is known; the line
    and the spend are told all the same."""
    line: LineStatistics
    flights: FlightStatistics = Field(default_factory=FlightStatistics)
    outages: tuple[OutageStatistics, ...] = ()
    """Those that are still on: of the service, of the store for uploads, or of both."""
    spend: Spend
    """What the client has paid since it was made; it is kept when the client is closed."""
