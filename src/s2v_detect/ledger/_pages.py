"""What is written of one image, in the order of its check: SQL, and nothing that waits.

Every function is work for the desk and takes its connection. What could not be written is tried
again; done twice, none of them counts anything twice.
"""

import sqlite3
import time
from dataclasses import dataclass

from s2v_detect._redaction import text_of
from s2v_detect.errors import DetectError, ImageSkipped, NotSent, OutcomeUnknown
from s2v_detect.ledger._entries import COLUMNS, AttemptOutcome, LedgerEntry
from s2v_detect.models import Verdict

LIVE_STATES = ("asked", "sent")
_CHANGES = {
    "not sent": "state = 'asked', attempts = attempts - 1",
    "unknown": "unsure = unsure + 1, doubts = doubts + 1",
    "billed": "paid = paid + 1",
}
_BY_IDENTITY = f"SELECT {COLUMNS} FROM image WHERE identity = ?"  # noqa: S608  # our own names


@dataclass
class Page:
    """One check's place in the ledger.

    No row numbers: a group that could not be written is taken back whole, and a number that was
    seen in it may be another's later. The run numbers its requests itself.
    """

    image: str
    identity: str
    run: int
    lineage: int
    attempt: int = 0
    """The number of its last request in the run."""
    left_at: float | None = None
    """When that one's bytes left, if they have."""


@dataclass(frozen=True)
class Ended:
    """How a request ended."""

    outcome: AttemptOutcome
    error: str | None = None
    code: str | None = None
    request_id: str | None = None
    service_ms: int | None = None
    left_at: float | None = None


@dataclass(frozen=True)
class Settled:
    """How an image's check ended: with which request, and after how long."""

    number: int
    ended: Ended
    elapsed_s: float


def entry_of(db: sqlite3.Connection, identity: str) -> LedgerEntry | None:
    """Return what is recorded of an image."""
    row = db.execute(_BY_IDENTITY, (identity,)).fetchone()
    return LedgerEntry(*row) if row else None


def claim(db: sqlite3.Connection, page: Page, entry: LedgerEntry | None) -> None:
    """Write `asked`: from now on no other run asks for this image."""
    now = time.time()
    if entry is None:
        given = None if page.image == page.identity else _text(page.image)
        db.execute(
            "INSERT INTO image (identity, image, state, at, run, lineage)"
            " VALUES (?, ?, 'asked', ?, ?, ?)",
            (page.identity, given, now, page.run, page.lineage),
        )
    elif entry.lineage == page.lineage:
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


def send(db: sqlite3.Connection, page: Page, number: int) -> None:
    """Write `sent`, before the bytes leave."""
    now = time.time()
    db.execute(
        "INSERT INTO attempt (run, number, image, sent_at, outcome)"
        " SELECT ?, ?, id, ?, 'sent' FROM image WHERE identity = ?",
        (page.run, number, now, page.identity),
    )
    db.execute(
        "UPDATE image SET state = 'sent', at = ?, attempts = attempts + 1 WHERE identity = ?",
        (now, page.identity),
    )


def end_attempt(db: sqlite3.Connection, page: Page, number: int, ended: Ended) -> None:
    """Write how a request ended. One that could not be recorded was not sent: nothing to write."""
    change = _CHANGES.get(ended.outcome)
    if _close_attempt(db, page, number, ended) and change:
        db.execute(f"UPDATE image SET {change} WHERE identity = ?", (page.identity,))  # noqa: S608  # ours


def upload(db: sqlite3.Connection, page: Page, url: str, at: float) -> None:
    """Write where in the vendor's store an image is."""
    db.execute(
        "UPDATE image SET upload = ?, uploaded_at = ? WHERE identity = ?", (url, at, page.identity)
    )


def answer(db: sqlite3.Connection, page: Page, settled: Settled, verdict: Verdict) -> None:
    """Write `answered`, before anyone hears of it."""
    ended = settled.ended
    if not _close_attempt(db, page, settled.number, ended):
        return
    now = time.time()
    db.execute(
        "UPDATE image SET state = 'answered', at = ?, answered_at = ?, elapsed_s = ?,"
        " check_pass = ?, humanoid = ?, code = ?, message = ?, request_id = ?, error = NULL,"
        " doubts = 0, paid = paid + ?, unsure = unsure + ? WHERE identity = ?",
        (
            now,
            now,
            settled.elapsed_s,
            verdict.check_pass,
            verdict.humanoid,
            _text(verdict.code),
            _text(verdict.message),
            _text(verdict.request_id),
            ended.outcome == "billed",
            ended.outcome == "unknown",
            page.identity,
        ),
    )


def give_up(db: sqlite3.Connection, page: Page, settled: Settled, error: DetectError) -> None:
    """Write that a claimed image ended without an answer; an older answer of it stays."""
    end_attempt(db, page, settled.number, settled.ended)
    now = time.time()
    db.execute(
        "UPDATE image SET state = 'answered', at = ? WHERE identity = ? AND run = ?"
        " AND state IN ('asked', 'sent') AND check_pass IS NOT NULL",
        (now, page.identity, page.run),
    )
    db.execute(
        "UPDATE image SET state = ?, at = ?, elapsed_s = ?, error = ?, code = ?, message = ?,"
        " request_id = ? WHERE identity = ? AND run = ? AND state IN ('asked', 'sent')",
        (
            _state_after(error),
            now,
            settled.elapsed_s,
            type(error).__name__,
            _text(getattr(error, "code", "")),
            _text(_told(error)),
            _text(getattr(error, "request_id", None)),
            page.identity,
            page.run,
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


def _close_attempt(db: sqlite3.Connection, page: Page, number: int, ended: Ended) -> bool:
    cursor = db.execute(
        "UPDATE attempt SET ended_at = ?, outcome = ?, error = ?, code = ?, request_id = ?,"
        " service_ms = ?, sent_at = coalesce(?, sent_at)"
        " WHERE run = ? AND number = ? AND outcome = 'sent'",
        (
            time.time(),
            ended.outcome,
            ended.error,
            _text(ended.code),
            _text(ended.request_id),
            ended.service_ms,
            ended.left_at,
            page.run,
            number,
        ),
    )
    return cursor.rowcount > 0


def _told(error: DetectError) -> str:
    if isinstance(error, ImageSkipped):
        return error.reason
    return getattr(error, "message", "") or f"{error.what} {error.do}"


def _state_after(error: DetectError) -> str:
    if isinstance(error, ImageSkipped):
        return "skipped"
    if isinstance(error, OutcomeUnknown):
        return "unknown"
    if isinstance(error, NotSent) or error.stops_run:
        return "unknown" if error.billed == "unknown" else "not sent"
    return "failed"


def _text(value: str | None) -> str | None:
    return None if value is None else text_of(value)
