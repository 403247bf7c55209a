"""`--until` and `--max-time`: a run that ends by the clock, cleanly, and is gone on with."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from s2v_detect.cli._clock import Ends, max_time_s_of, moment_of
from s2v_detect.emulator import Emulator, Pass

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def _zone_of_before() -> Iterator[None]:
    """The zone of this machine comes back after each test."""
    yield
    time.tzset()


def in_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process in a zone."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()


NEW_YORK, SHANGHAI = "America/New_York", "Asia/Shanghai"
MOMENTS = [
    # Of the day: the next one that the clocks of the zone show.
    (SHANGHAI, "2026-11-26T18:00+08:00", "07:00", "2026-11-27T07:00+08:00"),
    (SHANGHAI, "2026-11-26T06:59:59+08:00", "07:00", "2026-11-26T07:00+08:00"),
    (SHANGHAI, "2026-11-26T07:00+08:00", "07:00", "2026-11-27T07:00+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "7:00", "2026-11-27T07:00+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "18:00:30", "2026-11-26T18:00:30+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", " 00:00 ", "2026-11-27T00:00+08:00"),
    (SHANGHAI, "2026-12-31T23:59+08:00", "07:00", "2027-01-01T07:00+08:00"),
    (SHANGHAI, "2026-11-26T20:00Z", "07:00", "2026-11-27T07:00+08:00"),  # there it is the 27th
    ("UTC", "2026-11-26T18:00Z", "07:00", "2026-11-27T07:00Z"),
    # The clocks go back in the night: seven is seven, an hour later.
    (NEW_YORK, "2026-10-31T20:00-04:00", "07:00", "2026-11-01T07:00-05:00"),
    # And forward.
    (NEW_YORK, "2026-03-07T20:00-05:00", "07:00", "2026-03-08T07:00-04:00"),
    # A time that comes twice: the first that is to come.
    (NEW_YORK, "2026-10-31T20:00-04:00", "01:30", "2026-11-01T01:30-04:00"),
    (NEW_YORK, "2026-11-01T01:40-04:00", "01:30", "2026-11-01T01:30-05:00"),
    (NEW_YORK, "2026-11-01T01:40-05:00", "01:30", "2026-11-02T01:30-05:00"),
    # A time that is skipped: as much later.
    (NEW_YORK, "2026-03-07T20:00-05:00", "02:30", "2026-03-08T03:30-04:00"),
    ("Australia/Lord_Howe", "2026-04-04T20:00+11:00", "07:00", "2026-04-05T07:00+10:30"),
    # Of a date.
    (SHANGHAI, "2026-11-26T18:00+08:00", "2026-11-27T07:00", "2026-11-27T07:00+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "2026-11-27 07:00", "2026-11-27T07:00+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "2026-11-27T07:00:01.5", "2026-11-27T07:00:01.5+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "2026-11-27T07:00+00:00", "2026-11-27T15:00+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "2026-11-27T07:00Z", "2026-11-27T15:00+08:00"),
    (SHANGHAI, "2026-11-26T18:00+08:00", "2026-11-26T07:00-05:00", "2026-11-26T20:00+08:00"),
    (NEW_YORK, "2026-11-01T01:40-04:00", "2026-11-01T01:30", "2026-11-01T01:30-05:00"),
    (NEW_YORK, "2026-03-07T20:00-05:00", "2026-03-08T02:30", "2026-03-08T03:30-04:00"),
]


@pytest.mark.parametrize(("zone", "now", "given", "meant"), MOMENTS)
def test_a_moment_is_what_the_clocks_of_this_machine_show(
    zone: str, now: str, given: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a change of the clocks too; an offset that is given decides."""
    in_zone(zone, monkeypatch)
    assert moment_of(given, datetime.fromisoformat(now)) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "given",
    [
        *("", "soon", "7", "07", "0700", "25:00", "07:60", "07:00:60", "7pm", "07:00 pm", "-07:00"),
        *("2026-11-27", "2026-13-01T07:00", "2026-02-30T07:00", "tomorrow 07:00"),
        "\u0660\u0667:\u0660\u0660",  # Arabic digits
        *("07:00+08:00", "2h", "99999-01-01T00:00", "0001-01-01T00:00"),
    ],
)
def test_what_is_no_moment_is_refused(given: str) -> None:
    """With what one looks like; one that is over, too."""
    with pytest.raises(ValueError, match=r"such as 07:00|is over"):
        moment_of(given, datetime.now(UTC))


@pytest.mark.parametrize("given", ["2020-01-01T00:00", "2026-11-26T17:59+08:00"])
def test_a_moment_that_is_over_is_refused(given: str) -> None:
    """A run that ends before it begins is a mistake in the command."""
    with pytest.raises(ValueError, match="That moment is over"):
        moment_of(given, datetime.fromisoformat("2026-11-26T18:00+08:00"))


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        *(("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("45", 45), ("0.5s", 0.5)),
        *(("1d", 86_400), ("1d2h3m4s", 93_784), ("1.5h", 5400), (" 2H ", 7200), ("1h1s", 3601)),
    ],
)
def test_a_time_is_read_as_people_type_it(given: str, seconds: float) -> None:
    """Units in their order, each once; a number alone is seconds."""
    assert max_time_s_of(given) == seconds


@pytest.mark.parametrize(
    "given",
    [
        *("", "0", "0s", "0h0m", "-1", "soon", "1h30", "30m1h", "1h1h", "1 h", "h", "nan", "inf"),
        *("1e3", "٣m", "07:00", "2hours", "99999999d", "1.h", ".5h"),
    ],
)
def test_what_is_no_time_is_refused(given: str) -> None:
    """With what one looks like."""
    with pytest.raises(ValueError, match="2h, 90m, 1h30m or 45"):
        max_time_s_of(given)


