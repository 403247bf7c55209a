"""The row of a day says what the requests of that day say, whatever has become of them."""

import random
import sqlite3
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.ledger.test_migration_to_4 import version_3
from tests.ledgers import version_of

from s2v_detect import Budget, Ledger, Verdict
from s2v_detect.errors import cut_off
from s2v_detect.ledger import Claim, Ended, LedgerRun, _attempts
from s2v_detect.ledger._sqlite import _schema

MODEL = "a model"
MIDNIGHT = datetime(2026, 11, 26, 16, 0, tzinfo=UTC).timestamp()
DAY_S = 86_400
PASSED = Verdict(check_pass=True, humanoid=True, billed="yes")
Days = dict[str, tuple[int, int]]

_COUNTED_ANEW = """
SELECT date(CAST(sent_at + 28800 AS INTEGER), 'unixepoch') AS sent_on,
  sum(CASE outcome WHEN 'billed' THEN images ELSE 0 END), sum(outcome = 'unknown')
FROM attempt WHERE outcome IN ('billed', 'unknown') GROUP BY sent_on
"""


def days(path: Path) -> tuple[Days, Days]:
    """What the rows of the days say, and what the requests say."""
    db = sqlite3.connect(path)
    try:
        kept, counted = (
            {day: (billed, unknown) for day, billed, unknown in db.execute(question)}
            for question in ("SELECT * FROM day WHERE billed OR unknown", _COUNTED_ANEW)
        )
    finally:
        db.close()
    return kept, counted


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "l.db"


async def do_something(run: LedgerRun, claim: Claim, chance: random.Random) -> None:
    """Let one request be sent and end, in one of the ways there are, or not end at all."""
    await run.ask(claim, nullcontext())
    await run.send(claim)
    left_at = chance.choice([None, time.time() + chance.choice([0.001, 3, DAY_S])])
    claim.left_at = left_at
    images = chance.choice([1, 1, 3])
    match chance.randrange(6):
        case 0:
            await run.answer(claim, Ended("billed", left_at=left_at, images=images), PASSED, 0.1)
        case 1:
            await run.answer(claim, Ended("unknown", left_at=left_at, images=images), PASSED, 0.1)
        case 2:
            run.end_attempt(claim, Ended("free", left_at=left_at, images=images))
        case 3:
            run.end_attempt(claim, Ended("not sent"))
        case 4:
            run.give_up(claim, cut_off(left=True), 0.1)


