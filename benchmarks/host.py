"""Four processes with one line: pace, fairness, kills, visitors, CPU and wake-ups.

    python benchmarks/host.py [--for-s 60] [--jitter-ms 20] [--only pace,killed,visitors,cpu]

The processes are real, and so are the file, its lock and the timers. The service is not: each
request's bytes arrive up to J after they left, and the emulator's own admissions count the arrivals
of all processes afterwards, in all four ways. `CLOCK_MONOTONIC` is one clock for all of them.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from s2v_detect.emulator._counting import Counting, counted

RATE = 5.0
COLD = 10
COUNTINGS: tuple[Counting, ...] = ("sliding", "fixed", "bucket", "spaced")

# Writes a line for each turn: when it was asked for, when the bytes left, and the lane.
WORKER = """
import asyncio, json, sys, time
from s2v_detect import HostLimiter

async def main(folder, waiting, every_s, latest):
    limiter = HostLimiter(name="benchmark", directory=folder)
    sleep, naps = asyncio.sleep, 0
    async def counted(delay, result=None):
        nonlocal naps
        naps += delay > 0
        return await sleep(delay, result)
    asyncio.sleep = counted
    def say(kind, *more):
        cpu_s = time.process_time()
        print(json.dumps([kind, *more, naps, cpu_s]), flush=True)
    async def leave(lane):
        asked_at = time.monotonic()
        turn = await limiter.turn(lane)
        at = time.monotonic()
        turn.left()
        say(lane, asked_at, at)
    async def stream():
        while time.monotonic() < latest:
            await leave("bulk")
    say("ready", time.monotonic(), time.monotonic())
    tasks = [asyncio.create_task(stream()) for _ in range(waiting)]
    while every_s and time.monotonic() + every_s < latest:
        await sleep(every_s)
        tasks.append(asyncio.create_task(leave("interactive")))
    await sleep(latest - time.monotonic())
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
"""


class Left(NamedTuple):
    """One turn of one process."""

    worker: int
    lane: str
    asked_at: float
    at: float


class Worker:
    """One process, whose lines go to a file: a pipe of a killed one could be cut."""

    def __init__(self, folder: Path, waiting: int, every_s: float, latest: float) -> None:
        self.lines: list[list[Any]] = []
        self.path = folder / f"worker-{time.monotonic_ns()}.jsonl"
        with self.path.open("w") as out:
            self.process = subprocess.Popen(  # noqa: S603  # our own script
                [
                    sys.executable,
                    "-c",
                    WORKER,
                    str(folder),
                    str(waiting),
                    str(every_s),
                    str(latest),
                ],
                stdout=out,
            )

    def keep(self) -> None:
        """Keep what it has written."""
        whole = self.path.read_text().rpartition("\n")[0]
        self.lines = [json.loads(line) for line in whole.splitlines()]


def lefts_of(workers: Sequence[Worker]) -> list[Left]:
    """Return all turns of all workers, in their order."""
    lefts = [
        Left(number, *line[:3])
        for number, worker in enumerate(workers)
        for line in worker.lines
        if line[0] != "ready"
    ]
    return sorted(lefts, key=lambda left: left.at)


def run(
    for_s: float, waiting: Sequence[int], every_s: float = 0.0, kill_every_s: float = 0.0
) -> list[Worker]:
    """Run workers for so long; the last one has visitors, the first ones are killed in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        latest = time.monotonic() + for_s + 2
        last = len(waiting) - 1
        workers = [
            Worker(folder, count, every_s if number == last else 0.0, latest)
            for number, count in enumerate(waiting)
        ]
        living, victim = list(workers), 0
        while kill_every_s and time.monotonic() + kill_every_s < latest:
            time.sleep(kill_every_s)
            living[victim].process.send_signal(signal.SIGKILL)
            living[victim].process.wait()
            living[victim] = Worker(folder, waiting[victim], 0.0, latest)
            workers.append(living[victim])
            victim = (victim + 1) % len(waiting)
        for worker in living:
            worker.process.wait()
        for worker in workers:
            worker.keep()
        return workers


