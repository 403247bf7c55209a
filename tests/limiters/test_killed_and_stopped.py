"""Processes that are killed and stopped inside a transaction of the machine's line."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from s2v_detect import HostLimiter

# Forks children on one fast line, stops each at a random instant, looks whether the stopped one
# holds the lock, and kills it. After each kill the survivor takes a turn.
KILLS = """
import asyncio, logging, os, random, signal, sys, time
from pathlib import Path
from s2v_detect import HostLimiter
from s2v_detect.limiters._line_file import LineFile

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(7)
log = os.open(folder / "lefts", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

def limiter():
    return HostLimiter(1000.0, name="killed", directory=folder)

async def leave(line):
    turn = await line.turn("bulk")
    at = time.monotonic()
    turn.left()
    os.write(log, f"{at}\\n".encode())

async def streams(line):
    async def stream():
        while True:
            await leave(line)
    await asyncio.gather(*(stream() for _ in range(3)))

def child():
    began, tell = os.pipe()
    number = os.fork()
    if not number:
        line = limiter()
        os.write(tell, b".")
        asyncio.run(streams(line))
    os.read(began, 1)
    os.close(began)
    os.close(tell)
    return number

survivor = limiter()
asyncio.run(leave(survivor))
lock = LineFile(folder, next(folder.glob("*.line")).stem)
inside, longest_s = 0, 0.0
for _ in range(kills):
    number = child()
    time.sleep(chance.uniform(0, 0.012))
    os.kill(number, signal.SIGSTOP)
    os.waitpid(number, os.WUNTRACED)
    if lock.locked():
        lock.unlock()
    else:
        inside += 1
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    began = time.monotonic()
    asyncio.run(leave(survivor))
    longest_s = max(longest_s, time.monotonic() - began)
print(inside, longest_s, survivor.sharing().processes)
"""

# Stops itself for real inside a transaction: the lock is held, and the block is not yet written.
STOPS = """
import asyncio, os, signal, sys, time
from s2v_detect import HostLimiter

write, after = os.pwrite, time.monotonic() + float(sys.argv[2])

def stopped_once(*arguments):
    if time.monotonic() > after and os.pwrite is stopped_once:
        os.pwrite = write
        os.kill(os.getpid(), signal.SIGSTOP)
    return write(*arguments)

async def main():
    line = HostLimiter(name="stopped", directory=sys.argv[1])
    async def stream():
        while True:
            turn = await line.turn("bulk")
            at = time.monotonic()
            turn.left()
            print(at, flush=True)
    await asyncio.gather(*(stream() for _ in range(3)))

os.pwrite = stopped_once
asyncio.run(main())
"""


@pytest.mark.real_time
def test_hundreds_of_random_kills_stop_nobody(tmp_path: Path) -> None:
    """Every tenth or more is inside a transaction. The lock, the block and the pace hold."""
    done = subprocess.run(  # noqa: S603  # our own lines
        [sys.executable, "-c", KILLS, str(tmp_path), "300"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr  # nobody was ever alone
    inside, longest_s, processes = map(float, done.stdout.split())
    assert inside >= 30
    assert longest_s < 0.25
    assert processes == 1
    lefts = sorted(map(float, (tmp_path / "lefts").read_text().split()))
    assert len(lefts) > 600
    assert min(later - one for one, later in zip(lefts, lefts[60:], strict=False)) > 0.06


@contextmanager
def stopping(folder: Path, after_s: float) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that stops itself inside a transaction; it is gone afterwards."""
    process = subprocess.Popen(  # noqa: S603  # our own lines
        [sys.executable, "-c", STOPS, str(folder), str(after_s)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def stream(line: HostLimiter, lefts: list[float], until: float) -> None:
    """Take turns until an instant, and keep when they left."""
    while time.monotonic() < until:
        turn = await line.turn("bulk")
        lefts.append(time.monotonic())
        turn.left()


@pytest.mark.real_time
async def test_a_process_stopped_with_the_lock_leaves_the_others_their_slots(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After 300 ms each goes alone and says so once; when the lock is free they are together."""
    lines = [HostLimiter(name="stopped", directory=tmp_path) for _ in range(2)]
    lefts: list[float] = []
    with stopping(tmp_path, 3.0) as stopped, caplog.at_level(logging.WARNING, "s2v_detect"):
        assert stopped.stdout is not None
        await asyncio.to_thread(stopped.stdout.readline)
        began = time.monotonic()
        streams = [asyncio.create_task(stream(line, lefts, began + 10)) for line in lines]
        await asyncio.to_thread(os.waitid, os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
        stopped_at = time.monotonic()
        await asyncio.sleep(3.0)
        stopped.send_signal(signal.SIGCONT)
        continued_at = time.monotonic()
        await asyncio.wait(streams)
        stopped.kill()
        told = [float(at) for at in stopped.stdout.read().split()]
    every = sorted([*lefts, *told])
    assert max(after - before for before, after in pairwise(every)) < 1.7  # the empty second
    alone = [at for at in lefts if stopped_at + 0.5 < at < continued_at]
    assert 4 <= len(alone) <= 10  # two slots of three, 5 % wider
    assert min(after - before for before, after in pairwise(alone)) > 0.19
    assert min(sixth - one for one, sixth in zip(every, every[5:], strict=False)) > 1.0
    assert [record.name for record in caplog.records] == ["s2v_detect"] * 2
    assert sum(at > continued_at + 1.5 for at in told) >= 3  # the one that was stopped is back
