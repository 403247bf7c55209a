"""What is counted of all checks, for `otel`, named as the conventions of OpenTelemetry ask for.

Sums are kept here, and read when an SDK exports: to add to a counter of the SDK takes 12 µs.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from threading import RLock
from typing import NamedTuple

from opentelemetry import metrics

from s2v_detect._service import PRICE_CNY
from s2v_detect._version import VERSION

Attributes = Mapping[str, str | bool | int | float]

_BOUNDS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 3600)
"""Of the histograms: a visitor waits for seconds, a row of a stream for an hour."""


class Ending(NamedTuple):
    """What came of a check."""

    lane: str
    outcome: str
    error: str | None = None
    check_pass: bool | None = None
    source: str | None = None

    @property
    def attributes(self) -> Attributes:
        """What an export says of it, without what is None."""
        told = {f"s2v_detect.{name}": value for name, value in self._asdict().items()}
        told["error.type"] = told.pop("s2v_detect.error")
        return {name: value for name, value in told.items() if value is not None}


@dataclass
class Sums:
    """Of all checks that ended so."""

    attributes: Attributes
    checks: int = 0
    cost: Decimal = field(default=Decimal(0))
    cost_at_most: Decimal = field(default=Decimal(0))


class Instruments:
    """The histograms of an SDK, and the sums that it reads here."""

    def __init__(self, meter: metrics.Meter) -> None:
        # Clients of several threads may share it, and the SDK has its own. Its holder may be asked
        # again: the garbage collector may end a check in the middle of anything.
        self._lock = RLock()
        self._waiting: Counter[str] = Counter()
        self._ended: dict[Ending, Sums] = {}
        self._throttled = 0
        self.duration = meter.create_histogram(
            "s2v_detect.check.duration",
            "s",
            "Seconds of a check, its line and its retries included.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self.wait = meter.create_histogram(
            "s2v_detect.line.wait_time",
            "s",
            "Seconds that a request waited for its turn.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self.margin = meter.create_gauge(
            "s2v_detect.line.margin",
            "1",
            "By which part of the gap that the rate asks for requests are further apart now.",
        )
        meter.create_observable_up_down_counter(
            "s2v_detect.line.length", [self._lines], "{check}", "Checks that wait for a turn."
        )
        for name, observed, unit, about in (
            ("throttled", self._throttles, "{request}", "Requests after which the line slowed."),
            ("outcomes", self._outcomes, "{check}", "Checks that ended, by what came of them."),
            ("billed", self._images, "{image}", "Images that were billed, or may have been."),
            ("cost", self._costs, "{CNY}", "CNY that were paid, or may have been."),
        ):
            meter.create_observable_counter(f"s2v_detect.{name}", [observed], unit, about)

    def wait_more(self, lane: str, checks: int) -> None:
        """Have so many checks more in a lane's line, or fewer."""
        with self._lock:
            self._waiting[lane] += checks

    def throttle(self) -> None:
        """Count a request after which the line was slowed."""
        with self._lock:
            self._throttled += 1

    def end(self, outcome: Ending, cost: Decimal, cost_at_most: Decimal) -> Attributes:
        """Count a check that has ended; return what an export says of its outcome."""
        with self._lock:
            ended = self._ended.get(outcome)
            if ended is None:
                ended = self._ended[outcome] = Sums(outcome.attributes)
            ended.checks += 1
            if cost_at_most:
                ended.cost += cost
                ended.cost_at_most += cost_at_most
        return ended.attributes

    def _lines(self, _: metrics.CallbackOptions) -> list[metrics.Observation]:
        waiting = list(self._waiting.items())
        return [metrics.Observation(checks, of_lane(lane)) for lane, checks in waiting]

    def _throttles(self, _: metrics.CallbackOptions) -> list[metrics.Observation]:
        return [metrics.Observation(self._throttled)]

    def _outcomes(self, _: metrics.CallbackOptions) -> list[metrics.Observation]:
        return [metrics.Observation(each.checks, each.attributes) for each in self._all()]

    def _images(self, _: metrics.CallbackOptions) -> list[metrics.Observation]:
        return self._paid(lambda cost: int(cost / PRICE_CNY))

    def _costs(self, _: metrics.CallbackOptions) -> list[metrics.Observation]:
        return self._paid(float)

    def _paid(self, told: Callable[[Decimal], float]) -> list[metrics.Observation]:
        with self._lock:  # both of one instant: a sum must not go down
            sure = sum((each.cost for each in self._ended.values()), Decimal(0))
            at_most = sum((each.cost_at_most for each in self._ended.values()), Decimal(0))
        return [
            metrics.Observation(told(sure), {"s2v_detect.billed": "yes"}),
            metrics.Observation(told(at_most - sure), {"s2v_detect.billed": "unknown"}),
        ]

    def _all(self) -> list[Sums]:
        with self._lock:
            return list(self._ended.values())


@lru_cache(maxsize=16)
def instruments_of(provider: metrics.MeterProvider) -> Instruments:
    """Return one set for a provider: of two counters of one name an SDK would read the first."""
    return Instruments(metrics.get_meter("s2v_detect", VERSION, provider))


@lru_cache(maxsize=16)
def of_lane(lane: str) -> Attributes:
    """Return what an export says of a lane."""
    return {"s2v_detect.lane": lane}
