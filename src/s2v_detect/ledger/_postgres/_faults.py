"""What goes wrong with a server, in the words of an error."""

import psycopg
from psycopg import errors

from s2v_detect._redaction import bare
from s2v_detect.errors import DetectError, LedgerError
from s2v_detect.ledger._database import NewerLedger, OlderRelease, words_of_release
from s2v_detect.ledger._postgres._connection import SCHEMA, Address
from s2v_detect.ledger._postgres._schema import (
    VERSION,
    NoLedger,
    OtherEncoding,
)

_SETUP: tuple[tuple[str, str], ...] = (
    ("password authentication failed", "Give the right user and password (PGPASSWORD, ~/.pgpass)"),
    ("no password supplied", "Give the password in PGPASSWORD or in ~/.pgpass"),
    ("no pg_hba.conf entry", "Let the server's pg_hba.conf take this user from this machine"),
    ("authentication failed", "Give a user that the server lets in from this machine"),
    ('database "', "Make the database (createdb), or give another one"),
    ('role "', "Give a user that the server has"),
    ("could not translate host name", "Give the right host"),
    ("failed to resolve host", "Give the right host"),
    ("not known", "Give the right host"),  # a resolver's own words
    ("certificate", "Give the server's certificate (sslrootcert), or the right host"),
)
"""What is said of faults that no waiting mends."""
_OF_SETUP = (None, "28000", "28P01", "3D000")
"""A connection that fails has no code."""
_PASSING = (
    psycopg.OperationalError,  # the connection, a server that stops or begins, a lock, a full disk
    psycopg.InterfaceError,  # the connection is closed already
    errors.ReadOnlySqlTransaction,  # a server that was the one that writes
    errors.IdleInTransactionSessionTimeout,  # this process had been stopped in a transaction
)


def is_passing(error: BaseException) -> bool:
    """Whether the same may go well a moment later, over another connection."""
    return isinstance(error, _PASSING) and not isinstance(error, errors.QueryCanceled)


def as_error(error: BaseException, address: Address) -> DetectError:
    """Return what is told of a server, whatever it or libpq said."""
    if isinstance(error, DetectError):
        return error
    what, do = _words_for(error, address)
    told = LedgerError(
        f"the ledger {address.shown} can't be used, {what}.",
        do=f"{do}; nothing is sent that can't be recorded.",
    )
    told.__cause__ = bare(error)  # a frame of libpq's has the password
    return told


def _words_for(error: BaseException, address: Address) -> tuple[str, str]:
    match error:
        case NoLedger():
            words = ("there is no ledger in its database", "Give the database of an earlier run")
        case NewerLedger() | OlderRelease():
            words = words_of_release(error, VERSION, "tables")
        case OtherEncoding():
            words = (
                f"its database is encoded in {error.args[0]}",
                "Give a database that is encoded in UTF8",
            )
        case errors.InsufficientPrivilege():
            words = (
                f"its user lacks a right: {_said(error, address)}",
                f"Let the user make the schema {SCHEMA} in the database, or own it",
            )
        case errors.DiskFull():
            words = ("the server's disk is full", "Make room, and start again")
        case psycopg.Error():
            words = _words_of_server(error, address)
        case _:
            words = (f"{type(error).__name__}: {error}", "Look at the server")
    return words


def _words_of_server(error: psycopg.Error, address: Address) -> tuple[str, str]:
    said = _said(error, address)
    for part, do in _SETUP:
        if error.sqlstate in _OF_SETUP and part in said:
            return said, do
    if is_passing(error):
        return said, "See that the server runs and can be reached, and start again"
    return f"the server says: {said}", "Look at the server's log"


def _said(error: psycopg.Error, address: Address) -> str:
    """Return the server's own words, in one line."""
    text = error.diag.message_primary or str(error)
    text = text.rpartition("FATAL:")[2] or text
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return address.without_password(lines[0].rstrip(".") if lines else type(error).__name__)
