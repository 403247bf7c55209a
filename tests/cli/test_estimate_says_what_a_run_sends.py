"""`estimate` says how many requests a run sends: the emulator counts them.

The run that is estimated meets an emulator under which every image passes. What only an answer can
tell (a retry) is not estimated.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2v_detect.emulator import Cut, Emulator, Error, Pass, Reject, Silent

Command = Callable[..., subprocess.CompletedProcess[str]]

FAST = ("--quiet", "--rate", "1000")
PHOTOGRAPHS = Path(__file__).parents[2] / "examples" / "photographs"

ROWS = (
    "http://a.example/1.jpg",
    "http://a.example/2.jpg",
    "HTTP://A.example:80/1.jpg",  # 1, spelt otherwise
    "http://a.example/1.jpg#again",
    "  http://a.example/2.jpg ",
    "http://a.example/1.jpg?",  # another
    "http://a.example/refused-1.jpg",
    "http://a.example/refused-2.jpg",
    "http://a.example/lost-1.jpg",
    "http://a.example/lost-2.jpg",
    "http://a.example/lost%2D2.jpg",
    "http://a.example/rejected.jpg",
    "oss://bucket/key.jpg",
    "oss://bucket",
    "http://localhost/1.jpg",
    "http://10.0.0.1/1.jpg",
    "http://0x7f.1/1.jpg",
    "http://printer.local/1.jpg",
    "http:///1.jpg",
    "http://a.example:99999/1.jpg",
    "http://a b.example/1.jpg",
    "ftp://a.example/1.jpg",
    "face.jpg",
    "sha256:" + "0" * 64,
    "",
    "# a comment",
    "http://a.example/" + "x" * 70_000,
)

OPTIONS = (
    (),
    ("--retry-failed",),
    ("--refresh",),
    ("--fresh",),
    ("--on-unknown", "keep"),
    ("--max-age-days", "1"),
    ("--retry-failed", "--refresh"),
    ("--sample", "5", "--seed", "3"),
    ("--max-cost", "0.02"),
    ("--max-cost", "0.0121", "--fresh"),
    ("--max-cost", "0", "--refresh"),
    ("--max-cost-per-day", "0.02"),
    ("--max-cost-per-month", "0.03", "--max-cost", "0.05", "--fresh"),
    ("--max-cost-per-day", "0.04", "--max-cost-per-month", "0.024", "--refresh"),
)
EARLIER = ((), ("--on-unknown", "keep"), ("--refresh",))
LISTS = st.lists(st.sampled_from(ROWS), max_size=20).filter(
    lambda rows: {*rows} - {"", "# a comment"}
)
"""None comes to 0 rows: both commands refuse that."""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that is not known for one: addresses of this network are skipped."""
    with Emulator.run_in_thread(answer=Pass(), host="127.0.0.2") as opened:
        yield opened


def fault(emulator: Emulator) -> None:
    """Let some images fail, some be lost, some be rejected."""
    emulator.when("*/refused-*", Error(400, "DataInspectionFailed"))
    emulator.when("*/lost*", Cut(billed=True))
    emulator.when("*/rejected*", Reject("InvalidFile.NoHuman"))


def estimated(called: Command, *arguments: str) -> int:
    """Return the estimate of how many are asked for; its counts add up to its rows."""
    done = called("estimate", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    parts = ("faulty", "duplicates", "known", "asked", "beyond_budget")
    assert counts["rows"] == sum(counts.get(part, 0) for part in parts)
    return int(counts["asked"])


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lists=st.tuples(LISTS, LISTS),
    options=st.tuples(st.sampled_from(EARLIER), st.sampled_from(OPTIONS)),
    out=st.sampled_from(["out.jsonl", "other.csv"]),
)
@pytest.mark.timeout(300)
def test_the_estimate_is_what_the_emulator_counts(
    called: Command,
    emulator: Emulator,
    tmp_path: Path,
    lists: tuple[list[str], list[str]],
    options: tuple[tuple[str, ...], tuple[str, ...]],
    *,
    out: str,
) -> None:
    """For any list, after any earlier run of this output or of another, with any options."""
    for old in tmp_path.iterdir():
        old.unlink()
    emulator.reset()
    fault(emulator)
    ledger = ("--ledger", "books.db", *FAST)
    (tmp_path / "in.txt").write_text("\n".join(lists[0]) + "\n")
    called("run", "in.txt", "-o", "out.jsonl", *ledger, *options[0])
    (tmp_path / "in.txt").write_text("\n".join(lists[1]) + "\n")
    emulator.reset()
    words = ("in.txt", "-o", out, *ledger, *options[1])
    told = estimated(called, *words)
    assert emulator.requests == 0
    assert called("run", *words).returncode in (0, 1, 3, 5)
    assert emulator.requests == told


@pytest.mark.parametrize("given_as", ["folder", "pattern", "list"])
def test_the_estimate_of_files_is_what_the_emulator_counts(
    called: Command, emulator: Emulator, tmp_path: Path, given_as: str
) -> None:
    """Repeats by content, what is no image, and what has a side that the service refuses."""
    photographs = tmp_path / "photographs"
    shutil.copytree(PHOTOGRAPHS, photographs)
    shutil.copy(PHOTOGRAPHS / "portrait.jpg", photographs / "again.png")
    (photographs / "cut.png").write_bytes((PHOTOGRAPHS / "portrait.jpg").read_bytes()[:300])
    (photographs / "empty.jpg").touch()
    os.mkfifo(photographs / "pipe.jpg")
    source = {"folder": "photographs", "pattern": "photographs/*", "list": "in.csv"}[given_as]
    names = [str(path.relative_to(tmp_path)) for path in sorted(photographs.iterdir())]
    (tmp_path / "in.csv").write_text("\n".join(["photo", *names, "", names[0], "none.jpg"]) + "\n")
    column = ("--files", "--column", "photo") if given_as == "list" else ()
    words = (source, "-o", "out.jsonl", *FAST, *column)
    told = estimated(called, *words)
    assert called("run", *words).returncode == 1
    assert emulator.requests == told > 4
    assert estimated(called, *words) == 0
    assert called("run", *words).returncode == 1
    assert emulator.requests == told


