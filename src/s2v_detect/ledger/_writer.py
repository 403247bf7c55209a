"""The writer thread: it holds the file's one connection, and commits in groups.

The theory. Whoever has work hands in a batch of jobs and is told from the thread, once they are
durable. The thread takes all batches that are waiting, does them in one transaction, in the order
in which they came, and commits once. A job that fails by itself fails alone. Where the transaction
fails, it is taken back whole and everybody is told; jobs that record what has happened already
(`is_owed`) are kept, and done again before all else with the next batch. Done twice, no job counts
anything twice. What is still owed at the closing is the closing's `LedgerError`.

The thread waits for one thing, the queue; nobody waits for the thread but for their own batch. At a
fork no transaction is open (`_at_rest`), and the child opens anew.

One connection: SQLite before 3.51.3 can lose what was committed to a write-ahead log when two
connections write and checkpoint at once, and Python brings 3.40. So no log either: a rollback
journal, kept and truncated, with every commit synced (`FULL`). It costs some 6 ms a commit,
whatever is in it: all that is waiting goes into the next one together.
"""

import errno
import os
import queue
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from s2v_detect.errors import LedgerError
from s2v_detect.ledger import _asked, _damage, _schema
from s2v_detect.ledger._faults import as_ledger_error
from s2v_detect.ledger._file import LedgerFile, hold, let_go
from s2v_detect.ledger._schema import EmptyFile, NotALedger

_BUSY_TIMEOUT_S = 30.0
"""How long another process may hold the file; its commits take milliseconds."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


class Job:
    """Something to do with the connection, and then what came of it."""

    __slots__ = ("fault", "is_alone", "is_owed", "result", "work")

    def __init__(self, work: Work, *, is_owed: bool = False, is_alone: bool = False) -> None:
        self.work = work
        self.is_alone = is_alone
        """It makes its own transactions, after that of the batch."""
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


class Writer:
    """Does with the file what it is handed, in that order.

    Its thread outlives every fault of the disk: a connection that can't take a failed transaction
    back is given up, and the next batch opens another.
    """

    def __init__(self, path: Path, *, creates: bool) -> None:
        self._path = path
        self._creates = creates
        self._process = os.getpid()
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._owed: list[Job] = []
        self._fault: LedgerError | None = None
        self._connection: sqlite3.Connection | None = None
        self._at_rest = threading.Lock()
        """Held while a transaction is open: a fork waits for it."""
        self._opened: Future[LedgerFile] = Future()
        _writers.add(self)
        self._thread = threading.Thread(target=self._work, name="s2v-detect ledger", daemon=True)
        self._thread.start()

    @property
    def is_of_this_process(self) -> bool:
        """Whether its thread is here; a child of a fork has none of its parent's threads."""
        return self._process == os.getpid()

    def opened(self) -> LedgerFile:
        """Return the file when it is open. Raises `LedgerError`."""
        return self._opened.result()

    def hand_in(self, batch: Batch) -> None:
        """Have a batch done; it is told from the thread, and each job has its own fault."""
        if self.is_of_this_process:
            self._batches.put(batch)
            return
        for job in batch.jobs:
            job.fault = LedgerError(
                f"the ledger {self._path.name} was opened in another process, before a fork.",
                do="Open a client of its own in each process.",
            )
        batch.tell(batch.jobs)

    def do(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = False) -> T:
        """Return what one piece of work brings, when it is durable. Raises `LedgerError`."""
        result: T = self._done(Job(work), writes=writes)
        return result

    def do_alone(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what work brings that can be in no transaction. Raises `LedgerError`."""
        result: T = self._done(Job(work, is_alone=True), writes=False)
        return result

    def close(self) -> None:
        """Finish what was handed in and let go of the file.

        Raises `LedgerError` where something that happened could not be recorded until the end.
        """
        if not self.is_of_this_process:
            return
        self._batches.put(None)
        self._thread.join()
        _writers.discard(self)
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
            with self._at_rest:
                file = self._open()
        except Exception as error:  # noqa: BLE001  # told to whoever opens
            self._opened.set_exception(as_ledger_error(error, self._path))
            return
        self._opened.set_result(file)
        is_closing = False
        while not is_closing:
            batches, is_closing = self._waiting()
            if batches or self._owed:
                self._do_all(file, batches)
        self._take_journal_away(file)
        self._disconnect()
        let_go(file)

    def _open(self) -> LedgerFile:
        if self._creates:
            make(self._path)
        is_new = not self._path.stat().st_size
        if is_new and not self._path.is_file():
            raise NotALedger  # a pipe, a device
        if is_new and _is_cut_off(self._path):
            raise EmptyFile
        file = hold(self._path)
        try:
            self._connect(file, creates=self._creates or is_new)
        except BaseException:
            self._disconnect()
            let_go(file)
            raise
        return file

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

    def _do_all(self, file: LedgerFile, batches: list[Batch]) -> None:
        jobs = self._owed + [job for batch in batches for job in batch.jobs]
        writes = bool(self._owed) or any(batch.writes for batch in batches)
        try:
            with self._at_rest:
                self._commit(file, [job for job in jobs if not job.is_alone], writes=writes)
        except Exception as error:  # noqa: BLE001  # the file's fault, or the disk's: told to all
            told = as_ledger_error(error, self._path)
            for job in jobs:
                job.fault = told.copy()
            # As new jobs: what these came to is being told in another thread.
            self._owed = [Job(job.work, is_owed=True) for job in jobs if job.is_owed]
            self._fault = told if self._owed else None
        else:
            self._owed, self._fault = [], None
            for job in jobs:
                if job.is_alone:
                    self._do_alone(file, job)
        for batch in batches:
            batch.tell(batch.jobs)

    def _commit(self, file: LedgerFile, jobs: list[Job], *, writes: bool) -> None:
        try:
            self._try_to_commit(file, jobs, writes=writes)
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name != "SQLITE_READONLY_DBMOVED" or not file.is_named(file.path):
                raise
            self._disconnect()
            self._try_to_commit(file, jobs, writes=writes)

    def _try_to_commit(self, file: LedgerFile, jobs: list[Job], *, writes: bool) -> None:
        connection = self._connection or self._connect(file)
        try:
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            for job in jobs:
                _do(job, connection, self._path)
            connection.execute("COMMIT")
        except BaseException:
            self._take_back(connection)
            raise

    def _do_alone(self, file: LedgerFile, job: Job) -> None:
        try:
            with self._at_rest:
                job.result = job.work(self._connection or self._connect(file))
        except Exception as error:  # noqa: BLE001  # told to whoever asked
            job.fault = as_ledger_error(error, self._path)

    def _take_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:  # a full disk may have ended it
                connection.execute("ROLLBACK")
        except Exception:  # noqa: BLE001  # it can't be used any more; its file is whole by its journal
            self._disconnect()

    def _connect(self, file: LedgerFile, *, creates: bool = False) -> sqlite3.Connection:
        # If the file was renamed its journal must lie beside its present name.
        path = self._path if file.is_named(self._path) else file.path
        connection = self._connect_as(path, file, creates=creates)
        kept = _asked.name_in_use(connection)
        if kept is not None and kept != file.opened_as and file.is_named(kept):
            self._disconnect()
            connection = self._connect_as(kept, file, creates=creates)
        return connection

    def _connect_as(self, path: Path, file: LedgerFile, *, creates: bool) -> sqlite3.Connection:
        connection = self._connection = connected(path, creates=creates)
        if not file.is_named(path):
            self._disconnect()  # or the next batch would be written there
            raise FileNotFoundError(errno.ENOENT, "another file was put in its place")
        file.opened_as = path.resolve()
        return connection

    def _take_journal_away(self, file: LedgerFile) -> None:
        """Leave no empty journal beside the ledger: people take one for damage.

        SQLite does so itself, under its own lock: what another process writes stays. After a fault
        the journal may be what makes the file whole, and beside a name that is another file's now
        it is that file's.
        """
        if self._connection is None or self._fault or not file.is_named(file.opened_as):
            return
        with self._at_rest, suppress(sqlite3.Error):  # its disk may allow no writing
            self._connection.execute("PRAGMA journal_mode = DELETE").fetchone()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # what is committed is synced: closing has nothing to lose
                connection.close()


_writers: "weakref.WeakSet[Writer]" = weakref.WeakSet()
_resting: list[Writer] = []


def _come_to_rest() -> None:
    """Let no transaction be open at a fork: the child's SQLite would believe to hold its locks."""
    _resting[:] = list(_writers)
    for writer in _resting:
        writer._at_rest.acquire()  # noqa: SLF001  # this module's own


def _go_on() -> None:
    for writer in _resting:
        writer._at_rest.release()  # noqa: SLF001  # as above
    _resting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_come_to_rest, after_in_parent=_go_on, after_in_child=_go_on)


