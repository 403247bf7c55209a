"""The rate over time, as bars for an inline SVG. Idle hours are folded into a break."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import isinf
from typing import NamedTuple, Self

_MOST_BINS = 120
_MOST_BARS = 480
"""Of bins that are not empty: idle time between them may be folded, they can't."""
_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)
_FOLD_AFTER = 3
"""Empty bins in a row that are still drawn."""

_IDLE_S = 60.0
"""A pause that is none of the line's: the run was stopped, or the service was out."""

_FINE_S = (1, 10, 60, 600, 3600, 86_400)
"""Steps of the bins that are kept. Each divides every longer step of a chart."""
_MOST_KEPT = 5_000

WIDTH, HEIGHT = 960, 180
_TICKS = 6
_LABEL_WIDTH = 110
_NARROW_LABEL_WIDTH = 400
"""Of the same label on a telephone, where the whole chart is as wide as three."""


class Bar(NamedTuple):
    """One bin of requests."""

    x: float
    y: float
    width: float
    height: float
    at: str
    requests: int
    per_s: float
    moment: str
    """The same time, for programs."""


class Tick(NamedTuple):
    """A time under the chart."""

    x: float
    label: str
    is_narrow: bool
    """Whether there is room for it on a telephone too."""
    moment: str
    """As of a bar."""


class Chart(NamedTuple):
    """What the template draws; in units of a view box of WIDTH x HEIGHT, which fits any width."""

    bars: list[Bar]
    folds: list[float]
    """Where idle time was left out."""
    ticks: list[Tick]
    line_y: float
    """Where the line of the rate is that was asked for; 0 where none was."""


class _Told(NamedTuple):
    """A time in UTC: the date, the time of day, and both for programs."""

    date: str
    time: str
    moment: str


class Timeline:
    """When requests were made, in bounded memory: seconds at first, coarser as they become many.

    Each bin has its count, its first and its last time, so that the sum of the pauses stays exact
    as long as a bin is no longer than a pause may be.

    Example:
        >>> Timeline([0.0, 0.2, 9000.0, 0.4, 9000.2]).busy_s()
        (0.6, 3)
    """

    def __init__(self, times: Iterable[float] = ()) -> None:
        self.step_s = _FINE_S[0]
        self.bins: dict[int, tuple[int, float, float]] = {}
        self.count = 0
        for at in times:
            self.add(at)

    def add(self, at: float) -> None:
        """Add one request, in any order."""
        self.count += 1
        number = int(at // self.step_s)
        if had := self.bins.get(number):
            count, first, last = had
            self.bins[number] = (count + 1, min(at, first), max(at, last))
            return
        self.bins[number] = (1, at, at)
        if len(self.bins) > _MOST_KEPT:
            self._coarsen()

    def busy_s(self) -> tuple[float, int]:
        """Return the seconds between requests but the idle ones, and how many gaps they were."""
        span_s, gaps, before = 0.0, 0, None
        for _, (count, first, last) in sorted(self.bins.items()):
            span_s += last - first
            gaps += count - 1
            if before is not None and first - before <= _IDLE_S:
                span_s += first - before
                gaps += 1
            before = last
        return round(span_s, 6), gaps

    def copy(self) -> Self:
        """Return another of the same times."""
        other = type(self)()
        other.step_s, other.bins, other.count = self.step_s, self.bins.copy(), self.count
        return other

    def counts(self, step_s: int) -> dict[int, int]:
        """Return how many requests are in each bin of a longer step; empty ones are left out."""
        counts: dict[int, int] = {}
        for number, (count, *_) in sorted(self.bins.items()):
            place = number * self.step_s // step_s
            counts[place] = counts.get(place, 0) + count
        return counts

    def _put(self, count: int, first: float, last: float) -> None:
        number = int(first // self.step_s)
        had = self.bins.get(number, (0, first, last))
        self.bins[number] = (had[0] + count, min(had[1], first), max(had[2], last))

    def _coarsen(self) -> None:
        longer = (step for step in _FINE_S if step > self.step_s)
        self.step_s = next(longer, self.step_s * 10)
        before, self.bins = self.bins, {}
        for each in before.values():
            self._put(*each)


def chart_of(
    times: Timeline | Iterable[float], line_per_s: float, day: str = "%d %b"
) -> Chart | None:
    """Return the chart of requests at these POSIX times; None where there are none.

    `line_per_s` may be infinite: then there is no line. `day` is how a date is written.
    """
    timeline = times if isinstance(times, Timeline) else Timeline(times)
    if not timeline.count:
        return None
    step_s, counts = _binned(timeline)
    places, folds = _folded(sorted(counts))
    width = WIDTH / (max(places.values()) + 1)
    line = 0.0 if isinf(line_per_s) else line_per_s
    top = max(line, max(counts.values()) / step_s) * 1.1
    bars = [
        _bar(place, counts[number], _when(number * step_s, day), (width, step_s, top))
        for number, place in places.items()
    ]
    ticks = _ticks(places, width, step_s, day)
    return Chart(
        bars, [fold * width for fold in folds], ticks, HEIGHT * (1 - line / top) if line else 0.0
    )


def _binned(timeline: Timeline) -> tuple[int, dict[int, int]]:
    """Return the step of the chart, and the counts of its bins: no more than can be drawn."""
    span_s, _ = timeline.busy_s()
    step_s = next((step for step in _STEPS_S if span_s / step <= _MOST_BINS), _STEPS_S[-1])
    step_s = max(step_s, timeline.step_s)
    while len(counts := timeline.counts(step_s)) > _MOST_BARS:
        step_s = next((step for step in _STEPS_S if step > step_s), step_s * 10)
    return step_s, counts


def _folded(numbers: Sequence[int]) -> tuple[dict[int, int], list[int]]:
    """Return the place of each bin, and the places before which idle time was left out."""
    places, folds, place, last = {}, [], 0, numbers[0] - 1
    for number in numbers:
        idle = number - last - 1
        if idle > _FOLD_AFTER:
            folds.append(place + 1)
            idle = _FOLD_AFTER
        place += idle
        places[number] = place
        place, last = place + 1, number
    return places, folds


def _bar(place: int, count: int, at: _Told, scale: tuple[float, int, float]) -> Bar:
    width, step_s, top = scale
    height = HEIGHT * count / step_s / top
    x, bar_width = place * width, max(width - 1, 0.5)
    told = f"{at.date} {at.time}"
    return Bar(x, HEIGHT - height, bar_width, height, told, count, count / step_s, at.moment)


def _ticks(places: dict[int, int], width: float, step_s: int, day: str) -> list[Tick]:
    """Return times that do not overlap; the day stands where it is another than before."""
    numbers = list(places)
    ticks: list[Tick] = []
    last, free, narrow_free = "", 0.0, 0.0
    for number in numbers[:: max(1, len(numbers) // _TICKS)]:
        x, (date, time, moment) = places[number] * width, _when(number * step_s, day)
        if x < free or x > WIDTH - _LABEL_WIDTH:
            continue
        is_narrow = x >= narrow_free and x <= WIDTH - _NARROW_LABEL_WIDTH
        free = x + _LABEL_WIDTH
        narrow_free = x + _NARROW_LABEL_WIDTH if is_narrow else narrow_free
        ticks.append(Tick(x, time if date == last else f"{date} {time}", is_narrow, moment))
        last = date
    return ticks


def _when(at: float, day: str) -> _Told:
    moment = datetime.fromtimestamp(at, UTC)
    return _Told(f"{moment:{day}}", f"{moment:%H:%M:%S}", f"{moment:%Y-%m-%dT%H:%M:%SZ}")