def test_without_a_ledger_a_repeat_is_counted_as_it_may_be_sent(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """A run into stdout remembers no answer; while an image is asked for, its repeats share it."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n" * 3)
    assert estimated(called, "in.txt", "-o", "-") == 3
    assert estimated(called, "in.txt") == 1
    assert called("run", "in.txt", "-o", "-", *FAST).returncode == 0
    assert 1 <= emulator.requests <= 3


@pytest.mark.parametrize(("asking", "told"), [((), 0), (("--emulator",), 2)])
def test_the_estimate_knows_who_is_asked(
    called: Command,
    clean_environment: dict[str, str],
    tmp_path: Path,
    asking: tuple[str, ...],
    told: int,
) -> None:
    """The emulator reaches this network, the service does not; and neither needs a key for it."""
    (tmp_path / "in.txt").write_text("http://localhost/1.jpg\nhttp://10.0.0.1/2.jpg\n")
    done = called("estimate", "in.txt", *asking, "--json", env=clean_environment)
    assert json.loads(done.stdout)["asked"] == told


def test_the_same_line_with_the_other_word_is_an_estimate(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """With every option of a run; nothing of it is written."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    written = ("--summary", "s.json", "--report", "r.html", "--events", "e.jsonl")
    words = ("in.txt", "-o", "out.csv", "--ordered", "--guard-formulas", "--max-cost", "3", *FAST)
    assert estimated(called, *words, *written, "--preflight", "--timeout-s", "3") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
    assert emulator.requests == 0


DIES = """
import asyncio, os, sys
from s2v_detect import DetectClient


def watch(event):
    if event.kind == "sent":
        asyncio.get_running_loop().call_later(0.2, os._exit, 9)


async def main():
    async with DetectClient(ledger="books.db", on_event=watch) as client:
        await client.check(sys.argv[1])


asyncio.run(main())
"""


@pytest.mark.parametrize(("on_unknown", "asked"), [("resend", 1), ("keep", 0)])
@pytest.mark.real_time
def test_the_estimate_knows_what_a_dead_run_had_sent(
    called: Command,
    emulator: Emulator,
    environment: dict[str, str],
    tmp_path: Path,
    *,
    on_unknown: str,
    asked: int,
) -> None:
    """Nobody came after it yet: its answers are lost when the next run begins, not before."""
    url = "http://a.example/silent.jpg"
    emulator.when("*/silent*", Silent())
    died = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", DIES, url], check=False, cwd=tmp_path, env=environment
    )
    assert (died.returncode, emulator.requests) == (9, 1)
    (tmp_path / "in.txt").write_text(f"{url}\n")
    emulator.reset()
    words = ("in.txt", "-o", "out.jsonl", "--ledger", "books.db", "--on-unknown", on_unknown)
    assert estimated(called, *words) == asked
    assert called("run", *words, *FAST).returncode in (0, 5)
    assert emulator.requests == asked


def test_the_estimate_goes_by_the_identity_column(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Addresses that are signed anew are the images that they were."""
    words = ("in.csv", "-o", "out.csv", "--column", "photo", "--identity-column", "id", *FAST)
    rows = [(1, "a"), (2, "b"), (1, "c"), (3, "a"), ("", "d"), (4, "no url")]
    for day, told in (("monday", 3), ("tuesday", 0)):
        lines = (f"{number},http://a.example/{name}.jpg?{day}\n" for number, name in rows)
        (tmp_path / "in.csv").write_text("id,photo\n" + "".join(lines))
        emulator.reset()
        assert estimated(called, *words) == told
        assert called("run", *words).returncode == 1
        assert emulator.requests == told


@pytest.mark.parametrize(
    ("options", "in_time"),
    [
        ((), None),
        (("--max-time", "2"), 10),
        (("--max-time", "2", "--rate", "1"), 2),
        (("--max-time", "1h"), 30),
        (("--max-time", "2", "--rate", "inf"), 30),
        (("--max-time", "2", "--until", "2099-01-01T07:00"), 10),
        (("--until", "2099-01-01T07:00"), 30),
    ],
)
def test_the_estimate_says_how_many_come_before_the_clock_ends_the_run(
    called: Command, tmp_path: Path, options: tuple[str, ...], in_time: int | None
) -> None:
    """At the rate that is given; as JSON and in words. `--live` serves no page."""
    (tmp_path / "in.txt").write_text("".join(f"http://a.example/{n}.jpg\n" for n in range(30)))
    told = json.loads(called("estimate", "in.txt", "--json", *options).stdout)
    assert (told.get("in_time"), told["asked"]) == (in_time, 30)
    done = called("estimate", "in.txt", "--live", *options)
    assert done.returncode == 0
    assert "127.0.0.1" not in done.stderr
    words = [line.split() for line in done.stdout.splitlines() if "in time" in line]
    assert [row[4].rstrip(",") for row in words] == ([] if in_time is None else [str(in_time)])
