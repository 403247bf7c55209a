"""CPU time per check at a lifted rate, beside a bare httpx loop against the same emulator.

    python benchmarks/overhead.py [--checks 2000] [--rounds 7]

The emulator answers from another process. Rounds alternate between the contestants, and the ratio
is the median of the rounds' ratios: the machine may be busy with other things.
"""

import argparse
import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

import httpx

from s2v_detect import DetectClient, LocalLimiter

SERVE = """
import asyncio, json
from s2v_detect.emulator import Emulator, Pass

async def main():
    async with Emulator(answer=Pass()) as emulator:
        print(json.dumps([emulator.base_url, emulator.api_key]), flush=True)
        await emulator.wait()

asyncio.run(main())
"""
CHECK_PATH = "/services/aigc/image2video/face-detect"

Contestant = Callable[[str, str, int, int], Awaitable[float]]


@asynccontextmanager
async def emulator_process() -> AsyncIterator[tuple[str, str]]:
    """Give the base URL and the key of an emulator in another process."""
    process = subprocess.Popen(  # noqa: ASYNC220, S603  # before anything runs; our own script
        [sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        base_url, api_key = json.loads(process.stdout.readline())
        yield base_url, api_key
    finally:
        process.terminate()
        process.wait()


def urls(count: int) -> list[str]:
    """Return addresses that are all different."""
    return [f"https://images.example/{number}.jpg" for number in range(count)]


async def bare_httpx(base_url: str, api_key: str, checks: int, in_flight: int) -> float:
    """Return the CPU seconds of the loop that one writes by hand: no line, no retry, no books."""
    todo = iter(urls(checks))
    headers = {"Authorization": f"Bearer {api_key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, headers=headers, timeout=60) as client:

        async def worker() -> None:
            for url in todo:
                body = {"model": "wan2.2-s2v-detect", "input": {"image_url": url}}
                response = await client.post(base_url + CHECK_PATH, json=body)
                assert response.json()["output"]["check_pass"] is True

        began_s = time.process_time()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return time.process_time() - began_s


async def our_check(base_url: str, api_key: str, checks: int, in_flight: int) -> float:
    """Return the CPU seconds of `check` in as many workers."""
    todo = iter(urls(checks))
    async with DetectClient(
        api_key, base_url=base_url, limiter=LocalLimiter(math.inf)
    ) as client:

        async def worker() -> None:
            for url in todo:
                assert (await client.check(url)).check_pass

        began_s = time.process_time()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return time.process_time() - began_s


async def our_stream(base_url: str, api_key: str, checks: int, in_flight: int) -> float:
    """Return the CPU seconds of `aiter_check`."""
    async with DetectClient(
        api_key, base_url=base_url, limiter=LocalLimiter(math.inf), max_in_flight=in_flight
    ) as client:
        began_s = time.process_time()
        async for outcome in client.aiter_check(urls(checks)):
            assert outcome.kind == "checked"
        return time.process_time() - began_s


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--checks", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    contestants = {"check": our_check, "aiter_check": our_stream}
    print(f"{'':14}{'in flight':>10}{'ms a check':>12}{'bare httpx':>12}{'ratio':>8}   goal <= 1.12")
    async with emulator_process() as (base_url, api_key):
        for in_flight in (10, 50):
            times: dict[str, list[float]] = {name: [] for name in ("bare", *contestants)}
            for _ in range(options.rounds + 1):  # the first warms up, and is left out
                times["bare"].append(await bare_httpx(base_url, api_key, options.checks, in_flight))
                for name, contestant in contestants.items():
                    times[name].append(await contestant(base_url, api_key, options.checks, in_flight))
            bare = times["bare"][1:]
            for name in contestants:
                ours = times[name][1:]
                ratio = median(mine / its for mine, its in zip(ours, bare, strict=True))
                print(
                    f"{name:14}{in_flight:>10}{1000 * median(ours) / options.checks:>12.3f}"
                    f"{1000 * median(bare) / options.checks:>12.3f}{ratio:>8.2f}"
                )


if __name__ == "__main__":
    asyncio.run(main())
