"""What a run will ask for: the run's own decisions, and nothing is asked.

A run decides three times. `Known` says which rows need no asking; `identity_within` which images no
client would send, and which are the same; `may_resend` whether an image whose answer was lost is
asked for again. Here are the three in their order. What only an answer can tell is not in it: an
image that is asked for again after a fault, and what a look would skip.
"""

import time
from collections import Counter
from hashlib import blake2b

from s2v_detect import Budget, ImageSkipped, LedgerEntry, Spend
from s2v_detect.bulk._known import Known, Retried
from s2v_detect.bulk.folder import with_path
from s2v_detect.bulk.skips import Skips
from s2v_detect.images import identity_within
from s2v_detect.ledger import AnyLedger
from s2v_detect.options import OnUnknown, may_resend, requests_within
from s2v_detect.tables import Row

_KINDS = ("rows", "faulty", "duplicates", "known", "asked")


class Expected:
    """Counts of rows, by what a run would make of them.

    Args:
        ledger: the run's, where there is one already.
        retry_failed: as for a `Run`.
        allow_private: as the client has it.
        on_unknown: as the client has it.
        repeats_cost: whether a repeat is asked for again: a run without a ledger forgets what it
            has answered.
    """

    def __init__(
        self,
        ledger: AnyLedger | None,
        *,
        retry_failed: Retried,
        allow_private: bool,
        on_unknown: OnUnknown,
        repeats_cost: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(_KINDS, 0))
        self.skips = Skips()
        """Why rows are faulty."""
        self._ledger = ledger
        self._known = Known(ledger, retry_failed=retry_failed) if ledger else None
        self._allow_private = allow_private
        self._on_unknown = on_unknown
        self._repeats_cost = repeats_cost
        self._seen: set[bytes] = set()  # 8 bytes an image, however long its address is

    def take(self, rows: list[Row]) -> None:
        """Count some rows. Reads files whole, and blocks."""
        self.counts["rows"] += len(rows)
        entries = self._known.look_up(rows) if self._known else {}
        for row in rows:
            entry = None if row.fault else entries.get(row.key)
            self.counts[self._kind_of(row, entry)] += 1

    def room_in(self, budget: Budget) -> int | None:
        """Return how many requests a budget has room for now; None: it has no bound. Blocks."""
        rooms = []
        if budget.total is not None:
            spend = self._ledger.spend() if self._ledger else Spend()
            rooms.append(requests_within(budget.total) - spend.billed - spend.unknown)
        caps = budget.caps_at(time.time())
        days = self._ledger.statement() if self._ledger and caps else []
        for cap in caps:
            since = cap.since.isoformat()
            spent = sum(each.billed + each.unknown for each in days if each.day >= since)
            rooms.append(cap.requests - spent)
        return max(0, min(rooms)) if rooms else None

    def spend_at_most(self, requests: int) -> None:
        """Let only so many be asked for."""
        asked = self.counts["asked"]
        self.counts["asked"] = min(asked, requests)
        self.counts["beyond_budget"] = asked - self.counts["asked"]

    def close(self) -> None:
        """Let go of the ledger."""
        if self._ledger:
            self._ledger.close()

    def _kind_of(self, row: Row, entry: LedgerEntry | None) -> str:
        if row.fault:
            return self._faulty(row, row.fault)
        if entry and self._known and self._known.needs_no_asking(row, entry):
            return "duplicates" if self._is_seen(entry.identity) else "known"
        try:
            identity = identity_within(row.source, allow_private=self._allow_private)
        except ImageSkipped as skipped:
            return self._faulty(row, with_path(skipped.reason, row))
        if self._is_seen(identity if row.identity is None else row.identity):
            return "asked" if self._repeats_cost else "duplicates"
        return "asked" if entry is None or self._may_be_asked(entry) else "known"

    def _faulty(self, row: Row, reason: str) -> str:
        self.skips.add(reason, line=row.number, image=row.image)
        return "faulty"

    def _may_be_asked(self, entry: LedgerEntry) -> bool:
        # A run that is dead has sent it: the next one that begins notes that as a lost answer.
        lost = entry.doubts + (entry.state == "sent")
        return not lost or may_resend(lost, self._on_unknown)

    def _is_seen(self, identity: str) -> bool:
        mark = blake2b(identity.encode(errors="replace"), digest_size=8).digest()
        is_seen = mark in self._seen
        self._seen.add(mark)
        return is_seen
