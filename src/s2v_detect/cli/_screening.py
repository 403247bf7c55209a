"""What `check` and `run` share: a client, a run, its progress, and the signals that stop it."""

import os
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from s2v_detect import DetectClient, Spend
from s2v_detect.bulk import Line, Output, Run, RunSummary, Tally
from s2v_detect.cli._account import Account
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._progress import Progress
from s2v_detect.cli._signals import heeding_signals


class Unusable(Exception):
    """The input or the output can't be used; the message says what to do."""


class Lines(Protocol):
    """Where the images come from."""

    @property
    def total(self) -> int | None:
        """How many there are, if known."""

    def lines(self) -> AsyncIterable[Line]:
        """Give them, once."""


@dataclass(frozen=True)
class Screening:
    """All that is decided before the first image is asked for."""

    source: Lines
    output: Output
    account: Account
    console: Console
    folder: Path
    """Whose files the emulator serves."""
    rate: float = 5.0
    ordered: bool = False
    quiet: bool = False
    max_in_flight: int = 300

    async def run(self) -> RunSummary:
        """Return how it ended. Raises `ConfigurationError` where it can't begin."""
        tally = Tally()
        options: dict[str, Any] = {"max_in_flight": self.max_in_flight, "rate": self.rate}
        if self.account.emulator:
            self.console.print(
                "Asking the emulator on this machine: its verdicts are estimates,"
                " and nothing is billed."
            )
        async with self.account.client(
            folder=self.folder, on_event=tally.watch, **options
        ) as client:
            run = Run(client, self.output, tally, ordered=self.ordered)
            await self._finish(run, _Watched(tally, client, self.source))
        return run.summary

    async def _finish(self, run: Run, watched: "_Watched") -> None:
        progress = Progress(watched, self.console, rate=self.rate, quiet=self.quiet)

        def stop() -> None:
            run.stop()
            awaited = run.tally.awaited
            self.console.print(
                f"Stopping: {_requests(awaited)} still awaited, each for at most"
                f" {self.account.timeout_s:g} s. Ctrl-C again stops now."
                if awaited
                else "Stopping."
            )

        def stop_now() -> None:
            progress.stop()
            self.console.print(
                f"Stopped now: {_requests(run.tally.awaited)} sent without an answer and may be"
                f" billed. Known so far: {run.tally.done:,} images, CNY {run.summary.spend.cost}."
            )
            # Closing the client would wait for those answers; every line written is whole.
            os._exit(Exit.INTERRUPTED)

        with heeding_signals(stop, stop_now), progress:
            await run.finish(self.source.lines())


@dataclass(frozen=True)
class _Watched:
    tally: Tally
    client: DetectClient
    source: Lines

    @property
    def spend(self) -> Spend:
        return self.client.spend

    @property
    def total(self) -> int | None:
        return self.source.total


def _requests(count: int) -> str:
    return "1 request is" if count == 1 else f"{count:,} requests are"
