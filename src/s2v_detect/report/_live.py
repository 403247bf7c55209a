"""The report's page while its run goes on: the same template, kept current in a thread of its own.

The run tells of records, of requests and of how far it is, and waits for nothing: no browser and no
rendering. What is shared with the page's thread is one tally under a lock, which is held while a
record is counted, or while the figures are copied, and no longer. What is kept is bounded, as in a
report: a sample of the rows, the reasons, and the bins of the chart.
"""

import json
import secrets
import socket
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from s2v_detect._logging import Harmless
from s2v_detect.report._chart import Timeline
from s2v_detect.report._page import Going, Page
from s2v_detect.report._pictures import Pictures
from s2v_detect.report._sample import Kept, chosen
from s2v_detect.report._serving import EVERY_S, NAME, Server, Update
from s2v_detect.report._tally import Figures, Tally
from s2v_detect.report._words import words_in

_HOST = "127.0.0.1"
_AT_ONCE = 200
"""Records and times that are counted together: one by one, between other work, they cost twice."""
_MOST_ROWS = 100
_MOST_CHARACTERS = 100_000
"""Of the rows of one update: nobody sees more in a second, and whoever looks later has all."""
_MOST_PICTURES = 8
"""Made for one update. Each takes some 10 ms of a processor."""


class LivePage:
    """A page on this machine that shows a run, while its block is open: in its page's language.

    Its last state is the report of the records that it was told of. Every method may be called from
    any thread, and returns at once. A fault of the page is logged, and raises nowhere.

    Raises:
        OSError: when the block is opened, and the port can't be had.
    """

    def __init__(
        self,
        page: Page,
        *,
        port: int = 0,
        beside: Sequence[Path] = (Path(),),
        every_s: float = EVERY_S,
    ) -> None:
        self._language = page.language
        self._port = port
        self._every_s = every_s
        self.harmless = Harmless(NAME)
        """Whoever works for the page puts that into such a block."""
        self._state = _State(page, Tally(Path(), beside, ()), self.harmless)
        self._closing = ExitStack()
        self._portal: BlockingPortal | None = None
        self._server: Server | None = None
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            bound = opening.enter_context(socket.create_server((_HOST, self._port)))
            token = secrets.token_urlsafe(16)
            self.url = f"http://{_HOST}:{bound.getsockname()[1]}/{token}/"
            self._server = Server(
                self._state, bound, token, every_s=self._every_s, harmless=self.harmless
            )
            self._portal = opening.enter_context(start_blocking_portal())
            opening.enter_context(self._portal.wrap_async_context_manager(self._server))
            self._closing = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._state.end([words_in(self._language)["ended_early"]])
        with self.harmless:
            self._closing.close()

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Show rows: each record once, as the output has it."""
        self._state.add(records)

    def sent(self, times: Iterable[float]) -> None:
        """Show requests that were sent at these times (POSIX seconds)."""
        self._state.sent(times)

    def show(self, going: Going) -> None:
        """Show how far the run is."""
        self._state.show(going)

    def end(self, told: Sequence[str], sent_at: Iterable[float] | None = None) -> None:
        """Show that the run has ended, and how. What is told after that is not shown.

        `sent_at`: the times of all its requests, where they are better known now. What they raise
        comes out, and the run has not ended then.
        """
        self._state.end(told, sent_at)
        if self._portal and self._server:
            self._portal.start_task_soon(self._server.end)  # it keeps its own faults


class _State:
    """What the page shows: the run changes it, and the page's thread reads it."""

    def __init__(self, page: Page, tally: Tally, harmless: Harmless) -> None:
        self._harmless = harmless
        self._page = page
        self._tally = tally
        # Its holder may ask for it again: the garbage collector may end a check, which tells of it.
        self._lock = RLock()
        self._fresh: deque[Kept] = deque(maxlen=_MOST_ROWS)
        self._pictures = Pictures()
        self._records: list[Mapping[str, Any]] = []
        self._times: list[float] = []
        self.going = Going(0, None, ())

    def add(self, records: Iterable[Mapping[str, Any]]) -> None:
        with self._harmless, self._lock:
            if not self.going.has_ended:
                self._records += records
                self._count_if_many()

    def sent(self, times: Iterable[float]) -> None:
        remaining = iter(times)  # of a long run millions, which are not to be held
        while piece := list(islice(remaining, _AT_ONCE)):
            with self._harmless, self._lock:
                if self.going.has_ended:
                    return
                self._times += piece
                self._count_if_many()

    def show(self, going: Going) -> None:
        with self._lock:
            if not self.going.has_ended:
                self.going = going

    def _count_if_many(self) -> None:
        if len(self._records) + len(self._times) >= _AT_ONCE:
            self._count()

    def _count(self) -> None:
        records, self._records = self._records, []  # before a fault: nothing is tried again
        times, self._times = self._times, []
        for record in records:
            if kept := self._tally.add(record):
                self._fresh.append(kept)
        for at in times:
            self._tally.timeline.add(at)

    def end(self, told: Sequence[str], sent_at: Iterable[float] | None = None) -> None:
        if self.going.has_ended:
            return
        timeline = None if sent_at is None else Timeline(sent_at)
        with self._harmless, self._lock:
            self._count()
        with self._lock:
            self._tally.timeline = timeline or self._tally.timeline
            self.going = replace(self.going, told=told, has_ended=True)

    # In the page's thread

    def whole(self, events: str) -> tuple[Update, str]:
        with self._lock:  # once: what comes after it is in neither
            fresh, figures, going = self._news()
            groups = self._tally.sample.copied()
        update = self._update(fresh, figures, going)  # with its pictures, which the page has too
        rows, left_out = chosen(groups)
        page = replace(self._page, events=events)
        return update, page.whole(figures, map(self._pictures.row_of, rows), left_out, going)

    def update(self) -> Update:
        with self._lock:
            fresh, figures, going = self._news()
        return self._update(fresh, figures, going)

    def _news(self) -> tuple[list[Kept], Figures, Going]:
        self._count()
        fresh = list(self._fresh)
        self._fresh.clear()
        return fresh, self._tally.figures(), self.going

    def _update(self, fresh: Sequence[Kept], figures: Figures, going: Going) -> Update:
        self._pictures.take([kept for kept in fresh if kept.row.file][-_MOST_PICTURES:])
        rows, left = [], _MOST_CHARACTERS
        for kept in reversed(fresh):
            row = self._pictures.row_of(kept)
            left -= len(row)
            if left >= 0:
                rows.append(row)
        parts = json.dumps(self._page.parts(figures, 0, {}, going))
        return Update(f"[{','.join(reversed(rows))}]", parts)

    def last(self) -> str | None:
        with self._lock:
            self._count()
            figures, groups, going = self._tally.figures(), self._tally.sample.copied(), self.going
        if not going.has_ended:
            return None
        rows, left_out = chosen(groups)
        parts = json.dumps(self._page.parts(figures, len(rows), left_out, going))
        texts = ",".join(map(self._pictures.row_of, rows))
        return f'{{"parts":{parts},"rows":[{texts}]}}'
