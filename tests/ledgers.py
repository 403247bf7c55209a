"""What the tests of ledgers share."""

import sqlite3
from pathlib import Path
from typing import Any

from s2v_detect.ledger import AnyLedger, is_address, ledger_at

Place = Path | str
"""A ledger's file, or the address of its server."""
LEASE_S = 1.5
"""On a server: a test that kills a process does not wait for half a minute."""


def version_of(path: Path) -> int:
    """The version that a file says it has."""
    db = sqlite3.connect(path)
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()


def ledger_in(place: Place, **options: Any) -> AnyLedger:
    """The ledger there, whichever kind it is; a name is one run's at a time."""
    if is_address(place):
        options = {"lease_s": LEASE_S, "is_exclusive": True} | options
    return ledger_at(place, **options)
