"""Several processes on one account: each gets its share of the five requests a second.

    python examples/share_the_rate.py urls.txt 2

The line of a client is per process. Two processes with the default line would send ten requests a
second together, and the service would throttle both.
"""

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from s2v_detect import DetectClient, LocalLimiter

ACCOUNT_RATE = 5.0


async def screened(urls: list[str], rate: float) -> int:
    """Return how many images were answered."""
    async with DetectClient(limiter=LocalLimiter(rate)) as client:
        outcomes = [outcome async for outcome in client.aiter_check(urls)]
    return sum(outcome.kind == "checked" for outcome in outcomes)


def work(urls: list[str], rate: float) -> int:
    """Screen one part of the list, in a process of its own."""
    return asyncio.run(screened(urls, rate))


if __name__ == "__main__":
    listed, processes = Path(sys.argv[1]).read_text(encoding="utf-8").split(), int(sys.argv[2])
    parts = [listed[first::processes] for first in range(processes)]
    with ProcessPoolExecutor(processes) as pool:
        answered = list(pool.map(work, parts, [ACCOUNT_RATE / processes] * processes))
    print(f"{sum(answered)} of {len(listed)} answered by {processes} processes")
