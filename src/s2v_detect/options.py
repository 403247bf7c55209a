"""The rules that a user gives to a client: how it asks again, and how it looks before it asks."""

import math
from collections.abc import Callable
from typing import Literal, Self

from pydantic import field_serializer, model_validator
from tenacity import RetryCallState

from s2v_detect.errors import ConfigurationError
from s2v_detect.models import Value

OnUnknown = Literal["resend", "keep"]
"""What follows a request that was sent and whose answer was lost."""

_FOREVER_S = 10 * 365 * 86_400.0
"""So long that nobody sees its end, and that no calendar holds much more."""


def outage_bound(max_outage_s: float | None) -> float:
    """Return the seconds that a stream waits for the end of an outage; infinite ones for None."""
    if max_outage_s is None:
        return math.inf
    try:
        is_usable = max_outage_s >= 0
    except TypeError:
        is_usable = False
    if not is_usable:
        raise ConfigurationError(
            f"max_outage_s is {max_outage_s!r}.",
            do="Give the seconds that a stream waits for the end of an outage; None is for ever.",
        )
    return float(max_outage_s) if max_outage_s < _FOREVER_S else math.inf


def may_resend(lost: int, on_unknown: OnUnknown) -> bool:
    """Whether to ask once more for an image of which so many answers were lost: once, ever.

    Example:
        >>> may_resend(1, "resend"), may_resend(2, "resend"), may_resend(1, "keep")
        (True, False, False)
    """
    return on_unknown == "resend" and lost <= 1


class Preflight(Value):
    """A look at each image's first bytes before its check is paid for.

    What the service would surely refuse (another format than JPEG, PNG, BMP and WEBP by its
    content, a side outside 400 to 7000 pixels, an address that it can't reach, a 404) is skipped.
    What only this machine could not reach or read is sent all the same, with its `doubt` noted.
    The look runs ahead of the line. It visits public addresses alone, follows at most five
    redirects, and sends no cookie, no referrer, no key, through no proxy.

    Example:
        >>> Preflight(timeout_s=5).skip_missing
        True
    """

    timeout_s: float = 10.0
    """Seconds for the whole look, redirects included."""
    max_header_bytes: int = 2**20
    """Bytes of an image to read at most; nearly all say their size in the first 512."""
    max_at_once: int = 64
    """Looks at one time, for each lane."""
    skip_missing: bool = True
    """Whether to skip what its server answers with 404 or 410; else it is sent."""
    ports: tuple[int, ...] = (80, 443)
    """Ports that are visited; an address with another is sent unseen."""
    allow_private: bool = False
    """Visit any address and any port: for tests, and for intranets that the service reaches."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not 0 < self.timeout_s < math.inf:
            raise ValueError("timeout_s must be over 0 seconds")
        if self.max_header_bytes < 1 or self.max_at_once < 1:
            raise ValueError("max_header_bytes and max_at_once must be 1 or more")
        if not all(0 < port < 2**16 for port in self.ports):
            raise ValueError("ports must be from 1 to 65535")
        return self


class RetryPolicy(Value):
    """How often and how long one image is asked for again.

    What was not sent, throttled or met a fault of the service is asked again after a random wait
    (exponential, full jitter), each time through the line. The budget outlasts the minute that
    the service usually needs to recover. `RetryPolicy(max_attempts=1)` never asks again.

    Example:
        >>> RetryPolicy(max_attempts=3, give_up_after_s=10).max_attempts
        3
    """

    max_attempts: int = 16
    """Requests for one image, the first included. An upload that is gone is made anew once, with
    one request more."""
    give_up_after_s: float = 90.0
    """Seconds one image may spend on attempts and waits; its time in line does not count."""
    first_wait_s: float = 1.0
    """Upper end of the first random wait; it doubles with every attempt."""
    longest_wait_s: float = 20.0
    """Upper end of any random wait. A `Retry-After` of the service may be longer."""
    stop: Callable[[RetryCallState], bool] | None = None
    """A tenacity `stop`, or a function of its `RetryCallState`: true ends the retries. The bounds
    above hold beside it."""
    wait: Callable[[RetryCallState], float] | None = None
    """A tenacity `wait`, or such a function: the seconds to wait, in place of the random ones. A
    `Retry-After` of the service may be longer."""

    def __eq__(self, other: object) -> bool:
        """Whether two policies say the same; one with objects of its own is like no other."""
        if self.stop is None and self.wait is None:
            return super().__eq__(other)
        return self is other

    def __hash__(self) -> int:
        return hash(
            (self.max_attempts, self.give_up_after_s, self.first_wait_s, self.longest_wait_s)
        )

    @field_serializer("stop", "wait", when_used="unless-none")
    def _as_text(self, _: object) -> str:
        raise ValueError("a policy with a stop or a wait of its own can't be dumped")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        # By hand: constraints of pydantic's would load its types, 15 ms of every import.
        if self.max_attempts < 1:
            raise ValueError("max_attempts must be 1 or more")
        if not self.give_up_after_s >= 0:
            raise ValueError("give_up_after_s must be 0 or more seconds")
        if not 0 < self.first_wait_s <= self.longest_wait_s < math.inf:
            raise ValueError("0 < first_wait_s <= longest_wait_s must hold, in seconds")
        return self
