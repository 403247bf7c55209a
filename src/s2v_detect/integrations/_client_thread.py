"""A client in an event loop and a thread of its own, for an engine whose loop may stand still."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from s2v_detect import DetectClient

T = TypeVar("T")


class ClientThread:
    """One client, opened by the first work that it is asked for, until it is closed.

    The interpreter's exit does not wait for the thread: an engine may end without a word.
    """

    def __init__(self, make: Callable[[], DetectClient]) -> None:
        self._make = make
        self._client: DetectClient | None = None
        self._opening = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="s2v-detect client", daemon=True
        )
        self._thread.start()

    async def run(self, work: Callable[[DetectClient], Coroutine[Any, Any, T]]) -> T:
        """Return what work with the client comes to. Cancelling this cancels the work."""
        running = asyncio.run_coroutine_threadsafe(self._run(work), self._loop)
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Close the client, which finishes what was sent, and end the loop and its thread.

        As the interpreter ends, Python makes no more threads: what was sent is waited for, and the
        system closes the files.
        """
        try:
            with suppress(RuntimeError):  # of asyncio, for the reason above
                asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _run(self, work: Callable[[DetectClient], Coroutine[Any, Any, T]]) -> T:
        async with self._opening:
            if self._client is None:
                self._client = await self._make().aopen()
        return await work(self._client)

    async def _close(self) -> None:
        async with self._opening:
            client, self._client = self._client, None
        if client is not None:
            await client.aclose()
