"""What progress shows, from counts and a clock."""

import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from s2v_detect import Event, Spend
from s2v_detect.bulk import Tally
from s2v_detect.cli._progress import Pace, Progress
from s2v_detect.cli._terminal import duration, printable, shown_image


@dataclass
class Watched:
    """Counts as they are."""

    tally: Tally = field(default_factory=Tally)
    spend: Spend = field(default_factory=Spend)
    total: int | None = None
    processes: int = 1


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time that it shows."""
        return self.now


def shown(watched: Watched, clock: Clock, *, after_s: float = 0.0, rate: float = 5.0) -> str:
    """The picture and the plain line, `after_s` seconds into a run that counted since its start."""
    console = Console(file=io.StringIO(), width=100)
    counts, watched.tally = watched.tally, Tally()
    progress = Progress(watched, console, rate=rate, quiet=True, clock=clock)
    vars(watched.tally).update(vars(counts))
    clock.now += after_s
    with console.capture() as capture:
        console.print(progress.picture())
        console.print(progress.line(), soft_wrap=True)
    return capture.get()


def test_the_rate_stands_beside_its_line_and_the_time_left_follows_it() -> None:
    """50 answers in 10 seconds leave 100 more for 20."""
    watched = Watched(Tally(passed=40, rejected=10, sent=52, answered=50), total=150)
    told = shown(watched, Clock(), after_s=10)
    for part in ("50 of 150  33 %", "5.2/s of 5", "20 s left", "passed 40", "rejected 10"):
        assert told.count(part) == 2, part
    assert told.count("awaiting 2") == 2


@pytest.mark.parametrize(
    ("processes", "told"),
    [(1, "5.2/s of 5 "), (2, "of 5, shared with 1 other process "), (3, "with 2 other processes ")],
)
def test_whose_line_it_is_stands_beside_the_rate(processes: int, told: str) -> None:
    """A run that is slower because another one goes on says why."""
    watched = Watched(Tally(passed=40, sent=52, answered=40), total=150, processes=processes)
    assert shown(watched, Clock(), after_s=10).count(told) == 2


def test_skipped_ones_do_not_shorten_the_time_left() -> None:
    """They come as fast as the input is read."""
    watched = Watched(Tally(passed=50, skipped=1000, sent=50, answered=50), total=1150)
    assert "20 s left" in shown(watched, Clock(), after_s=10)


def test_without_a_total_it_says_how_long_it_has_run() -> None:
    """As with a pipe."""
    told = shown(Watched(Tally(passed=1234)), Clock(), after_s=61)
    assert "1,234 done" in told
    assert "1 min 01 s so far" in told


def test_what_may_have_been_billed_stands_beside_the_cost() -> None:
    """The books are never rounded down."""
    told = shown(Watched(spend=Spend(billed=2, unknown=1)), Clock())
    assert "CNY 0.008, at most 0.012" in told


def test_a_lifted_rate_and_more_done_than_counted_are_shown_all_the_same() -> None:
    """A file may grow after it was counted."""
    watched = Watched(Tally(passed=20, sent=20, answered=20, throttled=2), total=10)
    told = shown(watched, Clock(), after_s=1, rate=float("inf"))
    assert "20 of 10  100 %" in told
    assert "20.0/s" in told
    assert "inf" not in told
    assert "slowed 2 times" in told


@pytest.mark.parametrize(
    ("bound_s", "end"),
    [
        (None, ""),
        (3600.0, r", at the latest until (\d{4}-\d\d-\d\d )?\d\d:\d\d \(--max-outage\)"),
        (9e5, r", at the latest until \d{4}-\d\d-\d\d \d\d:\d\d \(--max-outage\)"),
    ],
)
def test_an_outage_is_said_with_its_cause_and_its_end(bound_s: float | None, end: str) -> None:
    """What does not answer and why, how long that is waited for, and what will end it."""
    tally = Tally(passed=3)
    begun = Event(
        kind="outage",
        at=datetime.now(UTC) - timedelta(seconds=724.2),
        image="x",
        lane="bulk",
        where="the service at https://a.example/api/v1",
        message="not sent, no connection could be made (ConnectError).",
        until=None if bound_s is None else datetime.now(UTC) + timedelta(seconds=bound_s),
    )
    tally.watch(begun)
    told = " ".join(shown(Watched(tally), Clock()).split())
    words = (
        r"the service at https://a\.example/api/v1 is out: not sent, no connection could be made"
        rf" \(ConnectError\)\. Waiting for 12 min 04 s so far{end}"
    )
    assert len(re.findall(words, told)) == 2
    tally.watch(begun.model_copy(update={"kind": "restored", "at": begun.at + timedelta(900)}))
    assert "is out" not in shown(Watched(tally), Clock())


def test_the_pace_is_that_of_the_last_ten_seconds() -> None:
    """An old pause does not weigh on it."""
    clock, tally = Clock(), Tally()
    pace = Pace(tally, clock)
    clock.now += 100
    assert pace.now() == (0, 0)
    for _ in range(20):
        clock.now += 1
        tally.sent += 5
        tally.passed += 4
        pace.now()
    assert pace.now() == pytest.approx((5, 4))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (9.96, "10.0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.7, "1 h 00 min")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    """And is never 60 of anything."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("http://a.example/1.jpg", "http://a.example/1.jpg"),
        ("http://u:p@a.example/1.jpg?x=1", "http://a.example/1.jpg?…"),
        ("http://[", "http://["),
        ("a\x1b\nb", "a��b"),
    ],
)
def test_an_image_is_shown_without_what_signs_it(image: str, text: str) -> None:
    """And without what steers a terminal."""
    assert shown_image(image) == text
    assert printable(shown_image(image)) == text
