"""A run: rows → what is known, and the client for the rest → output.

It ends with the input, when somebody stops it, or when nothing helps. Every pass reads its input
from the top and writes each row once; what the ledger knows costs nothing, so that a run which was
killed is taken up by running it again.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from s2v_detect import (
    Checked,
    DetectClient,
    DetectError,
    Failed,
    ImageSkipped,
    LedgerEntry,
    OutcomeUnknown,
    Skipped,
    Spend,
)
from s2v_detect._waiting import in_thread, let_go_of
from s2v_detect.bulk._known import Known, Retried
from s2v_detect.bulk._writer import Writer
from s2v_detect.bulk.outputs import Output
from s2v_detect.bulk.records import known_record, outcome_record
from s2v_detect.bulk.tally import Tally
from s2v_detect.ledger import AnyLedger
from s2v_detect.tables import Row

Bound = Literal["until", "max_time"]
"""Of a run by the clock: a moment of the day, or a time from its beginning."""
Stop = Literal["interrupted"] | Bound
"""What ends a run before the input does."""


@dataclass(frozen=True)
class RunSummary:
    """How a run ended, and what it came to."""

    tally: Tally
    spend: Spend
    """What this pass paid."""
    spend_in_all: Spend | None
    """What the runs of this output paid together, the earlier ones included; None: no ledger."""
    elapsed_s: float
    interrupted: bool
    processes_met: int
    """How many other processes used the account's rate meanwhile, as far as the line tells."""
    given_per_s: float | None
    """Requests a second that the account gave at the end; None: the whole rate."""
    is_placed: bool
    """Whether the output is this pass's; else the earlier one, which held more, was kept."""
    fault: DetectError | None
    """What ended the run for every image: a key, a bill, a budget, a setting."""
    input_error: OSError | None
    output_error: OSError | None
    has_ledger: bool = False
    """Whether the outcomes are kept beside the output, under a name or none."""
    ended_by: Bound | None = None
    """The bound of the clock that ended it before the input's end, if one did."""
    total: int | None = None
    """How many images the input has, as far as it was counted; None: not known."""

    @property
    def left(self) -> int | None:
        """How many images of the input have no outcome; None: not known."""
        if self.is_complete:
            return 0
        return None if self.total is None else max(0, self.total - self.tally.done)

    @property
    def is_complete(self) -> bool:
        """Whether every row of the input has its outcome in the output."""
        ended = self.interrupted or self.ended_by or self.fault
        return not (ended or self.input_error or self.output_error)


class _Item(NamedTuple):
    """A row on its way through the client."""

    place: int
    """In the input, from 0."""
    row: Row
    prior: LedgerEntry | None


