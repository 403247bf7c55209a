"""One call on its way: its loop, its thread, and what interrupts it.

The theory. What ends `check_all` early (Ctrl-C, a signal's handler that raises, the input, a fault
of the run, `max_time_s`) comes out as itself, and what had come by then is in its `outcomes`: that
was paid for. So is what was sent: the sending stops, the answers are waited for, and then the
exception goes on. `check_one` does the same for its one answer.

A *work* (`All`, `One`) is what runs in the loop, and knows how to send no more. A *call* runs the
work, and keeps what interrupts it.

*In the caller's thread*, where no loop runs. An exception that a handler raises in the midst of the
loop could end any step of it: half an answer, or a task that never wakes. So while the loop runs,
what a handler raises is kept until the loop has ended, as asyncio does for Ctrl-C alone. The signal
may be any: engines end a task by SIGTERM, and its time by SIGALRM or SIGUSR1. Two are raised at
once: the second, of somebody who does not want to wait; and one that comes while the input is read,
for that may block for ever. The loop goes on after that one.

*In another thread*, where a loop runs already, as in a notebook. The caller's thread only waits, so
an exception may come there at any time: it reaches nothing of ours.

In each case the second interrupt leaves what was sent to the closing of the loop. What has no
answer then is unknown to the ledger.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import sniffio

T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[T_co]):
    """What a call runs in its loop."""

    is_reading: bool
    """Whether it is in the user's own code, which may block for ever."""

    async def run(self) -> T_co:
        """Return what is asked for."""

    def stop(self) -> None:
        """Send no more, before `run` too; `run` ends when what was sent has ended."""

    def give_back(self, error: BaseException) -> None:
        """Let what ends the call have what was paid for."""


class Call(Generic[T_co]):
    """One work on its way, and what interrupts it."""

    def __init__(self, work: Work[T_co]) -> None:
        self._work = work
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_stopped = False
        self._interrupt: BaseException | None = None

    def result(self) -> T_co:
        """Return what the work returns. What ends it early has what was paid for."""
        try:
            return self._in_another_thread() if _is_in_a_loop() else self._here()
        except BaseException as error:
            self._work.give_back(error)
            raise

    def _here(self) -> T_co:
        """Return it from a loop in this thread."""
        with self._signals_kept(), asyncio.Runner() as runner:
            try:
                result = runner.run(self._run())
            except BaseException as error:
                is_over = self._task is None or self._task.done()
                if self._interrupt is None and self._task and not is_over:
                    self._interrupt = error  # the loop was left, and lives
                    self._stop()
                    self._finish(runner, self._task)
                elif self._interrupt and is_over:
                    raise self._interrupt from error  # what it met while it ended
                raise
        if self._interrupt:
            raise self._interrupt
        return result

    def _in_another_thread(self) -> T_co:
        """Return it from a loop in a thread of its own."""
        from anyio.from_thread import start_blocking_portal  # noqa: PLC0415  # 10 ms of every import

        with start_blocking_portal("asyncio") as portal:
            running = portal.start_task_soon(self._run)
            try:
                return running.result()
            except BaseException:
                self._stop()
                wait([running])  # at once, unless it was this thread that was interrupted
                raise

    async def _run(self) -> T_co:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if self._is_stopped:
            self._work.stop()
        return await self._work.run()

    @staticmethod
    def _finish(runner: asyncio.Runner, task: "asyncio.Task[Any]") -> None:
        """Run on until what was sent has come. What the task raises is the interrupt itself."""
        try:
            runner.run(_waited_for(task))
        finally:
            if task.done():
                retrieve(task)

    def _stop(self) -> None:
        """Send no more; from any thread, and from a signal's handler."""
        self._is_stopped = True
        if self._loop:
            with suppress(RuntimeError):  # it is closed: nothing is sent any more
                self._loop.call_soon_threadsafe(self._work.stop)

    @contextmanager
    def _signals_kept(self) -> Iterator[None]:
        """Keep what a handler raises, and stop; a handler that returns changes nothing here."""
        if threading.current_thread() is not threading.main_thread():
            yield  # no handler runs in this thread
            return
        found = {number: signal.getsignal(number) for number in signal.valid_signals()}
        handlers = {number: handler for number, handler in found.items() if callable(handler)}

        def hear(number: int, frame: FrameType | None) -> None:
            try:
                handlers[signal.Signals(number)](number, frame)
            except BaseException as error:
                if self._interrupt or self._work.is_reading:
                    raise
                self._interrupt = error
                self._stop()

        with suppress(ValueError):  # not the main interpreter, which alone has signals
            for number in handlers:
                signal.signal(number, hear)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                if signal.getsignal(number) is hear:  # else the handler has set another
                    signal.signal(number, handler)


def retrieve(task: "asyncio.Task[Any]") -> None:
    """Take what a task has raised: asyncio would log that nobody has asked for it."""
    if not task.cancelled():
        task.exception()


def _is_in_a_loop() -> bool:
    """Whether a loop of asyncio or of trio runs here: httpcore would take ours for a trio's too."""
    for current in (asyncio.get_running_loop, sniffio.current_async_library):
        with suppress(RuntimeError):  # none
            current()
            return True
    return False


async def _waited_for(task: "asyncio.Task[Any]") -> None:
    await asyncio.wait([task])
