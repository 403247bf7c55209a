"""The one thread that holds the file's one connection, and what is written there in groups.

One connection: SQLite before 3.51.3 can lose what was committed to a write-ahead log when two
connections write and checkpoint at once, and Python brings 3.40. So no log either: a rollback
journal, kept and truncated, with every commit synced (`FULL`). It costs some 6 ms a commit,
whatever is in it: all that is waiting goes into the next one together.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from s2v_detect.ledger import _schema
from s2v_detect.ledger._faults import as_ledger_error

_BUSY_TIMEOUT_S = 30.0
"""How long another process may hold the file; its commits take milliseconds."""

_GROUP = 1000

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


@dataclass
class _Job:
    """Something to do with the connection."""

    work: Work
    writes: bool
    is_owed: bool = False
    """To be tried again until it is written: it records what has happened already."""
    future: Future[Any] | None = field(default_factory=Future)


class Desk:
    """Does with the file what it is handed, in that order."""

    def __init__(self, path: Path, *, creates: bool) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._owed: list[_Job] = []
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._work, args=(creates,), name="s2v-detect ledger", daemon=True
        )
        self._thread.start()

    def opened(self) -> None:
        """Return when the file is open. Raises `LedgerError`."""
        self._opened.result()

    def do(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = False) -> Future[T]:
        """Have something done; its result is there once it is durable, else a `LedgerError`."""
        return self._put(_Job(work, writes))

    def owe(self, work: Work) -> Future[Any]:
        """Have something recorded that has happened; what fails is tried again before all else."""
        return self._put(_Job(work, writes=True, is_owed=True))

    def close(self) -> None:
        """Finish what was handed in and let go of the file."""
        self._jobs.put(None)
        self._thread.join()

    def _put(self, job: _Job) -> Future[Any]:
        future = job.future or Future()
        self._jobs.put(job)
        return future

    def _work(self, creates: bool) -> None:  # noqa: FBT001  # a thread's arguments have no names
        try:
            connection = connected(self._path, creates=creates)
        except Exception as error:  # noqa: BLE001  # told to whoever opens
            self._opened.set_exception(as_ledger_error(error, self._path))
            return
        self._opened.set_result(None)
        is_closing = False
        while not is_closing:
            jobs, is_closing = self._waiting()
            if jobs or self._owed:
                self._do_all(connection, jobs)
        connection.close()

    def _waiting(self) -> tuple[list[_Job], bool]:
        """Return what is waiting, at least one; and whether it is the last."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _GROUP or self._jobs.empty():
                return jobs, False
            job = self._jobs.get()
        return jobs, True

    def _do_all(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        jobs = self._owed + jobs
        results: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE" if any(job.writes for job in jobs) else "BEGIN")
            for job in jobs:
                results.append((job, *_done(job, connection)))  # noqa: PERF401  # one may raise
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # the file's fault, or the disk's: told to all
            _roll_back(connection)
            told = as_ledger_error(error, self._path)
            results = [(job, None, told.copy()) for job in jobs]
            self._owed = [job for job in jobs if job.is_owed]
        else:
            self._owed = []
        for job, result, fault in results:
            _tell(job, result, fault)


def connected(path: Path, *, creates: bool) -> sqlite3.Connection:
    """Return a connection with every commit synced; a missing file is made only if asked for."""
    mode = "rwc" if creates else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        configure(connection, creates=creates)
    except BaseException:
        connection.close()
        raise
    return connection


def configure(connection: sqlite3.Connection, *, creates: bool) -> None:
    """Make the file a ledger, and a commit as durable as the disk is."""
    _schema.is_current(connection)  # before anything could be written into a file of others
    connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync stays in the disk's cache
    if creates:
        _schema.prepare(connection)


def _done(job: _Job, connection: sqlite3.Connection) -> tuple[Any, BaseException | None]:
    try:
        return job.work(connection), None
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001  # its own fault, such as a bad argument: its own alone
        return None, error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # a full disk may have ended it
        connection.execute("ROLLBACK")


def _tell(job: _Job, result: Any, fault: BaseException | None) -> None:
    future, job.future = job.future, None
    if future is None or not future.set_running_or_notify_cancel():
        return
    if fault is None:
        future.set_result(result)
    else:
        future.set_exception(fault)


async def waited(future: Future[T]) -> T:
    """Return what a desk's future brings, in this event loop."""
    return await asyncio.wrap_future(future)
