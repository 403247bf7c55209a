"""The power fails: whatever was written and not synced is gone, in part or whole.

apsw's SQLite writes through a file system that keeps a log of every write and every sync. A cut at
any place of the log is replayed into new files: synced writes stand, each later one survives or not
by chance, as disks reorder them. The standard library's SQLite, the one that ledgers are used
with, opens what is left.
"""

import asyncio
import itertools
import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

from s2v_detect import Ledger, Verdict
from s2v_detect.ledger import Ended, LedgerRun
from s2v_detect.ledger._sqlite import _store

IMAGES = 60
CUTS = 300
_names = itertools.count()
_MADE = re.compile(r"\.(ledger\.db)\.[0-9a-f]{16}")
"""A ledger is made under another name, and gets its own as it is whole."""


@dataclass
class Disk:
    """Every write, truncation and sync, in their order."""

    log: list[tuple[str, str, int, bytes]] = field(default_factory=list)
    facts: list[tuple[int, str, str]] = field(default_factory=list)
    """What was reported durable: the length of the log then, what it was, of which image."""

    def durable(self, what: str, image: str) -> None:
        """Note what somebody was told."""
        self.facts.append((len(self.log), what, image))

    def after_a_cut(self, at: int, chance: random.Random, folder: Path) -> Path:
        """Write what is left of the files; return the ledger."""
        last_sync = {
            name: place for place, (name, kind, _, _) in enumerate(self.log[:at]) if kind == "sync"
        }
        contents: dict[str, bytearray] = {}
        for place, (name, kind, where, data) in enumerate(self.log[:at]):
            is_safe = place <= last_sync.get(name, -1)
            if kind == "sync" or not (is_safe or chance.random() < 0.5):
                continue
            content = contents.setdefault(name, bytearray())
            if kind == "truncate":
                del content[where:]
                continue
            content.extend(bytes(max(0, where - len(content))))
            content[where : where + len(data)] = data
        for name, content in contents.items():
            (folder / Path(name).name).write_bytes(content)
        return folder / "ledger.db"


class LoggedFile(apsw.VFSFile):
    """A file whose writes are logged."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        given = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._name = _MADE.sub(r"\1", given)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        """Log a write."""
        self._disk.log.append((self._name, "write", offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # apsw's name
        """Log a truncation."""
        self._disk.log.append((self._name, "truncate", newsize, b""))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        """Log a sync."""
        self._disk.log.append((self._name, "sync", 0, b""))
        super().xSync(flags)


class LoggedFiles(apsw.VFS):
    """A file system of such files."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"logged-{next(_names)}"
        self._disk = disk
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> LoggedFile:  # noqa: N802  # apsw's name
        """Open one."""
        return LoggedFile(self._disk, name, flags)


class Cursor:
    """What the ledger asks of a cursor of the standard library."""

    def __init__(self, connection: apsw.Connection, cursor: Any) -> None:
        self._cursor = cursor
        self.rowcount = connection.changes()
        self.lastrowid = connection.last_insert_rowid()

    def fetchone(self) -> Any:
        """The next row."""
        return next(self._cursor, None)

    def fetchall(self) -> list[Any]:
        """The rest."""
        return list(self._cursor)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)


class Connection:
    """What the ledger asks of a connection of the standard library."""

    def __init__(self, path: Path, vfs: str, synchronous: str) -> None:
        self._real = apsw.Connection(str(path), vfs=vfs)
        self._synchronous = synchronous

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""
        return bool(self._real.in_transaction)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        """Execute; the disk's care may be turned off, to show that it is what holds."""
        if sql.startswith("PRAGMA synchronous"):
            sql = f"PRAGMA synchronous = {self._synchronous}"
        return Cursor(self._real, self._real.execute(sql, parameters))

    def create_function(self, name: str, count: int, function: Any, **flags: bool) -> None:
        """Let SQL call a function."""
        self._real.create_scalar_function(name, function, count, **flags)

    def close(self) -> None:
        """Close."""
        self._real.close()


async def screen(run: LedgerRun, disk: Disk) -> None:
    """Ask, send and answer, some images at a time, as flights do."""
    room = asyncio.Semaphore(4)

    async def check(image: str) -> None:
        async with room:
            page = run.claim(image, image)
            await run.ask(page, nullcontext())
            await run.send(page)
            disk.durable("sent", image)
            await run.answer(page, Ended("billed"), Verdict(check_pass=True), 0.1)
            disk.durable("answered", image)

    await asyncio.gather(*(check(f"http://a.example/{n}.jpg") for n in range(IMAGES)))
    await run.end()


async def screened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, synchronous: str) -> Disk:
    """A whole run on a logged disk."""
    disk = Disk()
    vfs = LoggedFiles(disk)

    def connected(path: Path, *, creates: bool) -> Any:
        connection: Any = Connection(path, vfs.name, synchronous)
        _store.configure(connection, path, creates=creates)
        return connection

    monkeypatch.setattr(_store, "connected", connected)
    ledger = Ledger(tmp_path / "ledger.db")
    run = await asyncio.to_thread(ledger.begin, "model")
    await screen(run, disk)
    await asyncio.to_thread(ledger.close)
    monkeypatch.undo()
    return disk


def lost(disk: Disk, at: int, left: Path) -> list[str]:
    """What had been reported durable, and is not there; or that the file is damaged."""
    db = sqlite3.connect(left)
    try:
        [state] = db.execute("PRAGMA integrity_check").fetchone()
        rows = dict(db.execute("SELECT identity, state FROM image").fetchall())
        sent = {
            identity
            for (identity,) in db.execute(
                "SELECT identity FROM attempt JOIN image ON image.id = attempt.image"
            )
        }
    except sqlite3.DatabaseError as error:
        return [str(error)] if any(place <= at for place, _, _ in disk.facts) else []
    finally:
        db.close()
    told = [(what, image) for place, what, image in disk.facts if place <= at]
    missing = [image for what, image in told if what == "sent" and image not in sent]
    missing += [image for what, image in told if what == "answered" and rows.get(image) != what]
    return missing + ([] if state == "ok" else [state])


def losses(disk: Disk, tmp_path: Path) -> list[list[str]]:
    """What each of many cuts loses."""
    chance = random.Random(1)
    found = []
    for number in range(CUTS):
        folder = tmp_path / f"cut-{number}"
        folder.mkdir()
        at = chance.randrange(len(disk.log) + 1)
        left = disk.after_a_cut(at, chance, folder)
        found.append(lost(disk, at, left))
    return found


async def test_no_recorded_answer_is_lost_when_the_power_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any of three hundred places of the log, whatever part of the unsynced writes survived."""
    disk = await screened(tmp_path, monkeypatch, synchronous="FULL")
    assert len(disk.facts) == 2 * IMAGES
    assert [loss for loss in losses(disk, tmp_path) if loss] == []


async def test_without_syncs_the_same_cuts_lose_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the test above can fail."""
    disk = await screened(tmp_path, monkeypatch, synchronous="OFF")
    assert sum(bool(loss) for loss in losses(disk, tmp_path)) > CUTS / 2
