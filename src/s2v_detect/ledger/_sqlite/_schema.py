"""What the file holds: its tables, its version, and how an older one is brought up to date."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from s2v_detect.images import kept_as
from s2v_detect.ledger._database import NewerLedger, OlderRelease
from s2v_detect.ledger._entries import COLUMNS, LedgerEntry, checksum
from s2v_detect.ledger._sqlite._damage import CHECKSUM
from s2v_detect.ledger._sqlite._file import hold, is_locked, is_running, let_go

APPLICATION_ID = 0x53325644
"""`S2VD`, in SQLite's header: tells a ledger from any other database."""

VERSION = 5

# An image's row is its present state. `run` holds the claim while it is asked or sent; `lineage` is
# whoever paid last (a run and its restarts), with what it paid: `paid` requests for certain,
# `unsure` ones perhaps. `doubts` counts lost answers since somebody last allowed a resend.
# The check columns keep an answer also while a newer one is asked for.
_TABLES = """
CREATE TABLE about (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  lineage INTEGER,
  name TEXT NOT NULL,
  token TEXT NOT NULL UNIQUE,
  process TEXT NOT NULL,
  started_at REAL NOT NULL,
  ended_at REAL
);
CREATE INDEX run_name ON run (name);

CREATE TABLE image (
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,
  image TEXT,
  state TEXT NOT NULL,
  at REAL NOT NULL,
  run INTEGER NOT NULL REFERENCES run,
  lineage INTEGER NOT NULL REFERENCES run,
  paid INTEGER NOT NULL DEFAULT 0,
  unsure INTEGER NOT NULL DEFAULT 0,
  doubts INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  elapsed_s REAL NOT NULL DEFAULT 0,
  answered_at REAL,
  check_pass INTEGER,
  humanoid INTEGER,
  code TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '',
  request_id TEXT,
  error TEXT
);
CREATE INDEX image_claimed ON image (run) WHERE state IN ('asked', 'sent');
CREATE INDEX image_unknown ON image (id) WHERE state = 'unknown';

CREATE TABLE attempt (
  run INTEGER NOT NULL REFERENCES run,
  number INTEGER NOT NULL,
  image INTEGER NOT NULL REFERENCES image,
  sent_at REAL NOT NULL,
  ended_at REAL,
  outcome TEXT NOT NULL,
  error TEXT,
  code TEXT,
  request_id TEXT,
  service_ms INTEGER,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE INDEX attempt_image ON attempt (image);
CREATE INDEX attempt_open ON attempt (run) WHERE outcome = 'sent';
"""

_MIGRATIONS: dict[int, str] = {
    # Where in the vendor's store a local image was put, and when: it lives there for 48 hours.
    2: """
ALTER TABLE image ADD COLUMN upload TEXT;
ALTER TABLE image ADD COLUMN uploaded_at REAL;
""",
    # Of a run: the lock by which its process is known to live, and a mark of the output it wrote.
    # Of a request: how many images it was billed as, if it was.
    # Of an image: the run whose answer it has, and the checksum of its row. An older release that
    # has the file open would write rows without a checksum: it can begin no run any more.
    3: f"""
ALTER TABLE run ADD COLUMN lock TEXT;
ALTER TABLE run ADD COLUMN output TEXT;
ALTER TABLE attempt ADD COLUMN images INTEGER NOT NULL DEFAULT 1;
ALTER TABLE image ADD COLUMN answered_by INTEGER REFERENCES run;
ALTER TABLE image ADD COLUMN checksum INTEGER;
UPDATE image SET checksum = {CHECKSUM};
CREATE TRIGGER older_release BEFORE INSERT ON run WHEN NEW.lock IS NULL BEGIN
  SELECT RAISE(ABORT, 'a newer s2v-detect brought this ledger up to date: start again with that');
END;
""",  # noqa: S608  # our own names
    # Which version of the file a run writes. An older release that has the file open would go by
    # other identities: it can begin no run any more. The identities themselves: `_fold_identities`.
    4: """
ALTER TABLE run ADD COLUMN schema INTEGER;
DROP TRIGGER older_release;
CREATE TRIGGER older_release BEFORE INSERT ON run WHEN NEW.schema IS NOT 4 BEGIN
  SELECT RAISE(ABORT, 'a newer s2v-detect brought this ledger up to date: start again with that');
END;
""",
    # What was paid, or may have been, for the requests that have ended: of each run, and of each
    # day of China Standard Time. A budget is asked about before each request.
    5: """
CREATE TABLE day (
  day TEXT PRIMARY KEY,
  billed INTEGER NOT NULL DEFAULT 0,
  unknown INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO day
SELECT date(CAST((sent_at + 28800) / 86400 AS INTEGER) * 86400, 'unixepoch') AS sent_on,
  sum(CASE outcome WHEN 'billed' THEN images ELSE 0 END), sum(outcome = 'unknown')
FROM attempt WHERE outcome IN ('billed', 'unknown') GROUP BY sent_on;
ALTER TABLE run ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;
UPDATE run SET spent = (
  SELECT coalesce(sum(CASE outcome WHEN 'billed' THEN images ELSE 1 END), 0)
  FROM attempt WHERE run = run.id AND outcome IN ('billed', 'unknown')
);
DROP TRIGGER older_release;
CREATE TRIGGER older_release BEFORE INSERT ON run WHEN NEW.schema IS NOT 5 BEGIN
  SELECT RAISE(ABORT, 'a newer s2v-detect brought this ledger up to date: start again with that');
END;
""",
}
"""SQL that brings a ledger of the version before to this one. A new file goes all the way: what an
old one goes through is tried with every new one."""


