"""What the user holds of a stream of outcomes: closing it, or losing it, stops its window.

And what the user says of the items: where the image is, and the user's own identity of it.
"""

from collections.abc import Callable
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

from s2v_detect.checks._window import Asked, Window
from s2v_detect.errors import ImageSkipped
from s2v_detect.images import own_identity
from s2v_detect.models import Outcome

Getter = Callable[[Any], Any] | str | None
"""How to get something from an item: a function, or the key of a mapping."""


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


def asked_in(image: Getter, identity: Getter) -> Callable[[Any], Asked]:
    """Return what tells of an item what is asked. It raises `ImageSkipped` for a bad one."""
    image_in, identity_in = _got("image", image), _got("identity", identity)
    if identity is None:
        return lambda item: Asked(image_in(item, item), None)

    def asked(item: Any) -> Asked:
        found = image_in(item, item)
        return Asked(found, own_identity(identity_in(item, found), found))

    return asked


def _got(name: str, getter: Getter) -> Callable[[Any, Any], Any]:
    """Return what gets something from an item; the image is for the error's sake."""
    if getter is None:
        return lambda item, _: item
    get = itemgetter(getter) if isinstance(getter, str) else getter

    def got(item: Any, image: Any) -> Any:
        try:
            return get(item)
        except ImageSkipped:
            raise
        except Exception as error:  # the user's function on the user's row: one bad row is one row
            reason = f"{name}= raised {type(error).__name__} on it ({error})"
            saves: Any = "identity" if name == "identity" else "nothing"
            raise ImageSkipped(reason, image=image, saves=saves) from error

    return got
