"""The one thread that holds the file's one connection, and what is written there in groups.

One connection: SQLite before 3.51.3 can lose what was committed to a write-ahead log when two
connections write and checkpoint at once, and Python brings 3.40. So no log either: a rollback
journal, kept and truncated, with every commit synced (`FULL`). It costs some 6 ms a commit,
whatever is in it: all that is waiting goes into the next one together.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from s2v_detect.ledger import _schema
from s2v_detect.ledger._faults import as_ledger_error

_BUSY_TIMEOUT_S = 30.0
"""How long another process may hold the file; its commits take milliseconds."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


class Job:
    """Something to do with the connection, and then what came of it."""

    __slots__ = ("fault", "is_owed", "result", "work")

    def __init__(self, work: Work, *, is_owed: bool = False) -> None:
        self.work = work
        self.is_owed = is_owed
        """It records what has happened already: what fails is tried again before all else."""
        self.result: Any = None
        self.fault: BaseException | None = None


class Batch:
    """Jobs that were handed in together, and whom to tell once they are done and durable."""

    __slots__ = ("jobs", "tell", "writes")

    def __init__(
        self, jobs: Sequence[Job], tell: Callable[[Sequence[Job]], None], *, writes: bool
    ) -> None:
        self.jobs = jobs
        self.tell = tell
        self.writes = writes


class Desk:
    """Does with the file what it is handed, in that order."""

    def __init__(self, path: Path, *, creates: bool) -> None:
        self._path = path
        self._creates = creates
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._owed: list[Job] = []
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="s2v-detect ledger", daemon=True)
        self._thread.start()

    def opened(self) -> None:
        """Return when the file is open. Raises `LedgerError`."""
        self._opened.result()

    def hand_in(self, batch: Batch) -> None:
        """Have a batch done; it is told from the desk's thread, and each job has its own fault."""
        self._batches.put(batch)

    def do(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = False) -> T:
        """Return what one piece of work brings, when it is durable. Raises `LedgerError`."""
        done = threading.Event()
        job = Job(work)
        self.hand_in(Batch([job], lambda _: done.set(), writes=writes))
        done.wait()
        if job.fault is not None:
            raise job.fault
        result: T = job.result
        return result

    def close(self) -> None:
        """Finish what was handed in and let go of the file."""
        self._batches.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            connection = connected(self._path, creates=self._creates)
        except Exception as error:  # noqa: BLE001  # told to whoever opens
            self._opened.set_exception(as_ledger_error(error, self._path))
            return
        self._opened.set_result(None)
        is_closing = False
        while not is_closing:
            batches, is_closing = self._waiting()
            if batches or self._owed:
                self._do_all(connection, batches)
        connection.close()

    def _waiting(self) -> tuple[list[Batch], bool]:
        """Return what is waiting, at least one batch; and whether it is the last."""
        batches: list[Batch] = []
        batch = self._batches.get()
        while batch is not None:
            batches.append(batch)
            if self._batches.empty():
                return batches, False
            batch = self._batches.get()
        return batches, True

    def _do_all(self, connection: sqlite3.Connection, batches: list[Batch]) -> None:
        jobs = self._owed + [job for batch in batches for job in batch.jobs]
        writes = bool(self._owed) or any(batch.writes for batch in batches)
        try:
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            for job in jobs:
                _do(job, connection)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # the file's fault, or the disk's: told to all
            _roll_back(connection)
            told = as_ledger_error(error, self._path)
            for job in jobs:
                job.fault = told.copy()
            # As new jobs: what these came to is being told in another thread.
            self._owed = [Job(job.work, is_owed=True) for job in jobs if job.is_owed]
        else:
            self._owed = []
        for batch in batches:
            batch.tell(batch.jobs)


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
    if creates or _schema.is_older(connection):
        _schema.prepare(connection)


def _do(job: Job, connection: sqlite3.Connection) -> None:
    try:
        job.result, job.fault = job.work(connection), None
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001  # its own fault, such as a bad argument: its own alone
        job.fault = error


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # a full disk may have ended it
        connection.execute("ROLLBACK")
