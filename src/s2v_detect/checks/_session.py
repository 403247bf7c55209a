"""What all flights of an open client work with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from s2v_detect.checks._breaker import Gate
from s2v_detect.checks._line import Line
from s2v_detect.checks._money import Books, Budget, Watch
from s2v_detect.limiters import Limiter
from s2v_detect.models import Lane
from s2v_detect.options import OnUnknown, Preflight, RetryPolicy
from s2v_detect.wire import Endpoint

Look = Callable[[str, Lane], Awaitable[str]]
"""Returns what it could not tell of an image; raises `ImageSkipped`."""


@dataclass(frozen=True)
class Crew:
    """All that is shared by the flights of a client, in one event loop."""

    endpoint: Endpoint
    limiter: Limiter
    retry: RetryPolicy
    on_unknown: OnUnknown
    books: Books
    watch: Watch
    line: Line
    gate: Gate
    """Shut while the service does not answer."""
    store_gate: Gate
    """Shut while nothing can be uploaded."""
    budget: Budget
    look: Look | None


def look_by(rules: Preflight | None) -> Look | None:
    """Return what looks by these rules, or nothing where there is to be no look."""
    if rules is None:
        return None
    from s2v_detect.images import Looker  # noqa: PLC0415  # httpcore: 100 ms of every import

    return Looker(rules).look
