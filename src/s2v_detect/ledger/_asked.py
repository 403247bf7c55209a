"""What the ledger is asked, how what is unknown is settled, and what takes images out of the file.

The addresses of portraits are personal data. What is forgotten is gone from the file: also from its
free pages, for what is deleted is overwritten, and the file is then written anew without its gaps.
What was paid stays in the statement: an image's requests are kept, with nothing that leads to it.
"""

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from s2v_detect._redaction import shown
from s2v_detect.errors import LedgerError
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


def is_in_use(db: sqlite3.Connection) -> bool:
    """Whether the file holds a request that was sent, or an answer, or a run is under way."""
    [sent] = db.execute(
        "SELECT EXISTS (SELECT 1 FROM attempt WHERE outcome <> 'not sent')"
        " OR EXISTS (SELECT 1 FROM image WHERE answered_at IS NOT NULL)"
        " OR EXISTS (SELECT 1 FROM run WHERE ended_at IS NULL)"
    ).fetchone()
    return bool(sent)


def name_in_use(db: sqlite3.Connection) -> Path | None:
    """Return the name by which runs open the file; None before the first of them."""
    row = db.execute("SELECT value FROM about WHERE key = 'name in use'").fetchone()
    return None if row is None else Path(os.fsdecode(row[0]))


def use_name(db: sqlite3.Connection, path: Path) -> None:
    """Write by which name runs open the file, as bytes: it may be no text."""
    db.execute("INSERT OR REPLACE INTO about VALUES ('name in use', ?)", (os.fsencode(path),))


class LatestRun(NamedTuple):
    """The latest run of a name."""

    lineage: int
    process: str
    ended_at: float | None


def latest_run(db: sqlite3.Connection, name: str) -> LatestRun | None:
    """Return the run whose lineage the next one of this name goes on with; None: there is none."""
    row = db.execute(
        "SELECT lineage, process, ended_at FROM run WHERE name = ? AND name <> ''"
        " ORDER BY id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return None if row is None else LatestRun._make(row)


_IDENTITY = "identity of run "
_SENT_BY = (
    "SELECT name, value FROM run JOIN about ON key = ? || run.id WHERE EXISTS"
    " (SELECT 1 FROM attempt WHERE attempt.run = run.id AND outcome <> 'not sent')"
    " ORDER BY run.id DESC"
)
_ARE_OWN = "identity >= 'id:' AND identity < 'id;'"  # a range: the index finds it at once
_KNOWN_BY = "SELECT EXISTS (SELECT 1 FROM image WHERE {} AND answered_at IS NOT NULL)"


def keep_identity(db: sqlite3.Connection, run: int, column: str) -> None:
    """Write by which column a run knows its images; an empty one: by what they are."""
    db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (f"{_IDENTITY}{run}", column))


def identities_kept(db: sqlite3.Connection, name: str) -> list[str | None]:
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


_OPEN = ("asked", "sent", "unknown")
"""Under way, or perhaps paid for: nobody may lose these without a word."""
_PIECE = 500


def forget(db: sqlite3.Connection, identities: list[str]) -> int:
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


def prune(db: sqlite3.Connection, before: float) -> tuple[int, int]:
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


def _remove(db: sqlite3.Connection, numbers: list[int]) -> None:
    db.execute("PRAGMA secure_delete = ON").fetchone()
    marks = ",".join("?" * len(numbers))
    # S608: question marks. No image has the number 0.
    anonymous = "image = 0, request_id = NULL, error = NULL, code = NULL"
    db.execute(f"UPDATE attempt SET {anonymous} WHERE image IN ({marks})", numbers)  # noqa: S608
    db.execute(f"DELETE FROM image WHERE id IN ({marks})", numbers)  # noqa: S608


def rewrite(db: sqlite3.Connection) -> None:
    """Write the file anew: without free pages, and without what had once been in them."""
    db.execute("VACUUM")


def copy(db: sqlite3.Connection, ledger: Path, target: Path, *, replaces: bool) -> None:
    """Write a copy as the ledger is at this moment. It appears whole, and for its owner alone.

    What it replaces is a file, and no ledger but an older copy of this one.
    """
    _refuse_target(ledger, target, replaces=replaces)
    target = Path(os.path.realpath(target))  # a link stays one
    _refuse_another_ledger(db, target)
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        db.execute("VACUUM INTO ?", (made.as_uri(),))  # a name of any bytes
        descriptor = os.open(made, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replaces:
            made.replace(target)
        else:
            _name(made, target)
    except OSError as error:
        raise LedgerError(
            f"the copy {target.name} can't be written ({error.strerror}).",
            do="Give another name; the ledger is as it was.",
        ) from error
    finally:
        with suppress(OSError):
            made.unlink()


def _refuse_target(ledger: Path, target: Path, *, replaces: bool) -> None:
    with suppress(OSError):
        if target.samefile(ledger):
            raise LedgerError(f"{target.name} is the ledger itself.", do="Give another name.")
    journal = target.with_name(f"{target.name}-journal")
    with suppress(OSError):
        if journal.stat().st_size:
            raise LedgerError(
                f"{journal.name} is there: {target.name} is being written, or its writer died.",
                do="Give another name.",
            )
    if not replaces and os.path.lexists(target):
        raise _is_there(target)
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise LedgerError(f"{target.name} is no file but a device.", do="Give another name.")


def _refuse_another_ledger(db: sqlite3.Connection, target: Path) -> None:
    """Raise `LedgerError` where a database is replaced that is no older copy of this ledger.

    A run that the target alone has paid for something that is written nowhere else.
    """
    if not target.is_file() or not target.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as there:
            runs = {token for (token,) in there.execute("SELECT token FROM run")}
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            return  # no database
        runs = {None}
    if not runs <= {token for (token,) in db.execute("SELECT token FROM run")}:
        raise LedgerError(
            f"{target.name} is another ledger or database, and no older copy of this one.",
            do="Give another name.",
        )


def _name(made: Path, target: Path) -> None:
    try:
        os.link(made, target)
    except FileExistsError:
        raise _is_there(target) from None
    except OSError:  # a file system without hard links
        made.rename(target)


def _is_there(target: Path) -> LedgerError:
    return LedgerError(
        f"{target.name} exists already.", do="Give another name, or say that it may be replaced."
    )
