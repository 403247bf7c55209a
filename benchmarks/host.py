"""The machine's line, by rows: pace, fairness, kills, visitors, CPU, wake-ups, and its peers.

    uv run --group bench python benchmarks/host.py [ROW …] [--for-s 60] [--way WAY …]

The processes are real, and so are the file, its lock and the timers. The service is not: each
request's bytes arrive up to J after they left, and the emulator's own admissions count the arrivals
of all processes afterwards, in all four ways. So one run shows every way, and `--way` chooses what
is told. `CLOCK_MONOTONIC` is one clock for all processes.
"""

import argparse
import asyncio
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from s2v_detect import HostLimiter, LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.emulator._counting import Counting, counted

RATE = 5.0
COLD = 10
PROCESSES = 4
WORKER = Path(__file__).parent / "_line_worker.py"
COUNTINGS: tuple[Counting, ...] = ("sliding", "fixed", "bucket", "spaced")


class Left(NamedTuple):
    """One turn of one process."""

    worker: int
    lane: str
    asked_at: float
    at: float


class Worker:
    """One process, whose lines go to a file: a pipe of a killed one could be cut."""

    def __init__(
        self, folder: Path, waiting: int, every_s: float, latest: float, line: str = "host"
    ) -> None:
        self.lines: list[list[Any]] = []
        self.path = folder / f"worker-{time.monotonic_ns()}.jsonl"
        with self.path.open("w") as out:
            self.process = subprocess.Popen(  # noqa: S603  # our own script
                [
                    *(sys.executable, str(WORKER), str(folder)),
                    *(str(waiting), str(every_s), str(latest), line),
                ],
                stdout=out,
            )

    @property
    def began(self) -> float:
        """When it was ready; never, where it was killed before."""
        return float(self.lines[0][1]) if self.lines else -math.inf

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
    for_s: float,
    waiting: Sequence[int],
    *,
    every_s: float = 0.0,
    kill_every_s: float = 0.0,
    line: str = "host",
) -> list[Worker]:
    """Run workers for so long; the last one has visitors, the first ones are killed in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        latest = time.monotonic() + for_s + 2
        last = len(waiting) - 1
        workers = [
            Worker(folder, count, every_s if number == last else 0.0, latest, line)
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


def judged(lefts: Sequence[Left], options: argparse.Namespace, seed: int = 1) -> str:
    """Return the pace, and the 429s of each way of counting."""
    chance = random.Random(seed)
    arrivals = sorted(left.at + chance.uniform(0, options.jitter_ms / 1e3) for left in lefts)
    refused = []
    for counting in options.way:
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

    The CPU is that of the whole process: its event loop, the timers and its print, too.
    """
    naps, cpu_s, turns = 0, 0.0, 0
    for worker in workers:
        lines = worker.lines[min(COLD, len(worker.lines) // 2) :]
        naps += lines[-1][-2] - lines[0][-2]
        cpu_s += lines[-1][-1] - lines[0][-1]
        turns += len(lines) - 1
    return f"{naps / turns:.3f} wake-ups and {1e6 * cpu_s / turns:.0f} µs CPU a turn"


def steady(lefts: list[Left], workers: Sequence[Worker]) -> list[Left]:
    """Return what left while all of them were there."""
    began = max(worker.began for worker in workers)
    return [left for left in lefts if left.at >= began]


def waits(lefts: Sequence[Left]) -> str:
    """Return what visitors waited."""
    waited = sorted(left.at - left.asked_at for left in lefts if left.lane == "interactive")
    p95 = waited[int(0.95 * len(waited))]
    return f"{len(waited)} visitors, p95 {p95:.3f} s, most {waited[-1]:.3f} s"


def four(options: argparse.Namespace, line: str = "host") -> None:
    """Eight waiting in each of four processes."""
    workers = run(options.for_s, [8] * PROCESSES, line=line)
    lefts = steady(lefts_of(workers), workers)
    counts = [sum(left.worker == number for left in lefts) for number in range(PROCESSES)]
    print(f"{judged(lefts, options)}; Jain {jain(counts):.5f} {counts}; {costs(workers)}")


def killed(options: argparse.Namespace) -> None:
    """One of the four is killed every 4 s, and started again."""
    workers = run(options.for_s, [8] * PROCESSES, kill_every_s=4)
    began = max(worker.began for worker in workers[:PROCESSES])
    print(judged([left for left in lefts_of(workers) if left.at >= began], options))


def visited(options: argparse.Namespace) -> None:
    """Streams in three processes, and a visitor every 2 s in the fourth."""
    workers = run(options.for_s, [8, 8, 8, 0], every_s=2)
    lefts = steady(lefts_of(workers), workers)
    print(f"{judged(lefts, options)}; {waits(lefts)}")


def woken(options: argparse.Namespace, every_s: float = 0.0) -> None:
    """Two hundred waiting in each of four processes."""
    workers = run(options.for_s, [200] * PROCESSES, every_s=every_s)
    lefts = steady(lefts_of(workers), workers)
    print(f"{costs(workers)}; {judged(lefts, options)}", waits(lefts) if every_s else "")


def turn_cost(options: argparse.Namespace) -> None:
    """The CPU of a turn alone: four lines in one process, on a clock that waits for nothing."""
    del options
    for kind, waiting in product((HostLimiter, LocalLimiter), (8, 200)):
        found = [asyncio.run(_turn_s(kind, waiting)) for _ in range(25)]
        print(
            f"  {kind.__name__}, {waiting} waiting in each: {1e6 * min(found):.0f} µs at best,"
            f" {1e6 * median(found):.0f} µs in the middle"
        )


class _Clock:
    """Stands still while anything is ready, and jumps when the loop would sleep."""

    def __init__(self, selector: Any) -> None:
        self._selector = selector
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0
        return self._selector.select(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._selector, name)


async def _turn_s(kind: type[HostLimiter | LocalLimiter], waiting: int) -> float:
    loop: Any = asyncio.get_running_loop()
    clock = loop._selector = _Clock(loop._selector)  # noqa: SLF001  # no other way to hand it in
    loop.time = now = lambda: clock.now
    taken, turns = 0, 400
    with tempfile.TemporaryDirectory() as folder:
        shared: dict[str, Any] = (
            {"name": "cost", "directory": folder} if kind is HostLimiter else {}
        )
        lines = [kind(clock=now, **shared) for _ in range(PROCESSES)]

        async def stream(line: HostLimiter | LocalLimiter) -> None:
            nonlocal taken
            while taken < turns:
                taken += 1
                (await line.turn("bulk")).left()

        began = time.process_time()
        await asyncio.gather(*(stream(line) for line in lines for _ in range(waiting)))
    return (time.process_time() - began) / taken


def alone(options: argparse.Namespace) -> None:
    """One process: the machine's line beside the process's own, in turns."""
    for _ in range(2):
        for line in ("host", "each its own"):
            workers = run(options.for_s / 4, [8], line=line)
            print(f"{line}: {judged(lefts_of(workers), options)}; {costs(workers)}")


def imported(options: argparse.Namespace) -> None:
    """What the first default line of a process adds to the import."""
    del options
    code = (
        "import time; from s2v_detect import {0}; began = time.perf_counter(); {0}({1});"
        "print(time.perf_counter() - began)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"XDG_STATE_HOME": folder}
        environ.pop("S2V_DETECT_STATE_DIR", None)
        for kind, given in (("LocalLimiter", ""), ("HostLimiter", "name='import'")):
            found = [
                float(
                    subprocess.run(  # noqa: S603  # our own line
                        [sys.executable, "-c", code.format(kind, given)],
                        env=environ,
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout
                )
                for _ in range(9)
            ]
            print(f"{kind}: {1e3 * median(found):.1f} ms")


def read_only(options: argparse.Namespace) -> None:
    """A home that can't be written: it works, with one log record."""
    del options
    code = """
import asyncio, logging
from s2v_detect import DetectClient
from s2v_detect.emulator import Emulator, Pass

records = []
handler = logging.Handler()
handler.emit = records.append
logging.getLogger("s2v_detect").addHandler(handler)

async def main():
    async with Emulator(answer=Pass()) as emulator:
        async with DetectClient(emulator.api_key, base_url=emulator.base_url) as client:
            urls = [f"https://images.example/{number}.jpg" for number in range(12)]
            kinds = [outcome.kind async for outcome in client.aiter_check(urls)]
        print(f"{kinds.count('checked')} of 12 checked, {emulator.statuses}, {len(records)} record")

asyncio.run(main())
"""
    with tempfile.NamedTemporaryFile() as no_folder:  # root may write into a read-only one
        environ = os.environ | {"S2V_DETECT_STATE_DIR": no_folder.name}
        subprocess.run([sys.executable, "-c", code], env=environ, check=True)  # noqa: S603


def two_runs(options: argparse.Namespace) -> None:
    """Two `s2v-detect run` at one time, and nothing said, over real sockets."""
    rows = int(options.for_s * RATE / 2)
    counting = options.way[0]
    with (
        tempfile.TemporaryDirectory() as name,
        Emulator.run_in_thread(answer=Pass(), counting=counting) as emulator,
    ):
        folder = Path(name)
        environ = os.environ | {
            "S2V_DETECT_STATE_DIR": name,
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": emulator.base_url,
        }
        runs = []
        for each in "ab":
            urls = [f"https://images.example/{each}-{number}.jpg\n" for number in range(rows)]
            (folder / f"{each}.txt").write_text("".join(urls))
            words = [
                "run",
                f"{each}.txt",
                "-o",
                f"{each}.jsonl",
                "--summary",
                f"{each}.json",
                "--quiet",
            ]
            command = [sys.executable, "-m", "s2v_detect.cli", *words]
            with (folder / f"{each}.err").open("w") as told:
                runs.append(subprocess.Popen(command, cwd=folder, env=environ, stderr=told))  # noqa: S603
        for started in runs:
            started.wait()
        arrivals = [arrival.at_s for arrival in emulator.arrivals]
        used = 100 * (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / RATE
        met = [json.loads((folder / f"{each}.json").read_text())["processes_met"] for each in "ab"]
        print(f"{counting}: {used:.1f} % of the rate, {emulator.statuses}, others met: {met}")


ROWS: dict[str, tuple[str, float, Callable[[argparse.Namespace], None]]] = {
    "four-processes": (">= 96.5 %, no 429, Jain >= 0.999", 1, four),
    "killed": (">= 92 %, no 429, no gap over 1 s", 1, killed),
    "visitors": ("p95 <= 0.25 s, >= 96 %", 1, visited),
    "wake-ups": ("<= 1.1 wake-ups", 1, woken),
    "wake-ups-visited": ("<= 1.6 wake-ups", 1, partial(woken, every_s=0.7)),
    "turn": ("<= 100 µs, beyond a LocalLimiter's", 0, turn_cost),
    "alone": ("no difference", 1, alone),
    "import": ("<= 5 ms more", 0, imported),
    "read-only": ("works, one log record", 0, read_only),
    "two-runs": ("as four-processes, each has met 1", 1, two_runs),
    "peer-each": (
        "four processes, each with a line of its own",
        1,
        partial(four, line="each its own"),
    ),
    "peer-fourth": (
        "four processes, each with a fourth",
        1,
        partial(four, line="a fourth for each"),
    ),
    "peer-pyrate": ("pyrate-limiter: SQLite, a file lock", 1, partial(four, line="pyrate-limiter")),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The machine's line, by rows.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--for-s", type=float, default=60.0)
    parser.add_argument("--jitter-ms", type=float, default=20.0)
    parser.add_argument("--way", nargs="+", choices=COUNTINGS, default=list(COUNTINGS))
    options = parser.parse_args()
    chosen = options.rows or list(ROWS)
    if unknown := set(chosen) - set(ROWS):
        parser.error(f"no row is called {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    total_s = sum(3 + (options.for_s + 3) * ROWS[row][1] for row in chosen)
    print(f"{len(chosen)} rows, {total_s:.0f} s in all; {os.cpu_count()} processors")
    for row in chosen:
        goal, _, measured = ROWS[row]
        print(f"{row} (goal: {goal}; load {os.getloadavg()[0]:.1f}): ", end="", flush=True)
        measured(options)


if __name__ == "__main__":
    main()
