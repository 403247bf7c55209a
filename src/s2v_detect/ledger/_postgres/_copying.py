"""A copy of the ledger in a file, and the rows on the server written anew."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from s2v_detect._redaction import text_of
from s2v_detect.ledger._database import Database
from s2v_detect.ledger._entries import CHECKED
from s2v_detect.ledger._postgres._connection import SCHEMA
from s2v_detect.ledger._sqlite import VERSION, connected, write_whole

_PIECE = 1000
_REQUEST = "run, number, image, sent_at, ended_at, outcome"
_OF: dict[str, tuple[tuple[str, ...], str]] = {
    "about": (("key",), "key, value"),
    "run": (("id",), "id, lineage, name, token, process, started_at, ended_at, output, spent"),
    "day": (("day",), "day, billed, unknown"),
    "image": (("id",), f"{CHECKED}, uploaded_at"),
    "attempt": (
        ("run", "number"),
        f"{_REQUEST}, error, code, request_id, service_ms, images",
    ),
}
"""What a file has too: each table's key, which its columns begin with, and its columns."""


def copy(db: Database, target: Path, *, replaces: bool) -> None:
    """Write a ledger into a file, as this one is at this moment."""
    write_whole(db, target, partial(_fill, db), replaces=replaces)


def _fill(db: Database, made: Path) -> None:
    with closing(connected(made, creates=True)) as file:
        file.execute("BEGIN")
        for table, (key, columns) in _OF.items():
            # Its runs live nowhere: without a lock they count as dead.
            more, values = ("", "")
            if table == "run":
                more, values = ", schema", f", {VERSION}"
            marks = ", ".join("?" * len(columns.split(", ")))
            insert = f"INSERT INTO {table} ({columns}{more}) VALUES ({marks}{values})"  # noqa: S608  # our own words
            for rows in _pieces(db, table, key, columns):
                file.executemany(insert, map(_as_in_a_file, rows))
        file.execute("DELETE FROM about WHERE key IN ('version', 'took over')")
        file.execute("COMMIT")


def _as_in_a_file(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row without half a character: a file holds none."""
    return tuple(text_of(each) if isinstance(each, str) else each for each in row)


def _pieces(
    db: Database, table: str, key: tuple[str, ...], columns: str
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield all rows of a table, some at a time: a ledger may be larger than the memory."""
    names, marks = ", ".join(key), ", ".join("?" * len(key))
    last: tuple[Any, ...] = ()
    while True:
        after = f" WHERE ({names}) > ({marks})" if last else ""
        rows = db.execute(
            f"SELECT {columns} FROM {table}{after} ORDER BY {names} LIMIT {_PIECE}",  # noqa: S608  # our own words
            last,
        ).fetchall()
        if not rows:
            return
        yield rows
        last = tuple(rows[-1][: len(key)])


def rewrite(db: Database) -> None:
    """Write the rows anew, without what had once been in them.

    The server's log and its backups have that for as long as the server keeps them.
    """
    db.execute(f"VACUUM FULL {SCHEMA}.image, {SCHEMA}.attempt")