def judged(lefts: Sequence[Left], jitter_s: float, seed: int = 1) -> str:
    """Return the pace, and the 429s of each way of counting."""
    chance = random.Random(seed)
    arrivals = sorted(left.at + chance.uniform(0, jitter_s) for left in lefts)
    refused = []
    for counting in COUNTINGS:
        admission = counted(counting, RATE)
        admission_refused = sum(not admission.admit(at) for at in arrivals)
        refused.append(f"{counting} {admission_refused}")
    took_s = lefts[-1].at - lefts[0].at
    longest_s = max(after.at - before.at for before, after in pairwise(lefts))
    used = 100 * (len(lefts) - 1) / took_s / RATE
    return (
        f"{len(lefts)} turns, {used:.1f} % of the rate, longest gap {longest_s:.2f} s;"
        f" 429s: {', '.join(refused)}"
    )


def jain(counts: Sequence[int]) -> float:
    """Return Jain's index of fairness."""
    return sum(counts) ** 2 / (len(counts) * sum(count * count for count in counts))


def costs(workers: Sequence[Worker]) -> str:
    """Return wake-ups and CPU of a turn, without the first turns: what is cold costs more.

    The CPU is that of the whole process: its event loop and its print, too.
    """
    naps, cpu_s, turns = 0, 0.0, 0
    for worker in workers:
        lines = worker.lines
        naps += lines[-1][-2] - lines[COLD][-2]
        cpu_s += lines[-1][-1] - lines[COLD][-1]
        turns += len(lines) - 1 - COLD
    return f"{naps / turns:.3f} wake-ups and {1e6 * cpu_s / turns:.0f} µs CPU a turn"


def steady(lefts: list[Left], workers: Sequence[Worker]) -> list[Left]:
    """Return what left while all of them were there."""
    began = max(float(worker.lines[0][1]) for worker in workers)
    return [left for left in lefts if left.at >= began]


def waits(lefts: Sequence[Left]) -> str:
    """Return what visitors waited."""
    waited = sorted(left.at - left.asked_at for left in lefts if left.lane == "interactive")
    p95 = waited[int(0.95 * len(waited))]
    return f"{len(waited)} visitors, p95 {p95:.3f} s, most {waited[-1]:.3f} s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Four processes with one line.")
    parser.add_argument("--for-s", type=float, default=60.0)
    parser.add_argument("--jitter-ms", type=float, default=20.0)
    parser.add_argument("--only", default="pace,killed,visitors,busy")
    options = parser.parse_args()
    for_s, jitter_s, only = options.for_s, options.jitter_ms / 1e3, options.only.split(",")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {for_s:g} s each")
    if "pace" in only:
        workers = run(for_s, [8] * 4)
        lefts = steady(lefts_of(workers), workers)
        counts = [sum(left.worker == number for left in lefts) for number in range(4)]
        print("4 processes:", judged(lefts, jitter_s), f"; Jain {jain(counts):.5f} {counts}")
        print("    ", costs(workers))
    if "killed" in only:
        workers = run(for_s, [8] * 4, kill_every_s=4)
        print("one killed every 4 s:", judged(lefts_of(workers), jitter_s))
    if "visitors" in only:
        workers = run(for_s, [8, 8, 8, 0], every_s=2)
        lefts = steady(lefts_of(workers), workers)
        print("bulk in three, a visitor every 2 s:", judged(lefts, jitter_s), ";", waits(lefts))
    if "busy" in only:
        for every_s in (0.0, 0.7):
            workers = run(for_s, [200] * 4, every_s=every_s)
            lefts = steady(lefts_of(workers), workers)
            print(f"200 waiting in each, a visitor every {every_s:g} s:", judged(lefts, jitter_s))
            print("    ", costs(workers), waits(lefts) if every_s else "")


if __name__ == "__main__":
    main()
