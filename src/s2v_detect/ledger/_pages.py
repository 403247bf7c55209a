"""What is written of one image, in the order of its check: SQL, and nothing that waits.

Every function is work for the desk and takes its connection. `Page` is what one check remembers
between them; the desk's thread alone writes to it while work is under way.
"""

import sqlite3
import time
from dataclasses import dataclass

from s2v_detect.errors import DetectError, NotSent, OutcomeUnknown
from s2v_detect.ledger._entries import COLUMNS, AttemptOutcome, LedgerEntry
from s2v_detect.models import Verdict

LIVE_STATES = ("asked", "sent")
_BY_IDENTITY = f"SELECT {COLUMNS} FROM image WHERE identity = ?"  # noqa: S608  # our own names


@dataclass
class Page:
    """One check's place in the ledger."""

    image: str
    identity: str
    run: int
    lineage: int
    id: int | None = None
    """The image's row, once this run has claimed it."""
    attempt: int | None = None
    """The row of the request that is under way."""


@dataclass(frozen=True)
class Ended:
    """How a request ended."""

    outcome: AttemptOutcome
    error: str | None = None
    code: str | None = None
    request_id: str | None = None
    service_ms: int | None = None


def entry_of(db: sqlite3.Connection, identity: str) -> LedgerEntry | None:
    """Return what is recorded of an image."""
    row = db.execute(_BY_IDENTITY, (identity,)).fetchone()
    return LedgerEntry(*row) if row else None


def claim(db: sqlite3.Connection, page: Page, entry: LedgerEntry | None) -> None:
    """Write `asked`: from now on no other run asks for this image."""
    now = time.time()
    if entry is None:
        given = None if page.image == page.identity else page.image
        cursor = db.execute(
            "INSERT INTO image (identity, image, state, at, run, lineage)"
            " VALUES (?, ?, 'asked', ?, ?, ?)",
            (page.identity, given, now, page.run, page.lineage),
        )
        page.id = cursor.lastrowid
        return
    page.id = entry.id
    if entry.lineage == page.lineage:
        db.execute(
            "UPDATE image SET state = 'asked', at = ?, run = ? WHERE id = ?",
            (now, page.run, entry.id),
        )
    else:  # what others paid for it stays in their attempts
        db.execute(
            "UPDATE image SET state = 'asked', at = ?, run = ?, lineage = ?,"
            " paid = 0, unsure = 0, attempts = 0, elapsed_s = 0 WHERE id = ?",
            (now, page.run, page.lineage, entry.id),
        )


def send(db: sqlite3.Connection, page: Page) -> None:
    """Write `sent`, before the bytes leave."""
    now = time.time()
    cursor = db.execute(
        "INSERT INTO attempt (image, run, sent_at, outcome) VALUES (?, ?, ?, 'sent')",
        (page.id, page.run, now),
    )
    page.attempt = cursor.lastrowid
    db.execute(
        "UPDATE image SET state = 'sent', at = ?, attempts = attempts + 1 WHERE id = ?",
        (now, page.id),
    )


def end_attempt(db: sqlite3.Connection, page: Page, ended: Ended) -> None:
    """Write how the request that was under way ended."""
    if page.attempt is None:
        return
    db.execute(
        "UPDATE attempt SET ended_at = ?, outcome = ?, error = ?, code = ?, request_id = ?,"
        " service_ms = ? WHERE id = ?",
        (
            time.time(),
            ended.outcome,
            ended.error,
            _text(ended.code),
            _text(ended.request_id),
            ended.service_ms,
            page.attempt,
        ),
    )
    page.attempt = None
    if ended.outcome == "not sent":
        db.execute(
            "UPDATE image SET state = 'asked', attempts = attempts - 1 WHERE id = ?", (page.id,)
        )
    elif ended.outcome == "unknown":
        db.execute(
            "UPDATE image SET unsure = unsure + 1, doubts = doubts + 1 WHERE id = ?", (page.id,)
        )
    elif ended.outcome == "billed":
        db.execute("UPDATE image SET paid = paid + 1 WHERE id = ?", (page.id,))


