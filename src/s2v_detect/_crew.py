"""What all flights of an open client work with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from s2v_detect._books import Books, Watch
from s2v_detect._budget import Budget
from s2v_detect._gate import Gate
from s2v_detect._http import Endpoint
from s2v_detect._line import Line
from s2v_detect._retrying import OnUnknown
from s2v_detect._rules import Preflight, RetryPolicy
from s2v_detect._turns import Lane, Limiter

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
