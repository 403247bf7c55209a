"""What the ledger is asked: SQL that reads, and the two ways to settle what is unknown."""

import os
import sqlite3
from pathlib import Path

from s2v_detect.ledger import _damage
from s2v_detect.ledger._entries import (
    COLUMNS,
    LedgerAttempt,
    LedgerEntry,
    LedgerSpend,
    State,
)

_PIECE = 1000  # rows at a time: whoever wants to write does not wait for a whole export

_ATTEMPTS = """
SELECT attempt.run, sent_at, ended_at, outcome, attempt.error, attempt.code, attempt.request_id,
       service_ms
FROM attempt JOIN image ON image.id = attempt.image
WHERE identity = ? ORDER BY sent_at, attempt.run, number
"""

# A day is one of Beijing's, eight hours before UTC: the vendor's bill has those.
# "sent" counts as unknown: it is under way, or its process has died and nobody came after it yet.
_STATEMENT = """
SELECT date(sent_at + 28800, 'unixepoch') AS day, name,
       count(*) FILTER (WHERE outcome <> 'not sent'),
       coalesce(sum(images) FILTER (WHERE outcome = 'billed'), 0),
       count(*) FILTER (WHERE outcome IN ('unknown', 'sent'))
FROM attempt JOIN run ON run.id = attempt.run
GROUP BY day, name ORDER BY day, min(sent_at)
"""


def entries(db: sqlite3.Connection, identities: list[str]) -> dict[str, LedgerEntry]:
    """Return the entries of these images, by their identities."""
    marks = ",".join("?" * len(identities))
    # S608: question marks and our own names
    rows = db.execute(
        f"SELECT {COLUMNS} FROM image WHERE identity IN ({marks})",  # noqa: S608
        identities,
    ).fetchall()  # all of them first: an error would leave the statement open, with its lock
    return {row[1]: _damage.entry_of(row) for row in rows}


def entries_after(db: sqlite3.Connection, last: int, state: State | None) -> list[LedgerEntry]:
    """Return the next piece of all entries."""
    where = "" if state is None else f"AND state = '{state}'"
    rows = db.execute(
        f"SELECT {COLUMNS} FROM image WHERE id > ? {where} ORDER BY id LIMIT {_PIECE}",  # noqa: S608  # our own words
        (last,),
    ).fetchall()  # as above
    return [_damage.entry_of(row) for row in rows]


def attempts(db: sqlite3.Connection, identity: str) -> list[LedgerAttempt]:
    """Return the requests for one image."""
    return [LedgerAttempt._make(row) for row in db.execute(_ATTEMPTS, (identity,))]


def statement(db: sqlite3.Connection) -> list[LedgerSpend]:
    """Return what was spent, by day and run."""
    return [LedgerSpend._make(row) for row in db.execute(_STATEMENT)]


def names(db: sqlite3.Connection) -> list[str]:
    """Return the names of all runs."""
    return [name for (name,) in db.execute("SELECT DISTINCT name FROM run")]


def name_in_use(db: sqlite3.Connection) -> Path | None:
    """Return the name by which runs open the file; None before the first of them."""
    row = db.execute("SELECT value FROM about WHERE key = 'name in use'").fetchone()
    return None if row is None else Path(os.fsdecode(row[0]))


def use_name(db: sqlite3.Connection, path: Path) -> None:
    """Write by which name runs open the file, as bytes: it may be no text."""
    db.execute("INSERT OR REPLACE INTO about VALUES ('name in use', ?)", (os.fsencode(path),))


def mark_output(db: sqlite3.Connection, run: int, mark: str) -> None:
    """Write the mark of the output that a run writes."""
    db.execute("UPDATE run SET output = ? WHERE id = ?", (mark, run))


def output_mark(db: sqlite3.Connection, name: str) -> str | None:
    """Return the mark of the last run of a name that has one."""
    row = db.execute(
        "SELECT output FROM run WHERE name = ? AND output IS NOT NULL ORDER BY id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else str(row[0])


def times_after(
    db: sqlite3.Connection, last: tuple[int, int], name: str | None
) -> list[tuple[int, int, float]]:
    """Return the next piece of all requests that left: run, number and time."""
    return db.execute(
        "SELECT run, number, sent_at FROM attempt JOIN run ON run.id = attempt.run"
        " WHERE (run, number) > (?, ?) AND outcome <> 'not sent' AND (? IS NULL OR name = ?)"
        " ORDER BY run, number LIMIT ?",
        (*last, name, name, _PIECE),
    ).fetchall()


def allow_resend(db: sqlite3.Connection, identities: list[str] | None) -> int:
    """Forget the doubts about unknown images, so that a client asks for them again."""
    return _settle(db, "UPDATE image SET doubts = 0, state = 'not sent'", identities)


def write_off(db: sqlite3.Connection, identities: list[str] | None) -> int:
    """Let unknown images be failed ones."""
    return _settle(db, "UPDATE image SET state = 'failed', error = 'OutcomeUnknown'", identities)


def _settle(db: sqlite3.Connection, update: str, identities: list[str] | None) -> int:
    unknown = f"{update} WHERE state = 'unknown'"
    if identities is None:
        return db.execute(unknown).rowcount
    one = f"{unknown} AND identity = ?"
    return sum(db.execute(one, (identity,)).rowcount for identity in identities)


def forget_uploads(db: sqlite3.Connection) -> None:
    """Write that nothing is in the vendor's store any more."""
    db.execute("UPDATE image SET upload = NULL, uploaded_at = NULL WHERE upload IS NOT NULL")
