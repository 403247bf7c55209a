"""A ledger belongs to the service that it holds answers of, and before the first to nobody."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError

MODEL = "wan2.2-s2v-detect"
LOCAL = f"{MODEL} on this machine"
OTHER = "other-model"


def begin_and_end(path: Path, model: str, statement: str = "") -> None:
    """Have a run that does nothing, and then what one statement of SQL says."""
    with Ledger(path, name="out.csv") as ledger:
        asyncio.run(ledger.begin(model).end())
    if statement:
        with closing(sqlite3.connect(path)) as db, db:
            db.execute(statement)


IMAGE = (
    "INSERT INTO image (id, identity, state, at, run, lineage{0})"
    " VALUES (1, 'a', '{1}', 1, 1, 1{2})"
)
ATTEMPT = (
    "INSERT OR REPLACE INTO attempt (run, number, image, sent_at, outcome)"
    " VALUES (1, 1, 1, 1, '{}')"
)


@pytest.mark.parametrize("statement", ["", IMAGE.format("", "not sent", ""), "not sent"])
@pytest.mark.parametrize(("one", "other"), [(LOCAL, MODEL), (MODEL, LOCAL), (MODEL, OTHER)])
def test_a_ledger_without_a_sent_request_goes_over_to_another_service(
    tmp_path: Path, one: str, other: str, statement: str
) -> None:
    """A wrong base URL was met before anything was sent."""
    path = tmp_path / "l.db"
    begin_and_end(path, one, ATTEMPT.format(statement) if statement == "not sent" else statement)
    begin_and_end(path, other, ATTEMPT.format("billed"))
    with pytest.raises(LedgerError):
        begin_and_end(path, one)


@pytest.mark.parametrize(
    "statement",
    [ATTEMPT.format(outcome) for outcome in ("billed", "free", "unknown", "sent")]
    + [IMAGE.format(", answered_at", "answered", ", 1")],
)
@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (LOCAL, MODEL, "holds answers of an emulator on this machine, not of the service itself."),
        (MODEL, LOCAL, "holds answers of the service itself, not of an emulator on this machine."),
        (MODEL, OTHER, f"holds answers of {MODEL}, not of {OTHER}."),
        (LOCAL, OTHER, f"holds answers of {LOCAL}, not of {OTHER}."),
    ],
)
def test_a_ledger_with_a_sent_request_stays_with_its_service(
    tmp_path: Path, statement: str, one: str, other: str, told: str
) -> None:
    """The answers of an emulator are worth nothing in a run that is paid for."""
    path = tmp_path / "l.db"
    begin_and_end(path, one, statement)
    with pytest.raises(LedgerError, match=told):
        begin_and_end(path, other)
    begin_and_end(path, one)


def test_a_ledger_stays_with_the_service_of_a_run_that_lives(tmp_path: Path) -> None:
    """It may send its first request at any moment."""
    with Ledger(tmp_path / "l.db", name="out.csv") as ledger:
        ledger.begin(LOCAL)
        with pytest.raises(LedgerError, match="an emulator"):
            begin_and_end(tmp_path / "l.db", MODEL)
