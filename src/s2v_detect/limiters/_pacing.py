"""When the next request's bytes may leave: values in, values out.

Nobody says how the service counts five a second, so two intervals are kept at once. The *gap*
between neighbours is what a service that spaces requests looks at; the *window* from any request to
the fifth after it is what all the others look at. Each has a margin, because requests do not take
equally long to arrive: two that left 1.00 s apart may arrive 0.98 s apart. A window needs as much
margin as that jitter; more only costs rate.

The jitter is not known either, so a line opens with a wide window and narrows it. A 429 while the
window was wide is the gap's doing. A later one says that the jitter is more than the slack that the
refused request had, and the window takes that slack and a step more. Both come back slowly, for the
network is tomorrow what it is today.

What no jitter explains is the *rate*: others use the account too, or the vendor gives less than it
did. That is so where a line had run well before, or where its margins are as wide as they may be.
The line then takes a *share* of the rate, and remembers a *ceiling*: the share that went well. It
falls a little below the ceiling, comes up to it, stays near it for some twenty requests, and then
climbs faster and faster until a 429 says that there is no more, or until it has the whole rate
again. (TCP CUBIC has this curve.) A 429 on the climb costs what the climb gained: the ceiling is
where the line was a moment before. A 429 below the ceiling says that the ceiling is too high: it
falls by the part that was refused, and the line rests for a window, so that what is in excess can
drain. The curve goes by requests, not by time: one 429 in 25 requests is what the search costs at
any rate, and a line that is idle finds out nothing.

A service that spaces requests over a network with much jitter looks like others who share the
account. So a line that has never run well searches three times more slowly: it may be the network.

All times are seconds on one monotonic clock that is handed in. Nothing here awaits, reads a clock,
draws a number or logs. The figures are of `benchmarks/pace`, with jitter uniform from 0 to J. Those
of the share are of lines beside one stranger who asks evenly (there, "beside a stranger").
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Self

GRACE_S = 0.03
"""How long a connection may keep the line waiting before its turn is withdrawn.

