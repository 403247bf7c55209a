"""A run is killed in a commit, and the ledger is then opened by another of its names."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator
from s2v_detect.ledger import _asked

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
# Its pages are in the file, its journal beside its name.
KILLED = """
import os, sys
from s2v_detect import Ledger
def half(db):
    db.execute("PRAGMA cache_size = 1").fetchone()
    db.execute("UPDATE run SET name = 'half'")
    db.execute("CREATE TABLE half AS SELECT hex(randomblob(9000)) FROM image")
    os.kill(os.getpid(), 9)
Ledger(sys.argv[1])._opened().do(half, writes=True)
"""


async def screen(emulator: Emulator, path: Path, images: list[str]) -> set[str]:
    """Return the kinds of the outcomes."""
    async with emulator.client(ledger=path, limiter=FAST) as client:
        return {outcome.kind async for outcome in client.aiter_check(images)}


async def test_what_a_killed_run_left_is_taken_back_under_any_name(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """SQLite's journal lies beside one name: no later run under the other is undone by it."""
    first, other = tmp_path / "first.db", tmp_path / "folder" / "other.db"
    other.parent.mkdir()
    await screen(emulator, first, urls(20))
    os.link(first, other)
    words = [sys.executable, "-c", KILLED, str(first)]
    killed = await asyncio.to_thread(subprocess.run, words, check=False)
    assert killed.returncode == -9
    assert (tmp_path / "first.db-journal").stat().st_size
    for path in (other, first, other):
        assert await screen(emulator, path, urls(60)) == {"checked"}
    assert emulator.billed == 60
    with Ledger(other) as ledger:
        assert sum(spend.billed for spend in ledger.statement()) == 60


async def test_a_name_that_is_no_more_is_not_used(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """Renamed, copied, or its first name another file's now: it is opened as it was given."""
    first, other = tmp_path / "first.db", tmp_path / os.fsdecode(b"other\xff.db")
    await screen(emulator, first, urls(3))
    first.rename(other)
    first.write_bytes(b"")
    assert await screen(emulator, other, urls(6)) == {"checked"}
    assert first.read_bytes() == b""
    assert emulator.billed == 6


def test_two_names_at_one_moment_are_one_run(tmp_path: Path) -> None:
    """A run that began between the opening and the beginning has decided the name."""
    first, other = tmp_path / "first.db", tmp_path / "other.db"
    with Ledger(first) as ledger:
        ledger.begin("a model")
    with sqlite3.connect(first) as connection:
        connection.execute("DELETE FROM about WHERE key = 'name in use'")
    connection.close()
    os.link(first, other)
    with Ledger(other) as late:
        late.names()
        with sqlite3.connect(first) as connection:
            _asked.keep(connection, "name in use", os.fsencode(first))
        connection.close()
        with pytest.raises(LedgerError, match="opened as"):
            late.begin("a model")
    with Ledger(other) as later:
        assert later.begin("a model").id == 2
