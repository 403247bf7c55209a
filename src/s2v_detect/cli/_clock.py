"""When a run ends by the clock: what `--until` and `--max-time` mean, and the waiting for it.

`--until` is a moment of the wall clock. It is worked out once, from the clock at the start; then
that clock is looked at each second, so that one that is set, or a machine that slept, ends the run
at the right moment of the day. A time of day is the next one that this machine's clocks show: where
they change in between, the hour is the one that people see. A time that is skipped (clocks go
forward over it) is as much later; of one that comes twice it is the first that is still to come.

`--max-time` counts on the monotonic clock, which nobody sets. Most systems do not count the time in
which the machine sleeps.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day

from s2v_detect._logging import Harmless
from s2v_detect._waiting import task_of
from s2v_detect.bulk import Bound
from s2v_detect.cli._terminal import seconds_of
from s2v_detect.languages import _

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_LOOK_EVERY_S = 1.0
_SHORTEST_S = 0.01  # a timer may be early by a tick of the clock
_LONGEST_S = 100 * 365 * 86_400
"""Calendars have no more."""

OPTIONS: dict[Bound, str] = {"until": "--until", "max_time": "--max-time"}


def moment_of(until: str, now: datetime) -> datetime:
    """Return the moment that `--until` means. Raises `ValueError`, with what to give."""
    text = until.strip()
    try:
        if found := _TIME_OF_DAY.fullmatch(text):
            hour, minute, second = (int(part or 0) for part in found.groups())
            return _next(time_of_day(hour, minute, second), now)
        # A date alone would be its midnight, which nobody has said.
        moment = datetime.fromisoformat(text if ":" in text else "")
        moments = [moment] if moment.tzinfo else _moments(moment)
        later = [each for each in moments if each > now]
    except (ValueError, OverflowError):
        told = _(
            "Give a time of day, such as 07:00, or a date and a time: 2026-11-27T07:00, with an"
            " offset (+08:00) where another zone is meant."
        )
        raise ValueError(told) from None
    if not later:
        raise ValueError(_("That moment is over. Give one that is still to come."))
    return later[0]


def max_time_s_of(max_time: str) -> float:
    """Return the seconds that `--max-time` means. Raises `ValueError`, with what to give."""
    seconds = seconds_of(max_time)
    if not seconds or seconds > _LONGEST_S:
        raise ValueError(_("Give a time such as 2h, 90m, 1h30m or 45 (seconds)."))
    return seconds


def _next(at: time_of_day, now: datetime) -> datetime:
    """Return the next moment at which the clocks of this machine show a time of day."""
    today = now.astimezone().date()
    days = (today, today + timedelta(days=1))
    moments = [each for day in days for each in _moments(datetime.combine(day, at))]
    return min(each for each in moments if each > now)


def _moments(shown: datetime) -> list[datetime]:
    """Return the moments at which the clocks show this: two where they are set back over it.

    Where they go forward over it, and never show it, it is as much later.
    """
    moments = [shown.replace(fold=fold).astimezone() for fold in (0, 1)]
    # Of a skipped time Python's releases do not agree which fold is the later moment.
    return [each for each in moments if each.replace(tzinfo=None) == shown] or [max(moments)]


@dataclass(frozen=True)
class Ends:
    """The bounds of one run by the clock, and since when it goes."""

    until: datetime | None = None
    max_time_s: float | None = None
    wall: Callable[[], float] = time.time
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin to count."""
        object.__setattr__(self, "began", self.clock())  # frozen: nobody sets it later

    @property
    def left_s(self) -> dict[Bound, float]:
        """Seconds that are left, of each bound that there is."""
        left: dict[Bound, float] = {}
        if self.until is not None:
            left["until"] = self.until.timestamp() - self.wall()
        if self.max_time_s is not None:
            left["max_time"] = self.began + self.max_time_s - self.clock()
        return left

    @property
    def reached(self) -> Bound | None:
        """The bound that is reached; None while there is time."""
        return next((bound for bound, left_s in self.left_s.items() if left_s <= 0), None)

    @asynccontextmanager
    async def heeded(self, stop: Callable[[Bound], None]) -> AsyncIterator[None]:
        """Have `stop` called once, when a bound is reached."""
        if not self.left_s:
            yield
            return
        watching = task_of(self._watch(stop), "s2v-detect clock")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self, stop: Callable[[Bound], None]) -> None:
        with Harmless("The clock of the run"):  # no fault of it costs the run its summary
            while (bound := self.reached) is None:  # a time, no event
                left_s = min(_LOOK_EVERY_S, *self.left_s.values())
                await asyncio.sleep(max(left_s, _SHORTEST_S))
            stop(bound)


def ends_by(until: str | None, max_time: str | None) -> Ends:
    """Return the bounds of a run that begins now."""
    return Ends(
        until=None if until is None else moment_of(until, datetime.now(UTC)),
        max_time_s=None if max_time is None else max_time_s_of(max_time),
    )


def is_moment(_type: object, until: str | None) -> None:
    """Raise `ValueError` for what is no moment that is to come."""
    if until is not None:
        moment_of(until, datetime.now(UTC))


def is_max_time(_type: object, max_time: str | None) -> None:
    """Raise `ValueError` for what is no time."""
    if max_time is not None:
        max_time_s_of(max_time)
