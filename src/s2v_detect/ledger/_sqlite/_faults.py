"""What goes wrong with the file, in the words of `LedgerError`."""

import sqlite3
from pathlib import Path

from s2v_detect.errors import LedgerError
from s2v_detect.ledger._database import NewerLedger, OlderRelease, words_of_release
from s2v_detect.ledger._sqlite._damage import Damage
from s2v_detect.ledger._sqlite._file import shown
from s2v_detect.ledger._sqlite._schema import (
    VERSION,
    EmptyFile,
    NotALedger,
)

DAMAGED = ("it is damaged", "Restore a copy; what was paid is in the vendor's bill")
_SAID: dict[str, tuple[str, str]] = {
    "SQLITE_FULL": ("its disk is full", "Make room, and start again"),
    "SQLITE_READONLY_DBMOVED": (
        "its file was moved or replaced",
        "Put the file back, and start again",
    ),
    "SQLITE_READONLY": ("it can't be written", "Give write access to the file and its folder"),
    "SQLITE_CANTOPEN": ("it can't be opened", "Give a file in a folder that can be written"),
    "SQLITE_NOTADB": ("it is no ledger", "Give another name: this file was not touched"),
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_CONSTRAINT_TRIGGER": DAMAGED,  # our own: a damaged row is not written over
    "SQLITE_BUSY": ("another process holds it", "Stop that process, and start again"),
    "SQLITE_LOCKED": ("another process holds it", "Stop that process, and start again"),
    "SQLITE_IOERR": ("its disk fails", "Look at the disk, or give a file on another one"),
    "SQLITE_PERM": ("access to it is denied", "Give read and write access to the file"),
}

_LOG_FAULT_FROM = (3, 7, 0)
_LOG_FAULT_MENDED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""sqlite.org/wal.html, "The WAL-Reset Bug": the first of each line of releases without it."""


def may_lose_from_a_log(version: tuple[int, ...]) -> bool:
    """Whether that SQLite can lose what was committed to a write-ahead log. A ledger has none.

    Example:
        >>> may_lose_from_a_log((3, 40, 1)), may_lose_from_a_log((3, 51, 3))
        (True, False)
    """
    if version < _LOG_FAULT_FROM or version >= _LOG_FAULT_MENDED[-1]:
        return False
    return not any(version[:2] == each[:2] and version >= each for each in _LOG_FAULT_MENDED)


def as_ledger_error(error: BaseException, path: Path) -> LedgerError:
    """Return the error of a file, whatever SQLite or the system said."""
    if isinstance(error, LedgerError):
        return error
    what, do = _words_for(error)
    told = LedgerError(
        f"the ledger {shown(path)} can't be used, {what}.",
        do=f"{do}; nothing is sent that can't be recorded.",
    )
    told.__cause__ = error
    return told


def _words_for(error: BaseException) -> tuple[str, str]:
    match error:
        case NotALedger():
            words = _SAID["SQLITE_NOTADB"]
        case NewerLedger() | OlderRelease():
            words = words_of_release(error, VERSION, "file")
        case EmptyFile():
            words = (
                "it is empty, and a journal of a ledger lies beside it",
                "Restore a copy, or delete both files to begin a new ledger",
            )
        case Damage():
            words = (f"{DAMAGED[0]} ({error.args[0]})", DAMAGED[1])
        case sqlite3.Error():
            words = _words_of_sqlite(error)
        case OSError():
            words = (f"{error.strerror or error}", "Give a file in a folder that can be written")
        case _:
            words = (f"{type(error).__name__}: {error}", "Look at the file")
    return words


def _words_of_sqlite(error: sqlite3.Error) -> tuple[str, str]:
    name = getattr(error, "sqlite_errorname", None) or ""
    for known, words in _SAID.items():
        if name.startswith(known):
            return words
    return f"SQLite says {error} ({name or type(error).__name__})", "Look at the file"
