"""Which rows need no asking: the ledger's answer, for a batch of rows at a time."""

from collections.abc import Collection
from pathlib import Path

from s2v_detect import ConfigurationError, LedgerEntry
from s2v_detect.images import name_of
from s2v_detect.languages import _
from s2v_detect.ledger import AnyLedger
from s2v_detect.tables import Row

_FINAL = frozenset(
    ("ImageUnusable", "BadRequest", "RateLimited", "ServiceUnavailable", "OutcomeUnknown")
)
"""Failures that stand until somebody asks for another try; what was not sent is tried anyway."""

_OF_ITS_ADDRESS = frozenset(("ImageUnusable", "BadRequest"))


FAILURES = tuple(sorted({*_FINAL, "NotSent"}))
"""The errors by which an image fails, by the names of their classes."""

Retried = bool | Collection[str]
"""Which failures of earlier runs are asked for again: all, none, or those of these classes."""


def refuse_no_failures(reasons: Collection[str]) -> None:
    """Raise `ConfigurationError` for a reason by which no image fails, and for none at all."""
    unknown = sorted(set(reasons) - set(FAILURES))
    if unknown or not reasons:
        what = _("{reasons} is no reason by which an image fails.")
        do = _("Give one or more of {reasons}.")
        raise ConfigurationError(
            what.format(reasons=", ".join(unknown) or _("nothing")),
            do=do.format(reasons=", ".join(FAILURES)),
        )


class Known:
    """What the ledger says about the rows of one pass.

    Raises `ConfigurationError` for a reason to be retried that there is not.
    """

    def __init__(self, ledger: AnyLedger, *, retry_failed: Retried) -> None:
        if not isinstance(retry_failed, bool):
            refuse_no_failures(retry_failed)
        self._ledger = ledger
        self._retried = _retried(retry_failed)
        self._lineage = ledger.lineage_to_be()
        self._told = bytearray()  # a bit an image, by its number in the ledger

    def look_up(self, rows: list[Row]) -> dict[str | Path, LedgerEntry]:
        """Return what is known of the rows' images, by their keys; it reads a file, and blocks.

        The rows of one input have identities of their user's own all, or none.
        """
        by_identity = any(row.identity is not None for row in rows)
        keys = [row.key for row in rows if not row.fault]
        return self._ledger.entries(keys, by_identity=by_identity)

    def needs_no_asking(self, row: Row, entry: LedgerEntry) -> bool:
        """Whether an entry is this pass's outcome of a row as it stands."""
        if entry.state == "answered":
            return self._ledger.is_fresh(entry)
        if entry.state != "failed" or entry.error not in _FINAL:
            return False
        is_own = row.identity is not None
        if is_own and entry.error in _OF_ITS_ADDRESS and name_of(row.source) != entry.image:
            return False  # the row has another address of it, which may be a good one
        is_of_this_pass = entry.run == self._ledger.run
        return is_of_this_pass or (
            entry.lineage == self._lineage and entry.error not in self._retried
        )

    def prior(self, entry: LedgerEntry | None) -> LedgerEntry | None:
        """Return the entry if its lineage paid for the image before, and no row has said so."""
        return entry if entry is not None and self.is_first(entry) else None

    def is_first(self, entry: LedgerEntry) -> bool:
        """Whether this is the row that its cost belongs to: the first, and paid by this lineage.

        What was asked for in this pass has told its cost with its outcome.
        """
        if entry.lineage != self._ledger.lineage or entry.run == self._ledger.run:
            return False
        place, bit = divmod(entry.id, 8)
        if place >= len(self._told):
            self._told.extend(bytes(place + 1024 - len(self._told)))
        is_first = not self._told[place] & 1 << bit
        self._told[place] |= 1 << bit
        return is_first


def _retried(failures: Retried) -> frozenset[str]:
    if isinstance(failures, bool):
        return frozenset(FAILURES if failures else ())
    return frozenset(failures)
