"""What the user holds of a stream of outcomes: closing it, or losing it, stops its window."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from s2v_detect.checks._window import Window
from s2v_detect.models import Outcome


class OutcomeStream:
    """An async iterator of outcomes that is an async context manager too.

    Leaving it stops the sending at once: by its `async with`, by `aclose`, or by `break` once
    nothing refers to it. What was already sent is finished and counted all the same.
    """

    def __init__(self, open_window: Callable[[], Window]) -> None:
        self._open_window = open_window
        self._window: Window | None = None
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._is_closed:
            raise StopAsyncIteration
        return await self._opened().take()

    async def __aenter__(self) -> Self:
        if not self._is_closed:
            self._opened()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def stop(self) -> None:
        """Send no more; the iteration yields what was sent, as it is answered, and then ends."""
        if self._window is None:
            self._is_closed = True
        else:
            self._window.stop()

    async def aclose(self) -> None:
        """Stop the sending and let go of the input; what was sent is finished and counted."""
        self._is_closed = True
        if self._window is not None:
            self._window.abandon()
            await self._window.closed()

    def __del__(self) -> None:
        window = getattr(self, "_window", None)
        if window is not None and not self._is_closed:
            window.abandon_from_anywhere()

    def _opened(self) -> Window:
        if self._window is None:
            self._window = self._open_window()
        return self._window
