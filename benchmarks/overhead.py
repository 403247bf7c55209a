"""CPU time per check at a lifted rate, beside a bare httpx loop against the same emulator.

    python benchmarks/overhead.py [--checks 1000] [--rounds 7]

The emulator answers from another process. Rounds alternate between the contestants, and the ratio
is the median of the rounds' ratios: the machine may be busy with other things.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from statistics import median

import httpx

from _serving import emulator_process, urls
from s2v_detect import DetectClient, LocalLimiter

CHECK_PATH = "/services/aigc/image2video/face-detect"

Contestant = Callable[[str, str, int, int], Awaitable[float]]


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
    async with DetectClient(api_key, base_url=base_url, limiter=LocalLimiter(math.inf)) as client:

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


CONTESTANTS: dict[str, Contestant] = {
    "bare httpx": bare_httpx,
    "check": our_check,
    "aiter_check": our_stream,
}


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="CPU time per check beside a bare httpx loop.")
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"{'':14}{'in flight':>10}{'ms a check':>12}{'bare httpx':>12}{'ratio':>8}   goal")
    async with emulator_process() as account:
        for in_flight in (10, 50):
            times = await raced(account, options.checks, options.rounds, in_flight)
            bare = times.pop("bare httpx")
            for name, ours in times.items():
                ratio = median(mine / its for mine, its in zip(ours, bare, strict=True))
                print(
                    f"{name:14}{in_flight:>10}{1000 * median(ours) / options.checks:>12.3f}"
                    f"{1000 * median(bare) / options.checks:>12.3f}{ratio:>8.2f}   <= 1.12"
                )


async def raced(
    account: tuple[str, str], checks: int, rounds: int, in_flight: int
) -> dict[str, list[float]]:
    """Return each contestant's CPU seconds in each round; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for number in range(rounds + 1):
        for name, contestant in CONTESTANTS.items():
            took_s = await contestant(*account, checks, in_flight)
            if number:
                times[name].append(took_s)
    return times


if __name__ == "__main__":
    asyncio.run(main())
