"""Ways to wait: for a delay, a thread or a lock, deaf to cancellation; our tasks.

Threads are for what blocks and may never return: a disk, a resolver, a silent pipe. The
interpreter's exit does not wait for them, and asyncio's own few threads stay free: those resolve
the names of all connections.

A loop may have a task factory. That of `asyncio.eager_task_factory` (3.12) runs a task's first
steps inside the call that makes the task: a flight could then end before anybody waits for it. So
our tasks are made past the factory.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anyio

from s2v_detect.errors import ConfigurationError

T = TypeVar("T")


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

    # As with asyncio.to_thread: what holds for this task (a language, a span) holds there too.
    work_here = copy_context().run
    threading.Thread(target=work_here, args=(run,), name="s2v-detect", daemon=True).start()
    return done


class Mutex:
    """A lock, and work that is done under it without ever waiting for it.

    The garbage collector closes what was left suspended, in any thread and between any two steps:
    also in a thread that holds this lock, or another one that the lock's holder waits for. Who must
    tell something then would wait for ever, or find what it changes half changed. So `do` waits for
    nobody: where the lock is held, its holder does the work as it lets go, and nobody else holds it
    before that is done.

    Who holds it may take it again by `with`: a handler of our logs may ask what it protects. Work
    raises nothing: another one may do it.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._holder: int | None = None
        self._depth = 0
        self._to_do: deque[Callable[[], object]] = deque()

    def __enter__(self) -> None:
        self._lock.acquire()
        self._hold()
        if self._depth == 1:
            try:
                self._catch_up()
            except BaseException:
                self._let_go()
                raise

    def __exit__(self, *_: object) -> None:
        try:
            if self._depth == 1:
                self._catch_up()
        finally:
            self._let_go()
        if self._to_do:  # what came since then found the lock held
            self._catch_up_if_free()

    def do(self, work: Callable[[], object]) -> None:
        """Do the work now; or its holder does, where the lock is held."""
        self._to_do.append(work)
        self._catch_up_if_free()

    def _catch_up_if_free(self) -> None:
        if self._holder == threading.get_ident():
            return
        while self._to_do and self._lock.acquire(blocking=False):
            self._hold()
            try:
                self._catch_up()
            finally:
                self._let_go()

    def _catch_up(self) -> None:
        while self._to_do:
            self._to_do.popleft()()

    def _hold(self) -> None:
        self._holder = threading.get_ident()  # first: what comes from now on waits for the end
        self._depth += 1

    def _let_go(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._holder = None
        self._lock.release()


def task_of(work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
    """Return a plain task of the running loop, whose first step is yet to come."""
    return asyncio.Task(work, loop=asyncio.get_running_loop(), name=name)


async def let_go_of(items: object) -> None:
    """Have a generator closed: an `async for` that is left leaves it open."""
    if isinstance(items, AsyncGenerator):
        await items.aclose()


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop of asyncio. Raises `ConfigurationError` where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "no event loop of asyncio runs here.",
            do="Run it by `asyncio.run`; trio has loops of its own, which can't be used.",
        ) from error


class AsyncOnly:
    """What is opened by `async with`, and says so where `with` is written."""

    _without_async: ClassVar[str]
    """What code that is not async uses in its place."""

    if not TYPE_CHECKING:  # checkers refuse `with` by themselves

        def __enter__(self):  # noqa: ANN204  # never returns
            kind = type(self).__name__
            raise TypeError(
                f"{kind} is opened by `async with`. In code that is not async, use"
                f" {self._without_async}."
            )

        def __exit__(self, *_):  # noqa: ANN002, ANN204  # never called: Python wants both
            raise NotImplementedError
