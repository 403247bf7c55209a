"""An image's place in the lanes: it may be moved to the better one while it waits in the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from s2v_detect._turns import Lane

T = TypeVar("T")


class Place:
    """The lane that an image is in, and the waiting in it."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._waiting: asyncio.Task[Any] | None = None
        self._is_moving = False

    def move_up(self) -> None:
        """Go on in the better lane, out of the queue where it waits now."""
        if self.lane == "bulk":
            self.lane = "interactive"
            if self._waiting:
                self._is_moving = self._waiting.cancel()

    def move_down(self) -> None:
        """Wait in the streams' lane from the next wait on."""
        self.lane = "bulk"

    def stay(self) -> None:
        """Let a cancellation that follows be the end, not a move."""
        self._is_moving = False

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
