"""What was asked, sent, answered and billed: the books that survive the process.

The rules stand once, over the rows of any database (`_database` says what they ask of one): what is
written of a request and an image (`_attempts`, `_claims`), what can be asked (`_asked`), what a
client's flights write (`_run`), by one thread in grouped commits (`_writer`). `_ledger` is what a
user holds, `_recording` the face that a check writes to. Where the rows are is a folder of its own:
`_sqlite/` a file, `_postgres/` a server; `psycopg` is imported late there.
"""

import os
import sqlite3
from typing import Any

from s2v_detect.ledger._attempts import Claim, Ended
from s2v_detect.ledger._entries import LedgerAttempt, LedgerEntry, LedgerSpend
from s2v_detect.ledger._ledger import AnyLedger
from s2v_detect.ledger._place import is_address
from s2v_detect.ledger._postgres import PostgresLedger
from s2v_detect.ledger._recording import UNRECORDED, Aside, Recorded, Recording, begun, ended
from s2v_detect.ledger._run import LedgerRun
from s2v_detect.ledger._sqlite import Ledger, is_open_ledger, may_lose_from_a_log

SQLITE_VERSION = sqlite3.sqlite_version_info
"""Of the library that ledgers in files are kept by."""


def ledger_at(place: str | os.PathLike[str], **options: Any) -> AnyLedger:
    """Return the ledger at a place: an address such as `postgresql://…`, else the path of a file.

    Raises `ConfigurationError` for a text that is neither.

    Example:
        >>> ledger_at("screening.db")
        Ledger('screening.db', name='')
    """
    return PostgresLedger(place, **options) if is_address(place) else Ledger(place, **options)


__all__ = [
    "SQLITE_VERSION",
    "UNRECORDED",
    "AnyLedger",
    "Aside",
    "Claim",
    "Ended",
    "Ledger",
    "LedgerAttempt",
    "LedgerEntry",
    "LedgerRun",
    "LedgerSpend",
    "PostgresLedger",
    "Recorded",
    "Recording",
    "begun",
    "ended",
    "is_address",
    "is_open_ledger",
    "ledger_at",
    "may_lose_from_a_log",
]
