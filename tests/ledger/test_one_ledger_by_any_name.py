"""Two processes on one ledger are told from each other's death, whatever each calls the file."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass

IMAGES = 40
SCREENING = """
import asyncio, os, sys
from s2v_detect import DetectClient, LocalLimiter
from s2v_detect.ledger import _file

async def main(base_url, key, path, then, locks):
    _file._HAS_BYTE_LOCKS = locks == "byte" and _file._HAS_BYTE_LOCKS
    urls = [f"https://images.example/{n}.jpg" for n in range(40)]
    line = LocalLimiter(25)
    async with DetectClient(key, base_url=base_url, ledger=path, limiter=line) as client:
        os.chdir(then)
        outcomes = [outcome async for outcome in client.aiter_check(urls)]
        print(sum(outcome.kind == "checked" for outcome in outcomes))

asyncio.run(main(*sys.argv[1:]))
"""


def same_path(path: Path) -> Path:
    """The control: the name as it is."""
    return path


def symbolic_link(path: Path) -> Path:
    """In another folder."""
    link = path.parent / "other" / "link.db"
    link.symlink_to(path)
    return link


def hard_link(path: Path) -> Path:
    """In another folder."""
    link = path.parent / "other" / "hard.db"
    os.link(path, link)
    return link


def tidied(path: Path) -> Path:
    """Somebody removes what looks like waste."""
    for waste in path.parent.glob("*-run-*"):
        waste.unlink()
    return path


def renamed(path: Path) -> Path:
    """While it is open."""
    return path.rename(path.parent / "new.db")


def screening(emulator: Emulator, path: str, folder: Path, locks: str) -> "subprocess.Popen[str]":
    """A process that screens the images; the ledger's path is relative to the folder."""
    words = [sys.executable, "-c", SCREENING, emulator.base_url, emulator.api_key, path, "/", locks]
    return subprocess.Popen(  # noqa: S603  # our own script
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("locks", ["byte", "file"])
@pytest.mark.parametrize("other", [same_path, symbolic_link, hard_link, tidied, renamed])
async def test_a_living_run_is_never_taken_for_a_dead_one(
    tmp_path: Path, other: Callable[[Path], Path], locks: str
) -> None:
    """Each image is billed once, and both processes have all answers; also without byte locks."""
    (tmp_path / "other").mkdir()
    async with Emulator(answer=Pass(latency_s=0.2), counting="none") as emulator:
        first = screening(emulator, "l.db", tmp_path, locks)
        while emulator.requests < 8:
            assert first.poll() is None, first.communicate()
            await asyncio.sleep(0.01)
        path = other(tmp_path / "l.db")
        second = screening(emulator, str(path), tmp_path, locks)
        told = [await asyncio.to_thread(process.communicate) for process in (first, second)]
        bills = emulator.billed
    assert [(out.strip(), err) for out, err in told] == [(str(IMAGES), "")] * 2
    assert bills == IMAGES
    with Ledger(path) as ledger:
        assert {entry.state for entry in ledger.all_entries()} == {"answered"}
        assert [spend.billed for spend in ledger.statement()] == [IMAGES]
