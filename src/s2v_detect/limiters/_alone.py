"""The starts of a process that can't reach the others of its line: values in, values out."""

import math

from s2v_detect.limiters._pacing import Pacer

_ALONE_WIDER = 1.05


class Alone:
    """The starts of one process while it can't reach the others: its slot, and its own pace."""

    def __init__(self, rate: float, per_s: float) -> None:
        self.own = Pacer(rate, per_s)
        self._at = -math.inf
        self._is_used = True

    def start(self, now: float, anchor: float, gap_s: float, *, place: int, of: int) -> float:
        """Return its next start: the same until that is used, or long over."""
        if self._is_used or now > self._at + gap_s / 2:
            after = max(now, self._at, self.own.start_at(now))
            self._at = alone_at(after, anchor, gap_s, place=place, of=of)
            self._is_used = False
        return self._at

    def use(self) -> None:
        """Take the start that was returned last."""
        self._is_used = True

    def left(self, at: float) -> None:
        """Count what this process sent."""
        self.own.left(max(at, self.own.last_left_at))


def alone_at(after: float, anchor: float, gap_s: float, *, place: int, of: int) -> float:
    """Return the next start of one process that can't reach the others, later than `after`.

    All of them know the anchor, so each keeps to its own starts. A rate shared at random phases
    would let eight go in a second.
    """
    gap_s *= _ALONE_WIDER
    first = anchor + gap_s * (place + 1)
    # Rounded up a little: `after` is a start of its own, and must not come twice.
    rounds = max(0, math.floor((after - first) / (gap_s * of) + 1e-3) + 1)
    return first + rounds * gap_s * of
