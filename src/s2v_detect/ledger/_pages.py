"""What is written of one image, in the order of its check: SQL, and nothing that waits.

Every function is work for the desk and takes its connection. What could not be written is tried
again; done twice, none of them counts anything twice.
"""

import sqlite3
import time
from dataclasses import dataclass
from typing import NamedTuple

from s2v_detect._redaction import shown, text_of
from s2v_detect.errors import DetectError, ImageSkipped, LedgerError, NotSent, OutcomeUnknown
from s2v_detect.ledger import _attempts, _damage
from s2v_detect.ledger._attempts import Ended, Page
from s2v_detect.ledger._entries import COLUMNS, LedgerEntry
from s2v_detect.models import Verdict

LIVE_STATES = ("asked", "sent")
_BY_IDENTITY = f"SELECT {COLUMNS} FROM image WHERE identity = ?"  # noqa: S608  # our own names


@dataclass(frozen=True)
class Settled:
    """How an image's check ended: with which request, and after how long."""

    number: int
    ended: Ended
    elapsed_s: float


def entry_of(db: sqlite3.Connection, identity: str) -> LedgerEntry | None:
    """Return what is recorded of an image."""
    row = db.execute(_BY_IDENTITY, (identity,)).fetchone()
    return _damage.entry_of(row) if row else None


def claim(db: sqlite3.Connection, page: Page, entry: LedgerEntry | None) -> None:
    """Write `asked`: from now on no other run asks for this image."""
    refuse_ended(db, page.run)
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


class Claims(NamedTuple):
    """What a run is asking for now."""

    process: str
    images: int
    since: float


def claims_of(db: sqlite3.Connection, run: int) -> Claims:
    """Return what a run claims, by how many images, and since when."""
    row = db.execute(
        "SELECT coalesce((SELECT process FROM run WHERE id = ?), '?'), count(*),"
        " coalesce(min(at), 0) FROM image WHERE run = ? AND state IN ('asked', 'sent')",
        (run, run),
    ).fetchone()
    return Claims(*row)


def send(db: sqlite3.Connection, page: Page, number: int) -> None:
    """Write `sent`, before the bytes leave."""
    refuse_ended(db, page.run)
    now = time.time()
    updated = db.execute(
        "UPDATE image SET state = 'sent', at = ?, attempts = attempts + 1"
        " WHERE identity = ? AND run = ?",
        (now, page.identity, page.run),
    )
    if not updated.rowcount:
        raise LedgerError(
            f"another run of the ledger has {shown(page.image)} now.",
            do="Give each copy of a ledger a name of its own, and start again.",
        )
    db.execute(
        "INSERT INTO attempt (run, number, image, sent_at, outcome)"
        " SELECT ?, ?, id, ?, 'sent' FROM image WHERE identity = ?",
        (page.run, number, now, page.identity),
    )


def refuse_ended(db: sqlite3.Connection, run: int) -> None:
    """Raise `LedgerError` where the run is over in the ledger: it was taken for a dead one."""
    row = db.execute("SELECT ended_at FROM run WHERE id = ?", (run,)).fetchone()
    if row is None or row[0] is not None:
        raise LedgerError(
            "this run is over, as its ledger says: another run took it for a dead one, or another"
            " file was put in the ledger's place.",
            do="Leave the ledger and the files beside it alone, and start again.",
        )


def end_attempt(db: sqlite3.Connection, page: Page, number: int, ended: Ended) -> None:
    """Write how a request ended. One that could not be recorded was not sent: nothing to write."""
    was = _attempts.close(db, page, number, ended)
    if was is None:
        return
    _attempts.count(db, page, _attempts.change(was, ended))
    if ended.outcome == "not sent":
        db.execute(
            "UPDATE image SET state = 'asked' WHERE identity = ? AND run = ? AND state = 'sent'",
            (page.identity, page.run),
        )
    if was == "unknown":  # by another run, that took this one for dead: no doubt is left
        db.execute(
            "UPDATE image SET state = CASE WHEN check_pass IS NULL THEN 'not sent'"
            " ELSE 'answered' END, error = NULL"
            " WHERE identity = ? AND run = ? AND state = 'unknown' AND NOT doubts",
            (page.identity, page.run),
        )


def upload(db: sqlite3.Connection, page: Page, url: str, at: float) -> None:
    """Write where in the vendor's store an image is."""
    db.execute(
        "UPDATE image SET upload = ?, uploaded_at = ? WHERE identity = ?", (url, at, page.identity)
    )


def answer(db: sqlite3.Connection, page: Page, settled: Settled, verdict: Verdict) -> None:
    """Write `answered`, before anyone hears of it.

    Whatever became of the run meanwhile: an answer is never dropped. Where another run asks for the
    image now, the image stays that run's.
    """
    ended = settled.ended
    was = _attempts.close(db, page, settled.number, ended)
    if was is None:
        if _attempts.is_known(db, page, settled.number):
            return  # done already
        _attempts.book_anew(db, page, ended)
        was = "sent"
    added = _attempts.change(was, ended)
    now = time.time()
    db.execute(
        "UPDATE image SET state = CASE WHEN run <> ? AND state IN ('asked', 'sent') THEN state"
        " ELSE 'answered' END, at = ?, answered_at = ?, answered_by = ?, elapsed_s = ?,"
        " check_pass = ?, humanoid = ?, code = ?, message = ?, request_id = ?, error = NULL,"
        " doubts = 0, paid = paid + ? * (lineage = ?), unsure = max(0, unsure + ? * (lineage = ?))"
        " WHERE identity = ?",
        (
            page.run,
            now,
            now,
            page.run,
            settled.elapsed_s,
            verdict.check_pass,
            verdict.humanoid,
            _text(verdict.code),
            _text(verdict.message),
            _text(verdict.request_id),
            added.get("paid", 0),
            page.lineage,
            added.get("unsure", 0),
            page.lineage,
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
        " request_id = ? WHERE identity = ? AND run = ? AND state IN"
        " ('asked', 'sent', 'not sent', 'unknown')",
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
    _damage.refuse_damaged_claims(db, run)
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
    db.execute("UPDATE run SET ended_at = ? WHERE id = ? AND ended_at IS NULL", (now, run))


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
