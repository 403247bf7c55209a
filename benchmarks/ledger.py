"""What a ledger costs, and what it saves: rates, a million known rows, an outage.

    python benchmarks/ledger.py [lifted] [paced] [million] [outage]

Each part prints its own table; without a name, all of them (some five minutes).
"""

import argparse
import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from _serving import emulator_process, urls
from s2v_detect import DetectClient, LocalLimiter
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.ledger._sqlite import _store
from s2v_detect.ledger._sqlite._schema import VERSION

CHECKS = 3000
PAIRS = 5
PACED_S = 60.0
OUTAGE_S = 60.0
ROWS = 1_000_000


async def seconds(client: DetectClient, checks: int) -> float:
    """Return the seconds that a stream takes."""
    async with client:
        started = time.perf_counter()
        async for outcome in client.aiter_check(urls(checks)):
            assert outcome.kind == "checked"
        return time.perf_counter() - started


async def lifted(folder: Path) -> None:
    """Print the ratio of the rates without a limit, with a ledger and without."""
    ratios = []
    async with emulator_process() as (base_url, api_key):
        for number in range(PAIRS):
            took = []
            for ledger in (None, folder / f"lifted-{number}.db"):
                client = DetectClient(
                    api_key, base_url=base_url, ledger=ledger, limiter=LocalLimiter(float("inf"))
                )
                took.append(await seconds(client, CHECKS))
            ratios.append(took[0] / took[1])
            print(
                f"  {CHECKS / took[0]:>6.0f}/s without   {CHECKS / took[1]:>6.0f}/s with"
                f"   ratio {ratios[-1]:.2f}"
            )
    print(f"  ratio, the middle of {PAIRS}: {statistics.median(ratios):.2f} (goal 0.8)\n")


async def paced(folder: Path) -> None:
    """Print the utilisation at 5 a second, with a ledger and without, side by side."""

    async def one(ledger: Path | None) -> tuple[float, int]:
        checks = int(PACED_S * 5)
        async with Emulator(answer=Pass(), counting="sliding", latency_s=(0.1, 0.3)) as emulator:
            client = emulator.client(ledger=ledger, limiter=LocalLimiter())
            await seconds(client, checks)
            arrivals = [arrival.at_s for arrival in emulator.report.arrivals]
            span_s = arrivals[-1] - arrivals[0]
            return 100 * (len(arrivals) - 1) / span_s / 5, emulator.report.statuses[429]

    found = await asyncio.gather(one(None), one(folder / "paced.db"))
    for name, (share, throttled) in zip(("without", "with"), found, strict=True):
        print(f"  {name:>8}: {share:.1f} % of 5/s, {throttled} 429s in {PACED_S:.0f} s")
    print()


def fill(path: Path, rows: int = ROWS) -> None:
    """Make a ledger in which every row was answered by an earlier run of the output."""
    db = _store.connected(path, creates=True)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    db.execute("INSERT INTO about VALUES ('model', 'wan2.2-s2v-detect on this machine')")
    db.execute(
        "INSERT INTO run (id, lineage, name, token, process, started_at, ended_at, lock, schema)"
        " VALUES (1, 1, 'out.jsonl', 'token', 'a benchmark', 1.0, 2.0, '', ?)",
        (VERSION,),
    )
    db.executemany(
        "INSERT INTO image (identity, state, at, run, lineage, paid, attempts, answered_at,"
        " check_pass, request_id) VALUES (?, 'answered', 1e9, 1, 1, 1, 1, 1e9, 1, ?)",
        ((url, f"9f1c{number:032}") for number, url in enumerate(urls(rows))),
    )
    db.executemany(
        "INSERT INTO attempt (run, number, image, sent_at, ended_at, outcome)"
        " VALUES (1, ?, ?, 1e9, 1e9, 'billed')",
        ((number, number) for number in range(1, rows + 1)),
    )
    db.execute("COMMIT")
    db.close()


def prepare(folder: Path) -> None:
    """Make the input, and the ledger of an output that has all of it."""
    (folder / "in.txt").write_text("\n".join(urls(ROWS)))
    fill(folder / "out.jsonl.ledger")


def million(folder: Path) -> None:
    """Print how long a run over known rows takes, and when a new one's first request leaves."""
    # In a process of its own: a child's peak begins with what its parent held when it was made.
    with ProcessPoolExecutor(1) as other:
        other.submit(prepare, folder).result()
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        words = [sys.executable, "-m", "s2v_detect.cli", "run", "in.txt", "--quiet", "-o"]
        account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
        started_run = partial(
            subprocess.Popen,
            cwd=folder,
            env=os.environ | account,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2):
            started = time.perf_counter()
            process = started_run([*words, "out.jsonl"])
            _, status, used = os.wait4(process.pid, 0)  # of this process alone
            assert os.waitstatus_to_exitcode(status) == 0
            took_s = time.perf_counter() - started
            peak_mb = used.ru_maxrss / 1024
            print(f"  {ROWS:,} known rows: {took_s:.1f} s (goal 25), peak {peak_mb:.0f} MB (150)")
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)  # nothing at all
        bare_s = time.perf_counter() - started
        started = time.perf_counter()
        process = started_run([*words, "new.jsonl"])
        while not emulator.requests:
            time.sleep(0.002)
        first_s = time.perf_counter() - started
        process.kill()
        process.wait()
        print(
            f"  first of {ROWS:,} new rows leaves {first_s - bare_s:.2f} s after the interpreter's"
        )
        print(f"  own start of {bare_s:.2f} s (goal 0.5)\n")


async def outage(folder: Path) -> None:
    """Print what an outage of a minute costs a stream at 5 a second."""
    async with Emulator(answer=Pass(), counting="sliding", latency_s=0.1) as emulator:
        client = emulator.client(ledger=folder / "outage.db", limiter=LocalLimiter())
        loop = asyncio.get_running_loop()
        marks: list[int] = []

        def begin() -> None:
            marks.append(emulator.report.requests)
            emulator.when("*", Error(503, "ServiceUnavailable"))

        def end() -> None:
            marks.append(emulator.report.requests)
            ends.append(time.monotonic())
            emulator.when("*", Pass())

        ends: list[float] = []
        loop.call_later(10, begin)
        loop.call_later(10 + OUTAGE_S, end)
        failed = 0
        async with client, client.aiter_check(urls(150)) as stream:
            async for outcome in stream:
                failed += outcome.kind == "failed"
        arrivals = [arrival.at_s for arrival in emulator.report.arrivals]
        after = [at - ends[0] for at in arrivals if at >= ends[0]]
        # The first second in which five left, counted from its first request.
        full_s = next(
            early for early, late in zip(after, after[4:], strict=False) if late - early < 1.1
        )
        print(f"  an outage of {OUTAGE_S:.0f} s: {failed} images failed (goal 0),")
        during = marks[1] - marks[0]
        print(f"  {during} requests during it (30), full rate {full_s:.1f} s after it (3)\n")


def main() -> int:
    """Print the parts."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART")
    chosen = parser.parse_args().parts or ["lifted", "paced", "million", "outage"]
    print(f"SQLite {sqlite3.sqlite_version}, {threading.active_count()} thread\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in chosen:
            print(part)
            if part == "million":
                million(folder)
            else:
                asyncio.run({"lifted": lifted, "paced": paced, "outage": outage}[part](folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