With 5 % cold connections it costs 0.5 % of the rate; 0.05 costs 1 %. An open connection is ready
within 5 ms; where a busy event loop needs longer, a turn that was withdrawn is only taken again.
"""

LONGEST_RETRY_AFTER_S = 120.0
"""The vendor says "usually within one minute": a longer wish is a mistake, or hostile."""

# Holds J up to 20 ms without a 429 and costs 2 % of the rate. 0.015 gains nothing where J is less
# and costs a 429 in every run, and 2.6 % of the rate, where it is 20 ms.
_NARROW = 0.02
# Holds J up to 150 ms, about what a line across continents shows; 0.18 costs that line 2 % more.
# Still more jitter is left to the gap.
_WIDE = 0.15
# A service that spaces requests refuses nearly one in five at J = 50 ms. In 16 requests it is found
# out, before the window narrows and takes the blame. Each ten requests cost 0.08 % of a thousand.
_WIDE_REQUESTS = 16
# A rate that rises slowly also suits the vendor's throttle on growth. The slower, the wider the
# window still is at the first 429, and the better it shows the jitter: J = 150 ms costs 2.0 429s in
# a thousand after 10 requests, 1.75 after 30, 1.4 after 60. Each ten cost 0.06 % of a thousand.
_NARROWING_REQUESTS = 30

# From _NARROW this reaches J = 50 ms with one 429, and leaves some room to come back in. With 0.03
# every fourth run needs a second one.
_WINDOW_STEP = 0.036
# Where a slack of 0.08 was refused, J is nearer to 150 ms than to 116: less jitter would mostly
# have passed it. With half of it J = 150 ms costs 2.4 429s in a thousand instead of 1.75.
_WINDOW_GROWTH = 0.8
# Neighbours that must arrive 180 ms apart (a tolerance of 20) and jitter by 50 need 230. With 0.14
# two runs of three need a second 429.
_GAP_STEP = 0.155
# A line that ran well for long is not all at once on a network with more jitter, mostly. With 0.15
# one of four lines that a stranger left stayed at 87 % of the rate; with 0.1 all reach 90 %.
_WINDOW_LATER = 0.1

# The ceiling is passed after so many requests: the unit of all that a share learns. With 14 a line
# beside a stranger has 6 to 7 429s in 100, with 20 four to five, with 24 four, but it then needs
# some seconds more to find a free line. In a wide window it is as many windows as it is of five.
_SEARCH_REQUESTS = 20
_SEARCH_WINDOWS = 4
# A line that has never run well: J = 150 ms at a service that spaces requests has 18 429s in a
# thousand so, and over 40 at the usual pace.
_PATIENCE = 3.0
# It has run well after six searches without a 429, and after 15 it forgets what was before.
_WELL = 6
_LONG = 15
# A line starts so far below its ceiling. With 0.1 it meets the ceiling early, and is cut again.
_DIP = 0.15
# How steeply it climbs: from half of the rate to all of it in 40 requests. 3.0 costs 1 429 in 100
# more.
_CLIMB = 1.0
# A 429 answers what the line did some four requests ago: the share of then, and a little less.
_LAG = 0.2
_HELD = 0.95
# What one lone 429 costs a line that ran well. Mostly it is the first of several.
_FIRST_CUT = 0.85
# A cut is the part that was refused and a little more. Four requests that were not are assumed, and
# at most 40 % are taken at a time: a stranger who asks again for what was refused looks like two.
_CUT = 0.92
_ASSUMED = 4
_MOST_CUT = 0.4
# A model that is being retired may sink to a tenth of its rate.
_LEAST_SHARE = 0.08

# How much of a margin comes back with a request, for each request since the last 429: 0.005 in
# the first thousand, all of it in five thousand. At an even pace margins that meet the jitter
# would pay for the same lesson each thousand, or one bad minute would slow the line for hours.
_EASE = 1e-8

# A window of more requests is never full: its starts are kept to the gap alone.
_MOST_COUNTED = 2.0**40

# 429s of requests that were on their way at the first one belong to its episode.
_SHORTEST_EPISODE_S = 1.0


class Pacer:
    """Starts at most `rate` requests in any `per_s` seconds, evenly, and learns from 429s.

    `rate` and `per_s` are finite and more than 0. A rate that is no whole number is kept in the
    shortest window that holds whole requests: 0.5 in a second is 1 in two.

    Example:
        >>> pacer = Pacer(5.0)
        >>> pacer.left(10.0)
        >>> round(pacer.start_at(10.0), 3)
        10.2
    """

    __slots__ = (
        "_ceiling",
        "_counted",
        "_episode_ends_at",
        "_gap_margin",
        "_gap_s",
        "_has_run_well",
        "_is_at_rest",
        "_lefts",
        "_margin_before",
        "_opening",
        "_paused_until",
        "_quiet_requests",
        "_refused",
        "_search_requests",
        "_sent",
        "_share",
        "_since",
        "_spaced_s",
        "_spanned_s",
        "_window_margin",
        "_window_s",
    )

    def __init__(self, rate: float, per_s: float = 1.0) -> None:
        self._counted = max(1, math.floor(min(rate, _MOST_COUNTED)))
        self._gap_s = per_s / rate
        self._window_s = self._counted * self._gap_s
        self._gap_margin = 0.0
        self._window_margin = _NARROW
        # Falls by the same amount with each request; it is wider than _WIDE at first.
        self._opening = _WIDE * (1 + _WIDE_REQUESTS / _NARROWING_REQUESTS)
        # One more than are counted: the oldest shows the slack that the newest had.
        self._lefts: deque[float] = deque(maxlen=self._counted + 1)
        self._quiet_requests = 0
        self._search_requests = max(_SEARCH_REQUESTS, _SEARCH_WINDOWS * self._counted)
        self._share = 1.0
        self._ceiling = 1.0  # a share below 1 while others have a part of the rate
        self._since = 0  # requests since the last 429, or since the whole rate was reached
        self._sent = 0  # requests since the last lesson, and 429s
        self._refused = 0
        self._has_run_well = False
        self._margin_before = _NARROW  # the window's, if the 429s are not the network's doing
        self._paused_until = -math.inf
        self._episode_ends_at = -math.inf
        self._space()

    @classmethod
    def from_state(
        cls, rate: float, per_s: float, learnt: Iterable[float], lefts: Iterable[float]
    ) -> Self:
        """Return a pacer that goes on where another one's `state()` was taken.

        Its rate may be another one: what was learnt holds for any.
        """
        pacer = cls(rate, per_s)
        for name, value in zip(LEARNT, learnt, strict=True):
            setattr(pacer, name, value)
        pacer._lefts.extend(lefts)
        pacer._space()
        return pacer

    def copy(self) -> Self:
        """Return a pacer that goes on from here by itself."""
        pacer = object.__new__(type(self))
        for name in Pacer.__slots__:
            setattr(pacer, name, getattr(self, name))
        pacer._lefts = self._lefts.copy()
        return pacer

    def state(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return all that another pacer must know to go on: what was learnt, and who left when."""
        return _learnt_of(self), tuple(self._lefts)

    @property
    def last_left_at(self) -> float:
        """When the last request left; minus infinity where none has."""
        return self._lefts[-1] if self._lefts else -math.inf

    @property
    def gap_s(self) -> float:
        """Seconds between two starts at present, on average."""
        return max(self._spaced_s, self._spanned_s / self._counted)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """What decides the next start, beside who left when.

        How many gaps lie between neighbours, how many windows a window spans, and until when the
        line pauses.
        """
        return (
            self._spaced_s / self._gap_s,
            self._spanned_s / self._window_s,
            self._paused_until,
        )

    @property
    def share(self) -> float:
        """The part of the rate that the account gives at present, from 0.08 to 1."""
        return self._share

    def start_at(self, now: float) -> float:
        """Return the earliest instant at which the next request's bytes may leave.

        It is `now` or before where they may leave at once.
        """
        if self._paused_until - now > LONGEST_RETRY_AFTER_S:  # the clock ran back
            self._paused_until = now + LONGEST_RETRY_AFTER_S
        lefts = self._lefts
        if not lefts:
            return max(now, self._paused_until)
        if now < lefts[-1]:
            self._follow(now)
        start = lefts[-1] + self._spaced_s
        if len(lefts) >= self._counted:
            start = max(start, lefts[-self._counted] + self._spanned_s)
        return max(start, self._paused_until)

    def left(self, at: float) -> None:
        """Stamp a request whose bytes left at this instant; the margins come back a little."""
        lefts = self._lefts
        if lefts and at < lefts[-1]:
            self._follow(at)
            at = max(at, lefts[-1])
        lefts.append(at)
        self._since += 1
        self._sent += 1
        if self._ceiling < 1:
            self._climb()
        elif self._since >= _WELL * self._search_requests:
            self._run_well()
        if not self._is_at_rest:
            self._ease()

    def throttled(self, at: float, retry_after_s: float | None = None) -> None:
        """Pause the line and widen a margin, once for all 429s of one episode.

        A `Retry-After` is kept by every one of them, up to `LONGEST_RETRY_AFTER_S`; what is no
        time at all (negative, not a number, infinite) is as good as none.
        """
        if retry_after_s is not None and 0 < retry_after_s < math.inf:
            pause_s = min(retry_after_s, LONGEST_RETRY_AFTER_S)
            self._paused_until = max(self._paused_until, at + pause_s)
        self._refused += 1
        episode_s = max(self._window_s, _SHORTEST_EPISODE_S)
        if at < self._episode_ends_at <= at + episode_s + LONGEST_RETRY_AFTER_S:
            return
        self._paused_until = max(self._paused_until, at + self._gap_s)
        self._episode_ends_at = max(at, self._paused_until - self._gap_s) + episode_s
        self._learn(at)

    def _learn(self, at: float) -> None:
        """Put a 429 down to the network or to the rate, and take the lesson."""
        self._quiet_requests = 0
        slack = self._slack()
        # Nearly: the window narrows while the 429 is on its way back.
        is_wide = slack > 0.9 * _WIDE
        if not self._has_run_well and self._ceiling >= 1:
            if not is_wide:
                self._since = 0
                self._widen(slack, _WIDE)
                self._margin_before = self._window_margin
                return
            if self._gap_margin < _GAP_STEP / 2:  # it comes back meanwhile
                self._since = 0
                self._gap_margin = _GAP_STEP
                self._space()
                return
        if is_wide:  # others, surely: what the window took on their account goes back
            self._window_margin = min(self._window_margin, self._margin_before)
        elif self._share * (1 + self._window_margin) >= 1:  # it was the window that set the pace
            self._widen(slack, _WINDOW_LATER)
        self._cut(at)

    def _widen(self, slack: float, widest: float) -> None:
        grown = slack + max(_WINDOW_STEP, slack * _WINDOW_GROWTH)
        self._window_margin = max(self._window_margin, min(grown, widest))
        self._space()

    def _cut(self, at: float) -> None:
        """Lower the ceiling, and begin below it."""
        lag = _LAG * self._search_requests
        margin = max(self._window_margin, self._gap_margin)
        share = min(self._share, 1 / (1 + margin))
        if self._ceiling < 1 and self._since > self._patience() + lag:
            went_well = self._share_after(self._since - lag) * _HELD
            self._ceiling = max(self._ceiling * _HELD, went_well)
            self._refused = 0
        elif self._ceiling >= 1 and self._since > _WELL * self._search_requests:
            self._ceiling = share * _FIRST_CUT
            self._refused = 1
        else:
            refused = min(_MOST_CUT, self._refused / (self._sent + _ASSUMED))
            self._ceiling = max(_LEAST_SHARE / (1 - _DIP), share * (1 - refused) * _CUT)
            self._paused_until = max(self._paused_until, at + self._window_s)
            self._episode_ends_at = max(self._episode_ends_at, self._paused_until)
            self._refused = 0
        self._sent = 0
        self._since = 0
        self._climb()

    def _patience(self) -> float:
        """Return after how many requests the ceiling is passed."""
        return self._search_requests * (1.0 if self._has_run_well else _PATIENCE)

    def _share_after(self, requests: float) -> float:
        """Return the share so many requests after the last 429: below the ceiling, then above."""
        on = requests / self._patience() - 1
        return min(1.0, self._ceiling * (1 + (_DIP if on < 0 else _CLIMB) * on**3))

    def _climb(self) -> None:
        self._share = self._share_after(self._since)
        if self._share >= 1:
            self._ceiling = 1.0
            self._since = 0
        self._space()

    def _run_well(self) -> None:
        """Trust the margins: what comes now is not the network's doing."""
        self._has_run_well = True
        if self._since >= _LONG * self._search_requests:
            self._margin_before = self._window_margin

    def _slack(self) -> float:
        """Return by how much the last request was later than the window asks, as a margin."""
        lefts = self._lefts
        if len(lefts) <= self._counted:
            return _WIDE  # nothing had filled a window: it can't be too narrow
        return max(0.0, (lefts[-1] - lefts[0]) / self._window_s - 1)

    def _ease(self) -> None:
        self._opening -= _WIDE / _NARROWING_REQUESTS
        self._quiet_requests += 1
        ease = self._quiet_requests * _EASE
        self._window_margin = max(_NARROW, self._window_margin - ease)
        self._gap_margin = max(0.0, self._gap_margin - ease)
        self._space()

    def _space(self) -> None:
        narrow = self._opening <= _NARROW and self._window_margin <= _NARROW
        self._is_at_rest = narrow and self._gap_margin <= 0
        margin = max(self._window_margin, min(self._opening, _WIDE))
        self._spanned_s = self._window_s * max(1 + margin, 1 / self._share)
        self._spaced_s = self._gap_s * max(1 + self._gap_margin, 1 / self._share)

    def _follow(self, now: float) -> None:
        """Move everything back with a clock that ran back, and leave the pace as it was.

        By less than a window it did not: two threads read the same clock in one order and came
        here in the other.
        """
        back_s = self._lefts[-1] - now
        if back_s > self._window_s:
            earlier = [at - back_s for at in self._lefts]
            self._lefts.clear()
            self._lefts.extend(earlier)
            self._paused_until -= back_s
            self._episode_ends_at -= back_s


_BY_THE_RATE = {"_counted", "_gap_s", "_search_requests", "_window_s"}
_BY_THE_MARGINS = {"_is_at_rest", "_spaced_s", "_spanned_s"}
LEARNT = tuple(sorted({*Pacer.__slots__} - _BY_THE_RATE - _BY_THE_MARGINS - {"_lefts"}))
"""The fields of a pacer's state: all that neither the rate nor the margins say. All are numbers."""
_learnt_of: Callable[[Pacer], tuple[float, ...]] = attrgetter(*LEARNT)
