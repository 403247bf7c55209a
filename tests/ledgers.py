"""What the tests of ledgers share."""

import sqlite3
from pathlib import Path


def version_of(path: Path) -> int:
    """The version that a file says it has."""
    db = sqlite3.connect(path)
    try:
        return int(db.execute("PRAGMA user_version").fetchone()[0])
    finally:
        db.close()
