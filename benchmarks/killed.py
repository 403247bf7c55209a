"""A run killed with `kill -9` at random instants, and started again until it is done.

    python benchmarks/killed.py [--kills 100] [--images 300] [--rate 60]

The emulator answers after 5 to 50 ms, and cuts one line in twenty after it has billed. Round after
round, until there were so many kills. Exit code 1 where a promise is broken: an answer that was
billed and is in no row of the ledger, an input row that is not in the output exactly once, a bill
that the ledger cannot account for.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from s2v_detect import Ledger, LedgerEntry
from s2v_detect.emulator import Cut, Emulator, Pass

LATENCY_S = (0.005, 0.05)
EARLIEST_S, LATEST_S = 0.3, 2.5
PATIENCE_S = 120.0


def start(emulator: Emulator, folder: Path, rate: float) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
    words = ["run", "in.txt", "-o", "out.jsonl", "--rate", f"{rate:g}", "--quiet"]
    return subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-m", "s2v_detect.cli", *words],
        cwd=folder,
        env=os.environ | account,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_until_done(
    emulator: Emulator, folder: Path, rate: float, chance: random.Random, most: int
) -> int:
    """Run, kill, run again; return how many kills it took."""
    kills = 0
    while True:
        process = start(emulator, folder, rate)
        try:
            wait_s = chance.uniform(EARLIEST_S, LATEST_S) if kills < most else PATIENCE_S
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            return kills


def look(emulator: Emulator, folder: Path, images: list[str]) -> Counter[str]:
    """Return what became of the images, and of the money; `broken` counts broken promises."""
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    found: Counter[str] = Counter(rows=len(rows), images=len(images))
    found["broken"] += sorted(row["index"] for row in rows) != list(range(len(images)))
    with Ledger(folder / "out.jsonl.ledger") as ledger:
        entries = ledger.entries(images)
        for image in images:
            outcomes = Counter(attempt.outcome for attempt in ledger.attempts(image))
            bills = emulator.bills[image]
            sure, unknown = outcomes["billed"], outcomes["unknown"]
            found["bills"] += bills
            found["bills beyond one"] += max(0, bills - 1)
            found["unknown requests"] += unknown
            found["of them billed"] += bills - sure
            found["resent"] += sum(outcomes.values()) > 1 and unknown > 0
            found["kept unknown"] += entries[image].state == "unknown"
            found["broken"] += not 0 <= bills - sure <= unknown
            found["broken"] += outcomes["sent"] > 0 or not is_told(entries[image], bills)
    return found


def is_told(entry: LedgerEntry, bills: int) -> bool:
    """Whether a billed image is answered or unknown."""
    return not bills or entry.state in ("answered", "unknown")


def main() -> int:
    """Print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rate", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    total: Counter[str] = Counter()
    while total["kills"] < options.kills:
        images = [
            f"https://images.example/{n}-{chance.random()}.jpg" for n in range(options.images)
        ]
        with (
            tempfile.TemporaryDirectory() as name,
            Emulator.run_in_thread(answer=Pass(), latency_s=LATENCY_S) as emulator,
        ):
            for image in chance.sample(images, len(images) // 20):
                emulator.when(image, Cut(billed=True), Pass())
            folder = Path(name)
            (folder / "in.txt").write_text("\n".join(images))
            left = options.kills - total["kills"]
            total["kills"] += kill_until_done(emulator, folder, options.rate, chance, left)
            total["rounds"] += 1
            total.update(look(emulator, folder, images))
    for name in ("rounds", "kills", "images", "rows", "bills", "bills beyond one"):
        print(f"{name:>18}  {total[name]:>6,}")
    for name in ("unknown requests", "of them billed", "resent", "kept unknown", "broken"):
        print(f"{name:>18}  {total[name]:>6,}")
    return int(total["broken"] > 0)


if __name__ == "__main__":
    sys.exit(main())
