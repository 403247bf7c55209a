"""`--live`: the report's page in a browser while the run goes on."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from s2v_detect import Event, LedgerError
from s2v_detect.bulk import Output, RunSummary
from s2v_detect.cli._buckets import is_bucket
from s2v_detect.cli._exits import exit_of, meaning_of
from s2v_detect.cli._places import LedgerPlace
from s2v_detect.cli._progress import Progress, TaskOfBlock, Watched
from s2v_detect.cli._screening import Screening, Unusable
from s2v_detect.cli._summary import problems_of
from s2v_detect.cli._terminal import STANDARD, why_closed
from s2v_detect.languages import _, needs_extra, spoken
from s2v_detect.ledger import AnyLedger, ledger_at
from s2v_detect.tables import Record

if TYPE_CHECKING:
    from s2v_detect.report import LivePage

_TOLD_EVERY_S = 1.0
_LONGEST_PIECE_S = 5.0
"""A piece of the times is read in milliseconds."""
_AT_ONCE = 100
"""Records, or times: counting them takes some 2 ms, in which no request leaves."""


def note_of(screening: Screening) -> str:
    """Return what a page says beside the cost."""
    emulated = screening.account.emulator
    return _("as the emulator counts it; nothing was billed") if emulated else ""


def folder_beside(source: str) -> Path | None:
    """Return where files of the input may lie."""
    return None if source == STANDARD or is_bucket(source) else Path(source).parent


@contextmanager
def live_page(
    port: int, source: str, out: str, screening: Screening, place: LedgerPlace | None
) -> Iterator["Live"]:
    """Have the page of a run served while the block is open. Raises `Unusable`.

    `place` is that of the run's ledger.
    """
    try:
        from s2v_detect.report import LivePage, Page  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise Unusable(needs_extra(_("The live page"), "cli", "report")) from error
    name = Path(source if out == STANDARD else out).name
    kept = "" if out == STANDARD else name
    folders = [Path(), Path(out).parent, *filter(None, [folder_beside(source)])]
    shown = Page(name, note_of(screening), kept, screening.sending.rate, language=spoken())
    page = LivePage(shown, port=port, beside=folders)
    with ExitStack() as closing_all:
        try:
            closing_all.enter_context(page)
        except OSError as error:
            told = _(
                "The live page can't be served on port {port} of this machine: {why}. Give another"
                " port behind --live, or none: a free one is taken then."
            )
            raise Unusable(told.format(port=port, why=why_closed(error))) from error
        yield closing_all.enter_context(closing(Live(page, screening, place)))


class Live:
    """What a run tells its page."""

    def __init__(self, page: "LivePage", screening: Screening, place: LedgerPlace | None) -> None:
        self._page = page
        self._screening = screening
        self._place = place
        self._earlier: EarlierTimes | None = None
        self._sent: list[float] = []
        """Times of requests that the page is told of together: one by one they cost twice."""

    @property
    def shown(self) -> Screening:
        """The same run, which tells the page of its requests, its records and how far it is."""
        return replace(
            self._screening,
            open_output=self._opened,
            on_event=self._watch,
            following=self._following,
        )

    def end(self, summary: RunSummary, output: str) -> None:
        """Tell the page how the run has ended. No fault of the ledger keeps anybody from that."""
        self.close()
        self._tell_of_requests()
        told = [meaning_of(exit_of(summary)), *problems_of(summary, output)]
        if ledger := self._screening.ledger:
            with self._page.harmless, suppress(LedgerError):
                self._page.end(told, ledger.request_times(ledger.name))
        self._page.end(told)  # once: nothing, where it has ended

    def close(self) -> None:
        """Read no more of the ledger."""
        if self._earlier:
            self._earlier.stop()

    def _watch(self, event: Event) -> None:
        if event.kind == "sent":
            self._sent.append(event.at.timestamp())
            if len(self._sent) >= _AT_ONCE:
                self._tell_of_requests()
        if self._screening.on_event:
            self._screening.on_event(event)

    def _opened(self) -> Output:
        output = self._screening.open_output()
        told = _("Live page, as long as the run goes on: {url}").format(url=self._page.url)
        self._screening.console.print(told, markup=False, soft_wrap=True)
        ledger = self._screening.ledger
        if ledger and self._place:  # this run's by now, with its earlier requests
            with self._page.harmless:
                self._earlier = EarlierTimes(self._place, ledger.name, self._page)
        return ShownOutput(output, self._page)

    def _following(self, watched: Watched) -> TaskOfBlock:
        console, rate = self._screening.console, self._screening.sending.rate
        progress = Progress(watched, console, rate=rate, quiet=True)
        return TaskOfBlock(self._follow(watched, progress), "The live page")

    def _tell_of_requests(self) -> None:
        sent, self._sent = self._sent, []
        self._page.sent(sent)

    async def _follow(self, watched: Watched, progress: Progress) -> None:
        from s2v_detect.report import Going  # noqa: PLC0415  # as above

        while True:
            self._tell_of_requests()
            self._page.show(Going(watched.tally.done, watched.total, progress.sentences()))
            await asyncio.sleep(_TOLD_EVERY_S)


class EarlierTimes:
    """Shows when the requests of earlier runs were sent.

    A long run has millions of them. So they are read in a thread, while this run sends its first,
    and by a ledger of its own: the run's has one writer, which would take the reading in among what
    the run records, and a fault of the reading for one of the books.
    """

    def __init__(self, place: LedgerPlace, name: str, page: "LivePage") -> None:
        self._place = place
        self._name = name
        self._page = page
        self._before = time.time()
        """This run tells of its own requests as they leave."""
        self._is_over = False
        self._thread = Thread(target=self._read, name="s2v-detect live page", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more. A disk or a server that hangs is not waited for."""
        self._is_over = True
        self._thread.join(_LONGEST_PIECE_S)

    def _read(self) -> None:
        # The run will meet a fault of the ledger; the page is no part of the books.
        with self._page.harmless, suppress(LedgerError), ledger_at(self._place) as ledger:
            self._page.sent(self._times(ledger))

    def _times(self, ledger: AnyLedger) -> Iterator[float]:
        for at in ledger.request_times(self._name):
            if self._is_over:
                return
            if at < self._before:
                yield at


class ShownOutput:
    """An output whose records are shown as soon as it has taken them."""

    def __init__(self, output: Output, page: "LivePage") -> None:
        self._output = output
        self._page = page

    async def write(self, records: Sequence[Record]) -> None:
        await self._output.write(records)
        for first in range(0, len(records), _AT_ONCE):
            if first:
                await asyncio.sleep(0)
            self._page.add(records[first : first + _AT_ONCE])

    async def finish(self, *, is_complete: bool) -> bool:
        return await self._output.finish(is_complete=is_complete)

    def close(self) -> None:
        self._output.close()
