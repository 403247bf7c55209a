"""The stream for code that is not async, and what an interrupt gives back.

The theory. What ends `check_all` early (Ctrl-C, a signal's handler that raises, the input, a fault
of the run) passes on as itself, and what had come by then is in its `outcomes`: it was paid for. So
is what was sent: the sending stops, the answers are waited for, and then the exception goes on.

*In the caller's thread*, where no loop runs. An exception that a handler raises in the midst of the
loop could end any step of it: half an answer, or a task that never wakes. So while the loop runs,
what a handler raises is kept until the loop has ended, as asyncio does for Ctrl-C alone. Two are
raised at once: the second, of somebody who does not want to wait; and one that comes while the
input is read, for that may block for ever. The loop goes on after that one.

*In another thread*, where a loop runs already, as in a notebook. The caller's thread only waits, so
an exception may come there at any time: it reaches nothing of ours.

In each case the second interrupt leaves what was sent to the closing of the loop. What has no
answer then is unknown to the ledger.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterable, Iterable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from os import PathLike
from types import FrameType
from typing import Any, Generic, TypeGuard, Unpack, cast

import sniffio

from s2v_detect._settings import refuse_unknown, sealed
from s2v_detect.checks import Items, OutcomeStream, refuse_no_items
from s2v_detect.client import ClientOptions, DetectClient
from s2v_detect.errors import DetectError
from s2v_detect.images import Getter
from s2v_detect.models import ItemT, Outcome

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # not every system has the last


def check_all(
    items: Items[ItemT],
    *,
    image: Getter[ItemT] = None,
    identity: Getter[ItemT] = None,
    ordered: bool = True,
    **options: Unpack[ClientOptions],
) -> list[Outcome[ItemT]]:
    """Return the outcomes of all items, in their order, for code that is not async.

    Works in a notebook too, where an event loop runs already. The whole list is held in memory:
    stream long inputs with `DetectClient.aiter_check`.

    Args:
        items: as for `aiter_check`.
        image: as for `aiter_check`.
        identity: as for `aiter_check`.
        ordered: in the order of the input; else as they finish.
        options: as for `DetectClient`.

    Raises:
        TypeError: `items` are none, or an argument is unknown; see there too.
        DetectError: a fault of the whole run, as for `aiter_check`; its `outcomes` are those that
            had come by then, so that no answer is lost.
        BaseException: what interrupts it: `KeyboardInterrupt`, what a handler of SIGTERM raises, or
            what `items` raise. No more is sent, what was sent is waited for, and the exception has
            the `outcomes` too. The second interrupt does not wait.

    Example:
        >>> def usable(urls: list[str]) -> list[str]:
        ...     return [
        ...         outcome.image
        ...         for outcome in check_all(urls)
        ...         if outcome.kind == "checked" and outcome.verdict.check_pass
        ...     ]
    """
    if "api_key" in options:
        options["api_key"] = sealed(options["api_key"])  # as the client does, and why
    known = ["items", "image", "identity", "ordered", *ClientOptions.__annotations__]
    refuse_unknown("check_all", cast("dict[str, Any]", options), known)
    refuse_no_items(items, image)  # before anything is opened
    asked = {"image": image, "identity": identity, "ordered": ordered}
    gathering = _Gathering(DetectClient(**options), items, asked)
    return gathering.in_another_thread() if _is_in_a_loop() else gathering.here()


def _is_in_a_loop() -> bool:
    """Whether a loop of asyncio or of trio runs here: httpcore would take ours for a trio's too."""
    for current in (asyncio.get_running_loop, sniffio.current_async_library):
        with suppress(RuntimeError):  # none
            current()
            return True
    return False


