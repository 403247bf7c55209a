"""What a folder of files costs: uploads, bills and credentials, beside the rate that it reaches.

    python benchmarks/folder.py [--files 1000] [--copies 300]

A third of the files are copies of others under other names: they must cost nothing.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from s2v_detect.emulator import Emulator, Pass


def fill(folder: Path, files: int, copies: int) -> None:
    """Make a folder of images, some of them twice."""
    chance = random.Random(1)
    for number in range(files - copies):
        shade = (number % 256, number // 256, 0)
        Image.new("RGB", (400, 400), shade).save(folder / f"{number}.png")
    originals = sorted(folder.iterdir())
    for number in range(copies):
        content = chance.choice(originals).read_bytes()
        (folder / f"copy-{number}.png").write_bytes(content)


async def screened(folder: Path, ledger: Path) -> tuple[float, int, int, int]:
    """Return the seconds, uploads, bills and credentials of a stream over the folder."""
    paths = list(folder.iterdir())  # noqa: ASYNC240  # before anything runs
    random.Random(2).shuffle(paths)
    async with Emulator(answer=Pass()) as emulator:
        started = time.perf_counter()
        async with emulator.client(ledger=ledger) as client:
            async for outcome in client.aiter_check(paths):
                assert outcome.kind == "checked"
        took_s = time.perf_counter() - started
        return took_s, emulator.store.uploaded, emulator.billed, emulator.store.granted


def main() -> int:
    """Print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--copies", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photographs"
        folder.mkdir()
        fill(folder, given.files, given.copies)
        print(f"  {given.files:,} files, {given.copies:,} of them copies, limit lifted")
        for run in ("first", "again"):
            took_s, uploads, bills, credentials = asyncio.run(
                screened(folder, Path(name) / "ledger.db")
            )
            print(
                f"  {run}: {uploads} uploads, {bills} bills, {credentials} credentials,"
                f" {given.files / took_s:.0f} files a second"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
