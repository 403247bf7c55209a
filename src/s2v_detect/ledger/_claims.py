"""What is written of one image, in the order of its check: SQL, and nothing that waits.

Every function is work for the writer and takes its connection. What could not be written is tried
again; done twice, none of them counts anything twice.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

from s2v_detect._redaction import shown, text_or_none
from s2v_detect.errors import DetectError, ImageSkipped, LedgerError, NotSent, OutcomeUnknown
from s2v_detect.images import is_own
from s2v_detect.ledger import _attempts
from s2v_detect.ledger._attempts import Claim, Ended
from s2v_detect.ledger._database import Database
from s2v_detect.ledger._entries import COLUMNS, LedgerEntry, sound_entry
from s2v_detect.models import Verdict
from s2v_detect.options import Budget

LIVE_STATES = ("asked", "sent")
_PIECE = 500
_BY_IDENTITY = f"SELECT {COLUMNS} FROM image WHERE identity = ?"  # noqa: S608  # our own names


@dataclass(frozen=True)
class Settled:
    """How an image's check ended: with which request, and after how long."""

    number: int
    ended: Ended
    elapsed_s: float


def entry_of(db: Database, identity: str) -> LedgerEntry | None:
    """Return what is recorded of an image."""
    row = db.execute(_BY_IDENTITY, (identity,)).fetchone()
    return sound_entry(row) if row else None


def take(db: Database, claim: Claim, entry: LedgerEntry | None) -> None:
    """Write `asked`: from now on no other run asks for this image."""
    refuse_ended(db, claim.run)
    now = time.time()
    if entry is None:
        db.execute(
            "INSERT INTO image (identity, image, state, at, run, lineage)"
            " VALUES (?, ?, 'asked', ?, ?, ?)",
            (claim.identity, claim.given, now, claim.run, claim.lineage),
        )
        return
    if is_own(claim.identity):  # its address is another each time, and the last one is shown
        db.execute("UPDATE image SET image = ? WHERE id = ?", (claim.given, entry.id))
    if entry.lineage == claim.lineage:
        db.execute(
            "UPDATE image SET state = 'asked', at = ?, run = ? WHERE id = ?",
            (now, claim.run, entry.id),
        )
    else:  # what others paid for it stays in their attempts
        db.execute(
            "UPDATE image SET state = 'asked', at = ?, run = ?, lineage = ?,"
            " paid = 0, unsure = 0, attempts = 0, elapsed_s = 0 WHERE id = ?",
            (now, claim.run, claim.lineage, entry.id),
        )


def taken(db: Database, identities: list[str]) -> dict[str, int]:
    """Return which of these images are being asked for, and by which run."""
    found: dict[str, int] = {}
    for first in range(0, len(identities), _PIECE):
        piece = identities[first : first + _PIECE]
        marks = ", ".join("?" * len(piece))
        live = f"SELECT identity, run FROM image WHERE identity IN ({marks})"  # noqa: S608  # question marks
        found |= dict(db.execute(f"{live} AND state IN ('asked', 'sent')", piece).fetchall())
    return found


class Held(NamedTuple):
    """What a run is asking for now."""

    process: str
    images: int
    since: float


def held_by(db: Database, run: int) -> Held:
    """Return what a run claims, by how many images, and since when."""
    row = db.execute(
        "SELECT coalesce((SELECT process FROM run WHERE id = ?), 'unknown'), count(*),"
        " coalesce(min(at), 0) FROM image WHERE run = ? AND state IN ('asked', 'sent')",
        (run, run),
    ).fetchone()
    return Held(*row)


