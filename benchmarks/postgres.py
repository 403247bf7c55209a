"""Four machines' worth of processes on one ledger in PostgreSQL: killed, and the server restarted.

    python benchmarks/postgres.py [killed] [restarted] [--images 2000] [--rate 60]

Four processes run the command over lists that have 30 % of the images in common, with one ledger on
a real server whose commits are synced. `killed`: each process is killed once (`kill -9`) at some
instant, and started again. `restarted`: the server is stopped twice in mid-run, once as by a crash.
Exit code 1 where a promise is broken: an image that was billed twice without an unknown request, a
bill that the ledger does not know, an input row that is not in its output exactly once.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from _postgres_server import PostgresServer, postgres_server
from s2v_detect import PostgresLedger
from s2v_detect.emulator import Emulator, Pass

PROCESSES = 4
IN_COMMON = 0.3
LATENCY_S = (0.02, 0.2)
PATIENCE_S = 600.0


class Command:
    """One process, with a list and an output of its own."""

    def __init__(self, folder: Path, dsn: str, account: dict[str, str], rate: float) -> None:
        self.folder = folder
        words = ["run", "in.txt", "-o", "out.jsonl", "--rate", f"{rate:g}", "--quiet"]
        self._words = [sys.executable, "-m", "s2v_detect.cli", *words, "--ledger", dsn]
        self._account = account
        self.start()

    def start(self) -> None:
        """Have it run, again."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                self._words,
                cwd=self.folder,
                env=os.environ | self._account,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def kill(self) -> None:
        """Have it gone, on whatever line it is."""
        self.process.kill()
        self.process.wait()


def lists_of(images: list[str], chance: random.Random) -> list[list[str]]:
    """Return each process' images: some that all of them have, and a part of the others."""
    common = images[: int(len(images) * IN_COMMON)]
    own = images[len(common) :]
    lists = [common + own[number::PROCESSES] for number in range(PROCESSES)]
    for each in lists:
        chance.shuffle(each)
    return lists


def kill_each_once(commands: list[Command], _: PostgresServer, chance: random.Random) -> int:
    """Kill each process once; return how many were running."""
    kills = 0
    for command in commands:
        time.sleep(chance.uniform(0.5, 2.0))
        kills += command.process.poll() is None
        command.kill()
    for command in commands:
        command.start()
    return kills


def restart_twice(_: list[Command], server: PostgresServer, chance: random.Random) -> int:
    """Stop the server as an administrator does, and then as a crash does; return how often."""
    for mode in ("fast", "immediate"):
        time.sleep(chance.uniform(2.0, 3.0))
        server.stop(mode)
        time.sleep(2.0)
        server.start()
    return 2


PARTS: dict[str, Callable[[list[Command], PostgresServer, random.Random], int]] = {
    "killed": kill_each_once,
    "restarted": restart_twice,
}


def look(emulator: Emulator, dsn: str, lists: list[list[str]], folder: Path) -> Counter[str]:
    """Return what became of the images, and of the money; `broken` counts broken promises."""
    found: Counter[str] = Counter()
    for number, images in enumerate(lists):
        lines = (folder / str(number) / "out.jsonl").read_text().splitlines()
        indexes = sorted(json.loads(line)["index"] for line in lines)
        found["rows"] += len(lines)
        found["broken"] += indexes != list(range(len(images)))
    with PostgresLedger(dsn) as ledger:
        for entry in ledger.all_entries():
            outcomes = Counter(attempt.outcome for attempt in ledger.attempts(entry.image))
            bills = emulator.bills[entry.image]
            unknown = outcomes["unknown"] + outcomes["sent"]
            found["images"] += 1
            found["bills"] += bills
            found["bills beyond one"] += max(0, bills - 1)
            found["unknown requests"] += unknown
            found["unanswered"] += entry.state != "answered"
            found["broken"] += not outcomes["billed"] <= bills <= outcomes["billed"] + unknown
            found["broken"] += bills > 1 + unknown
    found["broken"] += found["bills"] != emulator.billed
    return found


def measure(part: str, images: int, rate: float, chance: random.Random) -> Counter[str]:
    """Return the figures of one part."""
    urls = [f"https://images.example/{number}.jpg" for number in range(images)]
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_server() as server,
        Emulator.run_in_thread(answer=Pass(), latency_s=LATENCY_S, counting="none") as emulator,
    ):
        dsn, folder = server.database(), Path(name)
        account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
        lists, commands = lists_of(urls, chance), []
        began = time.monotonic()
        for number, each in enumerate(lists):
            (folder / str(number)).mkdir()
            (folder / str(number) / "in.txt").write_text("\n".join(each))
            commands.append(Command(folder / str(number), dsn, account, rate))
        while emulator.requests < images // 20:
            time.sleep(0.05)
        times = PARTS[part](commands, server, chance)
        codes = [command.process.wait(PATIENCE_S) for command in commands]
        took_s = time.monotonic() - began
        found = look(emulator, dsn, lists, folder)
        found["broken"] += codes != [0] * PROCESSES
        for command in commands if found["broken"] else ():
            print((command.folder / "log").read_text()[-2000:], file=sys.stderr)
    return found + Counter({part: times, "seconds": round(took_s)})


def main() -> int:
    """Print the tables."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=" ".join(PARTS))
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=60.0, help="of each process")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    is_broken = False
    for part in options.parts or PARTS:
        found = measure(part, options.images, options.rate, random.Random(options.seed))
        names = (part, "seconds", "images", "rows", "bills", "bills beyond one")
        for name in (*names, "unknown requests", "unanswered", "broken"):
            print(f"{name:>18}  {found[name]:>6,}")
        print()
        is_broken |= found["broken"] > 0
    return int(is_broken)


if __name__ == "__main__":
    sys.exit(main())