@pytest.mark.parametrize("seed", range(2))
async def test_a_day_is_the_sum_of_its_requests(
    path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Runs that end, or are taken for dead and answer all the same; days that come and go."""
    chance = random.Random(seed)
    now = [MIDNIGHT - 2]
    monkeypatch.setattr(time, "time", lambda: now[0])
    with Ledger(path) as one, Ledger(path) as other:
        runs = [one.begin(MODEL), other.begin(MODEL)]
        late: list[tuple[LedgerRun, Claim]] = []
        for number in range(40):
            run = chance.choice(runs)
            claim = run.claim(f"http://a.example/{number}.jpg", f"http://a.example/{number}.jpg")
            await do_something(run, claim, chance)
            late.append((run, claim))
            now[0] += chance.choice([0.25, 1, DAY_S / 2, -DAY_S / 4])
        for run in runs:
            await run.end()
        unknown = sum(each[1] for each in days(path)[0].values())
        assert unknown > 0
        assert days(path)[0] == days(path)[1]
        for run, claim in late:  # an answer that comes after its run was taken for dead
            if claim.attempt and chance.random() < 0.7:
                await run.answer(claim, Ended("billed", left_at=claim.left_at), PASSED, 0.1)
    kept, counted = days(path)
    assert kept == counted
    assert sum(each[1] for each in kept.values()) < unknown


async def test_a_request_that_is_under_way_at_midnight_counts_into_both_days(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may leave now. When it has ended it is in the day in which its bytes left."""
    now = [MIDNIGHT - 1]
    monkeypatch.setattr(time, "time", lambda: now[0])
    with Ledger(path) as one, Ledger(path) as other:
        run, budget = one.begin(MODEL, Budget(per_day="0.004")), Budget(per_day="0.004")
        second = other.begin(MODEL, budget)
        first, next_one = run.claim("u1", "u1"), second.claim("u2", "u2")
        await run.ask(first, nullcontext())
        await second.ask(next_one, nullcontext())
        assert await run.send(first) is None
        now[0] = MIDNIGHT + 1
        reached = await second.send(next_one)
        assert reached is not None
        assert (reached.spent, reached.under_way) == (1, 0)
        own = run.claim("u3", "u3")
        await run.ask(own, nullcontext())
        waits = await run.send(own)
        assert waits is not None
        assert waits.under_way == 1
        run.end_attempt(first, Ended("billed", left_at=MIDNIGHT - 0.1))
        assert await run.send(own) is None
        run.end_attempt(own, Ended("unknown", left_at=MIDNIGHT + 1))
        assert await second.send(next_one) is not None
    assert days(path)[0] == {"2026-11-26": (1, 0), "2026-11-27": (0, 1)}


async def test_a_request_that_is_written_twice_takes_no_room_from_itself(path: Path) -> None:
    """All work of the ledger may be done again, where nobody knows whether it was done."""
    with Ledger(path) as ledger:
        run = ledger.begin(MODEL, Budget(per_day="0.004"))
        claim = run.claim("u1", "u1")
        await run.ask(claim, nullcontext())
        assert await run.send(claim) is None
        db = sqlite3.connect(path)
        caps = Budget(per_day="0.004").caps_at(time.time())
        assert _attempts.reached(db, caps, run.id, claim.attempt) is None
        assert _attempts.reached(db, caps, run.id, claim.attempt + 1) is not None
        db.close()
        await run.end()


def test_a_look_at_a_month_reads_no_request_that_has_ended(path: Path) -> None:
    """It reads the rows of the days, and the index of what is under way."""
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
    db = sqlite3.connect(path)
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    caps = Budget(per_day=0, per_month=0).caps_at(time.time())
    assert _attempts.reached(db, caps, 1, 1) is not None
    db.set_trace_callback(None)
    plans = [row[3] for sql in asked for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")]
    db.close()
    assert len(plans) == 3
    assert sorted({plan.partition(" USING ")[2].partition(" (")[0] for plan in plans}) == [
        "INDEX attempt_open",
        "PRIMARY KEY",
    ]


def test_what_an_older_ledger_has_billed_is_in_its_days(path: Path) -> None:
    """Of every run: what was free or withdrawn is in none, and what is under way is not yet."""
    outcomes = ("billed", "billed", "unknown", "free", "not sent", "sent")
    requests = [(run, outcome) for run in (1, 2, 3) for outcome in outcomes]
    version_3(path, [{"identity": "http://a.example/1.jpg", "requests": requests}])
    db = sqlite3.connect(path)
    for script in (_schema._MIGRATIONS[4],):  # noqa: SLF001  # as the release before made it
        for statement in _schema._statements(script):  # noqa: SLF001  # as above
            db.execute(statement)
    # Midnight in China Standard Time, and just before.
    for run, sent_at in ((1, MIDNIGHT - 0.0001), (2, MIDNIGHT), (3, MIDNIGHT + DAY_S)):
        db.execute("UPDATE attempt SET sent_at = ?, images = 2 WHERE run = ?", (sent_at, run))
    db.execute("PRAGMA user_version = 4")
    db.commit()
    db.close()
    with Ledger(path) as ledger:
        ledger.names()
    assert version_of(path) == _schema.VERSION
    assert days(path)[0] == {f"2026-11-{day}": (4, 1) for day in (26, 27, 28)}
    with Ledger(path) as ledger:  # the next run settles what the dead ones had sent
        ledger.begin("wan2.2-s2v-detect on this machine")
    kept, counted = days(path)
    assert kept == counted == {f"2026-11-{day}": (4, 2) for day in (26, 27, 28)}