class _Gathering(Generic[ItemT]):
    """One call of `check_all`: what has come, and what interrupts it."""

    def __init__(self, client: DetectClient, items: Items[ItemT], asked: dict[str, Any]) -> None:
        self._client = client
        self._items = items
        self._asked = asked
        self._outcomes: list[Outcome[ItemT]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stream: OutcomeStream[ItemT] | None = None
        self._is_stopped = False
        self._is_reading = False
        self._interrupt: BaseException | None = None

    def here(self) -> list[Outcome[ItemT]]:
        """Return all outcomes, from a loop in this thread."""
        with self._giving_back():
            with self._signals_kept(), asyncio.Runner() as runner:
                try:
                    runner.run(self._run())
                except BaseException as error:
                    if self._interrupt or self._task is None or self._task.done():
                        raise
                    self._interrupt = error  # the loop was left, and lives
                    self._stop()
                    self._finish(runner, self._task)
            if self._interrupt:
                raise self._interrupt
        return self._outcomes

    def in_another_thread(self) -> list[Outcome[ItemT]]:
        """Return all outcomes, from a loop in a thread of its own."""
        from anyio.from_thread import start_blocking_portal  # noqa: PLC0415  # 10 ms of every import

        with self._giving_back(), start_blocking_portal("asyncio") as portal:
            running = portal.start_task_soon(self._run)
            try:
                running.result()
            except BaseException:
                self._stop()
                wait([running])  # at once, unless it was this thread that was interrupted
                raise
        return self._outcomes

    async def _run(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        items = self._read(self._items) if _is_read_here(self._items) else self._items
        async with (
            self._client as client,
            client.aiter_check(items, **self._asked) as self._stream,
        ):
            if self._is_stopped:
                self._stream.stop()
            async for outcome in self._stream:
                self._outcomes.append(outcome)  # what has come must survive a fault

    @staticmethod
    def _finish(runner: asyncio.Runner, task: "asyncio.Task[Any]") -> None:
        """Run on until what was sent has come. What the task raises is the interrupt itself."""
        try:
            runner.run(_waited_for(task))
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # asyncio would log that nobody has asked for it

    def _read(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        each = iter(items)
        while True:
            self._is_reading = True
            try:
                item = next(each)
            except StopIteration:
                return
            finally:
                self._is_reading = False
            yield item

    def _stop(self) -> None:
        """Send no more; from any thread, and from a signal's handler."""
        self._is_stopped = True
        if self._loop and self._stream:
            with suppress(RuntimeError):  # it is closed: nothing is sent any more
                self._loop.call_soon_threadsafe(self._stream.stop)

    @contextmanager
    def _signals_kept(self) -> Iterator[None]:
        """Keep what a handler raises, and stop; a handler that returns changes nothing here."""
        if threading.current_thread() is not threading.main_thread():
            yield  # no handler runs in this thread
            return
        known = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        handlers = {number: signal.getsignal(number) for number in known}

        def hear(number: int, frame: FrameType | None) -> None:
            handler = handlers[number]
            if not callable(handler):  # only those are replaced
                return
            try:
                handler(number, frame)
            except BaseException as error:
                if self._interrupt or self._is_reading:
                    raise
                self._interrupt = error
                self._stop()

        with suppress(ValueError):  # not the main interpreter, which alone has signals
            for number in [number for number in known if callable(handlers[number])]:
                signal.signal(number, hear)
        try:
            yield
        finally:
            for number in known:
                if signal.getsignal(number) is hear:  # else the handler has set another
                    signal.signal(number, handlers[number])

    @contextmanager
    def _giving_back(self) -> Iterator[None]:
        """Let what ends the run early have the outcomes that had come."""
        try:
            yield
        except BaseException as error:
            vars(error)["outcomes"] = tuple(self._outcomes)
            if not isinstance(error, DetectError):
                error.add_note(
                    f"check_all: {len(self._outcomes):,} outcomes had come by then. They are in the"
                    " `outcomes` of this exception; in a notebook: sys.last_value.outcomes"
                )
            raise


async def _waited_for(task: "asyncio.Task[Any]") -> None:
    await asyncio.wait([task])


def _is_read_here(items: Items[ItemT]) -> TypeGuard[Iterable[ItemT]]:
    """Whether reading runs the user's own code in the loop's thread, without an `await`."""
    return isinstance(items, Iterable) and not isinstance(
        items, AsyncIterable | list | tuple | str | bytes | PathLike
    )
