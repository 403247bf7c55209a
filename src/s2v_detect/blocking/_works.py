"""What runs in the loop of a call: all outcomes of an input, or the verdict on one image.

Each knows how to send no more, and holds what was paid for.
"""

import asyncio
import time
from collections.abc import AsyncIterable, Iterable, Iterator, Sized
from os import PathLike
from typing import Any, Generic, TypeGuard

from s2v_detect._waiting import after, task_of
from s2v_detect.blocking._call import retrieve
from s2v_detect.checks import Items, OutcomeStream
from s2v_detect.client import DetectClient
from s2v_detect.errors import ConfigurationError, DetectError, NotSent, not_sent, out_of_time
from s2v_detect.models import Image, ItemT, Outcome, Verdict


class All(Generic[ItemT]):
    """All outcomes of an input."""

    def __init__(
        self,
        client: DetectClient,
        items: Items[ItemT],
        asked: dict[str, Any],
        max_time_s: float | None,
    ) -> None:
        self._client = client
        self._items = items
        self._asked = asked
        self._max_time_s = max_time_s
        self._due = _due(max_time_s)
        self._outcomes: list[Outcome[ItemT]] = []
        self._stream: OutcomeStream[ItemT] | None = None
        self._is_stopped = False
        self._is_late = False
        self.is_reading = False

    async def run(self) -> list[Outcome[ItemT]]:
        items = self._read(self._items) if _is_read_here(self._items) else self._items
        with after(_left_s(self._due), self._stop_if_late):
            async with (
                self._client as client,
                client.aiter_check(items, **self._asked) as self._stream,
            ):
                self._stop_if_late()
                if self._is_stopped:
                    self._stream.stop()
                async for outcome in self._stream:
                    self._outcomes.append(outcome)  # what has come must survive a fault
        if self._is_late and self._stream.is_cut_short and not self._has_all():
            raise out_of_time(self._max_time_s or 0.0)
        return self._outcomes

    def stop(self) -> None:
        self._is_stopped = True
        if self._stream:
            self._stream.stop()

    def give_back(self, error: BaseException) -> None:
        vars(error)["outcomes"] = tuple(self._outcomes)
        if not isinstance(error, DetectError):
            error.add_note(
                f"check_all: {len(self._outcomes):,} outcomes had come by then. They are in the"
                " `outcomes` of this exception; in a notebook: sys.last_value.outcomes"
            )

    def _stop_if_late(self) -> None:
        if self._due is not None and time.monotonic() >= self._due:
            self._is_late = True
            self.stop()

    def _has_all(self) -> bool:
        """Whether each item has its outcome: a full window does not look for the input's end."""
        return isinstance(self._items, Sized) and len(self._items) == len(self._outcomes)

    def _read(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        each = iter(items)
        while True:
            self.is_reading = True
            try:
                item = next(each)
            except StopIteration:
                return
            finally:
                self.is_reading = False
            self._stop_if_late()  # a slow input keeps the loop from its timers
            yield item


class One:
    """The verdict on one image."""

    is_reading = False

    def __init__(
        self,
        client: DetectClient,
        image: Image,
        asked: dict[str, Any],
        give_up_after_s: float | None,
    ) -> None:
        self._client = client
        self._image = image
        self._asked = asked
        self._give_up_after_s = give_up_after_s
        self._due = _due(give_up_after_s)
        self._verdict: Verdict | None = None
        self._stopped = asyncio.Event()
        self._is_late = False

    async def run(self) -> Verdict:
        async with self._client as client:
            checking = task_of(client.check(self._image, **self._asked), "s2v-detect check_one")
            checking.add_done_callback(retrieve)
            stopped = task_of(_once(self._stopped), "s2v-detect stop of check_one")
            with after(_left_s(self._due), self._give_up):
                await asyncio.wait([checking, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
        # The client is closed, so what was sent has ended, and `check` has been told.
        await asyncio.wait([checking], timeout=0)
        if checking.cancel():  # it still looked at a file
            raise self._given_up()
        try:
            self._verdict = checking.result()
        except (NotSent, ConfigurationError) as error:  # the latter: it found the client closed
            if self._is_late and not error.attempts:
                raise self._given_up() from None
            raise
        return self._verdict

    def stop(self) -> None:
        self._stopped.set()

    def give_back(self, error: BaseException) -> None:
        if self._verdict:
            vars(error)["verdict"] = self._verdict
            error.add_note("check_one: the verdict is in the `verdict` of this exception")

    def _give_up(self) -> None:
        self._is_late = True
        self.stop()

    def _given_up(self) -> NotSent:
        return not_sent(f"given up after {self._give_up_after_s or 0.0:g} s", self._image)


def _due(bound_s: float | None) -> float | None:
    return None if bound_s is None else time.monotonic() + bound_s


def _left_s(due: float | None) -> float | None:
    return None if due is None else max(0.0, due - time.monotonic())


async def _once(event: asyncio.Event) -> None:
    await event.wait()


def _is_read_here(items: Items[ItemT]) -> TypeGuard[Iterable[ItemT]]:
    """Whether reading runs the user's own code in the loop's thread, without an `await`."""
    return isinstance(items, Iterable) and not isinstance(
        items, AsyncIterable | list | tuple | str | bytes | PathLike
    )
