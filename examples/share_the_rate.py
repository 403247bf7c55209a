"""Several processes on one account: they share its five requests a second by themselves.

    python examples/share_the_rate.py urls.txt 2

All processes of a user on one machine stand in one line for one account. Where they share no
machine, give each its part, as `DetectClient(limiter=LocalLimiter(5 / processes))` does.
"""

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from s2v_detect import DetectClient


async def screened(urls: list[str]) -> int:
    """Return how many images were answered."""
    async with DetectClient() as client:
        outcomes = [outcome async for outcome in client.aiter_check(urls)]
    return sum(outcome.kind == "checked" for outcome in outcomes)


def work(urls: list[str]) -> int:
    """Screen one part of the list, in a process of its own."""
    return asyncio.run(screened(urls))


if __name__ == "__main__":
    listed, processes = Path(sys.argv[1]).read_text(encoding="utf-8").split(), int(sys.argv[2])
    parts = [listed[first::processes] for first in range(processes)]
    with ProcessPoolExecutor(processes) as pool:
        answered = list(pool.map(work, parts))
    print(f"{sum(answered)} of {len(listed)} answered by {processes} processes")
