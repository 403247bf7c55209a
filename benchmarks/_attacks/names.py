"""Two processes on one ledger, each with its own name of the file."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path

from _attacks.found import Found, Try
from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass

IMAGES = 40
SCREENING = """
import asyncio, os, sys
from s2v_detect import DetectClient, LocalLimiter
from s2v_detect.ledger._sqlite import _file

async def main(base_url, key, path, then, locks, rate):
    _file._HAS_BYTE_LOCKS = locks == "byte" and _file._HAS_BYTE_LOCKS
    urls = [f"https://images.example/{n}.jpg" for n in range(40)]
    line = LocalLimiter(float(rate))
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


WAYS: tuple[Callable[[Path], Path], ...] = (
    same_path,
    symbolic_link,
    hard_link,
    tidied,
    renamed,
)
LOCKS = ("byte", "file")


def screening(
    emulator: Emulator, path: str, folder: Path, locks: str, *, rate: float = 25
) -> "subprocess.Popen[str]":
    """Start to screen the images; the ledger's path is relative to the folder, which is left."""
    given = [emulator.base_url, emulator.api_key, path, "/", locks, str(rate)]
    return subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", SCREENING, *given],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def attack(found: Found, tries: int) -> None:
    """Start a process, name its ledger otherwise, start another; some first ones are killed."""
    cases = [*product(WAYS, LOCKS, (False,)), *product(WAYS, LOCKS[:1], (True,))]
    for one in found.tries(tries, "twice", "lost", "traceback", "hung"):
        way, locks, kills = cases[one.number % len(cases)]
        one.attack = f"{way.__name__.replace('_', ' ')}, {'killed' if kills else f'{locks} locks'}"
        with tempfile.TemporaryDirectory() as name:
            one.run(_twice(one, Path(name), way, locks, kills=kills))


async def _twice(  # a try, its folder, and what is done to the ledger
    one: Try, folder: Path, way: Callable[[Path], Path], locks: str, *, kills: bool
) -> None:
    (folder / "other").mkdir()
    early = one.chance.randrange(3, 15)
    async with Emulator(answer=Pass(latency_s=0.2), counting="none") as emulator:
        first = screening(emulator, "l.db", folder, locks, rate=10 if kills else 25)
        try:
            while emulator.requests < early:
                assert first.poll() is None, first.communicate()
                await asyncio.sleep(0.01)
            path = way(folder / "l.db")
            second = screening(emulator, str(path), folder, locks)
            try:
                while kills and not _is_shared(path):
                    assert second.poll() is None, second.communicate()
                    await asyncio.sleep(0.01)
                if kills:
                    first.kill()
                await _judged(one, [first, second], kills=kills)
            finally:
                second.kill()
        finally:
            first.kill()
        bills = emulator.billed
    _books(one, path, bills)


def _is_shared(path: Path) -> bool:
    """Whether both runs are in the books."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        (runs,) = connection.execute("SELECT count(*) FROM run").fetchone()
    return int(runs) > 1


async def _judged(one: Try, both: "list[subprocess.Popen[str]]", *, kills: bool) -> None:
    told = [await asyncio.to_thread(process.communicate) for process in both]
    for out, err in told[kills:]:
        if err:
            one.breaks("traceback", err.splitlines()[-1])
        elif out.strip() != str(IMAGES):
            one.breaks("lost", f"{out.strip()} of {IMAGES} images are answered")


def _books(one: Try, path: Path, bills: int) -> None:
    with Ledger(path) as ledger:
        states = [entry.state for entry in ledger.all_entries()]
        spends = ledger.statement()
    unknown = sum(spend.unknown for spend in spends)
    one.counts.update(images=IMAGES, bills=bills, unknown=unknown)
    if states != ["answered"] * IMAGES:
        one.breaks("lost", f"the states: {states}")
    if bills - IMAGES > unknown:
        one.breaks("twice", f"{bills} bills, {unknown} of them told as unknown", bills - IMAGES)