class Run:
    """One pass over an input with an open client.

    `tally` is live. It counts requests too, where the client was made with
    `on_event=tally.watch`. `ledger` is the client's own. With `retry_failed` the images are asked
    for again that failed in earlier runs of this output: all (True), or those of some errors, by
    the names of their classes (`["RateLimited"]`). With `by_identity` every row without a fault has
    an identity of its user's own, and all goes by that.
    """

    def __init__(
        self,
        client: DetectClient,
        output: Output,
        tally: Tally,
        *,
        ledger: AnyLedger | None = None,
        retry_failed: Retried = False,
        by_identity: bool = False,
        ordered: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = tally
        self._client = client
        self._output = output
        self._ledger = ledger
        self._known = Known(ledger, retry_failed=retry_failed) if ledger else None
        self._identity = _identity if by_identity else None
        self._ordered = ordered
        self._clock = clock
        self._started_at = clock()
        self._elapsed_s: float | None = None
        self._read = 0
        self._stream: Any = None
        self._writer: Writer | None = None
        self._is_placed = False
        self._stopped_by: Stop | None = None
        self._ended_by: Bound | None = None
        self._fault: DetectError | None = None
        self._input_error: OSError | None = None

    async def finish(self, batches: AsyncIterable[list[Row]]) -> None:
        """Take the input to its end, or as far as it goes; `summary` says which."""
        self._started_at = self._clock()
        self._writer = Writer(self._output, self._send_no_more, ordered=self._ordered)
        try:
            await self._stream_all(self._unknown_rows(batches, self._writer), self._writer)
        except DetectError as error:
            self._fault = error
        except OSError as error:
            self._input_error = error
        finally:
            await let_go_of(batches)
        if self._stopped_by != "interrupted" and self._stream and self._stream.is_cut_short:
            self._ended_by = self._stopped_by  # else it came with the last outcome
        ended = self._interrupted or self._ended_by or self._fault
        is_complete = not (ended or self._input_error)
        self._is_placed = await self._writer.drained(is_complete=is_complete)
        self.tally.unwritten = self._writer.unwritten
        self._elapsed_s = self._clock() - self._started_at

    def stop(self, by: Stop = "interrupted") -> None:
        """Send no more. What was sent is still settled and written, then `finish` returns."""
        if not self._interrupted:
            self._stopped_by = by
        self._send_no_more()

    @property
    def _interrupted(self) -> bool:
        return self._stopped_by == "interrupted"

    @property
    def summary(self) -> RunSummary:
        """The run as it stands; the spend is final once the client is closed."""
        elapsed_s = self._elapsed_s
        sharing = self._client.sharing()
        return RunSummary(
            tally=self.tally,
            spend=self._client.spend,
            spend_in_all=self._ledger.spend() if self._ledger and self._ledger.name else None,
            elapsed_s=self._clock() - self._started_at if elapsed_s is None else elapsed_s,
            interrupted=self._interrupted,
            ended_by=self._ended_by,
            processes_met=sharing.met,
            given_per_s=sharing.given_per_s,
            is_placed=self._is_placed,
            fault=self._fault,
            input_error=self._input_error,
            output_error=self._writer.error if self._writer else None,
            has_ledger=self._ledger is not None,
        )

    async def _unknown_rows(
        self, batches: AsyncIterable[list[Row]], writer: Writer
    ) -> AsyncGenerator[_Item]:
        """Yield the rows that must be asked for; the others are written on the way."""
        async for rows in batches:
            first, self._read = self._read, self._read + len(rows)
            if self._known is None:
                for index, row in enumerate(rows, start=first):
                    yield _Item(index, row, None)
                continue
            entries = await in_thread(partial(self._known.look_up, rows))
            for item in await self._write_known(self._known, rows, first, entries, writer):
                yield item

    async def _write_known(
        self,
        known: Known,
        rows: list[Row],
        first: int,
        entries: dict[str | Path, LedgerEntry],
        writer: Writer,
    ) -> list[_Item]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        items, records = [], []
        for index, row in enumerate(rows, start=first):
            entry = None if row.fault else entries.get(row.key)
            if entry is not None and known.needs_no_asking(row, entry):
                is_own = known.is_first(entry)
                records.append(known_record(row, index, entry, is_own=is_own, now=now))
            else:
                items.append(_Item(index, row, known.prior(entry)))
        self.tally.add_known(records)
        if records:
            await writer.put(records)
            await writer.catch_up()
        return items

    async def _stream_all(self, items: AsyncGenerator[_Item], writer: Writer) -> None:
        image = _image if self._identity is None else _identified_image
        stream = self._client.aiter_check(
            items, image=image, identity=self._identity, ordered=self._ordered
        )
        async with stream:
            self._stream = stream
            if self._stopped_by:
                self._send_no_more()
            async for outcome in stream:
                await self._take(outcome, writer)

    async def _take(self, outcome: Checked | Skipped | Failed, writer: Writer) -> None:
        index, row, prior = outcome.item
        record = outcome_record(row, index, outcome, prior)
        self.tally.add(record)
        if isinstance(outcome, Failed) and isinstance(outcome.error, OutcomeUnknown):
            self.tally.unknown += 1
        await writer.put([record])

    def _send_no_more(self) -> None:
        if self._stream is not None:
            self._stream.stop()


def _image(item: _Item) -> str | Path:
    """Return what is to be checked, or raise `ImageSkipped` for a row that can be no image."""
    if item.row.fault:
        raise ImageSkipped(item.row.fault, image=item.row.image)
    return item.row.source


def _identified_image(item: _Item) -> str | Path:
    """Return as above; a row without an identity is not to be recorded by its address."""
    if item.row.fault:
        raise ImageSkipped(item.row.fault, image=item.row.image, saves="identity")
    return item.row.source


def _identity(item: _Item) -> str | None:
    """Return what the row's own column names the image by."""
    return item.row.identity
