"""The store in a file: one connection, and every commit synced.

At a fork no transaction is open (`_at_rest`), and the child opens anew. A connection that can't
take a failed transaction back is given up, and the next batch opens another.

One connection: SQLite before 3.51.3 can lose what was committed to a write-ahead log when two
connections write and checkpoint at once, and Python brings 3.40. So no log either: a rollback
journal, kept and truncated, with every commit synced (`FULL`). It costs some 6 ms a commit,
whatever is in it: all that is waiting goes into the next one together.
"""

import errno
import os
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from s2v_detect.errors import LedgerError
from s2v_detect.ledger import _asked
from s2v_detect.ledger._database import Database, Job, Work
from s2v_detect.ledger._sqlite import _damage, _schema, _sound
from s2v_detect.ledger._sqlite._faults import as_ledger_error
from s2v_detect.ledger._sqlite._file import LedgerFile, hold, let_go, shown
from s2v_detect.ledger._sqlite._schema import VERSION, EmptyFile, NotALedger

_BUSY_TIMEOUT_S = 30.0
"""How long another process may hold the file; its commits take milliseconds."""
_NAME_IN_USE = "name in use"


class FileStore:
    """The rows of a ledger in a file."""

    version = VERSION
    keep_alive_s = None  # the system drops a dead process' lock by itself

    def __init__(self, path: Path, *, creates: bool) -> None:
        self._path = path
        self._creates = creates
        self._connection: sqlite3.Connection | None = None
        self._file: LedgerFile | None = None
        self._at_rest = threading.Lock()
        """Held while a transaction is open: a fork waits for it."""
        _stores.add(self)

    @property
    def name(self) -> str:
        """What messages call it."""
        return shown(self._path)

    @property
    def file(self) -> LedgerFile:
        """Its file, while it is open."""
        assert self._file is not None  # noqa: S101  # by the thread's order
        return self._file

    def open(self) -> None:
        """Have the file, and a connection."""
        with self._at_rest:
            if self._creates:
                make(self._path)
            is_new = not self._path.stat().st_size
            if is_new and not self._path.is_file():
                raise NotALedger  # a pipe, a device
            if is_new and _is_cut_off(self._path):
                raise EmptyFile
            self._file = file = hold(self._path)
            try:
                self._connect(creates=self._creates or is_new)
            except BaseException:
                self._disconnect()
                let_go(file)
                raise

    def commit(self, jobs: Sequence[Job], *, writes: bool) -> None:
        """Have all of them done in one transaction. Raises where that fails: nothing is done."""
        with self._at_rest:
            try:
                self._try_to_commit(jobs, writes=writes)
            except sqlite3.Error as error:
                name = getattr(error, "sqlite_errorname", "")
                if name != "SQLITE_READONLY_DBMOVED" or not self.file.is_named(self.file.path):
                    raise
                self._disconnect()
                self._try_to_commit(jobs, writes=writes)

    def alone(self, work: Work) -> Any:
        """Return what work brings that makes its own transactions."""
        with self._at_rest:
            return work(self._connection or self._connect())

    def keep_alive(self) -> None:
        """Nothing: the run's lock is enough."""

    def close(self, *, is_whole: bool) -> None:
        """Let go of the file."""
        if is_whole:
            self._take_journal_away()
        self._disconnect()
        let_go(self.file)
        _stores.discard(self)

    def as_error(self, error: BaseException) -> LedgerError:
        """Return what a user is told."""
        return as_ledger_error(error, self._path)

    def refuse_damage(self, db: Database, *, is_known_enough: bool = False) -> None:
        """Raise where the file is not sound."""
        _damage.refuse_damage(db, self.file, is_known_enough=is_known_enough)

    def refuse_damaged_claims(self, db: Database, run: int) -> None:
        """Raise where a claimed row is not as it was written."""
        _damage.refuse_damaged_claims(db, run)

    def first_number(self) -> int:
        """Return the least number that a new run may have."""
        return 1

    def enter(self, db: Database) -> None:
        """Write by which name the file is in use, as bytes: it may be no text."""
        kept = name_in_use(db)
        if kept is None or not self.file.is_named(kept):
            _asked.keep(db, _NAME_IN_USE, os.fsencode(self.file.opened_as))
        elif kept != self.file.opened_as:
            raise LedgerError(
                f"the ledger {self.name} was opened as {kept} too, at this moment.",
                do="Start again: a run that begins later takes that name by itself.",
            )

    def hold(self, _: Database, run: int, token: str) -> str:
        """Have the run's byte of the file locked; return what its row says of the lock."""
        return self.file.lock(run, token)

    def let_go(self, run: int) -> None:
        """Have the run count as dead from now on."""
        self.file.unlock(run)

    def is_alive(self, _: Database, run: int, lock: str | None, process: str) -> bool:
        """Whether some process holds a run."""
        return self.file.is_alive(run, lock, process)

    def is_in_doubt(self, _: Database, __: int) -> bool:
        """Whether time will show more than the lock does: never."""
        return False

    def _try_to_commit(self, jobs: Sequence[Job], *, writes: bool) -> None:
        connection = self._connection or self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            with self.file.committing if writes else nullcontext():
                is_sound = writes and _sound.is_known(self.file)
                for job in jobs:
                    _do(job, connection, self._path)
                connection.execute("COMMIT")
                if is_sound:
                    _sound.was_changed(self.file)
            if any(job.fault for job in jobs):  # it may be damage
                _sound.forget(self.file)
        except BaseException:
            _sound.forget(self.file)
            self._take_back(connection)
            raise

    def _take_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:  # a full disk may have ended it
                connection.execute("ROLLBACK")
        except Exception:  # noqa: BLE001  # it can't be used any more; its file is whole by its journal
            self._disconnect()

    def _connect(self, *, creates: bool = False) -> sqlite3.Connection:
        # If the file was renamed its journal must lie beside its present name.
        path = self._path if self.file.is_named(self._path) else self.file.path
        connection = self._connect_as(path, creates=creates)
        kept = name_in_use(connection)
        if kept is not None and kept != self.file.opened_as and self.file.is_named(kept):
            self._disconnect()
            connection = self._connect_as(kept, creates=creates)
        return connection

    def _connect_as(self, path: Path, *, creates: bool) -> sqlite3.Connection:
        connection = self._connection = connected(path, creates=creates)
        if not self.file.is_named(path):
            self._disconnect()  # or the next batch would be written there
            raise FileNotFoundError(errno.ENOENT, "another file was put in its place")
        self.file.opened_as = path.resolve()
        return connection

    def _take_journal_away(self) -> None:
        """Leave no empty journal beside the ledger: people take one for damage.

        SQLite does so itself, under its own lock: what another process writes stays. After a fault
        the journal may be what makes the file whole, and beside a name that is another file's now
        it is that file's.
        """
        if self._connection is None or not self.file.is_named(self.file.opened_as):
            return
        with self._at_rest, suppress(sqlite3.Error):  # its disk may allow no writing
            self._connection.execute("PRAGMA journal_mode = DELETE").fetchone()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # what is committed is synced: closing has nothing to lose
                connection.close()


_stores: "weakref.WeakSet[FileStore]" = weakref.WeakSet()
_resting: list[FileStore] = []


def _come_to_rest() -> None:
    """Let no transaction be open at a fork: the child's SQLite would believe to hold its locks."""
    _resting[:] = list(_stores)
    for store in _resting:
        store._at_rest.acquire()  # noqa: SLF001  # this module's own


def _go_on() -> None:
    for store in _resting:
        store._at_rest.release()  # noqa: SLF001  # as above
    _resting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_come_to_rest, after_in_parent=_go_on, after_in_child=_go_on)


def name_in_use(db: Database) -> Path | None:
    """Return the name by which runs open the file; None before the first of them."""
    row = db.execute("SELECT value FROM about WHERE key = ?", (_NAME_IN_USE,)).fetchone()
    return None if row is None else Path(os.fsdecode(row[0]))


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
    connection.execute("PRAGMA secure_delete = ON").fetchone()  # what is forgotten is overwritten
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
