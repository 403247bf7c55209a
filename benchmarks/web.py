"""The web example under a crowd: two workers, one line, one ledger, and visitors who leave.

    python benchmarks/web.py
    python benchmarks/web.py --visitors 60 --waves 1

Every wave of visitors comes within two seconds, and a third of them leave while they wait. The
emulator is a process of its own and counts five a second in any second. Every visitor is a bare
socket, so that those who ask do not take the processor from those who answer.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from s2v_detect import Ledger

HERE = Path(__file__).parent
EMULATOR = """
import asyncio, json, sys
from s2v_detect.emulator import Emulator, Pass

async def main():
    answer = Pass(latency_s=0.3)
    async with Emulator(answer=answer, counting="sliding") as emulator:
        print(json.dumps([emulator.base_url, emulator.api_key]), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(json.dumps([emulator.statuses, emulator.bills, emulator.busiest_second]))

asyncio.run(main())
"""
COMING_S = 2.0
LEAVING_WITHIN_S = 15.0
LONGEST_WAIT_S = 30  # of the example
GRACE_S = 0.5  # what a busy worker needs to take visitors in who came at one time
FIRST = 8  # before the crowds: each worker loads what it needs for its first visitor


@dataclass
class Visitor:
    """One who asks, and what came of it. Times are since the wave began."""

    url: str
    came_s: float
    stays_s: float
    sent_s: float | None = None
    ended_s: float | None = None
    end: str = "left"
    told_s: float = 0.0
    """When the worker first told of the place: it has taken the visitor into the line."""


@dataclass
class Wave:
    """One crowd."""

    visitors: list[Visitor] = field(default_factory=list)

    def of(self, end: str) -> list[Visitor]:
        """Return those who ended so."""
        return [visitor for visitor in self.visitors if visitor.end == end]

    @property
    def overtaken_s(self) -> float:
        """By how much one who was in line later was sent earlier, at most."""
        sent = sorted((each for each in self.visitors if each.sent_s), key=lambda each: each.told_s)
        worst, latest = 0.0, 0.0
        for visitor in sent:
            assert visitor.sent_s is not None
            worst = max(worst, latest - visitor.sent_s)
            latest = max(latest, visitor.sent_s)
        return worst


@contextmanager
def emulator() -> Iterator[tuple[dict[str, str], "subprocess.Popen[str]"]]:
    """Give the account of an emulator in a process of its own, and the process."""
    process = subprocess.Popen(  # noqa: S603  # our own script
        [sys.executable, "-c", EMULATOR], stdin=-1, stdout=-1, text=True
    )
    try:
        assert process.stdout
        base_url, api_key = json.loads(process.stdout.readline())
        yield {"DASHSCOPE_BASE_URL": base_url, "DASHSCOPE_API_KEY": api_key}, process
    finally:
        process.kill()
        process.communicate()


@asynccontextmanager
async def served(environment: dict[str, str], workers: int) -> AsyncIterator[int]:
    """Serve the example, and give its port; its workers have written what they measured after."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--workers", str(workers), "--port", str(port), "--no-access-log"]
    words += ["--timeout-worker-healthcheck", "60", "--app-dir", str(HERE), "_web_worker:app"]
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", *words), env=environment, stderr=subprocess.PIPE
    )
    assert server.stderr
    started = 0
    async with asyncio.timeout(60):
        while started < workers:
            line = await server.stderr.readline()
            assert line, "the server has ended"
            started += b"startup complete" in line
    try:
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        await server.communicate()


