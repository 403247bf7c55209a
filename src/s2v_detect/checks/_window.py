"""The bounded window: an input of any length into a stream of outcomes.

The theory. Three things count together, and never pass `size`: rows that are being read (a local
file's), flights that are awaited, and outcomes that nobody has taken yet. (Flights that wait for
another process's claim count beside them, up to a bound.)

* The *feeder* task reads the input, one item at a time, and only while there is room: it waits for
  `_room`. It alone starts flights. It ends with the input, with the input's fault, or by `stop`.
* A *flight's future* comes back in `_waiter_told`, in the loop's own step: its outcome is kept, or,
  where every other image would meet the same, it is the fault of the stream.
* The *taker* waits for `_news`. It gets what is finished, and raises the end only when the feeder's
  end is known and nothing is awaited any more: a stream whose input failed never looks complete.

`stop` cancels the feeder, drops what has cost nothing, and lets the rest end. The window does not
know the stream that the user holds: a stream that nobody refers to any more can then stop its
window.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from os import PathLike
from typing import Any, NamedTuple

from s2v_detect._waiting import let_go_of, task_of
from s2v_detect.checks._flight import Flight
from s2v_detect.checks._flights import Flights
from s2v_detect.checks._waiters import Ending
from s2v_detect.errors import DetectError, ImageSkipped, NotSent, RateLimited, ServiceUnavailable
from s2v_detect.images import Asked, Asking, Subject, asked_of
from s2v_detect.models import Checked, Failed, ItemT, Outcome, Skipped, Verdict

Items = Iterable[ItemT] | AsyncIterable[ItemT]

_MOST_ASIDE = 10
"""Windows full of images that may wait for other processes, beside the one that goes on: each
process claims one window full."""

_Waiter = asyncio.Future[Ending]


class _Row(NamedTuple):
    """One item of the input."""

    number: int
    item: Any
    image: Any
    read_at: float
    own: str | None = None
    """The identity that the user gave it."""


class _AsTheyFinish:
    """Outcomes to be taken in the order in which they came."""

    def __init__(self) -> None:
        self._outcomes: deque[Outcome] = deque()

    def __len__(self) -> int:
        return len(self._outcomes)

    def put(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)

    def pass_over(self, index: int) -> None:
        """Nothing waits for an index here."""

    def take(self) -> Outcome | None:
        return self._outcomes.popleft() if self._outcomes else None


class _InOrder:
    """Outcomes to be taken in the order of the input."""

    def __init__(self) -> None:
        self._outcomes: dict[int, Outcome] = {}
        self._passed_over: set[int] = set()
        self._next = 0

    def __len__(self) -> int:
        return len(self._outcomes)

    def put(self, outcome: Outcome) -> None:
        self._outcomes[outcome.index] = outcome

    def pass_over(self, index: int) -> None:
        """Wait no more for the outcome of this index: it gets none."""
        self._passed_over.add(index)

    def take(self) -> Outcome | None:
        while self._next in self._passed_over:
            self._passed_over.discard(self._next)
            self._next += 1
        outcome = self._outcomes.pop(self._next, None)
        self._next += outcome is not None
        return outcome


class Window:
    """Checks in flight and outcomes not yet taken: never more than `size` together."""

    def __init__(
        self,
        flights: Flights,
        items: Items,
        *,
        asking: Asking,
        size: int,
        ordered: bool,
    ) -> None:
        self._flights = flights
        self._subjects = flights.session.subjects
        self._items = items
        self._asking = asking
        self._size = size
        self._loop = asyncio.get_running_loop()
        self._read = 0
        self._reading: set[asyncio.Task[None]] = set()
        """Files that are being looked at: one that hangs holds up no other."""
        self._pending: dict[_Waiter, tuple[_Row, Flight]] = {}
        self._finished = _InOrder() if ordered else _AsTheyFinish()
        self._fault: BaseException | None = None
        self._is_stopped = False
        self.is_cut_short = False
        """Whether the input was not read to its end, or an image of it got no outcome."""
        self._is_fed = False
        """Whether the feeder has ended, and the fault of its end is known."""
        self._room = asyncio.Event()
        flights.session.aside.rooms.add(self._room)
        self._news = asyncio.Event()
        self._feeder = task_of(self._feed(), "s2v-detect feeder")
        self._feeder.add_done_callback(self._feeder_ended)

    async def take(self) -> Outcome:
        """Return the next outcome; at the end raise the fault, if any, or `StopAsyncIteration`."""
        while True:
            outcome = self._finished.take()
            if outcome is not None:
                self._room.set()
                return outcome
            if self._is_fed and not self._pending and not self._reading:
                raise StopAsyncIteration if self._fault is None else self._fault
            self._news.clear()
            await self._news.wait()

    def stop(self) -> None:
        """Send no more. What was sent is still delivered."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.is_cut_short |= not self._feeder.done()
        self._feeder.cancel()
        for task in self._reading:
            task.cancel()
        for waiter, (_, flight) in list(self._pending.items()):
            if flight.is_free and not flight.may_have_cost:
                self._drop(waiter)
            else:
                flight.want_no_more(waiter)

    def abandon(self) -> None:
        """Send no more, deliver nothing. What was sent is finished and counted all the same."""
        self.stop()
        for waiter in list(self._pending):
            self._drop(waiter)

    def abandon_from_anywhere(self) -> None:
        """Abandon it from a finalizer, which may run in any thread and at any time."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.abandon)

    async def closed(self) -> None:
        """Return when the input has been let go of."""
        await asyncio.wait([self._feeder, *self._reading])

    async def _feed(self) -> None:
        items = self._items
        source = aiter(items) if isinstance(items, AsyncIterable) else items
        try:
            await self._has_room()
            each = asked_of(_each(source), self._asking, most_held=self._size)
            async for item, asked in each:
                if self._is_stopped:  # the input stopped it, or is deaf to being cancelled
                    return
                self._admit(item, asked)
                await self._has_room()
        finally:
            await let_go_of(source)

    async def _has_room(self) -> None:
        most_aside = _MOST_ASIDE * self._size
        while len(self._reading) + len(self._pending) + len(self._finished) >= self._size + min(
            self._flights.session.aside.count, most_aside
        ):
            self._room.clear()
            await self._room.wait()

    def _admit(self, item: Any, asked: Asked | ImageSkipped) -> None:
        row = _Row(self._read, item, item, self._loop.time())
        self._read += 1
        if isinstance(asked, ImageSkipped):
            self._skip(row._replace(image=asked.image), asked)
            return
        row = row._replace(image=asked.image, own=asked.own)
        try:
            if not isinstance(row.image, bytes | PathLike):
                self._join(row, self._subjects.address(row.image))
                return
        except ImageSkipped as skipped:
            self._skip(row._replace(image=skipped.image), skipped)
            return
        task = task_of(self._look_at(row, row.image), "s2v-detect reading")
        self._reading.add(task)
        task.add_done_callback(lambda task: self._looked_at(row, task))

    async def _look_at(self, row: _Row, source: PathLike[str] | bytes) -> None:
        try:
            self._join(row, await self._subjects.local(source))
        except ImageSkipped as skipped:
            self._skip(row, skipped)

    def _looked_at(self, row: _Row, task: "asyncio.Task[None]") -> None:
        self._reading.discard(task)
        if task.cancelled():
            self._pass_over(row)
        elif (error := task.exception()) is not None:
            self._pass_over(row)
            self._fail(error)
        self._room.set()
        self._news.set()

    def _join(self, row: _Row, subject: Subject) -> None:
        flight, waiter = self._flights.join(subject.called(row.own), "bulk")
        self._pending[waiter] = (row, flight)
        waiter.add_done_callback(self._waiter_told)

    def _skip(self, row: _Row, skipped: ImageSkipped) -> None:
        self._flights.skip(row.image, skipped, row.own, "bulk")
        elapsed_s = self._loop.time() - row.read_at
        self._deliver(
            Skipped(
                index=row.number,
                item=row.item,
                image=row.image,
                reason=skipped.reason,
                elapsed_s=elapsed_s,
            )
        )

    def _waiter_told(self, waiter: _Waiter) -> None:
        pending = self._pending.pop(waiter, None)
        if pending is None:
            return
        row, ending = pending[0], waiter.result()
        if not isinstance(ending.result, Verdict) and _is_fault(ending.result):
            self._fail(ending.result)
        if self._is_owed(ending):
            self._deliver(_outcome(row, ending, self._loop.time() - row.read_at))
        else:
            self._pass_over(row)
        if ending.fault:
            self._fail(ending.fault)

    def _fail(self, fault: BaseException) -> None:
        self._note(fault)
        self.stop()

    def _note(self, fault: BaseException | None) -> None:
        """Keep the first fault. One with a length of its own may be false, and is a fault."""
        if self._fault is None:
            self._fault = fault

    def _is_owed(self, ending: Ending) -> bool:
        """Whether it gets an outcome: a fault of the run, and what it left undone, get none."""
        error = ending.result
        if isinstance(error, Verdict):
            return True
        if not isinstance(error, DetectError):
            return False
        if ending.bill.cost_at_most:
            return True
        undone = isinstance(error, NotSent | RateLimited | ServiceUnavailable)
        return not error.stops_run and not (self._is_stopped and undone)

    def _drop(self, waiter: _Waiter) -> None:
        row, flight = self._pending.pop(waiter)
        flight.leave(waiter)
        self._pass_over(row)

    def _deliver(self, outcome: Outcome) -> None:
        self._finished.put(outcome)
        self._news.set()

    def _pass_over(self, row: _Row) -> None:
        self.is_cut_short = True
        self._finished.pass_over(row.number)
        self._room.set()
        self._news.set()

    def _feeder_ended(self, feeder: "asyncio.Task[None]") -> None:
        self._is_fed = True
        if not feeder.cancelled():
            self._note(feeder.exception())
        elif not self._is_stopped:  # the input was cancelled, not we: it is not at its end
            self._note(asyncio.CancelledError("the input was cancelled"))
        self._news.set()


def _is_fault(error: BaseException) -> bool:
    """Whether every other image would end the same way, or something of ours is broken."""
    return error.stops_run if isinstance(error, DetectError) else True


def _outcome(row: _Row, ending: Ending, elapsed_s: float) -> Outcome:
    common: dict[str, Any] = {
        "index": row.number,
        "item": row.item,
        "image": row.image,
        "attempts": ending.attempts,
        "elapsed_s": elapsed_s,
        "doubt": ending.doubt,
        **ending.bill._asdict(),
    }
    if isinstance(ending.result, Verdict):
        return Checked(verdict=ending.result, **common)
    if isinstance(ending.result, ImageSkipped):
        return Skipped(reason=ending.result.reason, **common)
    return Failed(error=ending.result, **common)


async def _each(source: Any) -> AsyncIterator[Any]:
    if not hasattr(source, "__anext__"):  # a plain iterable, by `__getitem__` too
        for item in source:
            yield item
        return
    with suppress(StopAsyncIteration):
        while True:  # an iterator need not be iterable itself
            yield await anext(source)
