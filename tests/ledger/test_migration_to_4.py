"""A ledger of version 3 goes over to identities in ASCII; two rows of one image become one."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.ledgers import version_of

from s2v_detect import Ledger, LedgerEntry, LedgerError
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger._sqlite import _damage, _file, _schema

MODEL = "wan2.2-s2v-detect on this machine"
RAW, ESCAPED = "https://bilder.example/ä.jpg", "https://bilder.example/%C3%A4.jpg"
OPENING = "import sys; from s2v_detect import Ledger; Ledger(sys.argv[1]).names()"
ROWS, KILLS = 10_000, 4


def version_3(path: Path, images: Sequence[dict[str, Any]], *, has_ended: bool = True) -> None:
    """A ledger as the release before made it: two runs of one lineage, and a third of another."""
    db = sqlite3.connect(path, isolation_level=None)
    _damage.register(db)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    for script in (_schema._TABLES, _schema._MIGRATIONS[2], _schema._MIGRATIONS[3]):  # noqa: SLF001  # as it was made
        for statement in _schema._statements(script):  # noqa: SLF001  # as above
            db.execute(statement)
    db.execute("INSERT INTO about VALUES ('model', ?)", (MODEL,))
    for run, lineage in ((1, 1), (2, 1), (3, 3)):
        db.execute(
            "INSERT INTO run VALUES (?, ?, '', ?, '1 on a machine', 1.0, ?, 'byte', NULL)",
            (run, lineage, f"token {run}", 2.0 if has_ended else None),
        )
    for number, image in enumerate(images, start=1):
        requests = image.pop("requests", [])
        row = {"id": number, "state": "answered", "at": 10.0, "run": 1, "lineage": 1} | image
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        db.execute(f"INSERT INTO image ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608  # our own names
        for place, (run, outcome) in enumerate(requests):
            db.execute(
                "INSERT INTO attempt (run, number, image, sent_at, outcome) VALUES (?, ?, ?, ?, ?)",
                (run, 10 * number + place, number, 1e9 + number, outcome),
            )
    db.execute(f"UPDATE image SET checksum = {_damage.CHECKSUM}")  # noqa: S608  # as above
    db.execute(f"PRAGMA application_id = {_schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 3")
    db.execute("COMMIT")
    db.close()


ANSWER = {"check_pass": 1, "answered_at": 10.0, "answered_by": 1, "paid": 1, "attempts": 1}


def entry(**told: Any) -> LedgerEntry:
    """An entry of an image that was not sent, but for what is told."""
    empty = LedgerEntry(
        1, ESCAPED, None, "not sent", 10.0, 1, 1, 0, 0, 0, 0, 0.0, None, None, None, "", "", None,
        None,
    )  # fmt: skip
    return empty._replace(**told)


ANSWERED = entry(state="answered", **ANSWER)
UNKNOWN = entry(
    state="unknown", at=20.0, unsure=1, doubts=1, attempts=1, run=2, error="OutcomeUnknown"
)
FAILED = entry(state="failed", at=30.0, attempts=3, run=3, lineage=3, error="ImageUnusable")
CLAIMED = entry(state="sent", at=5.0, attempts=1, run=3, lineage=3)
REJECTED = entry(
    state="answered", at=40.0, check_pass=0, answered_at=40.0, answered_by=3, paid=1, attempts=1,
    run=3, lineage=3, code="NoHuman",
)  # fmt: skip

MERGED: list[tuple[LedgerEntry, LedgerEntry, dict[str, Any]]] = [
    # Both of one lineage: what it paid is summed, and the newer answer is kept.
    (ANSWERED, ANSWERED._replace(at=12.0, answered_at=12.0, check_pass=0),
     {"state": "answered", "check_pass": 0, "paid": 2, "attempts": 2, "at": 12.0}),
    (ANSWERED, UNKNOWN,
     {"state": "answered", "check_pass": 1, "paid": 1, "unsure": 1, "attempts": 2, "doubts": 1}),
    (ANSWERED._replace(at=25.0, answered_at=25.0), UNKNOWN,
     {"state": "answered", "unsure": 1, "doubts": 0, "run": 1, "at": 25.0}),
    (ANSWERED._replace(doubts=1, unsure=1, at=15.0), UNKNOWN, {"doubts": 2, "unsure": 2}),
    (UNKNOWN, UNKNOWN, {"state": "unknown", "unsure": 2, "doubts": 2, "attempts": 2}),
    (UNKNOWN, entry(at=50.0), {"state": "unknown", "doubts": 1, "error": "OutcomeUnknown"}),
    (entry(), entry(state="skipped", at=11.0), {"state": "skipped"}),
    # Of two: the later lineage has what it paid itself; the other's stays in its requests.
    (ANSWERED, REJECTED,
     {"check_pass": 0, "code": "NoHuman", "lineage": 3, "run": 3, "paid": 1, "attempts": 1}),
    (ANSWERED, FAILED,
     {"state": "answered", "check_pass": 1, "lineage": 3, "paid": 0, "attempts": 3,
      "answered_by": 1, "error": None}),
    (UNKNOWN, FAILED, {"state": "unknown", "lineage": 3, "unsure": 0, "doubts": 1, "attempts": 3}),
    # A claim is settled by the next run, as that of any dead run: the one row has it.
    (ANSWERED, CLAIMED, {"state": "sent", "run": 3, "lineage": 3, "check_pass": 1, "paid": 0}),
    (FAILED, CLAIMED, {"state": "sent", "run": 3, "attempts": 4}),
    (UNKNOWN, CLAIMED, {"state": "sent", "run": 3, "doubts": 1}),
    (CLAIMED, CLAIMED._replace(state="asked", run=2, lineage=1, at=6.0),
     {"state": "asked", "run": 2, "lineage": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "expected"), MERGED)
@pytest.mark.parametrize("is_turned", [False, True])
def test_two_rows_become_what_one_would_be(
    one: LedgerEntry, other: LedgerEntry, expected: dict[str, Any], *, is_turned: bool
) -> None:
    """Whichever of them has the identity already."""
    both = (one._replace(id=1, given="first"), other._replace(id=2, given="second"))
    kept, gone = reversed(both) if is_turned else both
    found = _schema.merged(kept, gone)
    assert {name: getattr(found, name) for name in expected} == expected
    assert (found.id, found.identity, found.given) == (kept.id, ESCAPED, "first")


def test_an_image_is_found_by_every_spelling(tmp_path: Path) -> None:
    """What an older release kept by its spelling; local images, and the store's, stay."""
    path = tmp_path / "l.db"
    kept = [f"sha256:{'a' * 64}", "oss://bucket/ä.jpg", "https://a.example/%e4", "人.jpg"]
    version_3(
        path,
        [
            {"identity": RAW, **ANSWER, "requests": [(1, "billed")]},
            {"identity": "https://münchen.example/x", "image": "https://MÜNCHEN.example/x#1"},
            *({"identity": identity, **ANSWER} for identity in kept),
            {"identity": "id:what is no image", "state": "skipped"},
        ],
    )
    with Ledger(path) as ledger:
        entries = list(ledger.all_entries())
        assert ledger.entries([RAW]) == {RAW: entries[0]}
        assert ledger.known([ESCAPED])
        assert ledger.entries(["what is no image"], by_identity=True) == {}
        assert ledger.entries(["id:what is no image"])
        assert [each.outcome for each in ledger.attempts(ESCAPED)] == ["billed"]
    assert [each.identity for each in entries[2:-1]] == kept
    assert (entries[-1].image, entries[-1].own_identity) == ("id:what is no image", None)
    assert [(each.identity, each.image) for each in entries[:2]] == [
        (ESCAPED, RAW),
        ("https://xn--mnchen-3ya.example/x", "https://MÜNCHEN.example/x#1"),
    ]


