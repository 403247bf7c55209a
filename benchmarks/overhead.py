"""CPU time per check at a lifted rate, beside a bare httpx loop against the same emulator.

    python benchmarks/overhead.py [--checks 1000] [--rounds 7]

The emulator answers from another process. Rounds alternate between the contestants, and the ratio
is the median of the rounds' ratios: the machine may be busy with other things. The last line is
the longest step of the event loop when many checks with a `max_wait_s` come at once.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from statistics import median

import httpx

from _serving import emulator_process, urls
from s2v_detect import Busy, DetectClient, LocalLimiter

AT_ONCE = 10_000
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


async def longest_step_s(base_url: str, api_key: str, max_wait_s: float) -> float:
    """Return the CPU seconds of the longest step of the loop when 10,000 checks came at once."""
    longest_s = 0.0

    async def beat() -> None:
        nonlocal longest_s
        while True:
            began_s = time.thread_time()
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.thread_time() - began_s)

    async with DetectClient(api_key, base_url=base_url, limiter=LocalLimiter(5)) as client:
        beating = asyncio.create_task(beat())
        await asyncio.sleep(0.1)
        checks = [
            asyncio.create_task(client.check(url, max_wait_s=max_wait_s)) for url in urls(AT_ONCE)
        ]
        await asyncio.sleep(0.5)
        beating.cancel()
        for check in checks:
            check.cancel()
        ended = await asyncio.gather(*checks, return_exceptions=True)
        assert all(isinstance(each, Busy | asyncio.CancelledError) or each for each in ended)
    return longest_s


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
        for max_wait_s in (1, AT_ONCE):
            held_s = median([await longest_step_s(*account, max_wait_s) for _ in range(3)])
            print(
                f"{AT_ONCE:,} checks at once, max_wait_s={max_wait_s:,}: "
                f"the longest step of the loop takes {held_s:.2f} s of CPU"
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