def answer(
    db: sqlite3.Connection, page: Page, ended: Ended, verdict: Verdict, elapsed_s: float
) -> None:
    """Write `answered`, before anyone hears of it."""
    end_attempt(db, page, ended)
    now = time.time()
    db.execute(
        "UPDATE image SET state = 'answered', at = ?, answered_at = ?, elapsed_s = ?,"
        " check_pass = ?, humanoid = ?, code = ?, message = ?, request_id = ?, error = NULL,"
        " doubts = 0"
        " WHERE id = ?",
        (
            now,
            now,
            elapsed_s,
            verdict.check_pass,
            verdict.humanoid,
            _text(verdict.code),
            _text(verdict.message),
            _text(verdict.request_id),
            page.id,
        ),
    )


def give_up(db: sqlite3.Connection, page: Page, error: DetectError, elapsed_s: float) -> None:
    """Write that a claimed image ended without an answer; an older answer of it stays."""
    if page.id is None:
        return
    if page.attempt is not None:  # cut off: whether it left is in the error
        end_attempt(db, page, Ended("not sent" if error.billed == "no" else "unknown"))
    db.execute(
        "UPDATE image SET state = CASE WHEN check_pass IS NULL THEN ? ELSE 'answered' END,"
        " at = ?, elapsed_s = ?, error = ? WHERE id = ? AND run = ? AND state IN ('asked', 'sent')",
        (_state_after(error), time.time(), elapsed_s, type(error).__name__, page.id, page.run),
    )
    db.execute(
        "UPDATE image SET code = ?, message = ?, request_id = ?"
        " WHERE id = ? AND check_pass IS NULL",
        (
            _text(getattr(error, "code", "")),
            _text(getattr(error, "message", "") or f"{error.what} {error.do}"),
            _text(getattr(error, "request_id", None)),
            page.id,
        ),
    )


def skip(db: sqlite3.Connection, page: Page, reason: str) -> None:
    """Write `skipped`: the service would not take it, and it was never sent."""
    db.execute(
        "INSERT INTO image (identity, state, at, run, lineage, message, error)"
        " VALUES (?, 'skipped', ?, ?, ?, ?, 'ImageSkipped')"
        " ON CONFLICT (identity) DO NOTHING",
        (_text(page.identity), time.time(), page.run, page.lineage, _text(reason)),
    )


def release(db: sqlite3.Connection, run: int) -> None:
    """Write what a run left open, when it is over: by its end, or by its death.

    What it had sent without an answer is unknown from here on.
    """
    now = time.time()
    db.execute(
        "UPDATE image SET unsure = unsure + 1, doubts = doubts + 1 WHERE id IN"
        " (SELECT image FROM attempt WHERE run = ? AND outcome = 'sent')",
        (run,),
    )
    db.execute(
        "UPDATE attempt SET outcome = 'unknown', ended_at = ? WHERE run = ? AND outcome = 'sent'",
        (now, run),
    )
    db.execute(
        "UPDATE image SET at = ?, error = CASE WHEN doubts THEN 'OutcomeUnknown' END,"
        " state = CASE WHEN check_pass IS NOT NULL THEN 'answered'"
        " WHEN doubts THEN 'unknown' ELSE 'not sent' END"
        " WHERE run = ? AND state IN ('asked', 'sent')",
        (now, run),
    )
    db.execute("UPDATE run SET ended_at = ? WHERE id = ?", (now, run))


def _state_after(error: DetectError) -> str:
    if isinstance(error, OutcomeUnknown):
        return "unknown"
    if isinstance(error, NotSent) or error.stops_run:
        return "unknown" if error.billed == "unknown" else "not sent"
    return "failed"


def _text(value: str | None) -> str | None:
    """Return text as UTF-8 can hold it: half a character as its escape."""
    return None if value is None else value.encode(errors="backslashreplace").decode()
