"""Progress on stderr: a live picture on a terminal, plain lines elsewhere, or nothing."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from math import isinf
from types import TracebackType
from typing import Any, Protocol, Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from s2v_detect import Spend
from s2v_detect._logging import Harmless
from s2v_detect._waiting import task_of
from s2v_detect.bulk import Tally
from s2v_detect.cli._terminal import duration, printable
from s2v_detect.languages import _, ngettext, speaking, spoken

_NAME = "The progress"
_LIVE_PER_S = 4
_PLAIN_EVERY_S = 5.0
_WINDOW_S = 10.0
_METER = 10  # marks
_SETTLING_S = 1.0  # a rate over less says nothing


class Watched(Protocol):
    """What progress is made of."""

    @property
    def tally(self) -> Tally:
        """The counts so far."""

    @property
    def spend(self) -> Spend:
        """What was paid so far."""

    @property
    def total(self) -> int | None:
        """How many there will be, if known."""

    @property
    def processes(self) -> int:
        """How many processes share the rate now, this one among them."""


class Pace:
    """Requests and outcomes a second over the last ten, from samples of the counts.

    Skipped and known ones are not counted: they come as fast as the input is read, and say nothing
    of the time that the others will take.
    """

    def __init__(self, tally: Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._clock = clock
        self._started_at = clock()
        self._samples = deque([(self._started_at, 0, 0)])

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started_at

    def now(self) -> tuple[float, float]:
        """Return requests sent and images done, a second."""
        at, sent_now = self._clock(), self._tally.sent
        done_now = self._tally.done - self._tally.skipped - self._tally.known
        self._samples.append((at, sent_now, done_now))
        while at - self._samples[1][0] >= _WINDOW_S:
            self._samples.popleft()
        since, sent, done = self._samples[0]
        span_s = max(at - since, _SETTLING_S)
        return (sent_now - sent) / span_s, (done_now - done) / span_s


class Progress:
    """Shows a run while its block is open; `stop` ends the showing earlier."""

    def __init__(
        self,
        watched: Watched,
        console: Console,
        *,
        rate: float,
        quiet: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watched = watched
        self._console = console
        self._rate = rate
        self._quiet = quiet
        self._pace = Pace(watched.tally, clock)
        self._closing = ExitStack()
        self._harmless = Harmless(_NAME)
        self._language = spoken()
        self._last = ""
        self._picture: RenderableType = ""

    def __enter__(self) -> Self:
        if not self._quiet:
            live = self._console.is_terminal and not self._console.is_dumb_terminal
            with self._harmless:
                self._closing.enter_context(
                    self._live() if live else TaskOfBlock(self._print_lines(), _NAME)
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Show no more, and leave the cursor where it belongs."""
        with self._harmless:
            self._closing.close()

    def _live(self) -> AbstractContextManager[object]:
        return Live(
            get_renderable=self._pictured,
            console=self._console,
            refresh_per_second=_LIVE_PER_S,
            transient=True,  # the summary says it all
            redirect_stdout=False,  # data, not ours to rewrite
            redirect_stderr=False,
        )

    async def _print_lines(self) -> None:
        while True:
            await asyncio.sleep(_PLAIN_EVERY_S)
            self._console.print(self.line())

    def _pictured(self) -> RenderableType:
        with self._harmless, speaking(self._language):  # rich calls from a thread of its own
            self._picture = self.picture()
        return self._picture

    def picture(self) -> RenderableType:
        """Return three lines: how far, how fast and how long, and what came of it."""
        sent_per_s, done_per_s = self._pace.now()
        done, total = self._watched.tally.done, self._watched.total
        bar = Table.grid(padding=(0, 2, 0, 0), expand=True)
        bar.add_column(ratio=1)
        bar.add_column(no_wrap=True)
        bar.add_row(_bar(done, total, self._pace.elapsed_s), self._how_far())
        speed = _meter(sent_per_s, self._rate).append(self._speed(sent_per_s), style="default")
        pace = [speed, Text(self._time_left(done_per_s)), Text(self._money())]
        width = self._console.width
        outages = [Text("  ").append_text(each) for each in self._outages()]
        lines = (*_in_lines(pace, "   ", width), *_in_lines(self._counts(), " · ", width))
        return Group(bar, *lines, *outages)

    def line(self) -> Text:
        """Return the same as one plain line."""
        sent_per_s, done_per_s = self._pace.now()
        far = Text(self._how_far())
        speed = self._speed(sent_per_s)
        left = Text(self._time_left(done_per_s))
        money = Text(self._money())
        fields = [far, Text(speed), *self._counts(), money, left, *self._outages()]
        return Text(" · ").join(fields)

    def sentences(self) -> list[str]:
        """Return what is in neither a count of the outcomes nor the cost: for a page with both."""
        sent_per_s, done_per_s = self._pace.now()
        speed = self._speed(sent_per_s)
        beside = Text(" · ").join(self._beside())
        told = [self._how_far(), speed, self._time_left(done_per_s), beside, *self._outages()]
        return [str(each) for each in told]

    def _how_far(self) -> str:
        done, total = self._watched.tally.done, self._watched.total
        if not total:
            return _("{count:,} done").format(count=done)
        share = min(100, 100 * done // total)
        return _("{count:,} of {total:,}  {share} %").format(count=done, total=total, share=share)

    def _speed(self, sent_per_s: float) -> str:
        speed = _("{speed:.1f}/s").format(speed=sent_per_s)
        if not isinf(self._rate):
            told = _("{speed:.1f}/s of {rate:g}")
            speed = told.format(speed=sent_per_s, rate=self._rate)
        others = self._watched.processes - 1
        if not others:
            return speed
        return ngettext(
            "{speed}, shared with {count:,} other process",
            "{speed}, shared with {count:,} other processes",
            others,
        ).format(speed=speed, count=others)

    def _time_left(self, done_per_s: float) -> str:
        elapsed = duration(self._pace.elapsed_s)
        total, is_out = self._watched.total, bool(self._watched.tally.out)
        if total is None or not done_per_s or is_out:  # nobody knows when an outage ends
            return _("{elapsed} so far").format(elapsed=elapsed)
        left_s = max(0, total - self._watched.tally.done) / done_per_s
        at = datetime.now().astimezone() + timedelta(seconds=left_s)
        return _("{left} left, done at {at:%H:%M}").format(left=duration(left_s), at=at)

    def _counts(self) -> list[Text]:
        tally = self._watched.tally
        parts = [
            _count(_("passed {count:,}"), tally.passed, "green"),
            _count(_("rejected {count:,}"), tally.rejected, "yellow"),
            _count(_("skipped {count:,}"), tally.skipped, "" if tally.skipped else "dim"),
            _count(_("failed {count:,}"), tally.failed, "red" if tally.failed else "dim"),
        ]
        return [*parts, *self._beside()]

    def _beside(self) -> list[Text]:
        tally = self._watched.tally
        parts = [_count(_("awaiting {count:,}"), tally.awaited, "dim")]
        if tally.known:
            parts.append(_count(_("known {count:,}"), tally.known, "cyan"))
        if count := tally.throttled:
            times = ngettext("slowed {count:,} time", "slowed {count:,} times", count)
            parts.append(_count(times, count, "red"))
        return parts

    def _outages(self) -> list[Text]:
        """Return of each outage what is out and why, how long that is waited for, and its end."""
        now, told = datetime.now().astimezone(), []
        for begun in list(self._watched.tally.out.values()):
            waited = duration(max(0.0, (now - begun.at).total_seconds()))
            words = _("{where} is out: {message} Waiting for {waited} so far")
            end = ""
            if begun.until:
                words = _(
                    "{where} is out: {message} Waiting for {waited} so far, at the latest until"
                    " {end} (--max-outage)"
                )
                until = begun.until.astimezone()
                end = f"{until:%H:%M}" if until.date() == now.date() else f"{until:%Y-%m-%d %H:%M}"
            words = words.format(where=begun.where, message=begun.message, waited=waited, end=end)
            told.append(Text(printable(words), style="bold red"))
        return told

    def _money(self) -> str:
        spend = self._watched.spend
        if spend.unknown:
            told = _("CNY {cost}, at most {at_most}")
            return told.format(cost=spend.cost, at_most=spend.cost_at_most)
        return _("CNY {cost}").format(cost=spend.cost)


class TaskOfBlock:
    """A task that lives as long as a block, and that no fault of its own ends."""

    def __init__(self, work: Coroutine[Any, Any, None], what: str) -> None:
        self._work = work
        self._what = what

    def __enter__(self) -> None:
        self._task = task_of(self._work, self._what)
        self._task.add_done_callback(self._ended)

    def __exit__(self, *_: object) -> None:
        self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        with Harmless(self._what):
            if not task.cancelled():
                task.result()


def _bar(done: int, total: int | None, elapsed_s: float) -> ProgressBar:
    return ProgressBar(
        total=total or None,
        completed=done,
        pulse=not total,
        animation_time=elapsed_s,
        complete_style="cyan",
        finished_style="cyan",
        pulse_style="cyan",
    )


def _meter(sent_per_s: float, rate: float) -> Text:
    """Return the rate as a picture, measured against its line."""
    text = Text()
    if not isinf(rate):
        full = round(min(1.0, sent_per_s / rate) * _METER)
        text.append("▮" * full, style="green").append("▯" * (_METER - full), style="dim")
        text.append(" ")
    return text


def _in_lines(fields: Sequence[Text], between: str, width: int) -> Iterator[Text]:
    """Yield fields beside each other; where no line holds them all, a line ends between two."""
    line = Text("  ")
    for place, field in enumerate(fields):
        gap = between if place else ""
        if place and line.cell_len + cell_len(gap) + field.cell_len > width:
            yield line
            line, gap = Text("  "), ""
        line.append(gap).append_text(field)
    yield line


def _count(words: str, count: int, style: str) -> Text:
    return Text(words.format(count=count), style=style)
