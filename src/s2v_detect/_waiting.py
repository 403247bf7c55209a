"""Two ways to wait: with something that happens after a delay, and deaf to cancellation."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from s2v_detect._tasks import task_of


@contextmanager
def after(delay_s: float | None, act: Callable[[], float | None]) -> Iterator[None]:
    """Act after a delay, and again after the delay that it returns, unless the block is left."""
    if delay_s is None:
        yield
        return
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def fire() -> None:
        again_after_s = act()
        if again_after_s is not None:
            timers[:] = [loop.call_later(again_after_s, fire)]

    timers.append(loop.call_later(delay_s, fire))
    try:
        yield
    finally:
        timers[0].cancel()


async def unhurried(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` before a cancellation is heard: a plain one, or one of anyio's scopes."""
    task = task_of(work, "s2v-detect closing")
    heard: asyncio.CancelledError | None = None
    # Plain asyncio cancels once, and the loop is for that. anyio cancels again at every step inside
    # a cancelled scope: without its shield the loop would spin until the work is done.
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                heard = error
    task.result()
    if heard is not None:
        raise heard
