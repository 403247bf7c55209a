"""Several machines on one account: they share its five requests a second through one Redis.

    python examples/several_machines.py urls.txt redis://localhost:6379/0

Run it on each machine, with a part of the list each. Where Redis does not answer, each process goes
on with its share of the rate, and says so in the log.
"""

import asyncio
import sys
from pathlib import Path

from s2v_detect import DetectClient, RedisLimiter


async def screen(urls: list[str], redis_url: str) -> None:
    """Print what came of each image."""
    limiter = RedisLimiter(redis_url)
    async with DetectClient(limiter=limiter) as client:
        async for outcome in client.aiter_check(urls):
            print(outcome.kind, outcome.image)


if __name__ == "__main__":
    listed = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    asyncio.run(screen(listed, sys.argv[2]))
