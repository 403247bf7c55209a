"""An event loop whose clock jumps to the next timer where nothing happens meanwhile."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any, Protocol


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop with real sockets, whose clock jumps to the next timer where they are quiet."""

    quiet_s = 0.01
    """For so long nothing must happen: more where threads are waited for too."""

    def __init__(self) -> None:
        self.jumped_s = 0.0
        super().__init__(Jumping(self, selectors.DefaultSelector()))

    def time(self) -> float:
        """Return the real time and all that was jumped over."""
        return super().time() + self.jumped_s


class Clock(Protocol):
    """What knows how far the time has jumped."""

    quiet_s: float
    jumped_s: float


class Jumping(selectors.BaseSelector):
    """A selector that waits for the quiet, and tells a clock what it did not wait for."""

    def __init__(self, clock: Clock, real: selectors.BaseSelector) -> None:
        self._clock = clock
        self._real = real

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what sockets are ready, after the quiet at the latest."""
        if timeout is None or timeout <= self._clock.quiet_s:
            return self._real.select(timeout)
        events = self._real.select(self._clock.quiet_s)
        if not events:
            self._clock.jumped_s += timeout - self._clock.quiet_s
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one does."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one does."""
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one does."""
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the real one does."""
        return self._real.get_map()

    def close(self) -> None:
        """As the real one does."""
        self._real.close()
