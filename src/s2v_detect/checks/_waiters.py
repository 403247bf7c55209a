"""Where an image is: in which lane, and how far on its way; how long it has waited there.

It may be moved to the better lane while it waits in the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from s2v_detect.models import Lane

T = TypeVar("T")
Stage = Literal["ground", "line", "air", "rest"]


class Place:
    """The lane that an image is in, or on its way to, and the waiting in it."""

    def __init__(self, lane: Lane, coming: MutableMapping[Lane, int]) -> None:
        self.lane = lane
        self._coming = coming
        self._is_coming = True
        coming[lane] += 1
        self.stage: Stage = "ground"
        self.line_s = 0.0
        """Seconds in line and on the way to it, without its attempts and their waits."""
        self._loop = asyncio.get_running_loop()
        self._lined_up_at: float | None = None
        self._waiting: asyncio.Task[Any] | None = None
        self._is_moving = False

    @property
    def waited_s(self) -> float:
        """Seconds since it was first in line, 0 while it is not there."""
        if self.stage != "line" or self._lined_up_at is None:
            return 0.0
        return self._loop.time() - self._lined_up_at

    @contextmanager
    def waiting_in(self, stage: Literal["ground", "line"]) -> Iterator[None]:
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

    @contextmanager
    def waiting_for_an_outage(self) -> Iterator[None]:
        """Wait before the line for what its own bounds leave: that time is its own."""
        since = self._loop.time()
        try:
            yield
        finally:
            self.line_s -= self._loop.time() - since

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
            self._waiting = task
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