def send(
    db: Database, claim: Claim, number: int, budget: Budget, *, has_total: bool
) -> _attempts.Reached | None:
    """Write `sent`, before the bytes leave; where the budget has no room, return that.

    Nobody else writes between the look and the writing: two processes never take the same room.
    `has_total`: the budget's total is to be looked at here, for all runs of the lineage.
    """
    refuse_ended(db, claim.run)
    now = time.time()
    reached = _attempts.reached(db, budget.caps_at(now), claim.run, number)
    if reached is None and has_total and budget.total is not None:
        reached = _attempts.reached_in_all(db, budget.total, claim, number)
    if reached is not None:
        return reached
    if not _sent(db, claim, number, now):
        if _attempts.is_known(db, claim, number):
            return None  # done already
        _take_again(db, claim)
        if not _sent(db, claim, number, now):  # no bytes leave that the books do not have
            raise LedgerError(
                f"the request for {shown(claim.image)} can't be written: its number is taken.",
                do="Nothing was sent for it: start again.",
            )
    db.execute(
        "UPDATE image SET state = 'sent', at = ?, attempts = attempts + 1"
        " WHERE identity = ? AND run = ?",
        (now, claim.identity, claim.run),
    )
    return None


def _sent(db: Database, claim: Claim, number: int, now: float) -> bool:
    """Whether the request is written now; not where it was, or where another run has its image."""
    written = db.execute(
        "INSERT INTO attempt (run, number, image, sent_at, outcome)"
        " SELECT run, ?, id, ?, 'sent' FROM image WHERE identity = ? AND run = ?"
        " ON CONFLICT DO NOTHING",
        (number, now, claim.identity, claim.run),
    )
    return written.rowcount > 0


def _take_again(db: Database, claim: Claim) -> None:
    """Claim an image whose claim the books have lost: a server took over that lacks the latest.

    Raises `LedgerError` where another run has it, or an answer, meanwhile.
    """
    entry = entry_of(db, claim.identity)
    if entry is None:
        take(db, claim, entry)
        return
    is_live = entry.state in LIVE_STATES
    if is_live and entry.run == claim.run:
        return  # nothing is lost: it is the request's number that something else has
    if is_live or entry.answered_at is not None:
        image = shown(claim.image)
        has_answer = f"the ledger has an answer for {image} already, which this run did not write"
        raise LedgerError(
            f"another run of the ledger has {image} now." if is_live else f"{has_answer}.",
            do="Give each copy of a ledger a name of its own, and start again.",
        )
    take(db, claim, entry)


def refuse_ended(db: Database, run: int) -> None:
    """Raise `LedgerError` where the run is over in the ledger: it was taken for a dead one."""
    row = db.execute("SELECT ended_at FROM run WHERE id = ?", (run,)).fetchone()
    if row is None or row[0] is not None:
        raise LedgerError(
            "this run is over, as its ledger says: another run took it for a dead one, or another"
            " state was put in the ledger's place (a file, or a standby that lacks the latest).",
            do="Leave the ledger and the files beside it alone, and start again.",
        )


def end_attempt(db: Database, claim: Claim, number: int, ended: Ended) -> None:
    """Write how a request ended. One that could not be recorded was not sent: nothing to write."""
    was = _attempts.close(db, claim, number, ended)
    if was is None:
        if ended.outcome == "not sent" or not number or _attempts.is_known(db, claim, number):
            return
        _attempts.book_anew(db, claim, number, ended)
        was = "sent"
    _attempts.count(db, claim, _attempts.change(was, ended))
    if ended.outcome == "not sent":
        db.execute(
            "UPDATE image SET state = 'asked' WHERE identity = ? AND run = ? AND state = 'sent'",
            (claim.identity, claim.run),
        )
    if was == "unknown":  # by another run, that took this one for dead: no doubt is left
        db.execute(
            "UPDATE image SET state = CASE WHEN check_pass IS NULL THEN 'not sent'"
            " ELSE 'answered' END, error = NULL"
            " WHERE identity = ? AND run = ? AND state = 'unknown' AND doubts = 0",
            (claim.identity, claim.run),
        )


