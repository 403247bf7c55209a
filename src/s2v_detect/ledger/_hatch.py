"""From one event loop to the desk, and back."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from s2v_detect.ledger._desk import Batch, Desk, Job, Work

_log = logging.getLogger("s2v_detect")

T = TypeVar("T")


class Hatch:
    """Hands in to a desk, from one event loop, all that comes up in one step of the loop together.

    One wake-up of the desk's thread and one of the loop's for all of them: one by one they would
    cost more than the writing.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._pending: list[_AwaitedJob] = []
        self._is_failing = False

    async def do(self, work: Callable[[sqlite3.Connection], T], *, is_owed: bool = False) -> T:
        """Return what a piece of work brings, when it is durable. Raises `LedgerError`."""
        result: T = await self._put(work, is_owed=is_owed)
        return result

    def owe(self, work: Work) -> None:
        """Have something recorded that has happened; nobody waits for it."""
        self._put(work, is_owed=True).add_done_callback(self._log_failure)

    def _put(self, work: Work, *, is_owed: bool) -> asyncio.Future[Any]:
        if not self._pending:
            self._loop.call_soon(self._hand_in)
        job = _AwaitedJob(work, self._loop.create_future(), is_owed=is_owed)
        self._pending.append(job)
        return job.future

    def _hand_in(self) -> None:
        jobs, self._pending = self._pending, []
        self._desk.hand_in(Batch(jobs, self._tell_from_the_desk, writes=True))

    def _tell_from_the_desk(self, jobs: Sequence[Job]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_tell, jobs)

    def _log_failure(self, future: asyncio.Future[Any]) -> None:
        """Log the first of a row of failures: a full disk fails everything that is owed."""
        error = None if future.cancelled() else future.exception()
        if error is not None and not self._is_failing:
            _log.error("%s What is owed to it is tried again with the next write.", error)
        self._is_failing = error is not None


class _AwaitedJob(Job):
    __slots__ = ("future",)

    def __init__(self, work: Work, future: asyncio.Future[Any], *, is_owed: bool) -> None:
        super().__init__(work, is_owed=is_owed)
        self.future = future


def _tell(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if not isinstance(job, _AwaitedJob) or job.future.done():
            continue
        if job.fault is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.fault)
