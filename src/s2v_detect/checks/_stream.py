"""What the user gives to a stream, and holds of it: closing it, or losing it, stops its window."""

import io
import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from functools import partial
from types import CoroutineType, TracebackType
from typing import Generic, Self

from s2v_detect.checks._window import Window
from s2v_detect.models import ItemT, Outcome

_ROWS_BY = {
    "to_pylist": "to_pylist()",  # pyarrow, of which single values too are none of Python's
    "to_dicts": "to_dicts()",  # polars
    "collect": "collect().to_dicts()",  # its lazy ones
    "to_dict": 'to_dict("records")',  # pandas, and what is made like it
}
"""How a table of some library gives its rows; the first that it has."""

_AS_FRAME = (
    "For a frame with columns of verdicts call `check_frame`"
    " (`from s2v_detect.integrations.frames import check_frame`)"
)


class OutcomeStream(Generic[ItemT]):
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

    async def __anext__(self) -> Outcome[ItemT]:
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

    @property
    def is_cut_short(self) -> bool:
        """Whether it was stopped, or ended, before each item of the input had its outcome."""
        return self._is_closed if self._window is None else self._window.is_cut_short

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


def refuse_no_items(items: object, image: object = None) -> None:
    """Raise `TypeError` for what is no iterable of items, or is one of something else.

    Each would otherwise be a stream in which everything is skipped: characters, keys, names of
    columns.
    """
    kind = type(items).__name__
    if isinstance(items, str | bytes | bytearray | memoryview | os.PathLike):
        raise TypeError(
            f"items is a single {kind}. A stream takes many: give one to `check` or `check_one`, or"
            " in a list."
        )
    if isinstance(items, Mapping):
        raise TypeError(
            f"items is a {kind}, whose iteration gives its keys. Give `items.values()`, or"
            " `items.items()` with `image=`."
        )
    if isinstance(items, io.IOBase) and image is None:
        raise TypeError(
            "items is an open file, whose lines hold their line breaks. Open it as text, and give"
            " `image=str.strip`."
        )
    if isinstance(items, CoroutineType):
        items.close()  # nobody will await it, and Python would warn of that beside the error
        raise TypeError("items is a coroutine, and not what it returns. Await it first.")
    if _is_table(items):
        rows = next((call for name, call in _ROWS_BY.items() if hasattr(type(items), name)), "")
        do = f"Give `items.{rows}`" if rows else "Give them as a list of dicts"
        as_frame = f" {_AS_FRAME}." if hasattr(type(items), "columns") else ""
        raise TypeError(
            f"items is a {kind}, whose iteration gives no rows. {do}, and say with `image=` which"
            f" column holds the image.{as_frame}"
        )
    # What has no `__iter__` may still be a sequence of the old kind.
    if not isinstance(items, Iterable | AsyncIterable) and not hasattr(items, "__getitem__"):
        raise TypeError(
            f"items is of type {kind}, which can't be iterated. Give images, in a list or by a"
            " generator."
        )


def _is_table(items: object) -> bool:
    """Whether it is a table of pandas, polars, pyarrow or their kin; none of them is imported."""
    has = partial(hasattr, type(items))  # a lazy table computes for what is asked of itself
    if has("to_pylist"):
        return True
    is_arrow = has("__arrow_c_stream__") or has("__dataframe__")
    has_columns = has("columns") and (is_arrow or not has("__iter__"))
    return has_columns or (has("schema") and is_arrow)