async def test_two_spellings_that_were_paid_for_are_one_image(tmp_path: Path) -> None:
    """Both requests stay in the statement, and neither spelling is asked for again."""
    path = tmp_path / "l.db"
    newer = {"check_pass": 0, "answered_at": 20.0, "at": 20.0, "run": 2, "answered_by": 2}
    version_3(
        path,
        [
            {"identity": RAW, **ANSWER, **newer, "requests": [(2, "free"), (2, "billed")]},
            {"identity": ESCAPED, **ANSWER, "requests": [(1, "billed")]},
        ],
    )
    with Ledger(path) as ledger:
        [only] = ledger.all_entries()
        [spend] = ledger.statement()
        outcomes = [each.outcome for each in ledger.attempts(RAW)]
    assert (only.identity, only.image, only.check_pass, only.paid) == (ESCAPED, RAW, 0, 2)
    assert (spend.requests, spend.billed) == (3, 2)
    assert sorted(outcomes) == ["billed", "billed", "free"]
    async with Emulator(answer=Pass()) as emulator, emulator.client(ledger=path) as client:
        verdicts = [await client.check(url) for url in (RAW, ESCAPED)]
    assert [(each.check_pass, each.source) for each in verdicts] == [(False, "ledger")] * 2
    assert emulator.requests == 0


