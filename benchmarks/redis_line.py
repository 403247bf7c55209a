"""Four processes with one line in Redis: pace, fairness, calls, visitors, and a server that fails.

    python benchmarks/redis_line.py [--for-s 60] [--jitter-ms 20] [--only pace,busy,…] [--peers]

The server is a real `redis-server` of PATH, on a free port. The processes and their timers are real
too; the service is not: see `benchmarks/host.py`, which judges the arrivals. Calls are what the
server counted (`INFO commandstats`), from when all processes are warm. A peer waits in its own way
in a process that asks again and again for the next turn.
"""

import argparse
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import redis

from host import COUNTINGS, Left, jain, judged, lefts_of, waits
from host import Worker as Lines

WARM_TURNS = 60  # of all of them: the pace is narrow then

# Writes a line for each turn, as the workers of benchmarks/host.py; and one for each fault.
WORKER = """
import asyncio, json, logging, sys, time
logging.disable(logging.CRITICAL)

def ours(url):
    from s2v_detect import RedisLimiter
    limiter = RedisLimiter(url, name="benchmark")
    async def turn(lane):
        return (await limiter.turn(lane)).left
    return turn

def pyrate(url):
    from pyrate_limiter import Duration, Limiter, Rate, RedisBucket
    from redis.asyncio import Redis
    made = []
    async def turn(lane):
        if not made:
            made.append(asyncio.ensure_future(RedisBucket.init(
                [Rate(5, Duration.SECOND)], Redis.from_url(url), "benchmark")))
        bucket = await made[0]
        if len(made) == 1:
            made.append(Limiter(bucket))
        await made[1].try_acquire_async("benchmark")
        return lambda: None
    return turn

def limits(url):
    from limits import parse
    from limits.aio.storage import RedisStorage
    from limits.aio.strategies import MovingWindowRateLimiter
    limiter = MovingWindowRateLimiter(RedisStorage("async+" + url, implementation="redispy"))
    rate = parse("5/second")
    async def turn(lane):
        while not await limiter.hit(rate, "benchmark"):
            window = await limiter.get_window_stats(rate, "benchmark")
            await asyncio.sleep(max(0.001, window.reset_time - time.time()))
        return lambda: None
    return turn

def throttled(url):
    from throttled.asyncio import RateLimiterType, Throttled, rate_limiter
    from throttled.asyncio.store import RedisStore
    limiter = Throttled(key="benchmark", using=RateLimiterType.GCRA.value,
        quota=rate_limiter.per_sec(5, burst=1), store=RedisStore(server=url), timeout=60)
    async def turn(lane):
        while (await limiter.limit()).limited:
            pass
        return lambda: None
    return turn

async def main(kind, url, waiting, every_s):
    turn = globals()[kind](url)
    def say(kind, *more):
        print(json.dumps([kind, *more, 0, time.process_time()]), flush=True)
    async def leave(lane):
        asked_at = time.monotonic()
        try:
            left = await turn(lane)
        except Exception as error:
            now = time.monotonic()
            say("fault", asked_at, now, repr(error)[:60])
            await asyncio.sleep(0.1)
            return
        at = time.monotonic()
        left()
        say(lane, asked_at, at)
    async def stream():
        while True:
            await leave("bulk")
    say("ready", time.monotonic(), time.monotonic())
    tasks = [asyncio.create_task(stream()) for _ in range(waiting)]
    while True:  # until it is killed
        await asyncio.sleep(every_s or 1.0)
        if every_s:
            tasks.append(asyncio.create_task(leave("interactive")))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
"""


class Server:
    """A Redis on one port."""

    def __init__(self, folder: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}"
        program = shutil.which("redis-server")
        assert program, "no redis-server in PATH"
        self._command = [program, "--port", str(port), "--bind", "127.0.0.1"]
        self._command += ["--save", "", "--dir", folder]
        self.client: Any = redis.Redis.from_url(self.url, socket_timeout=5)
        self.start()

    def start(self) -> None:
        """Have it answer."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: S603  # our own
        while True:
            with suppress(redis.RedisError):
                self.client.ping()
                return
            time.sleep(0.01)

    def kill(self) -> None:
        """Have it gone."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Stop it, or have it go on."""
        self._process.send_signal(number)

    def calls(self) -> int:
        """Return how many commands it was sent, but for those of this benchmark."""
        stats = self.client.info("commandstats")
        ours = {"cmdstat_info", "cmdstat_ping", "cmdstat_hello", "cmdstat_client"}
        # What a script does is counted too.
        inner = {"cmdstat_time", "cmdstat_hmget", "cmdstat_hset", "cmdstat_pexpire"}
        counted = (name for name in stats if "|" not in name and name not in ours | inner)
        if "cmdstat_evalsha" in stats:
            counted = (name for name in stats if name.startswith("cmdstat_eval"))
        return sum(int(stats[name]["calls"]) for name in counted)


class Worker(Lines):
    """One process; `benchmarks/host.py` reads its lines."""

    def __init__(self, folder: Path, kind: str, url: str, waiting: int, every_s: float) -> None:
        self.lines = []
        self.path = folder / f"worker-{time.monotonic_ns()}.jsonl"
        words = [kind, url, str(waiting), str(every_s)]
        with self.path.open("w") as out:
            self.process = subprocess.Popen([sys.executable, "-c", WORKER, *words], stdout=out)  # noqa: S603  # our own


