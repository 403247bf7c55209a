"""What is written of one request, and what its end adds to the counts of its image and its day.

A request is closed by the run that made it. Where another run has closed it, because it took that
run for a dead one, the closing is corrected: what happened counts, and not who was first.

A day (of China Standard Time, as in the vendor's bill) has its counts in a row of its own, so that
what the account has spent in a month is 31 rows, and not all its requests. A request that has not
ended is in no day: it may leave now. It counts into every day and month until it has ended.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from s2v_detect._redaction import text_of, text_or_none
from s2v_detect._service import BILLING_ZONE, PRICE_CNY
from s2v_detect.errors import BudgetSpent, budget_spent
from s2v_detect.ledger._database import Database, process_name
from s2v_detect.ledger._entries import AttemptOutcome
from s2v_detect.options import Cap, requests_within

_COUNTED: dict[AttemptOutcome, dict[str, int]] = {
    "sent": {},
    "free": {},
    "not sent": {"attempts": -1},
    "unknown": {"unsure": 1, "doubts": 1},
    "billed": {"paid": 1},
}
"""What a request of each outcome is in the counts of its image; a billed one for each image that it
was billed as."""
OUTCOMES = _COUNTED.keys()
_CLOSE = """
UPDATE attempt SET ended_at = ?, outcome = ?, error = ?, code = ?, request_id = ?, service_ms = ?,
  sent_at = coalesce(?, sent_at), images = ?
WHERE run = ? AND number = ? AND image = (SELECT id FROM image WHERE identity = ?) AND outcome = ?
"""


@dataclass
class Claim:
    """One check's place in the ledger.

    No row numbers: a group that could not be written is taken back whole, and a number that was
    seen in it may be another's later. The run numbers its requests itself.
    """

    image: str
    identity: str
    run: int
    lineage: int
    version: int
    """That of the tables which the run writes."""
    attempt: int = 0
    """The number of its last request in the run."""
    left_at: float | None = None
    """When that one's bytes left, if they have."""

    @property
    def given(self) -> str | None:
        """The image's address, where that is not its identity."""
        return None if self.image == self.identity else text_of(self.image)


@dataclass(frozen=True)
class Ended:
    """How a request ended."""

    outcome: AttemptOutcome
    error: str | None = None
    code: str | None = None
    request_id: str | None = None
    service_ms: int | None = None
    left_at: float | None = None
    images: int = 1
    """As how many it was billed, if it was."""


class Reached(NamedTuple):
    """An amount of the budget that has no room for one request more."""

    amount: Cap | Decimal
    """That of a day or month of the account; or the total of a run's name."""
    spent: int
    """Images that are paid for, or may be; those under way among them."""
    under_way: int
    """Of them the requests that have not ended, and are waited for: these may leave room."""

    def as_error(self, now: float) -> BudgetSpent:
        """Return what is told where none of them is under way."""
        if isinstance(self.amount, Decimal):
            return budget_spent(f"max_cost (CNY {self.amount})", "Raise max_cost to go on")
        period, until = self.amount.period, self.amount.until
        day = "" if period == "day" else f"on {until.day} {until:%B} "
        error = budget_spent(
            f"the CNY {self.amount.amount} a {period} of max_cost, of which CNY"
            f" {self.spent * PRICE_CNY} is spent or may be, by all who write this ledger",
            f"The next {period} begins {day}at 00:00 China Standard Time, in"
            f" {_lasting(until.timestamp() - now)}: go on then, or raise max_cost's per_{period}",
        )
        error.begins_anew_at = until
        return error


