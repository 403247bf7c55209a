"""A disk that fails when it is told to, under the ledgers that are opened on it.

apsw's SQLite writes through a file system of ours; the ledger is spoken to as with the standard
library's, whose errors are raised.
"""

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw

from s2v_detect.ledger._sqlite import _store

_names = itertools.count()
_ERRORS = {"IOERR": apsw.IOError, "FULL": apsw.FullError, "READONLY": apsw.ReadOnlyError}
ERRORS = tuple(_ERRORS)
"""What the disk may say."""


class Disk:
    """Fails from its so-many-th call on, for a while or for good."""

    def __init__(self, fails_at: int, lasts: int, error: str) -> None:
        self.fails_at = fails_at
        self.lasts = lasts
        self.error = error
        self.calls = 0

    def work(self) -> None:
        """One call that reaches the disk."""
        self.calls += 1
        if self.fails_at <= self.calls < self.fails_at + self.lasts:
            raise _ERRORS[self.error]("injected")


class FailingFile(apsw.VFSFile):
    """A file on such a disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        """Write."""
        self._disk.work()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # apsw's name
        """Truncate."""
        self._disk.work()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        """Sync."""
        self._disk.work()
        super().xSync(flags)


class FailingFiles(apsw.VFS):
    """A file system of such files."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"failing-{next(_names)}"
        self._disk = disk
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> FailingFile:  # noqa: N802  # apsw's name
        """Open one."""
        self._disk.work()
        return FailingFile(self._disk, name, flags)


class Cursor:
    """What the ledger asks of a cursor of the standard library."""

    def __init__(self, connection: apsw.Connection, rows: list[Any]) -> None:
        self._rows = iter(rows)
        self.rowcount = connection.changes()
        self.lastrowid = connection.last_insert_rowid()

    def fetchone(self) -> Any:
        """The next row."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """The rest."""
        return list(self._rows)

    def __iter__(self) -> Any:
        return self._rows


class Connection:
    """What the ledger asks of a connection of the standard library."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._real = apsw.Connection(str(path), vfs=vfs)

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""
        return bool(self._real.in_transaction)

    def create_function(self, name: str, count: int, function: Any, **flags: bool) -> None:
        """Let SQL call a function."""
        self._real.create_scalar_function(name, function, count, **flags)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        """Execute, with the errors of the standard library."""
        try:
            return Cursor(self._real, list(self._real.execute(sql, parameters)))
        except apsw.Error as error:
            told = sqlite3.OperationalError(str(error))
            told.sqlite_errorname = f"SQLITE_{type(error).__name__.removesuffix('Error').upper()}"
            if isinstance(error, apsw.IOError):
                told.sqlite_errorname = "SQLITE_IOERR"
            raise told from error

    def close(self) -> None:
        """Close."""
        self._real.close()


@contextmanager
def failing(disk: Disk) -> Iterator[None]:
    """That disk is under all ledgers that are opened in the block."""
    vfs = FailingFiles(disk)

    def connected(path: Path, *, creates: bool) -> Any:
        connection: Any = Connection(path, vfs.name)
        try:
            _store.configure(connection, path, creates=creates)
        except BaseException:
            connection.close()
            raise
        return connection

    with patch.object(_store, "connected", connected):
        yield


def threads() -> int:
    """How many of ours there are."""
    return sum(thread.name == "s2v-detect ledger" for thread in threading.enumerate())