def make(path: Path) -> None:
    """Have a new ledger at that path, for its owner alone; what is there already stays as it is.

    It appears whole. An empty file that somebody else made (`touch`, a container's mount) is begun
    in its place, and is as empty as before where that is cut off.
    """
    if path.exists():
        return
    path = path.resolve()  # a link to nowhere yet
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        connected(made, creates=True).close()
        put_in_place(made, path)
    finally:
        for left in (made, made.with_name(f"{made.name}-journal")):
            left.unlink(missing_ok=True)


def _is_cut_off(path: Path) -> bool:
    """Whether an empty file was a ledger: a journal with something in it lies beside."""
    journal = path.resolve().with_name(f"{path.resolve().name}-journal")
    return journal.exists() and journal.stat().st_size > 0


def put_in_place(made: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name."""
    try:
        os.link(made, path)
    except FileExistsError:
        return  # another process was first
    except OSError:  # a file system without hard links
        if not path.exists():
            made.rename(path)


def connected(path: Path, *, creates: bool) -> sqlite3.Connection:
    """Return a connection with every commit synced; a missing file is made only if asked for."""
    if creates:
        make(path)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        configure(connection, path, creates=creates)
    except BaseException:
        connection.close()
        raise
    return connection


def configure(connection: sqlite3.Connection, path: Path, *, creates: bool) -> None:
    """Make the file a ledger, and a commit as durable as the disk is."""
    _schema.is_current(connection)  # before anything could be written into a file of others
    connection.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync stays in the disk's cache
    _damage.register(connection)
    if creates or _schema.is_older(connection):
        _schema.prepare(connection, path)
    _damage.guard(connection)


def _do(job: Job, connection: sqlite3.Connection, path: Path) -> None:
    try:
        job.result, job.fault = job.work(connection), None
    except (sqlite3.IntegrityError, _damage.Damage) as error:  # what this job alone met
        job.fault = as_ledger_error(error, path)
    except sqlite3.Error:
        raise
    except Exception as error:  # noqa: BLE001  # its own fault, such as a bad argument: its own alone
        job.fault = error
