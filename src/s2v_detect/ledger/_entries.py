"""What the ledger says of one image: an entry, its attempts, and the days and runs of a statement.

Plain tuples, not models: a run over known images makes a million of them.

A row in a file has a checksum over all that an answer or a cost rests on: damage is seen before
anything is answered, or paid, on a damaged row's word. A server keeps its own (`UNSUMMED`).
"""

import marshal
import time
import zlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from s2v_detect._redaction import shown
from s2v_detect._service import PRICE_CNY
from s2v_detect.errors import LedgerError
from s2v_detect.images import is_own
from s2v_detect.models import Verdict
from s2v_detect.wire import LIFETIME_S

State = Literal["asked", "sent", "answered", "skipped", "failed", "unknown", "not sent"]

_LAST_HOUR_S = 3600.0

CHECKED = (
    "id, identity, image, state, at, run, lineage, paid, unsure, doubts, attempts, elapsed_s,"
    " answered_at, check_pass, humanoid, code, message, request_id, error, upload, answered_by"
)
"""What a row's checksum is over. `uploaded_at` decides no answer and no cost."""
COLUMNS = f"{CHECKED}, uploaded_at, checksum"
"""An entry's fields, in their order."""
UNSUMMED = -1
"""No checksum is negative."""


class LedgerEntry(NamedTuple):
    """What is recorded of one image. Times are POSIX seconds."""

    id: int
    identity: str
    """The one spelling of its address that all equal ones share; or `id:` and the identity that its
    user gave it."""
    given: str | None
    """The address as it was first given, where that is another spelling; with an identity of its
    user's own, as it was last asked for."""
    state: State
    """`asked` (claimed by a run), `sent` (its bytes may have left), `answered`, `skipped` (never
    sent), `failed`, `unknown` (sent, and no answer was recorded), `not sent`."""
    at: float
    """When it came to this state."""
    run: int
    """The run that brought it there."""
    lineage: int
    """The first of the runs of that name: a run and its restarts are one lineage."""
    paid: int
    """Requests of this lineage that were billed for certain."""
    unsure: int
    """Requests of this lineage that may have been billed."""
    doubts: int
    """Lost answers since a resend was last allowed by hand."""
    attempts: int
    """Requests of this lineage."""
    elapsed_s: float
    answered_at: float | None
    """When its answer came, though a newer one may be asked for."""
    check_pass: int | None
    humanoid: int | None
    code: str
    message: str
    request_id: str | None
    error: str | None
    """The class of the error that it ended with."""
    upload: str | None = None
    """Where a local image was put in the vendor's store, when it was last uploaded."""
    answered_by: int | None = None
    """The run whose answer it is."""
    uploaded_at: float | None = None
    checksum: int = 0
    """Of its row, as it was written."""

    @property
    def living_upload(self) -> str | None:
        """Its address in the vendor's store, if it should be there for an hour more.

        None with an identity of its user's own: another file may have it by now.
        """
        if is_own(self.identity):
            return None
        lives_until = (self.uploaded_at or 0.0) + LIFETIME_S - _LAST_HOUR_S
        return self.upload if time.time() < lives_until else None

    @property
    def image(self) -> str:
        """Its address, as it was given."""
        return self.given or self.identity

    @property
    def own_identity(self) -> str | None:
        """The identity that its user gave it; None: it goes by its address or its content."""
        return self.identity.partition(":")[2] if is_own(self.identity) else None

    @property
    def cost(self) -> Decimal:
        """CNY that its lineage paid for certain."""
        return self.paid * PRICE_CNY

    @property
    def cost_at_most(self) -> Decimal:
        """CNY that its lineage paid if every request whose answer was lost was billed."""
        return (self.paid + self.unsure) * PRICE_CNY

    @property
    def verdict(self) -> Verdict | None:
        """The answer, for nothing: `source` is `"ledger"`. None where there is none."""
        if self.check_pass is None:
            return None
        return Verdict(
            check_pass=bool(self.check_pass),
            humanoid=None if self.humanoid is None else bool(self.humanoid),
            code=self.code,
            message=self.message,
            request_id=self.request_id,
            source="ledger",
            billed="no",
        )


# For a million rows.
_dumps, _crc32, _new = marshal.dumps, zlib.crc32, tuple.__new__


def checksum(*fields: Any) -> int:
    """Return the checksum of a row's fields.

    `marshal`, for its speed: a million known rows are checked in 1 s, and by `repr` in 5 s. Its
    version 2 has no references to earlier objects, so that equal fields always give equal bytes.

    Example:
        >>> checksum(1, "https://images.example/1.jpg", None, 0.5)
        360567241
    """
    return zlib.crc32(marshal.dumps(fields, 2))


def sound_entry(row: tuple[Any, ...]) -> LedgerEntry:
    """Return the entry of a row, `COLUMNS`. Raises `LedgerError` at damage."""
    entry = _new(LedgerEntry, row)  # `_make`, without its calls
    if row[-1] != UNSUMMED and _crc32(_dumps(row[:-2], 2)) != row[-1] and not _has_none(entry):
        raise damaged_row(row[1])
    return entry


def _has_none(entry: LedgerEntry) -> bool:
    return entry.state in ("asked", "sent") and entry.check_pass is None


def damaged_row(identity: object) -> LedgerError:
    """Return what is said of an image whose row is damaged."""
    return LedgerError(
        f"the ledger is damaged: its row of {shown(identity)} is not as it was written.",
        do="Restore a copy of the ledger; or have the image forgotten (`s2v-detect ledger forget`),"
        " so that a run asks, and pays, for it again.",
    )


AttemptOutcome = Literal["sent", "billed", "free", "unknown", "not sent"]


class LedgerAttempt(NamedTuple):
    """One request for an image. Times are POSIX seconds."""

    run: int
    sent_at: float
    """When its bytes left; until it has ended, when it was recorded, just before."""
    ended_at: float | None
    outcome: AttemptOutcome
    """`sent` (under way), `billed`, `free` (answered with an error), `unknown`, `not sent`
    (withdrawn after all)."""
    error: str | None
    code: str | None
    request_id: str | None
    service_ms: int | None


class LedgerSpend(NamedTuple):
    """What one run spent on one day of Beijing's, as in the vendor's bill."""

    day: str
    run: str
    """The run's name; `""` for a client that was given none."""
    requests: int
    billed: int
    unknown: int

    @property
    def cost(self) -> Decimal:
        """CNY billed for certain."""
        return self.billed * PRICE_CNY

    @property
    def cost_at_most(self) -> Decimal:
        """CNY billed if every unknown request was."""
        return (self.billed + self.unknown) * PRICE_CNY


def utc(at: float) -> datetime:
    """Return a time of the ledger.

    Example:
        >>> utc(0).isoformat()
        '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(at, UTC)