async def visit(visitor: Visitor, port: int, began: float) -> None:
    """Come, ask, and follow the events to the end, or leave before it."""
    await asyncio.sleep(visitor.came_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = urlencode({"url": visitor.url})
    head = f"POST /checks HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n"
    writer.write(f"{head}{body}".encode())
    try:
        async with asyncio.timeout(visitor.stays_s):
            await _follow(visitor, reader, began)
    except TimeoutError:
        pass
    finally:
        visitor.ended_s = time.monotonic() - began
        writer.close()


async def _follow(visitor: Visitor, reader: asyncio.StreamReader, began: float) -> None:
    event = ""
    async for line in reader:
        name, _, value = line.decode().strip().partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            told = json.loads(value)
            if event == "place" and told["stage"] == "sent":
                visitor.sent_s = time.monotonic() - began
            elif event == "place":
                visitor.told_s = visitor.told_s or time.monotonic() - began
            elif event in {"verdict", "problem"}:
                visitor.end = "answered" if event == "verdict" else told["title"]


async def wave(number: int, count: int, port: int, chance: random.Random) -> Wave:
    """Let a crowd come; return it when nobody is there any more."""
    coming = Wave()
    for place in range(count):
        came_s = COMING_S * place / count
        stays_s = chance.uniform(0.5, LEAVING_WITHIN_S) if place % 3 == 0 else 90.0
        coming.visitors.append(Visitor(f"https://images.example/{number}-{place}", came_s, stays_s))
    began = time.monotonic()
    await asyncio.gather(*(visit(visitor, port, began) for visitor in coming.visitors))
    return coming


def print_wave(number: int, told: Wave) -> None:
    """Print what came of a crowd."""
    busy = told.of("Too many are waiting")
    others = len(told.visitors) - len(told.of("left")) - len(told.of("answered")) - len(busy)
    longest = max((each.sent_s - each.came_s for each in told.visitors if each.sent_s), default=0)
    to_busy = max((each.ended_s - each.came_s for each in busy if each.ended_s), default=0)
    print(f"\nwave {number}: {len(told.visitors)} visitors in {COMING_S:g} s")
    for name, what in (
        ("answered", f"{len(told.of('answered'))}, the longest wait {longest:.1f} s"),
        ("told Busy", f"{len(busy)}, after {to_busy:.1f} s at most (goal {LONGEST_WAIT_S})"),
        ("left", f"{len(told.of('left'))}"),
        ("ended otherwise", f"{others} (goal 0)"),
        ("overtaken", f"by {told.overtaken_s:.2f} s at most (goal {GRACE_S:g})"),
    ):
        print(f"  {name:24}{what}")


def print_books(waves: list[Wave], counted: str, ledger: Path) -> None:
    """Print what the service billed beside what was sent, by the visitors and by the ledger."""
    statuses, bills, busiest = json.loads(counted)
    visitors = [visitor for told in waves for visitor in told.visitors]
    in_line = [each for each in visitors if each.end == "left" and each.sent_s is None]
    paid = [each for each in in_line if each.url in bills]
    with Ledger(ledger) as books:
        days = books.statement()
    recorded = f"{sum(day.billed for day in days)} of {sum(day.requests for day in days)} requests"
    print("\nall waves")
    for name, what in (
        ("statuses", f"{statuses}, {busiest} in the busiest second (goal: 200 alone, 5)"),
        ("bills", f"{sum(bills.values())}; the ledger has {recorded}"),
        ("images billed twice", f"{sum(count > 1 for count in bills.values())} (goal 0)"),
        ("left while in line", f"{len(in_line)}, billed {len(paid)} (goal 0, but for an instant)"),
    ):
        print(f"  {name:24}{what}")


def print_workers(folder: Path, began: float) -> None:
    """Print what the workers measured of themselves, since the crowds came."""
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text())
        first = max((computed_s for at, _, computed_s in told["loop"] if at < began), default=0)
        late = sorted(late_s for at, late_s, _ in told["loop"] if at >= began)
        computed = max(computed_s for at, _, computed_s in told["loop"] if at >= began)
        memory = " ".join(f"{each:.0f}" for each in told["rss_mb"])
        print(f"\nworker {path.stem}")
        print(f"  {'loop computed':24}{1000 * computed:.0f} ms without a pause (goal 50); in the")
        print(f"  {'':24}start and for the first visitors {1000 * first:.0f} ms")
        most_ms, worst_ms = 1000 * late[int(0.99 * len(late))], 1000 * late[-1]
        print(f"  {'loop late':24}{most_ms:.0f} ms in 99 of 100, {worst_ms:.0f} at worst (goal 50)")
        print(f"  {'memory every 10 s':24}{memory} MB")


async def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="The web example under a crowd.")
    parser.add_argument("--visitors", type=int, default=200, help="of a wave")
    parser.add_argument("--waves", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name, emulator() as (account, service):
        folder = Path(name)
        own = {"S2V_DETECT_STATE_DIR": name, "WEB_BENCHMARK_FOLDER": name}
        ledger = folder / "portraits.db"
        environment = {**os.environ, **account, **own, "WEB_APP_LEDGER": str(ledger)}
        waves = []
        async with served(environment, options.workers) as port:
            waves.append(await wave(0, FIRST, port, chance))
            began = time.monotonic()
            for number in range(1, options.waves + 1):
                waves.append(await wave(number, options.visitors, port, chance))
                print_wave(number, waves[-1])
        counted, _ = service.communicate("\n")
        print_books(waves, counted, ledger)
        print_workers(folder, began)


if __name__ == "__main__":
    asyncio.run(main())
