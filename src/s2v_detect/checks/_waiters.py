"""Who waits for one image, and where the image is on its way.

`Waiters` holds all who wait: each has a future, a lane, and may want nothing after what is under
way. It is read by the check, and calls nobody. `Place` is the lane that the image is in, how far it
is, and how long it has waited: it may be moved to the better lane while it waits in the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from s2v_detect.checks._money import NO_BILL, Bill
from s2v_detect.errors import DetectError, LedgerError
from s2v_detect.models import Lane, Verdict

T = TypeVar("T")
Stage = Literal["before", "line", "sent", "rest"]
"""`before` its line, in `line`, `sent` (its turn was granted: no way back), at `rest`."""


class Place:
    """The lane that an image is in, or on its way to, and the waiting in it."""

    def __init__(self, lane: Lane, coming: MutableMapping[Lane, int]) -> None:
        self.lane = lane
        self._coming = coming
        self._is_coming = True
        coming[lane] += 1
        self.stage: Stage = "before"
        self.line_s = 0.0
        """Seconds in line and on the way to it, without its attempts and their waits."""
        self._loop = asyncio.get_running_loop()
        self._lined_up_at: float | None = None
        self._waiting: asyncio.Task[Any] | None = None
        self.waited_in = lane
        """The lane of the latest wait: whoever was better may have left meanwhile."""
        self._is_moving = False

    @property
    def waited_s(self) -> float:
        """Seconds since it was first in line; 0 before, and while a request is under way."""
        if self.stage == "sent" or self._lined_up_at is None:
            return 0.0
        return self._loop.time() - self._lined_up_at

    @contextmanager
    def waiting_in(self, stage: Literal["before", "line"]) -> Iterator[None]:
        """Be in a stage whose time is not its own."""
        self.stage = stage
        since = self._loop.time()
        if stage == "line" and self._lined_up_at is None:
            self._lined_up_at = since
            self.arrive()
        try:
            yield
        finally:
            self.line_s += self._loop.time() - since

    def move_up(self) -> None:
        """Go on in the better lane, out of the queue where it waits now."""
        if self.lane == "bulk":
            self._change("interactive")
            if self._waiting:
                self._is_moving = self._waiting.cancel()

    def move_down(self) -> None:
        """Wait in the streams' lane from the next wait on."""
        self._change("bulk")

    def arrive(self) -> None:
        """Be in the line, or at an end before it: it is no longer one who comes."""
        if self._is_coming:
            self._is_coming = False
            self._coming[self.lane] -= 1

    def stay(self) -> None:
        """Let a cancellation that follows be the end, not a move."""
        self._is_moving = False
        self.arrive()

    async def wait(self, wait: Callable[[Lane], Awaitable[T]]) -> T:
        """Return what is waited for in the lane; moved up meanwhile, it is waited for anew."""
        task = asyncio.current_task()
        while True:
            self._waiting, self.waited_in = task, self.lane
            try:
                return await wait(self.lane)
            except asyncio.CancelledError:
                if not self._is_moving or task is None:
                    raise
                self._is_moving = False
                task.uncancel()
            finally:
                self._waiting = None

    def _change(self, lane: Lane) -> None:
        if self._is_coming:
            self._coming[self.lane] -= 1
            self._coming[lane] += 1
        self.lane = lane


class Ending(NamedTuple):
    """How a flight ended, as one of those who waited for it is told."""

    result: Verdict | BaseException
    attempts: int = 0
    bill: Bill = NO_BILL
    """That of this share: the first who waited has all of it."""
    doubt: str = ""
    """What a look could not tell of the image."""
    fault: LedgerError | None = None
    """The answer is here, and could not be recorded."""


@dataclass
class _Waiting:
    """One who waits for an image."""

    image: object
    """As it was given here: the same image may have other names."""
    lane: Lane
    wants_more: bool = True
    """Whether another request is to be made, if this one gives no verdict."""


class Waiters:
    """All who wait for one image."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[Ending], _Waiting] = {}
        self.ended_by = ""
        """Why no request is to be made any more, whoever waits; or nothing."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def want_more(self) -> bool:
        """Whether anybody wants another request, and it may be made."""
        return not self.ended_by and any(each.wants_more for each in self._waiting.values())

    @property
    def are_streams(self) -> bool:
        """Whether no check is among them."""
        return all(each.lane == "bulk" for each in self._waiting.values())

    def join(self, image: object, lane: Lane) -> asyncio.Future[Ending]:
        """Return what one more will be told."""
        waiter: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = _Waiting(image, lane)
        return waiter

    def leave(self, waiter: asyncio.Future[Ending]) -> None:
        """Let one wait no more."""
        self._waiting.pop(waiter, None)

    def want_no_more(self, waiter: asyncio.Future[Ending]) -> None:
        """Let one wait for what is under way alone."""
        self._waiting[waiter].wants_more = False

    def tell(self, waiter: asyncio.Future[Ending], ending: Ending) -> None:
        """Tell one how it ended, by the name that the image has there."""
        if not waiter.done():
            if isinstance(ending.result, DetectError):
                ending.result.image = self._waiting[waiter].image
            waiter.set_result(ending)

    def untold(self) -> list[asyncio.Future[Ending]]:
        """Return those who were told nothing yet, the first first."""
        return [waiter for waiter in self._waiting if not waiter.done()]

    def tell_checks(self, error: DetectError, *, was_for_checks: bool) -> bool:
        """Tell the checks of an error that streams wait out. Return whether there were both.

        Where it was for checks, they may have left by now.
        """
        untold = [(waiter, self._waiting[waiter]) for waiter in self.untold()]
        checks = [waiter for waiter, each in untold if each.lane != "bulk"]
        goes_on = any(each.lane == "bulk" and each.wants_more for _, each in untold)
        if not (checks or was_for_checks) or not goes_on or self.ended_by:
            return False
        for waiter in checks:
            self.tell(waiter, Ending(error.copy()))
        return True
