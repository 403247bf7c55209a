"""The counts of a run while it goes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from s2v_detect import ConfigurationError, Event, NotSent
from s2v_detect.bulk.skips import Skips
from s2v_detect.tables import Record

_UNSENT = (NotSent.__name__, ConfigurationError.__name__)
"""The errors of a request that the service has never had."""


@dataclass
class Tally:
    """What came of the images so far. The run writes it, anybody may read it at any time."""

    passed: int = 0
    rejected: int = 0
    skipped: int = 0
    failed: int = 0
    known: int = 0
    """How many of all these needed no asking: the ledger knew them."""
    unknown: int = 0
    """Failed ones that were sent and whose answer never came."""
    unwritten: int = 0
    """Outcomes that the output did not take."""
    sent: int = 0
    """Requests that went to the service, the repeated ones included."""
    answered: int = 0
    """Sent requests that have ended, with an answer or without."""
    unseen: int = 0
    """Images that a look could not tell of; they were sent all the same."""
    throttled: int = 0
    """Times that the service asked to go slower."""
    outages: int = 0
    """Times that the service, or the store, was out for a while."""
    out: dict[str, Event] = field(default_factory=dict)
    """The beginnings of the outages that are still on, by what does not answer."""
    rejected_by_code: Counter[str] = field(default_factory=Counter)
    failed_by_error: Counter[str] = field(default_factory=Counter)
    skips: Skips = field(default_factory=Skips)
    failures: Skips = field(default_factory=Skips)
    """Why images failed, by the same rules."""

    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    last_event_at: datetime | None = None
    ended_outages_s: float = 0.0

    @property
    def outage_s(self) -> float:
        """Seconds of all outages, of those that are still on until the last event."""
        now = self.last_event_at
        still_s = sum((now - begun.at).total_seconds() for begun in self.out.values() if now)
        return self.ended_outages_s + still_s

    @property
    def sent_per_s(self) -> float:
        """Requests a second over the gaps between the first and the last; 0 while there is none."""
        if not self.first_sent_at or not self.last_sent_at:
            return 0.0
        span_s = (self.last_sent_at - self.first_sent_at).total_seconds()
        return (self.sent - 1) / span_s if span_s > 0 and self.sent > 1 else 0.0

    @property
    def done(self) -> int:
        """How many images have an outcome."""
        return self.passed + self.rejected + self.skipped + self.failed

    @property
    def awaited(self) -> int:
        """How many requests are sent and not yet answered."""
        return max(0, self.sent - self.answered)

    def add(self, record: Record) -> None:
        """Count a row's record."""
        kind = record["kind"]
        if kind == "checked":
            if record["check_pass"]:
                self.passed += 1
            else:
                self.rejected += 1
                self.rejected_by_code[record["code"]] += 1
        elif kind == "skipped":
            self.skipped += 1
            self.skips.add(record["message"], line=record.get("line"), image=record["image"])
        else:
            self.failed += 1
            self.failed_by_error[record["error"]] += 1
            why, error = record["message"] or record["error"], record["error"]
            self.failures.add(why, line=record.get("line"), image=record["image"], error=error)

    def add_known(self, records: Sequence[Record]) -> None:
        """Count records that needed no asking."""
        self.known += len(records)
        for record in records:
            self.add(record)

    def watch(self, event: Event) -> None:
        """Count an event: hand this to the client as `on_event`."""
        self.last_event_at = event.at
        if event.kind == "sent":
            self.sent += 1
            self.first_sent_at = self.first_sent_at or event.at
            self.last_sent_at = event.at
        elif event.kind == "answered" and event.error in _UNSENT:
            self.sent -= 1  # taken to have left; a proxy, or nobody, had it
        elif event.kind == "answered":
            self.answered += 1
        elif event.kind == "looked":
            self.unseen += bool(event.doubt)
        elif event.kind == "throttled":
            self.throttled += 1
        elif event.kind == "outage":
            self.outages += 1
            self.out.setdefault(event.where, event)  # given up, and begun again: it is still on
        elif event.kind == "restored" and (begun := self.out.pop(event.where, None)):
            self.ended_outages_s += (event.at - begun.at).total_seconds()
