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
The line then takes fewer *slots*: so many requests in a window, evenly, of the five that a window
has. Whole slots, because a service that counts a window never refuses a line that keeps to three of
five: each of its requests comes when its own of a window ago has just ceased to count. At 3.2 in a
window there would now and then be four, and another one pays.

*Credit* decides how many. Each request earns one, and a 429 costs fifteen: up to 7 in 100 may be
refused, and the line stays where it is. Without credit it falls by a slot, and by two if it was
refused again at once. With a credit of 24 it tries a slot more for two windows, then two more, to
the whole rate, or is refused and goes back by one try. So a free line is found out in 15 windows at
any share, for a slow line's requests earn more; whoever is still there is met by one request in 25.
After each 429 the line rests for a window, so that what is in excess can drain.

A service that spaces requests over a network with much jitter looks like others who share the
account. So a line that never ran well needs three times the credit, and goes by half slots.

All times are seconds on one monotonic clock that is handed in. Nothing here awaits, reads a clock,
draws a number or logs. The figures are of `benchmarks/pace`, with jitter uniform from 0 to J. Those
of the slots are of lines beside strangers (there, "beside a stranger").
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

# A try costs a 429 while the others are there: with 20 they are 1 to 2 in 100 more.
_TRY_CREDIT = 24
_TRY_WINDOWS = 4
# No try comes later than this, whatever part of the rate is left: 15 seconds are the goal.
_LONGEST_WINDOWS = 10
# In parts of what a try needs. Bursts of five at a service that counts fixed seconds refuse one
# request in 15 at any pace: with 0.85 the line takes 42 % of what they leave, with 0.6 it is 63 %.
_PRICE = 0.6
_AT_ONCE = 1 / 3  # of a try's requests: a second 429 so soon says that one slot was too few
# Windows that a try lasts before the next. A stranger of 2.5/s refuses only each fifth request at
# three slots: with 1.7 a try goes on to five too often, and 7 in 100 are refused instead of 5.
_TRIED_WINDOWS = 2.3
_STEP = 0.1  # how many slots are tried or lost first, in parts of all; at least one
# At a service that spaces requests J = 150 ms has 17 429s in a thousand so, and 43 with 1.0.
_PATIENCE = 3.0
# It has run well after six tries' requests without a 429, and after 15 it forgets what was before.
_WELL = 6
_LONG = 15
# A model that is being retired may sink to a tenth of its rate.
_LEAST_SHARE = 0.1

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
        "_counted",
        "_credit",
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
        "_share",
        "_spaced_s",
        "_spanned_s",
        "_step",
        "_try_credit",
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
        self._try_credit = max(_TRY_CREDIT, _TRY_WINDOWS * self._counted)
        self._share = 1.0  # less while others have a part of the rate
        self._credit = 0.0
        self._step = 0.0  # the last change of the slots: more than 0 while a try is on
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
        """The part of the rate that the account gives, from 0.1 to 1; a try does not count yet."""
        return self._share if self._step <= 0 else self._share - self._step / self._counted

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
        self._quiet_requests += 1
        if self._share < 1 or self._step > 0:
            self._earn()
        elif self._quiet_requests >= _WELL * self._try_credit:
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
        episode_s = max(self._window_s, _SHORTEST_EPISODE_S)
        if at < self._episode_ends_at <= at + episode_s + LONGEST_RETRY_AFTER_S:
            return
        self._paused_until = max(self._paused_until, at + self._gap_s)
        self._episode_ends_at = max(at, self._paused_until - self._gap_s) + episode_s
        self._learn(at)

    def _learn(self, at: float) -> None:
        """Put a 429 down to the network or to the rate, and take the lesson."""
        slack = self._slack()
        # Nearly: the window narrows while the 429 is on its way back.
        is_wide = slack > 0.9 * _WIDE
        if self._has_run_well or self._share < 1:
            self._lose(at, slack, is_wide=is_wide)
        elif not is_wide:
            self._widen(slack, _WIDE)
            self._margin_before = self._window_margin
        elif self._gap_margin < _GAP_STEP / 2:  # it comes back meanwhile
            self._gap_margin = _GAP_STEP
        else:
            self._lose(at, slack, is_wide=is_wide)
        self._quiet_requests = 0
        self._space()

    def _widen(self, slack: float, widest: float) -> None:
        grown = slack + max(_WINDOW_STEP, slack * _WINDOW_GROWTH)
        self._window_margin = max(self._window_margin, min(grown, widest))

    def _lose(self, at: float, slack: float, *, is_wide: bool) -> None:
        """Put a 429 down to the rate: end a try, or pay for it, and rest for a window."""
        if is_wide:  # others, surely: what the window took on their account goes back
            self._window_margin = min(self._window_margin, self._margin_before)
        elif self._share >= 1:
            self._widen(slack, _WINDOW_LATER)
        self._paused_until = max(self._paused_until, at + self._window_s)
        self._episode_ends_at = max(self._episode_ends_at, self._paused_until)
        if self._step > 0:
            self._take(self._slots() - self._step)
            self._step = 0.0
            return
        self._credit -= _PRICE * self._needed()
        if self._credit < 0:
            is_at_once = self._quiet_requests < _AT_ONCE * self._try_credit and self._has_run_well
            further = max(2 * self._step, -self._counted) if is_at_once else 0.0
            self._step = further or -self._unit()
            self._take(max(self._slots() + self._step, self._slots() / 2))

    def _earn(self) -> None:
        """Add what a request earns; with enough of it, try more of the rate."""
        self._credit += self._earned(1.0)
        if self._credit < self._needed():
            return
        if self._share >= 1:
            self._step = self._credit = 0.0
            return
        self._step = 2 * self._step if self._step > 0 else self._unit()
        self._step = min(self._step, self._counted - self._slots())
        self._take(slots := self._slots() + self._step)
        if not self._has_run_well:
            self._step = 0.0  # it stays there for as long as it was at the last
        else:
            self._credit = self._needed() - self._earned(_TRIED_WINDOWS * slots)
        self._space()

    def _needed(self) -> float:
        """Return the credit that a try needs."""
        return self._try_credit * (1.0 if self._has_run_well else _PATIENCE)

    def _earned(self, requests: float) -> float:
        """Return the credit of so many requests: more where few fit into the longest wait."""
        return requests * max(1.0, self._try_credit / _LONGEST_WINDOWS / self._slots())

    def _unit(self) -> float:
        """Return how many slots are tried or lost first."""
        steps = max(1, math.floor(self._counted * _STEP))
        return min(self._slots(), steps if self._has_run_well else steps / 2)

    def _slots(self) -> float:
        """Return how many requests a window may have: whole or half ones, or a part of one."""
        slots = self._share * self._counted
        return round(2 * slots) / 2 or slots

    def _take(self, slots: float) -> None:
        """Have so many slots from now on, and no credit."""
        whole = math.floor(slots) if slots > 1 and self._has_run_well else slots
        self._share = min(1.0, max(_LEAST_SHARE, whole / self._counted))
        self._credit = 0.0

    def _run_well(self) -> None:
        """Trust the margins: what comes now is not the network's doing."""
        self._has_run_well = True
        if self._quiet_requests >= _LONG * self._try_credit:
            self._margin_before = self._window_margin

    def _slack(self) -> float:
        """Return by how much the last request was later than the window asks, as a margin."""
        lefts = self._lefts
        if len(lefts) <= self._counted:
            return _WIDE  # nothing had filled a window: it can't be too narrow
        return max(0.0, (lefts[-1] - lefts[0]) / self._window_s - 1)

    def _ease(self) -> None:
        self._opening -= _WIDE / _NARROWING_REQUESTS
        ease = self._quiet_requests * _EASE
        self._window_margin = max(_NARROW, self._window_margin - ease)
        self._gap_margin = max(0.0, self._gap_margin - ease)
        self._space()

    def _space(self) -> None:
        narrow = self._opening <= _NARROW and self._window_margin <= _NARROW
        self._is_at_rest = narrow and self._gap_margin <= 0
        margin = max(self._window_margin, min(self._opening, _WIDE))
        self._spanned_s = self._window_s * (1 + margin)
        self._spaced_s = self._gap_s * (1 + self._gap_margin)
        if self._share < 1:
            self._spaced_s = max(self._spaced_s, self._spanned_s / self._slots())

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


_BY_THE_RATE = {"_counted", "_gap_s", "_try_credit", "_window_s"}
_BY_THE_MARGINS = {"_is_at_rest", "_spaced_s", "_spanned_s"}
LEARNT = tuple(sorted({*Pacer.__slots__} - _BY_THE_RATE - _BY_THE_MARGINS - {"_lefts"}))
"""The fields of a pacer's state: all that neither the rate nor the margins say. All are numbers."""
_learnt_of: Callable[[Pacer], tuple[float, ...]] = attrgetter(*LEARNT)