def upload(db: Database, claim: Claim, url: str, at: float) -> None:
    """Write where in the vendor's store an image is."""
    db.execute(
        "UPDATE image SET upload = ?, uploaded_at = ? WHERE identity = ?", (url, at, claim.identity)
    )


def answer(db: Database, claim: Claim, settled: Settled, verdict: Verdict) -> None:
    """Write `answered`, before anyone hears of it.

    Whatever became of the run meanwhile: an answer is never dropped. Where another run asks for the
    image now, the image stays that run's.
    """
    ended = settled.ended
    was = _attempts.close(db, claim, settled.number, ended)
    if was is None:
        if _attempts.is_known(db, claim, settled.number):
            return  # done already
        _attempts.book_anew(db, claim, settled.number, ended)
        was = "sent"
    added = _attempts.change(was, ended)
    now = time.time()
    db.execute(
        "UPDATE image SET state = CASE WHEN run <> ? AND state IN ('asked', 'sent') THEN state"
        " ELSE 'answered' END, at = ?, answered_at = ?, answered_by = ?, elapsed_s = ?,"
        " check_pass = ?, humanoid = ?, code = ?, message = ?, request_id = ?, error = NULL,"
        " doubts = 0, paid = CASE WHEN lineage = ? THEN paid + ? ELSE paid END,"
        " unsure = CASE WHEN lineage <> ? THEN unsure WHEN unsure + ? < 0 THEN 0"
        " ELSE unsure + ? END WHERE identity = ?",
        (
            claim.run,
            now,
            now,
            claim.run,
            settled.elapsed_s,
            int(verdict.check_pass),
            None if verdict.humanoid is None else int(verdict.humanoid),
            text_or_none(verdict.code),
            text_or_none(verdict.message),
            text_or_none(verdict.request_id),
            claim.lineage,
            added.get("paid", 0),
            claim.lineage,
            added.get("unsure", 0),
            added.get("unsure", 0),
            claim.identity,
        ),
    )


def give_up(db: Database, claim: Claim, settled: Settled, error: DetectError) -> None:
    """Write that a claimed image ended without an answer; an older answer of it stays."""
    end_attempt(db, claim, settled.number, settled.ended)
    now = time.time()
    db.execute(
        "UPDATE image SET state = 'answered', at = ? WHERE identity = ? AND run = ?"
        " AND state IN ('asked', 'sent') AND check_pass IS NOT NULL",
        (now, claim.identity, claim.run),
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
            text_or_none(getattr(error, "code", "")),
            text_or_none(_told(error)),
            text_or_none(getattr(error, "request_id", None)),
            claim.identity,
            claim.run,
        ),
    )


def skip(db: Database, claim: Claim, reason: str) -> None:
    """Write `skipped`: the service would not take it, and it was never sent."""
    db.execute(
        "INSERT INTO image (identity, image, state, at, run, lineage, message, error)"
        " VALUES (?, ?, 'skipped', ?, ?, ?, ?, 'ImageSkipped')"
        " ON CONFLICT (identity) DO NOTHING",
        (
            text_or_none(claim.identity),
            claim.given,
            time.time(),
            claim.run,
            claim.lineage,
            text_or_none(reason),
        ),
    )


def release(db: Database, run: int) -> None:
    """Write what a run left open, when it is over: by its end, or by its death.

    What it had sent without an answer is unknown from here on.
    """
    now = time.time()
    _attempts.book_unknown(db, run)
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
        "UPDATE image SET at = ?, error = CASE WHEN doubts > 0 THEN 'OutcomeUnknown' END,"
        " state = CASE WHEN check_pass IS NOT NULL THEN 'answered'"
        " WHEN doubts > 0 THEN 'unknown' ELSE 'not sent' END"
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
    if isinstance(error, NotSent) or error.stops_run:  # an outage's end has any class
        return "unknown" if error.billed == "unknown" else "not sent"
    return "unknown" if isinstance(error, OutcomeUnknown) else "failed"