@pytest.mark.parametrize("other", ["answered", "failed", "sent"])
def test_what_a_dead_run_had_sent_is_unknown_in_the_one_row(tmp_path: Path, other: str) -> None:
    """The run that comes next settles it, under its one identity."""
    path = tmp_path / "l.db"
    second: dict[str, Any] = {"identity": ESCAPED, "state": other, "run": 2, "at": 20.0}
    if other == "sent":
        second["requests"] = [(2, "sent")]
    version_3(
        path,
        [
            {"identity": RAW, "state": "sent", "attempts": 1, "requests": [(1, "sent")]},
            second | (ANSWER if other == "answered" else {}),
        ],
        has_ended=False,
    )
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
        [only] = ledger.all_entries()
        attempts = ledger.attempts(RAW)
    lost = 2 if other == "sent" else 1
    assert only.state == ("answered" if other == "answered" else "unknown")
    assert (only.unsure, only.doubts) == (lost, lost)
    assert [each.outcome for each in attempts] == ["unknown"] * lost


@pytest.mark.parametrize("has_twin", [False, True])
def test_a_damaged_row_is_not_made_to_look_sound(tmp_path: Path, *, has_twin: bool) -> None:
    """It is seen where its image is asked for, and everything else can be read."""
    path = tmp_path / "l.db"
    sound = {"identity": "https://bilder.example/ö.jpg", **ANSWER}
    twin = [{"identity": ESCAPED, **ANSWER}] * has_twin
    version_3(path, [{"identity": RAW, **ANSWER}, sound, *twin])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE image SET check_pass = 0 WHERE identity = ?", (RAW,))
    db.close()
    with Ledger(path) as ledger:
        assert ledger.known([str(sound["identity"])])
        with pytest.raises(LedgerError, match="damaged"):
            ledger.known([RAW])
        assert ledger.forget([RAW]) == 1


def test_a_run_of_the_release_before_is_not_disturbed(tmp_path: Path) -> None:
    """It would write by its own identities. Its lock is on the file."""
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "l.db"
    version_3(path, [{"identity": RAW, **ANSWER}], has_ended=False)
    with path.open("r+b") as held:
        fcntl.fcntl(held, fcntl.F_OFD_SETLK, _file._flock(3))  # noqa: SLF001  # as that run has it
        with Ledger(path) as ledger, pytest.raises(LedgerError, match="older release is at work"):
            ledger.names()
        assert version_of(path) == 3
    with Ledger(path) as ledger:
        assert ledger.begin(MODEL).id == 4
    assert version_of(path) == _schema.VERSION


def test_the_release_before_begins_no_run_any_more(tmp_path: Path) -> None:
    """It had the file open when this one brought it up to date."""
    path = tmp_path / "l.db"
    version_3(path, [])
    older = sqlite3.connect(path)
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
    begin = "INSERT INTO run (name, token, process, started_at, lock) VALUES ('', 't', 'p', 1, '')"
    with pytest.raises(sqlite3.IntegrityError, match="a newer s2v-detect"):
        older.execute(begin)
    older.close()


@pytest.mark.real_time
@pytest.mark.timeout(600)
def test_a_migration_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    """`kill -9` at many places of it: the file is of the one version or of the other, and whole."""
    path, chance = tmp_path / "l.db", random.Random(4)
    version_3(
        path,
        [
            {"identity": f"https://a.example/{name}{number}", **ANSWER, "requests": [(1, "billed")]}
            for number in range(ROWS // 2)
            for name in ("ä", "%C3%A4")
        ],
    )
    trial = tmp_path / "trial.db"
    trial.write_bytes(path.read_bytes())
    words = [sys.executable, "-c", OPENING]
    started = time.perf_counter()
    subprocess.run([*words, str(trial)], check=True)  # noqa: S603  # our own script
    whole_s = time.perf_counter() - started
    for _ in range(KILLS):
        process = subprocess.Popen([*words, str(path)])  # noqa: S603  # as above
        try:
            process.wait(chance.uniform(0.4, 0.95) * whole_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert version_of(path) in (3, _schema.VERSION)
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
        paid = [entry.paid for entry in ledger.all_entries()]
        [spend] = ledger.statement()
    assert paid == [2] * (ROWS // 2)
    assert spend.billed == ROWS