class NotALedger(Exception):
    """The file is a database of something else."""


class EmptyFile(Exception):
    """The file holds nothing, and a journal beside it something: it was cut off."""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make a new file a ledger, or an older one a present one; in one transaction."""
    if is_current(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_current(connection):  # another process may have been first
            _bring_up_to_date(connection, path)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def is_older(connection: sqlite3.Connection) -> bool:
    """Whether the file is a ledger of an older version, to be brought up to date."""
    is_ours = _pragma(connection, "application_id") == APPLICATION_ID
    return is_ours and _pragma(connection, "user_version") < VERSION


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the file is a ledger of this version; raises for what is no ledger of ours."""
    connection.execute("BEGIN")  # one look: another process may be making it one meanwhile
    try:
        return _is_current(connection)
    finally:
        connection.execute("ROLLBACK")


def _is_current(connection: sqlite3.Connection) -> bool:
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application == APPLICATION_ID:
        if version > VERSION:
            raise NewerLedger(version)
        return version == VERSION
    if application or version or _pragma(connection, "schema_version"):
        raise NotALedger
    return False


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    version = _pragma(connection, "user_version")
    if version:
        _refuse_older_release(connection, path)
    steps = [] if version else [_TABLES]
    steps += [_MIGRATIONS[step] for step in range(max(version, 1) + 1, VERSION + 1)]
    for script in steps:
        for statement in _statements(script):
            connection.execute(statement)
    if version < 4:  # noqa: PLR2004  # they are in their present form since then
        _fold_identities(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _refuse_older_release(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where a run of an older version lives."""
    is_locked_by_byte = _pragma(connection, "user_version") >= 3  # noqa: PLR2004  # since then
    is_alive = _is_alive if is_locked_by_byte else _is_alive_by_its_token
    lock = "lock" if is_locked_by_byte else "token"
    runs = connection.execute(
        f"SELECT id, {lock}, process FROM run WHERE ended_at IS NULL"  # noqa: S608  # our own names
    ).fetchall()
    for run, kept, process in runs:
        if is_alive(path, run, kept, process):
            raise OlderRelease(process)


def _is_alive(path: Path, run: int, lock: str | None, process: str) -> bool:
    file = hold(path)
    try:
        return file.is_alive(run, lock, process)
    finally:
        let_go(file)


def _is_alive_by_its_token(path: Path, _: int, token: str, process: str) -> bool:
    """Whether a run of version 1 or 2 lives: it holds a lock file beside the ledger's name."""
    names = {path.absolute(), path.resolve()}
    locks = [name.with_name(f"{name.name}-run-{token}") for name in names]
    found = [lock for lock in locks if lock.exists()]
    # No lock file: it lies beside another name of the ledger, or somebody tidied up.
    return any(map(is_locked, found)) if found else is_running(process)


_PIECE = 1000  # rows
_WRITE = f"UPDATE image SET {', '.join(f'{name} = ?' for name in COLUMNS.split(', '))} WHERE id = ?"  # noqa: S608  # our own names
_CLAIMED = ("asked", "sent")


def _fold_identities(connection: sqlite3.Connection) -> None:
    """Give every image the identity that it has today: an address all in ASCII, since version 4.

    What was no image and began as a user's own identity does is kept otherwise now.

    Rows that come to one identity become one. Whatever run had claimed one of them is dead; its
    requests go over to the one row, and the next run settles them there.
    """
    last = 0
    select = f"SELECT {COLUMNS} FROM image"  # noqa: S608  # our own names
    others = "(identity GLOB '*[^ -~]*' OR identity GLOB 'id:*')"
    while rows := connection.execute(
        f"{select} WHERE id > ? AND {others} ORDER BY id LIMIT {_PIECE}", (last,)
    ).fetchall():
        for row in rows:
            entry = LedgerEntry._make(row)
            identity = kept_as(entry.identity)
            if identity == entry.identity:
                continue
            with closing(connection.execute(f"{select} WHERE identity = ?", (identity,))) as found:
                other = found.fetchone()
            if other is None:
                _write(connection, _renamed(entry, identity), is_sound=_is_sound(entry))
            else:
                _merge(connection, LedgerEntry._make(other), entry)
        last = rows[-1][0]


def _merge(connection: sqlite3.Connection, kept: LedgerEntry, gone: LedgerEntry) -> None:
    connection.execute("UPDATE attempt SET image = ? WHERE image = ?", (kept.id, gone.id))
    connection.execute("DELETE FROM image WHERE id = ?", (gone.id,))
    if _is_sound(kept) and _is_sound(gone):
        _write(connection, merged(kept, _renamed(gone, kept.identity)), is_sound=True)
    else:  # nothing can be said of what a damaged row holds
        _write(connection, kept, is_sound=False)


def merged(kept: LedgerEntry, gone: LedgerEntry) -> LedgerEntry:
    """Return what is recorded of an image that was kept as two, as if it had been one all along.

    Its state is the later one's, as are the run and the lineage. What that lineage paid is summed;
    what others paid stays in their requests. The newer answer is kept, and with it the image is
    answered; without one an unknown request stays unknown. An answer ends the doubts before it.
    """
    older, newer = sorted((kept, gone), key=lambda entry: (entry.state in _CLAIMED, entry.at))
    both = (older, newer)
    answered_at = max((entry.answered_at or 0.0) for entry in both)
    answers = [entry for entry in both if entry.answered_at == answered_at]
    unknown = [entry for entry in both if entry.state == "unknown"]
    last = (answers or unknown or [newer])[-1]
    paid_for = [entry for entry in both if entry.lineage == newer.lineage]
    doubtful = [entry for entry in both if not answers or entry.at > answered_at]
    return last._replace(
        id=kept.id,
        identity=kept.identity,
        given=min(both, key=lambda entry: entry.id).given,
        state=newer.state if newer.state in _CLAIMED else last.state,
        at=newer.at,
        run=newer.run,
        lineage=newer.lineage,
        paid=sum(entry.paid for entry in paid_for),
        unsure=sum(entry.unsure for entry in paid_for),
        attempts=sum(entry.attempts for entry in paid_for),
        doubts=sum(entry.doubts for entry in doubtful),
    )


def _renamed(entry: LedgerEntry, identity: str) -> LedgerEntry:
    """Return an entry under another identity; its address is shown as it was given."""
    given = entry.image if entry.image != identity else None
    return entry._replace(identity=identity, given=given)


def _is_sound(entry: LedgerEntry) -> bool:
    """Whether a row is as it was written; one that is claimed and without an answer has no sum."""
    has_none = entry.state in _CLAIMED and entry.check_pass is None
    return has_none or checksum(*entry[:-2]) == entry.checksum


def _write(connection: sqlite3.Connection, entry: LedgerEntry, *, is_sound: bool) -> None:
    """Write a row; what was damaged before is damaged after, so that nobody goes by it."""
    kept = checksum(*entry[:-2]) if is_sound else None
    connection.execute(_WRITE, (*entry[:-1], kept, entry.id))


def _statements(script: str) -> Iterator[str]:
    """Yield them one by one: `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
