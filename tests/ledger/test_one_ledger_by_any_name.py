"""Two processes on one ledger are told from each other's death, whatever each calls the file."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from _attacks.names import LOCKS, WAYS
from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass

pytestmark = pytest.mark.real_time

IMAGES = 20
# Both are loaded before either begins: the first is still at work when the second opens the ledger.
SCREENING = """
import asyncio, os, sys
from s2v_detect import DetectClient, LocalLimiter
from s2v_detect.ledger._sqlite import _file

async def main(base_url, key, count, then, locks):
    _file._HAS_BYTE_LOCKS = locks == "byte" and _file._HAS_BYTE_LOCKS
    urls = [f"https://images.example/{n}.jpg" for n in range(int(count))]
    print("loaded", flush=True)
    path = sys.stdin.readline().rstrip()
    line = LocalLimiter(25)
    async with DetectClient(key, base_url=base_url, ledger=path, limiter=line) as client:
        os.chdir(then)
        outcomes = [outcome async for outcome in client.aiter_check(urls)]
        print(sum(outcome.kind == "checked" for outcome in outcomes))

asyncio.run(main(*sys.argv[1:]))
"""


def screening(emulator: Emulator, folder: Path, locks: str) -> "subprocess.Popen[str]":
    """A process that is told the ledger's path, relative to the folder, and screens the images."""
    account = (emulator.base_url, emulator.api_key)
    words = [sys.executable, "-c", SCREENING, *account, str(IMAGES), "/", locks]
    pipe = subprocess.PIPE
    return subprocess.Popen(  # noqa: S603  # our own script
        words, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def begin(process: "subprocess.Popen[str]", path: str) -> None:
    """Tell a process that is loaded which ledger it is to open."""
    assert process.stdin
    process.stdin.write(f"{path}\n")
    process.stdin.flush()


@pytest.mark.parametrize("locks", LOCKS)
@pytest.mark.parametrize("other", WAYS)
async def test_a_living_run_is_never_taken_for_a_dead_one(
    tmp_path: Path, other: Callable[[Path], Path], locks: str
) -> None:
    """Each image is billed once, and both processes have all answers; also without byte locks."""
    (tmp_path / "other").mkdir()
    async with Emulator(answer=Pass(latency_s=0.2), counting="none") as emulator:
        first, second = (screening(emulator, tmp_path, locks) for _ in range(2))
        for process in (first, second):
            assert process.stdout
            assert await asyncio.to_thread(process.stdout.readline) == "loaded\n"
        begin(first, "l.db")
        while emulator.requests < 4:
            assert first.poll() is None, first.communicate()
            await asyncio.sleep(0.01)
        path = other(tmp_path / "l.db")
        begin(second, str(path))
        told = [await asyncio.to_thread(process.communicate) for process in (first, second)]
        bills = emulator.billed
    assert [(out.strip(), err) for out, err in told] == [(str(IMAGES), "")] * 2
    assert bills == IMAGES
    with Ledger(path) as ledger:
        assert {entry.state for entry in ledger.all_entries()} == {"answered"}
        assert [spend.billed for spend in ledger.statement()] == [IMAGES]
