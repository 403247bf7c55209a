"""Four ways in which a service may count five requests a second, each as a pure admission.

The vendor does not say which one it uses, so a client must hold under every one of them. A clock
is handed in: `admit(now)` takes seconds that never run backwards. A rate that is no whole number
keeps its meaning: `rate` requests a second, in the shortest window that holds whole ones.
"""

from collections import deque
from math import floor
from typing import Literal, Protocol

Counting = Literal["none", "sliding", "fixed", "bucket", "spaced"]

_TOLERANCE_S = 0.020  # how early a request may be under "spaced"
_ROUNDING = 1e-9  # a request exactly on the edge is admitted, whatever floats make of the edge


class Admission(Protocol):
    """What every way of counting is."""

    def admit(self, now: float) -> bool:
        """Return whether the request that arrives at `now` is within the rate, and count it."""


class _Counted:
    """A rate as whole requests in a window: 5 a second is 5 in 1 s, 0.5 a second is 1 in 2 s."""

    def __init__(self, rate: float = 5.0, *, rejected_count_too: bool = False) -> None:
        if not rate > 0:
            raise ValueError(f"rate must be more than 0, not {rate}")
        self.rate = rate
        self.rejected_count_too = rejected_count_too
        self._most = max(1, floor(rate))
        self._window_s = self._most / rate


class Sliding(_Counted):
    """At most five in any trailing second.

    Example:
        >>> sliding = Sliding()
        >>> [sliding.admit(at) for at in (0.0, 0.0, 0.0, 0.0, 0.5, 0.6, 1.0)]
        [True, True, True, True, True, False, True]
    """

    def __init__(self, rate: float = 5.0, *, rejected_count_too: bool = False) -> None:
        super().__init__(rate, rejected_count_too=rejected_count_too)
        self._counted: deque[float] = deque(maxlen=self._most)  # older ones decide nothing

    def admit(self, now: float) -> bool:
        """Return whether fewer than five were counted in the second before `now`."""
        full = len(self._counted) == self._most
        admitted = not full or now - self._counted[0] >= self._window_s - _ROUNDING
        if admitted or self.rejected_count_too:
            self._counted.append(now)
        return admitted


class Fixed(_Counted):
    """At most five in each second of the clock.

    A rejected request counts in its own second only, where it changes nothing.
    """

    def __init__(self, rate: float = 5.0, *, rejected_count_too: bool = False) -> None:
        super().__init__(rate, rejected_count_too=rejected_count_too)
        self._window = -1
        self._counted = 0

    def admit(self, now: float) -> bool:
        """Return whether fewer than five were counted in the second that `now` is in."""
        window = floor(now / self._window_s + _ROUNDING)
        if window != self._window:
            self._window = window
            self._counted = 0
        self._counted += 1
        return self._counted <= self._most


class Bucket(_Counted):
    """Five tokens that come back at five a second: a burst of five, then one each 200 ms.

    Where rejected requests count too, one that finds no whole token takes what there is of it.
    """

    def __init__(self, rate: float = 5.0, *, rejected_count_too: bool = False) -> None:
        super().__init__(rate, rejected_count_too=rejected_count_too)
        self._tokens = float(self._most)
        self._at: float | None = None

    def admit(self, now: float) -> bool:
        """Return whether there is a whole token at `now`, and take it."""
        if self._at is not None:
            self._tokens = min(self._most, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens >= 1 - _ROUNDING:
            self._tokens -= 1
            return True
        if self.rejected_count_too:
            self._tokens = 0.0
        return False


class Spaced(_Counted):
    """One each 200 ms, at most 20 ms early (GCRA).

    Being early is no gain: the next one is due 200 ms after this one was, so that nobody gets
    more than five a second in the long run by coming 180 ms apart.
    """

    def __init__(self, rate: float = 5.0, *, rejected_count_too: bool = False) -> None:
        super().__init__(rate, rejected_count_too=rejected_count_too)
        self._due: float | None = None

    def admit(self, now: float) -> bool:
        """Return whether the next request is due at `now`."""
        gap_s = 1 / self.rate
        if self._due is None or now >= self._due - _TOLERANCE_S - _ROUNDING:
            self._due = (now if self._due is None else max(now, self._due)) + gap_s
            return True
        if self.rejected_count_too:
            self._due = max(self._due, now + gap_s)
        return False


class Unlimited:
    """Any rate is within the rate."""

    def admit(self, now: float) -> bool:  # noqa: ARG002  # the protocol hands the clock to all
        """Return True."""
        return True


def counted(
    counting: Counting, rate: float = 5.0, *, rejected_count_too: bool = False
) -> Admission:
    """Return the admission of that name."""
    if counting == "none":
        return Unlimited()
    kinds: dict[str, type[Sliding | Fixed | Bucket | Spaced]] = {
        "sliding": Sliding,
        "fixed": Fixed,
        "bucket": Bucket,
        "spaced": Spaced,
    }
    if counting not in kinds:
        raise ValueError(f"counting must be none, {', '.join(kinds)}, not {counting!r}")
    return kinds[counting](rate, rejected_count_too=rejected_count_too)
