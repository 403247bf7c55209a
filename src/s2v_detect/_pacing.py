"""Placeholder until the measured policy replaces it."""

from collections import deque

GRACE_S = 0.04


class Pacer:
    def __init__(self, rate: float, per_s: float = 1.0) -> None:
        self._n = max(1, int(rate))
        self._gap = per_s / rate
        self._w = self._n * self._gap
        self._m = 0.03
        self._last: deque[float] = deque(maxlen=self._n)
        self._pause = -1e18

    @property
    def gap_s(self) -> float:
        return self._gap * (1 + self._m)

    def start_at(self, now: float) -> float:
        if not self._last:
            return max(now, self._pause)
        at = max(self._last[-1] + self.gap_s, self._pause)
        if len(self._last) == self._n:
            at = max(at, self._last[0] + self._w * (1 + self._m))
        return at

    def left(self, at: float) -> None:
        self._last.append(at)

    def throttled(self, at: float, retry_after_s: float | None = None) -> None:
        self._pause = max(self._pause, at + (retry_after_s or self.gap_s))
