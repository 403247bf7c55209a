"""What the ledger is asked, how what is unknown is settled, and what takes images out of the file.

The addresses of portraits are personal data. What is forgotten is gone from the rows, and the
store then writes those anew, so that nothing is left in a gap. What was paid stays in the
statement: an image's requests are kept, with nothing that leads to it.
"""

from datetime import date
from typing import NamedTuple

from s2v_detect._redaction import shown
from s2v_detect.errors import LedgerError
from s2v_detect.ledger._database import Database
from s2v_detect.ledger._entries import (
    COLUMNS,
    LedgerAttempt,
    LedgerEntry,
    LedgerSpend,
    State,
    sound_entry,
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
SELECT {day} AS day, name,
       count(*) FILTER (WHERE outcome <> 'not sent'),
       coalesce(sum(images) FILTER (WHERE outcome = 'billed'), 0),
       count(*) FILTER (WHERE outcome IN ('unknown', 'sent'))
FROM attempt JOIN run ON run.id = attempt.run
GROUP BY day, name ORDER BY day, min(sent_at)
"""
_DAY = "CAST((sent_at + 28800) / 86400 AS INTEGER)"  # PostgreSQL rounds, SQLite cuts off
_DAY = f"{_DAY} - CASE WHEN {_DAY} > (sent_at + 28800) / 86400 THEN 1 ELSE 0 END"
_EPOCH = date(1970, 1, 1).toordinal()


def entries(db: Database, identities: list[str]) -> dict[str, LedgerEntry]:
    """Return the entries of these images, by their identities."""
    marks = ",".join("?" * len(identities))
    # S608: question marks and our own names
    rows = db.execute(
        f"SELECT {COLUMNS} FROM image WHERE identity IN ({marks})",  # noqa: S608
        identities,
    ).fetchall()  # all of them first: an error would leave the statement open, with its lock
    return {row[1]: sound_entry(row) for row in rows}


def entries_after(db: Database, last: int, state: State | None) -> list[LedgerEntry]:
    """Return the next piece of all entries."""
    where = "" if state is None else f"AND state = '{state}'"
    rows = db.execute(
        f"SELECT {COLUMNS} FROM image WHERE id > ? {where} ORDER BY id LIMIT {_PIECE}",  # noqa: S608  # our own words
        (last,),
    ).fetchall()  # as above
    return [sound_entry(row) for row in rows]


def attempts(db: Database, identity: str) -> list[LedgerAttempt]:
    """Return the requests for one image."""
    return [LedgerAttempt._make(row) for row in db.execute(_ATTEMPTS, (identity,))]


def statement(db: Database) -> list[LedgerSpend]:
    """Return what was spent, by day and run."""
    rows = db.execute(_STATEMENT.format(day=_DAY)).fetchall()
    days = [date.fromordinal(_EPOCH + day).isoformat() for day, *_ in rows]
    return [LedgerSpend(day, *row[1:]) for day, row in zip(days, rows, strict=True)]


def names(db: Database) -> list[str]:
    """Return the names of all runs."""
    return [name for (name,) in db.execute("SELECT DISTINCT name FROM run")]


def is_in_use(db: Database) -> bool:
    """Whether the file holds a request that was sent, or an answer, or a run is under way."""
    [sent] = db.execute(
        "SELECT EXISTS (SELECT 1 FROM attempt WHERE outcome <> 'not sent')"
        " OR EXISTS (SELECT 1 FROM image WHERE answered_at IS NOT NULL)"
        " OR EXISTS (SELECT 1 FROM run WHERE ended_at IS NULL)"
    ).fetchone()
    return bool(sent)


def keep(db: Database, key: str, value: object) -> None:
    """Write a fact about the ledger, in the place of an older one."""
    db.execute(
        "INSERT INTO about (key, value) VALUES (?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )


class LatestRun(NamedTuple):
    """The latest run of a name."""

    id: int
    lineage: int
    process: str
    ended_at: float | None


def latest_run(db: Database, name: str) -> LatestRun | None:
    """Return the run whose lineage the next one of this name goes on with; None: there is none."""
    row = db.execute(
        "SELECT id, lineage, process, ended_at FROM run WHERE name = ? AND name <> ''"
        " ORDER BY id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else LatestRun._make(row)


_IDENTITY = "identity of run "
_SENT_BY = (
    "SELECT name, value FROM run JOIN about ON key = ? || CAST(run.id AS TEXT) WHERE EXISTS"
    " (SELECT 1 FROM attempt WHERE attempt.run = run.id AND outcome <> 'not sent')"
    " ORDER BY run.id DESC"
)
_ARE_OWN = "identity >= 'id:' AND identity < 'id;'"  # a range: the index finds it at once
_KNOWN_BY = "SELECT EXISTS (SELECT 1 FROM image WHERE {} AND answered_at IS NOT NULL)"


def keep_identity(db: Database, run: int, column: str) -> None:
    """Write by which column a run knows its images; an empty one: by what they are."""
    keep(db, f"{_IDENTITY}{run}", column)


def identities_kept(db: Database, name: str) -> list[str | None]:
    """Return by which columns the runs before one of this name knew what they sent.

    That is the latest of its name, or else all runs. Where no run has said so, the images tell
    whether there was a column (None: which one is not known).
    """
    runs = db.execute(_SENT_BY, (_IDENTITY,)).fetchall()
    own = [column for each, column in runs if each == name != ""]
    if runs:
        return own[:1] or list(dict.fromkeys(column for _, column in runs))
    [has_own] = db.execute(_KNOWN_BY.format(_ARE_OWN)).fetchone()
    [has_others] = db.execute(_KNOWN_BY.format(f"NOT ({_ARE_OWN})")).fetchone()
    if has_own == has_others:  # none yet, or some of both
        return []
    return [None] if has_own else [""]


def mark_output(db: Database, run: int, mark: str) -> None:
    """Write the mark of the output that a run writes."""
    db.execute("UPDATE run SET output = ? WHERE id = ?", (mark, run))


def output_mark(db: Database, name: str) -> str | None:
    """Return the mark of the last run of a name that has one."""
    row = db.execute(
        "SELECT output FROM run WHERE name = ? AND output IS NOT NULL ORDER BY id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else str(row[0])


def times_after(
    db: Database, last: tuple[int, int], name: str | None
) -> list[tuple[int, int, float]]:
    """Return the next piece of all requests that left: run, number and time."""
    return db.execute(
        "SELECT run, number, sent_at FROM attempt JOIN run ON run.id = attempt.run"
        " WHERE (run, number) > (?, ?) AND outcome <> 'not sent' AND name = coalesce(?, name)"
        " ORDER BY run, number LIMIT ?",
        (*last, name, _PIECE),
    ).fetchall()


def allow_resend(db: Database, identities: list[str] | None) -> int:
    """Forget the doubts about unknown images, so that a client asks for them again."""
    return _settle(db, "UPDATE image SET doubts = 0, state = 'not sent'", identities)


def write_off(db: Database, identities: list[str] | None) -> int:
    """Let unknown images be failed ones."""
    return _settle(db, "UPDATE image SET state = 'failed', error = 'OutcomeUnknown'", identities)


def _settle(db: Database, update: str, identities: list[str] | None) -> int:
    unknown = f"{update} WHERE state = 'unknown'"
    if identities is None:
        return db.execute(unknown).rowcount
    one = f"{unknown} AND identity = ?"
    return sum(db.execute(one, (identity,)).rowcount for identity in identities)


def forget_uploads(db: Database) -> None:
    """Write that nothing is in the vendor's store any more."""
    db.execute("UPDATE image SET upload = NULL, uploaded_at = NULL WHERE upload IS NOT NULL")


_OPEN = ("asked", "sent", "unknown")
"""Under way, or perhaps paid for: nobody may lose these without a word."""
_PIECE = 500


def forget(db: Database, identities: list[str]) -> int:
    """Remove images, and return how many there were. Raises `LedgerError` for one under way."""
    numbers = []
    for identity in identities:
        row = db.execute("SELECT id, state FROM image WHERE identity = ?", (identity,)).fetchone()
        if row is None:
            continue
        if row[1] in ("asked", "sent"):
            raise LedgerError(
                f"{shown(identity)} is being asked for by a run now, so nothing was forgotten.",
                do="Wait for that run, or begin another one: it settles what a dead run has left.",
            )
        numbers.append(row[0])
    for first in range(0, len(numbers), _PIECE):
        _remove(db, numbers[first : first + _PIECE])
    return len(numbers)


def prune(db: Database, before: float) -> tuple[int, int]:
    """Remove what came to its state before a time; return how many, and how many old ones stay.

    Those stay that are under way or unknown.
    """
    removed, last = 0, 0
    marks = ",".join("?" * len(_OPEN))
    while rows := db.execute(
        f"SELECT id FROM image WHERE id > ? AND at < ? AND state NOT IN ({marks})"  # noqa: S608  # question marks
        " ORDER BY id LIMIT ?",
        (last, before, *_OPEN, _PIECE),
    ).fetchall():
        numbers = [number for (number,) in rows]
        _remove(db, numbers)
        removed, last = removed + len(numbers), numbers[-1]
    [kept] = db.execute("SELECT count(*) FROM image WHERE at < ?", (before,)).fetchone()
    return removed, kept


def _remove(db: Database, numbers: list[int]) -> None:
    marks = ",".join("?" * len(numbers))
    # S608: question marks. No image has the number 0.
    anonymous = "image = 0, request_id = NULL, error = NULL, code = NULL"
    db.execute(f"UPDATE attempt SET {anonymous} WHERE image IN ({marks})", numbers)  # noqa: S608
    db.execute(f"DELETE FROM image WHERE id IN ({marks})", numbers)  # noqa: S608
