"""What `check` and `run` share: a client, a run, its progress, and the signals that stop it."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from rich.console import Console

from s2v_detect import Budget, DetectClient, Event, Spend
from s2v_detect._waiting import let_go_of
from s2v_detect.bulk import Bound, Output, Retried, Run, RunSummary, Tally
from s2v_detect.cli._account import Account, Sending
from s2v_detect.cli._clock import OPTIONS, Ends
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._progress import Progress, Watched
from s2v_detect.cli._signals import heeding_signals
from s2v_detect.cli._terminal import duration, joined, logged_on
from s2v_detect.languages import N_, _, ngettext
from s2v_detect.ledger import AnyLedger
from s2v_detect.tables import Row

_EMULATED = {
    "look": N_(
        "Asking the emulator on this machine: it fetches each image, its verdicts are estimates,"
        " and nothing is billed. --answer pass lets each pass unseen."
    ),
    "pass": N_(
        "Asking the emulator on this machine: it looks at no image, each passes, and nothing is"
        " billed. --answer look has it look, at some 20 to 40 a second."
    ),
}


class Unusable(Exception):
    """The input or the output can't be used; the message says what to do."""


class Rows(Protocol):
    """Where the images come from."""

    @property
    def total(self) -> int | None:
        """How many there are, if known."""

    def batches(self) -> AsyncIterable[list[Row]]:
        """Give them, once."""


class Begun:
    """Rows whose first are read already: a list that is refused is so before anything is made."""

    def __init__(self, source: Rows) -> None:
        self._source = source
        self._batches = aiter(source.batches())
        self._first: list[Row] = []
        self._error: OSError | None = None

    @property
    def total(self) -> int | None:
        """How many there are, if known."""
        return self._source.total

    async def begin(self) -> None:
        """Have the first of them. Raises `InputError`; what else is wrong is the run's to tell."""
        try:
            self._first = await anext(self._batches, [])
        except OSError as error:
            self._error = error

    async def close(self) -> None:
        """Let go of what was not read: at the end of a loop nothing says what is closed first."""
        await let_go_of(self._batches)

    async def batches(self) -> AsyncIterator[list[Row]]:
        """Give them, once."""
        if self._error:
            raise self._error
        if self._first:
            yield self._first
        async for rows in self._batches:
            yield rows


@dataclass(frozen=True)
class Screening:
    """All that is decided before the first image is asked for."""

    source: Rows
    open_output: Callable[[], Output]
    """Called when the ledger is this run's: another run may be writing that output."""
    account: Account
    console: Console
    folder: Path
    """Whose files the emulator serves."""
    sending: Sending
    ledger: AnyLedger | None = None
    budget: Budget | None = None
    retry_failed: Retried = False
    identity_column: str | None = None
    on_event: Callable[[Event], None] | None = None
    ends: Ends = field(default_factory=Ends)
    following: Callable[[Watched], AbstractContextManager[object]] = nullcontext
    """What else is told how far the run is."""

    async def run(self) -> RunSummary:
        """Return how it ended. Raises a `DetectError` where it can't begin."""
        with logged_on(self.console):
            return await self._run()

    async def _run(self) -> RunSummary:
        tally = Tally()
        if self.account.emulator and self.ledger and self.ledger.exists():
            self.ledger.forget_uploads()  # its store begins empty
        async with self.account.client(
            self.sending,
            folder=self.folder,
            on_event=self._watcher(tally),
            ledger=self.ledger,
            budget=self.budget,
        ) as client:
            output = self.open_output()
            try:
                if self.account.emulator:  # told now that nothing is refused any more
                    self.console.print(_(_EMULATED[self.account.answer_at(self.sending.rate)]))
                if self.ledger:
                    self.ledger.keep_identity(self.identity_column or "")
                run = Run(
                    client,
                    output,
                    tally,
                    ledger=self.ledger,
                    retry_failed=self.retry_failed,
                    by_identity=self.identity_column is not None,
                    ordered=self.sending.ordered,
                )
                await self._finish(run, _Watched(tally, client, self.source))
            finally:
                output.close()
        return replace(run.summary, total=self.source.total)

    def _watcher(self, tally: Tally) -> Callable[[Event], None]:
        if self.on_event is None:
            return tally.watch
        on_event = self.on_event

        def watch(event: Event) -> None:
            tally.watch(event)
            on_event(event)

        return watch

    async def _finish(self, run: Run, watched: "_Watched") -> None:
        sending = self.sending
        progress = Progress(watched, self.console, rate=sending.rate, quiet=sending.quiet)

        def stop() -> None:
            run.stop()
            awaited = self._awaited(run)
            again = awaited and _("Ctrl-C again stops now.")
            self.console.print(joined(_("Stopping."), awaited, again))

        def stop_by_the_clock(bound: Bound) -> None:
            run.stop(bound)
            stopping = _("Stopping, as {option} says.").format(option=OPTIONS[bound])
            self.console.print(joined(stopping, self._awaited(run)))

        def stop_now() -> None:
            progress.stop()
            self.console.print(self._left_unknown(run, watched.spend))
            # Closing the client would wait for those answers; every line written is whole.
            os._exit(Exit.INTERRUPTED)

        if self.ends.until and not sending.quiet:  # a time of day may be that of tomorrow
            end = self.ends.until.astimezone()
            left = duration(self.ends.left_s["until"])
            told = _("Nothing is sent after {end:%d %B, %H:%M:%S}, in {left}.")
            self.console.print(told.format(end=end, left=left))
        with heeding_signals(stop, stop_now), progress, self.following(watched):
            async with self.ends.heeded(stop_by_the_clock):
                await run.finish(self.source.batches())

    def _awaited(self, run: Run) -> str:
        """Return what a stop waits for; empty where nothing is under way."""
        count = run.tally.awaited
        told = ngettext(
            "{count:,} request is still awaited, for at most {timeout:g} s.",
            "{count:,} requests are still awaited, each for at most {timeout:g} s.",
            count,
        )
        return told.format(count=count, timeout=self.account.timeout_s) if count else ""

    def _left_unknown(self, run: Run, spend: Spend) -> str:
        """Return what is sent and not answered, and what is known."""
        count, done = run.tally.awaited, run.tally.done
        stopped = ngettext(
            "Stopped now: {count:,} request is sent without an answer and may be billed.",
            "Stopped now: {count:,} requests are sent without an answer and may be billed.",
            count,
        ).format(count=count)
        kept = _("The ledger has them as unknown.") if self.ledger and count else ""
        known = ngettext(
            "Known so far: {count:,} image, CNY {cost}.",
            "Known so far: {count:,} images, CNY {cost}.",
            done,
        ).format(count=done, cost=spend.cost)
        return joined(stopped, kept, known)


@dataclass(frozen=True)
class _Watched:
    tally: Tally
    client: DetectClient
    source: Rows

    @property
    def spend(self) -> Spend:
        return self.client.spend

    @property
    def total(self) -> int | None:
        return self.source.total

    @property
    def processes(self) -> int:
        return self.client.sharing().processes
