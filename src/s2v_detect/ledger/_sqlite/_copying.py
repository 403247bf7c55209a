"""Copies of a ledger's file, and the file written anew."""

import os
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from s2v_detect.errors import LedgerError
from s2v_detect.ledger._database import Database
from s2v_detect.ledger._sqlite._file import shown


def rewrite(db: Database) -> None:
    """Write the file anew: without free pages, and without what had once been in them."""
    db.execute("VACUUM")


def copy(db: Database, ledger: Path, target: Path, *, replaces: bool) -> None:
    """Write a copy as the ledger is at this moment."""
    with suppress(OSError):
        if target.samefile(ledger):
            raise LedgerError(f"{shown(target)} is the ledger itself.", do="Give another name.")

    def write(made: Path) -> None:
        db.execute("VACUUM INTO ?", (made.as_uri(),))  # a name of any bytes

    write_whole(db, target, write, replaces=replaces)


def write_whole(
    db: Database, target: Path, write: Callable[[Path], None], *, replaces: bool
) -> None:
    """Have a copy of a ledger in a file. It appears whole, and for its owner alone.

    What it replaces is a file, and no ledger but an older copy of this one. `write` fills a new
    file that is empty.
    """
    _refuse_target(target, replaces=replaces)
    target = Path(os.path.realpath(target))  # a link stays one
    _refuse_another_ledger(db, target)
    made = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        write(made)
        descriptor = os.open(made, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replaces:
            made.replace(target)
        else:
            _name(made, target)
    except OSError as error:
        raise LedgerError(
            f"the copy {shown(target)} can't be written ({error.strerror}).",
            do="Give another name; the ledger is as it was.",
        ) from error
    finally:
        with suppress(OSError):
            made.unlink()


def _refuse_target(target: Path, *, replaces: bool) -> None:
    journal = target.with_name(f"{target.name}-journal")
    with suppress(OSError):
        if journal.stat().st_size:
            raise LedgerError(
                f"{shown(journal)} is there: {shown(target)} is being written, or its writer died.",
                do="Give another name.",
            )
    if not replaces and os.path.lexists(target):
        raise _is_there(target)
    if target.exists() and not (target.is_file() or target.is_dir()):
        raise LedgerError(f"{shown(target)} is no file but a device.", do="Give another name.")


def _refuse_another_ledger(db: Database, target: Path) -> None:
    """Raise `LedgerError` where a database is replaced that is no older copy of this ledger.

    A run that the target alone has paid for something that is written nowhere else.
    """
    if not target.is_file() or not target.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as there:
            runs = {token for (token,) in there.execute("SELECT token FROM run")}
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            return  # no database
        runs = {None}
    if not runs <= {token for (token,) in db.execute("SELECT token FROM run")}:
        raise LedgerError(
            f"{shown(target)} is another ledger or database, and no older copy of this one.",
            do="Give another name.",
        )


def _name(made: Path, target: Path) -> None:
    try:
        os.link(made, target)
    except FileExistsError:
        raise _is_there(target) from None
    except OSError:  # a file system without hard links
        made.rename(target)


def _is_there(target: Path) -> LedgerError:
    return LedgerError(
        f"{shown(target)} exists already.", do="Give another name, or say that it may be replaced."
    )
