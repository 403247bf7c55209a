"""The rate over time, as bars for an inline SVG. Idle hours are folded into a break."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

_MOST_BINS = 120
_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400)
_FOLD_AFTER = 3
"""Empty bins in a row that are still drawn."""

_IDLE_S = 60.0
"""A pause that is none of the line's: the run was stopped, or the service was out."""

WIDTH, HEIGHT = 960, 180
_LABEL_WIDTH = 100


class Bar(NamedTuple):
    """One bin of requests."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Chart(NamedTuple):
    """What the template draws; in units of a view box of WIDTH x HEIGHT."""

    bars: list[Bar]
    folds: list[float]
    """Where idle time was left out."""
    ticks: list[tuple[float, str]]
    line_y: float
    """Where the line of the account's rate is."""


def chart_of(times: Iterable[float], line_per_s: float) -> Chart | None:
    """Return the chart of requests at these POSIX times; None where there are none."""
    ordered = sorted(times)
    if not ordered:
        return None
    step_s = _step_s(busy_s(ordered)[0])
    counts: dict[int, int] = {}
    for at in ordered:
        counts[int(at // step_s)] = counts.get(int(at // step_s), 0) + 1
    places, folds = _folded(sorted(counts))
    width = WIDTH / (max(places.values()) + 1)
    top = max(line_per_s, max(counts.values()) / step_s) * 1.1
    bars = [
        _bar(place, counts[number], number * step_s, (width, step_s, top))
        for number, place in places.items()
    ]
    ticks = _ticks(places, width, step_s)
    return Chart(bars, [fold * width for fold in folds], ticks, HEIGHT * (1 - line_per_s / top))


def busy_s(ordered: Sequence[float]) -> tuple[float, int]:
    """Return the seconds between requests without the idle ones, and how many gaps they were.

    Example:
        >>> busy_s([0.0, 0.2, 0.4, 9000.0, 9000.2])
        (0.6, 3)
    """
    gaps = [later - earlier for earlier, later in itertools.pairwise(ordered)]
    busy = [gap for gap in gaps if gap <= _IDLE_S]
    return round(sum(busy), 6), len(busy)


def _step_s(span_s: float) -> int:
    return next((step for step in _STEPS_S if span_s / step <= _MOST_BINS), _STEPS_S[-1])


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


def _bar(place: int, count: int, at: float, scale: tuple[float, int, float]) -> Bar:
    width, step_s, top = scale
    height = HEIGHT * count / step_s / top
    title = f"{_clock(at)} UTC: {count:,} requests, {count / step_s:.2f} a second"
    return Bar(place * width, HEIGHT - height, max(width - 1, 0.5), height, title)


def _ticks(places: dict[int, int], width: float, step_s: int) -> list[tuple[float, str]]:
    numbers = list(places)
    chosen = numbers[:: max(1, len(numbers) // 6)]
    ticks = [(places[number] * width, _clock(number * step_s)) for number in chosen]
    return [(x, label) for x, label in ticks if x < WIDTH - _LABEL_WIDTH]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%d %b %H:%M:%S}"
