"""Threads for what blocks and may never return: a disk, a resolver, a silent pipe.

The interpreter's exit does not wait for them, and asyncio's own few threads stay free: those
resolve the names of all connections.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most so many threads at one time, in one event loop."""

    def __init__(self, most_at_once: int) -> None:
        self._free = asyncio.Semaphore(most_at_once)

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Who leaves leaves a thread behind, which keeps its place."""
        await self._free.acquire()
        try:
            done = _started(work, on_end=self._free.release)
        except BaseException:  # no thread could be started
            self._free.release()
            raise
        return await done


async def in_thread(work: Callable[[], T]) -> T:
    """Return what `work` returns, from a thread of its own."""
    return await _started(work, on_end=lambda: None)


def _started(work: Callable[[], T], *, on_end: Callable[[], None]) -> "asyncio.Future[T]":
    """Return what will be its result; `on_end` is called in the loop, whoever has left."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        on_end()
        if done.done():
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # a result where there is no error

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:  # noqa: BLE001  # raised again where it is awaited
            error = caught
        except BaseException as caught:  # noqa: BLE001  # it is not this thread that is to end
            error = RuntimeError(f"{type(caught).__name__} in a thread")
            error.__cause__ = caught
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="s2v-detect", daemon=True).start()
    return done