class Run:
    """What came of some processes on one server."""

    def __init__(
        self,
        kind: str,
        waiting: Sequence[int],
        for_s: float,
        every_s: float = 0.0,
        disturb: Callable[[Server], None] | None = None,
    ) -> None:
        with tempfile.TemporaryDirectory() as name, ExitStack() as ends:
            server = Server(name)
            ends.callback(server.kill)
            last = len(waiting) - 1
            self.workers = [
                Worker(Path(name), kind, server.url, count, every_s * (at == last))
                for at, count in enumerate(waiting)
            ]
            for worker in self.workers:
                ends.callback(worker.process.kill)
            until = time.monotonic() + 60
            while sum(self._turns(worker) for worker in self.workers) < WARM_TURNS:
                assert time.monotonic() < until, f"{kind} does not begin"
                time.sleep(0.1)
            began, calls = time.monotonic(), server.calls()
            self.disturbed_at = began
            if disturb is not None:
                disturb(server)
            time.sleep(max(0.0, began + for_s - time.monotonic()))
            ended, self.calls = time.monotonic(), server.calls() - calls
            for worker in self.workers:
                worker.process.kill()
                worker.process.wait()
                worker.keep()
        faults = [line for worker in self.workers for line in worker.lines if line[0] == "fault"]
        self.faults = [line[3] for line in faults]
        everything = [left for left in lefts_of(self.workers) if left.lane != "fault"]
        self.lefts = [left for left in everything if began <= left.at < ended]

    @staticmethod
    def _turns(worker: Worker) -> int:
        return worker.path.read_text().count("\n")

    def told(self, options: argparse.Namespace) -> str:
        """Return the row: pace, 429s, fairness, calls."""
        counts = [sum(left.worker == at for left in self.lefts) for at in range(len(self.workers))]
        words = f"{judged(self.lefts, options)}; Jain {jain(counts):.5f} {counts}"
        return f"{words}; {self.calls / len(self.lefts):.3f} calls a grant"


def most_in_a_second(lefts: Sequence[Left]) -> int:
    """Return how many left in any second, at most."""
    times = [left.at for left in lefts]
    return max(
        sum(first <= at < first + 1 for at in times[number : number + 30])
        for number, first in enumerate(times)
    )


def killed(server: Server) -> None:
    """Have it gone for three seconds, and back with nothing in it."""
    server.kill()
    time.sleep(3)
    server.start()


def frozen(server: Server) -> None:
    """Have it answer nothing for eight seconds."""
    server.signal(signal.SIGSTOP)
    time.sleep(8)
    server.signal(signal.SIGCONT)


def restarted(server: Server) -> None:
    """Have it lose everything within a moment."""
    server.kill()
    server.start()


def flushed(server: Server) -> None:
    """Have it forget everything."""
    server.client.flushall()


def failures(kind: str, for_s: float) -> None:
    """Print what happens as the server fails."""
    for disturb, down_s in ((killed, 3.0), (frozen, 8.0), (restarted, 0.0), (flushed, 0.0)):
        run = Run(kind, [8] * 4, max(for_s, down_s + 8), disturb=disturb)
        times = [left.at - run.disturbed_at for left in run.lefts]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        full = [at for at in times if at > down_s]
        back_s = next(
            (at - down_s for i, at in enumerate(full[:-15]) if (full[i + 15] - at) < 15 / 5 / 0.9),
            float("nan"),
        )
        print(
            f"{kind}, {disturb.__name__}: {len(run.faults)} exceptions"
            f" {sorted(set(run.faults))[:2]}, longest gap {max(gaps):.2f} s,"
            f" at most {most_in_a_second(run.lefts)} in a second,"
            f" full rate {back_s:.2f} s after it was back"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Four processes with one line in Redis.")
    parser.add_argument("--for-s", type=float, default=60.0)
    parser.add_argument("--jitter-ms", type=float, default=20.0)
    parser.add_argument("--only", default="pace,busy,visitors,failures")
    parser.add_argument("--peers", action="store_true", help="pyrate-limiter, limits, throttled-py")
    parser.add_argument("--way", nargs="+", choices=COUNTINGS, default=COUNTINGS)
    options = parser.parse_args()
    for_s, only = options.for_s, options.only.split(",")
    kinds = ["ours", *(["pyrate", "limits", "throttled"] if options.peers else [])]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, {for_s:g} s each")
    print(f"redis-py {redis.__version__}")
    for kind in kinds:
        if "pace" in only:
            print(f"{kind}, 8 waiting in each of 4:", Run(kind, [8] * 4, for_s).told(options))
        if "busy" in only:
            print(f"{kind}, 200 waiting in each of 4:", Run(kind, [200] * 4, for_s).told(options))
        if "visitors" in only and kind == "ours":
            run = Run(kind, [8, 8, 8, 0], for_s, every_s=2.0)
            print("ours, a visitor every 2 s:", run.told(options), ";", waits(run.lefts))
        if "failures" in only:
            failures(kind, for_s)


if __name__ == "__main__":
    main()
