"""The writer thread: it alone speaks to the ledger's store, and commits in groups.

The theory. Whoever has work hands in a batch of jobs and is told from the thread, once they are
durable. The thread takes all batches that are waiting, does them in one transaction, in the order
in which they came, and commits once. A job that fails by itself fails alone. Where the transaction
fails, it is taken back whole and everybody is told; jobs that record what has happened already
(`is_owed`) are kept, and done again before all else with the next batch. Done twice, no job counts
anything twice. What is still owed at the closing is the closing's `LedgerError`.

The thread waits for one thing, the queue; nobody waits for the thread but for their own batch. A
store whose runs must be seen to live is called in between, and what is owed is tried again then.
"""

import asyncio
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from s2v_detect._logging import log
from s2v_detect.errors import DetectError, LedgerError
from s2v_detect.ledger._database import Database, Job, Store, Work

T = TypeVar("T")


class Batch:
    """Jobs that were handed in together, and whom to tell once they are done and durable."""

    __slots__ = ("jobs", "tell", "writes")

    def __init__(
        self, jobs: Sequence[Job], tell: Callable[[Sequence[Job]], None], *, writes: bool
    ) -> None:
        self.jobs = jobs
        self.tell = tell
        self.writes = writes


class Writer:
    """Does with the rows what it is handed, in that order. Its thread outlives every fault."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._process = os.getpid()
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._owed: list[Job] = []
        self._fault: DetectError | None = None
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="s2v-detect ledger", daemon=True)
        self._thread.start()

    @property
    def is_of_this_process(self) -> bool:
        """Whether its thread is here; a child of a fork has none of its parent's threads."""
        return self._process == os.getpid()

    def opened(self) -> None:
        """Return when the store is open. Raises `LedgerError`."""
        self._opened.result()

    def hand_in(self, batch: Batch) -> None:
        """Have a batch done; it is told from the thread, and each job has its own fault."""
        if self.is_of_this_process:
            self._batches.put(batch)
            return
        for job in batch.jobs:
            job.fault = LedgerError(
                f"the ledger {self.store.name} was opened in another process, before a fork.",
                do="Open a client of its own in each process.",
            )
        batch.tell(batch.jobs)

    def do(self, work: Callable[[Database], T], *, writes: bool = False) -> T:
        """Return what one piece of work brings, when it is durable. Raises `LedgerError`."""
        result: T = self._done(Job(work), writes=writes)
        return result

    def do_alone(self, work: Callable[[Database], T]) -> T:
        """Return what work brings that can be in no transaction. Raises `LedgerError`."""
        result: T = self._done(Job(work, is_alone=True), writes=False)
        return result

    def close(self) -> None:
        """Finish what was handed in and let go of the store.

        Raises `LedgerError` where something that happened could not be recorded until the end.
        """
        if not self.is_of_this_process:
            return
        self._batches.put(None)
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _done(self, job: Job, *, writes: bool) -> Any:
        done = threading.Event()
        self.hand_in(Batch([job], lambda _: done.set(), writes=writes))
        done.wait()
        if job.fault is not None:
            raise job.fault
        return job.result

    def _work(self) -> None:
        try:
            self.store.open()
        except Exception as error:  # noqa: BLE001  # told to whoever opens
            self._opened.set_exception(self.store.as_error(error))
            return
        self._opened.set_result(None)
        is_closing = False
        while not is_closing:
            batches, is_closing = self._waiting()
            if batches or self._owed:
                self._do_all(batches)
            elif not is_closing:
                self.store.keep_alive()
        self.store.close(is_whole=self._fault is None)

    def _waiting(self) -> tuple[list[Batch], bool]:
        """Return what is waiting, at least one batch unless time is up; and whether it is all."""
        batches: list[Batch] = []
        try:
            batch = self._batches.get(timeout=self.store.keep_alive_s)
            while batch is not None:
                batches.append(batch)
                if self._batches.empty():
                    return batches, False
                batch = self._batches.get()
        except queue.Empty:
            return [], False
        return batches, True

    def _do_all(self, batches: list[Batch]) -> None:
        jobs = self._owed + [job for batch in batches for job in batch.jobs]
        writes = bool(self._owed) or any(batch.writes for batch in batches)
        try:
            self.store.commit([job for job in jobs if not job.is_alone], writes=writes)
        except Exception as error:  # noqa: BLE001  # the store's fault: told to all
            told = self.store.as_error(error)
            for job in jobs:
                job.fault = told.copy()
            # As new jobs: what these came to is being told in another thread.
            self._owed = [Job(job.work, is_owed=True) for job in jobs if job.is_owed]
            self._fault = told if self._owed else None
        else:
            self._owed, self._fault = [], None
            for job in jobs:
                if job.is_alone:
                    self._do_alone(job)
        for batch in batches:
            batch.tell(batch.jobs)

    def _do_alone(self, job: Job) -> None:
        try:
            job.result = self.store.alone(job.work)
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            job.fault = self.store.as_error(error)


class LoopWriter:
    """Hands a writer, from one event loop, all that comes up in one step of the loop together.

    One wake-up of the writer's thread and one of the loop's for all of them: one by one they would
    cost more than the writing.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._pending: list[_AwaitedJob] = []
        self._is_failing = False

    async def do(self, work: Callable[[Database], T], *, is_owed: bool = False) -> T:
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
        self._writer.hand_in(Batch(jobs, self._tell_from_the_thread, writes=True))

    def _tell_from_the_thread(self, jobs: Sequence[Job]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_tell, jobs)

    def _log_failure(self, future: asyncio.Future[Any]) -> None:
        """Log the first of a row of failures: a full disk fails everything that is owed."""
        error = None if future.cancelled() else future.exception()
        if error is not None and not self._is_failing:
            log("ledger_owes", ledger=self._writer.store.name, cause=str(error))
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
