"""An event loop whose clock jumps to the next timer where nothing happens meanwhile."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop with real sockets, whose clock jumps to the next timer where they are quiet."""

    quiet_s = 0.01
    """For so long nothing must happen: more where threads are waited for too."""

    def __init__(self) -> None:
        self.jumped_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the real time and all that was jumped over."""
        return super().time() + self.jumped_s


class _Jumping(selectors.BaseSelector):
    def __init__(self, loop: JumpingLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= self._loop.quiet_s:
            return self._real.select(timeout)
        events = self._real.select(self._loop.quiet_s)
        if not events:
            self._loop.jumped_s += timeout - self._loop.quiet_s
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
