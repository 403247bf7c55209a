"""What is written of one request, and what its end adds to the counts of its image.

A request is closed by the run that made it. Where another run has closed it, because it took that
run for a dead one, the closing is corrected: what happened counts, and not who was first.
"""

import secrets
import time
from dataclasses import dataclass

from s2v_detect._redaction import text_of
from s2v_detect.ledger._database import Database, process_name
from s2v_detect.ledger._entries import AttemptOutcome

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


def close(db: Database, claim: Claim, number: int, ended: Ended) -> AttemptOutcome | None:
    """Return what a request was until now; None where there is nothing to close.

    An `unknown` one is closed too: it was another run that wrote so, for one that it took for dead.
    """
    values = (
        time.time(),
        ended.outcome,
        ended.error,
        _text(ended.code),
        _text(ended.request_id),
        ended.service_ms,
        ended.left_at,
        ended.images,
        claim.run,
        number,
        claim.identity,
    )
    known: tuple[AttemptOutcome, ...] = ("sent", "unknown")
    for was in known:
        if db.execute(_CLOSE, (*values, was)).rowcount:
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


def book_anew(db: Database, claim: Claim, ended: Ended) -> None:
    """Write a request that the books know nothing of.

    An older copy was put in the file's place, or another server took over that had not heard of it.
    """
    now = time.time()
    db.execute(
        "INSERT INTO run (id, lineage, name, token, process, started_at, ended_at, lock, schema)"
        " VALUES (?, ?, '', ?, ?, ?, ?, '', ?) ON CONFLICT DO NOTHING",
        (claim.run, claim.lineage, secrets.token_hex(8), process_name(), now, now, claim.version),
    )
    db.execute(
        "INSERT INTO image (identity, image, state, at, run, lineage, attempts)"
        " VALUES (?, ?, 'not sent', ?, ?, ?, 1) ON CONFLICT (identity) DO NOTHING",
        (_text(claim.identity), claim.given, now, claim.run, claim.lineage),
    )
    db.execute(
        "INSERT INTO attempt (run, number, image, sent_at, ended_at, outcome, code, request_id,"
        " images)"
        " SELECT ?, 1 + (SELECT coalesce(max(number), 0) FROM attempt WHERE run = ?), id, ?, ?, ?,"
        " ?, ?, ? FROM image WHERE identity = ?",
        (
            claim.run,
            claim.run,
            ended.left_at or now,
            now,
            ended.outcome,
            _text(ended.code),
            _text(ended.request_id),
            ended.images,
            claim.identity,
        ),
    )


def _text(value: str | None) -> str | None:
    return None if value is None else text_of(value)