def _lasting(seconds: float) -> str:
    """Return the time until then, rounded up: who comes back after it is never too early."""
    minutes = max(1, int(-(-seconds // 60)))
    days, minutes = divmod(minutes, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def reached(db: Database, caps: Sequence[Cap], run: int, number: int) -> Reached | None:
    """Return which cap leaves no room for a run's request of that number; None: there is room."""
    if not caps:
        return None
    under_way, own = db.execute(
        "SELECT count(*), count(CASE WHEN run = ? THEN 1 END) FROM attempt"
        " WHERE outcome = 'sent' AND NOT (run = ? AND number = ?)",
        (run, run, number),
    ).fetchone()
    found = None
    for cap in caps:
        [ended] = db.execute(
            "SELECT coalesce(sum(billed + unknown), 0) FROM day WHERE day >= ?",
            (cap.since.isoformat(),),
        ).fetchone()
        if int(ended) + under_way >= cap.requests:
            found = Reached(cap, int(ended) + under_way, own)  # the one that is last to begin anew
    return found


def reached_in_all(db: Database, total: Decimal, claim: Claim, number: int) -> Reached | None:
    """Return that a lineage's total leaves no room for one request more; None: there is room."""
    [ended] = db.execute(
        "SELECT coalesce(sum(spent), 0) FROM run WHERE lineage = ?", (claim.lineage,)
    ).fetchone()
    [under_way] = db.execute(
        "SELECT count(*) FROM attempt JOIN run ON run.id = attempt.run"
        " WHERE outcome = 'sent' AND lineage = ? AND NOT (attempt.run = ? AND number = ?)",
        (claim.lineage, claim.run, number),
    ).fetchone()
    spent = int(ended) + under_way
    return Reached(total, spent, under_way) if spent >= requests_within(total) else None


def book(db: Database, run: int, sent_at: float, outcome: AttemptOutcome, images: int) -> None:
    """Add what was paid, or may have been, for a request that has ended to its run and its day."""
    if outcome not in ("billed", "unknown"):
        return
    day = datetime.fromtimestamp(sent_at // 1, BILLING_ZONE).date().isoformat()
    db.execute("INSERT INTO day (day) VALUES (?) ON CONFLICT (day) DO NOTHING", (day,))
    add = f"UPDATE day SET {outcome} = {outcome} + ? WHERE day = ?"  # noqa: S608  # one of the two
    db.execute(add, (images, day))
    db.execute("UPDATE run SET spent = spent + ? WHERE id = ?", (images, run))


def book_unknown(db: Database, run: int) -> None:
    """Count what a run has sent without an answer in its days, as unknown."""
    sent = "SELECT sent_at FROM attempt WHERE run = ? AND outcome = 'sent'"
    for (sent_at,) in db.execute(sent, (run,)).fetchall():
        book(db, run, sent_at, "unknown", 1)


def close(db: Database, claim: Claim, number: int, ended: Ended) -> AttemptOutcome | None:
    """Return what a request was until now; None where there is nothing to close.

    An `unknown` one is closed too: it was another run that wrote so, for one that it took for dead.
    """
    values = (
        time.time(),
        ended.outcome,
        ended.error,
        text_or_none(ended.code),
        text_or_none(ended.request_id),
        ended.service_ms,
        ended.left_at,
        ended.images,
        claim.run,
        number,
        claim.identity,
    )
    before = db.execute(
        "SELECT sent_at FROM attempt WHERE run = ? AND number = ?", (claim.run, number)
    ).fetchone()
    known: tuple[AttemptOutcome, ...] = ("sent", "unknown")
    for was in known:
        if db.execute(_CLOSE, (*values, was)).rowcount:
            if was == "unknown":
                book(db, claim.run, before[0], "unknown", -1)
            sent_at = before[0] if ended.left_at is None else ended.left_at
            images = ended.images if ended.outcome == "billed" else 1
            book(db, claim.run, sent_at, ended.outcome, images)
            return was
    return None


def change(was: AttemptOutcome, ended: Ended) -> dict[str, int]:
    """Return what a request's end adds to its image's counts."""
    times = ended.images if ended.outcome == "billed" else 1
    added = {name: count * times for name, count in _COUNTED[ended.outcome].items()}
    for name, before in _COUNTED[was].items():
        added[name] = added.get(name, 0) - before
    return added


def count(db: Database, claim: Claim, added: dict[str, int]) -> None:
    """Add to an image's counts, where they are those of this lineage."""
    if added:
        changes = ", ".join(
            f"{name} = CASE WHEN {name} + {times:d} < 0 THEN 0 ELSE {name} + {times:d} END"
            for name, times in added.items()
        )
        db.execute(
            f"UPDATE image SET {changes} WHERE identity = ? AND lineage = ?",  # noqa: S608  # ours
            (claim.identity, claim.lineage),
        )


def is_known(db: Database, claim: Claim, number: int) -> bool:
    """Whether a request is in the file."""
    found = db.execute(
        "SELECT 1 FROM attempt JOIN image ON image.id = attempt.image"
        " WHERE attempt.run = ? AND number = ? AND identity = ?",
        (claim.run, number, claim.identity),
    )
    return found.fetchone() is not None


def book_anew(db: Database, claim: Claim, number: int, ended: Ended) -> None:
    """Write a request that the books know nothing of.

    An older copy was put in the file's place, or another server took over that had not heard of it.
    It keeps its number, by which it is known when this is done twice; unless another run has that.
    """
    now = time.time()
    db.execute(
        "INSERT INTO run (id, lineage, name, token, process, started_at, ended_at, lock, schema)"
        " VALUES (?, ?, '', ?, ?, ?, ?, '', ?) ON CONFLICT DO NOTHING",
        (claim.run, claim.lineage, secrets.token_hex(8), process_name(), now, now, claim.version),
    )
    db.execute(
        "INSERT INTO image (identity, image, state, at, run, lineage, attempts)"
        " VALUES (?, ?, 'not sent', ?, ?, ?, 1) ON CONFLICT (identity) DO UPDATE"
        " SET attempts = image.attempts + 1 WHERE image.lineage = excluded.lineage",
        (text_or_none(claim.identity), claim.given, now, claim.run, claim.lineage),
    )
    db.execute(
        "INSERT INTO attempt (run, number, image, sent_at, ended_at, outcome, code, request_id,"
        " images)"
        " SELECT ?, CASE WHEN EXISTS (SELECT 1 FROM attempt WHERE run = ? AND number = ?)"
        " THEN 1 + (SELECT max(number) FROM attempt WHERE run = ?) ELSE ? END, id, ?, ?, ?, ?, ?, ?"
        " FROM image WHERE identity = ?",
        (
            claim.run,
            claim.run,
            number,
            claim.run,
            number,
            ended.left_at or now,
            now,
            ended.outcome,
            text_or_none(ended.code),
            text_or_none(ended.request_id),
            ended.images,
            claim.identity,
        ),
    )
    book(db, claim.run, ended.left_at or now, ended.outcome, ended.images)