class Clocks:
    """A wall clock and a monotonic one."""

    def __init__(self) -> None:
        self.wall, self.monotonic = 1e9, 500.0

    def ends(self, until_s: float | None = None, max_time_s: float | None = None) -> Ends:
        """Return bounds, so many seconds from now."""
        until = None if until_s is None else datetime.fromtimestamp(self.wall + until_s, UTC)
        return Ends(until, max_time_s, wall=lambda: self.wall, clock=lambda: self.monotonic)


@pytest.mark.parametrize(
    ("until_s", "max_time_s", "wall_s", "monotonic_s", "reached"),
    [
        (None, None, 1e6, 1e6, None),
        (60, None, 59, 59, None),
        (60, None, 60, 60, "until"),
        (None, 60, 59, 59, None),
        (None, 60, 60, 60, "max_time"),
        (60, 30, 30, 30, "max_time"),
        (30, 60, 30, 30, "until"),
        # Somebody sets the clock, or the machine slept: the moment of the day counts.
        (60, None, 3600, 1, "until"),
        (60, None, -3600, 61, None),
        # No clock that is set makes a time longer or shorter.
        (None, 60, 3600, 1, None),
        (None, 60, -3600, 60, "max_time"),
    ],
)
def test_the_wall_clock_is_for_until_and_the_other_for_max_time(
    until_s: float | None,
    max_time_s: float | None,
    wall_s: float,
    monotonic_s: float,
    reached: str | None,
) -> None:
    """Each follows its own clock, and the first that is reached ends the run."""
    clocks = Clocks()
    ends = clocks.ends(until_s, max_time_s)
    clocks.wall += wall_s
    clocks.monotonic += monotonic_s
    assert ends.reached == reached


async def test_a_bound_is_told_once_and_not_after_the_end() -> None:
    """Reached at the beginning, reached meanwhile, never reached, and none at all."""
    clocks, told = Clocks(), list[str]()
    for ends, said in (
        (clocks.ends(until_s=-1), ["until"]),
        (clocks.ends(max_time_s=1e-3), ["max_time"]),
        (clocks.ends(until_s=3600, max_time_s=3600), []),
        (clocks.ends(), []),
    ):
        told.clear()
        async with ends.heeded(told.append):
            clocks.monotonic += 1
            for _ in range(3):
                await asyncio.sleep(0.01)
        assert told == said


def run_of(tmp_path: Path, *more: str) -> tuple[str, ...]:
    """Return a run of 40 images."""
    (tmp_path / "in.txt").write_text("".join(f"http://a.example/{n}.jpg\n" for n in range(40)))
    return ("run", "in.txt", "-o", "out.jsonl", "--quiet", "--summary", "told.json", *more)


@pytest.mark.parametrize("option", ["--until", "--max-time"])
def test_a_run_that_the_clock_ends_is_exit_6_and_goes_on(
    called: Command, emulator: Emulator, tmp_path: Path, option: str
) -> None:
    """What was sent is finished and recorded; the same command does the rest, and pays once."""
    emulator.when("*", Pass(latency_s=0.2))
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    bound = soon if option == "--until" else "0.5s"
    run = run_of(tmp_path)
    done = called(*run, option, bound, "--rate", "10")
    assert done.returncode == 6
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["incomplete_because"] == option.removeprefix("--").replace("-", "_")
    assert (told["exit_code"], told["is_complete"], told["unknown"]) == (6, False, 0)
    assert told["rows"] < 40
    assert told["rows"] == told["requests"] == emulator.billed
    assert told["rows_left"] == 40 - told["rows"]
    for part in (
        f"{told['rows_left']} of 40 images are left.",
        f"Stopping, as {option} says",
        f"The run ended early, by {option}. The same command goes on.",
        "Exit 6: stopped before the input's end, by an outage or the clock; the same command goes",
    ):
        assert done.stderr.count(part) == 1, part
    emulator.when("*", Pass())
    assert called(*run, "--rate", "1000").returncode == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["rows"], told["incomplete_because"], told["is_complete"]) == (40, None, True)
    assert told["rows_left"] == 0
    assert emulator.billed == 40


def test_a_run_that_is_done_before_its_bound_is_complete(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """A bound that is not reached changes nothing."""
    run = run_of(tmp_path, "--rate", "1000", "--max-time", "2h", "--until", "2999-01-01T00:00")
    assert called(*run).returncode == 0
    assert json.loads((tmp_path / "told.json").read_text())["incomplete_because"] is None
    assert emulator.billed == 40


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "25:00"), "such as 07:00"),
        (("--until", "2020-01-01T00:00"), "That moment is over"),
        (("--max-time", "soon"), "1h30m"),
        (("--max-time", "0"), "1h30m"),
    ],
)
def test_what_is_no_bound_is_exit_2(
    called: Command, emulator: Emulator, tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    """Nothing is asked, and the message says what a bound looks like."""
    done = called(*run_of(tmp_path), *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert emulator.requests == 0


def test_a_run_without_a_ledger_says_that_it_begins_anew(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Nothing of it is known to the next."""
    emulator.when("*", Pass(latency_s=0.05))
    (tmp_path / "in.txt").write_text("".join(f"http://a.example/{n}.jpg\n" for n in range(40)))
    done = called("run", "in.txt", "-o", "-", "--rate", "20", "--max-time", "0.3")
    assert done.returncode == 6
    assert "The same command begins anew, for it has no ledger." in done.stderr
    assert len([json.loads(line) for line in done.stdout.splitlines()]) < 40
