"""The limiter alone: CPU per acquire, beside its peers, and wake-ups per grant with 10,000 waiting.

    python benchmarks/limiter.py [--acquires 20000]

Every limiter is asked so that nobody waits; the event loop's own cost is in each figure.
"""

import argparse
import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import aiolimiter
import anyio
import limits
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from s2v_detect import LocalLimiter

ROUNDS = 7
PLENTY = 1_000_000_000
WAITING = 10_000

Acquire = Callable[[], Awaitable[object]]


def ours(rate: float) -> Acquire:
    """Take a turn, and stamp it; the clock leaps a second at each look, so that nobody waits."""
    limiter = LocalLimiter(rate, clock=itertools.count(0.0, 1.0).__next__)

    async def acquire() -> None:
        (await limiter.turn("bulk")).left()

    return acquire


def of_aiolimiter() -> Acquire:
    """`AsyncLimiter.acquire`."""
    acquire: Acquire = aiolimiter.AsyncLimiter(PLENTY, 1).acquire
    return acquire


def of_limits() -> Acquire:
    """`MovingWindowRateLimiter.hit`."""
    limiter = MovingWindowRateLimiter(MemoryStorage())
    rate = limits.RateLimitItemPerSecond(PLENTY)
    return lambda: limiter.hit(rate, "account")


def of_semaphore(semaphore: asyncio.Semaphore | anyio.Semaphore) -> Acquire:
    """Acquire and release, as a bare semaphore does."""

    async def acquire() -> None:
        await semaphore.acquire()
        semaphore.release()

    return acquire


CONTESTANTS: dict[str, Callable[[], Acquire]] = {
    "LocalLimiter": lambda: ours(5.0),
    "LocalLimiter(math.inf)": lambda: ours(math.inf),
    "aiolimiter": of_aiolimiter,
    "limits, moving window": of_limits,
    "asyncio.Semaphore": lambda: of_semaphore(asyncio.Semaphore(1)),
    "anyio.Semaphore": lambda: of_semaphore(anyio.Semaphore(1)),
}


async def acquire_us(acquire: Acquire, count: int) -> float:
    """Return the microseconds of CPU of one acquire."""
    began_s = time.process_time()
    for _ in range(count):
        await acquire()
    return 1e6 * (time.process_time() - began_s) / count


async def wakeups_a_grant(waiting: int) -> float:
    """Return how many callbacks the loop ran for each turn that was given, with so many waiting."""
    limiter = LocalLimiter(PLENTY)
    loop = asyncio.get_running_loop()
    given = 0
    all_given = asyncio.Event()

    async def wait() -> None:
        nonlocal given
        (await limiter.turn("bulk")).left()
        given += 1
        if given == waiting:
            all_given.set()

    first = await limiter.turn("bulk")
    tasks = [loop.create_task(wait()) for _ in range(waiting)]
    await asyncio.sleep(0)  # all of them are in line now
    callbacks = 0
    call_soon = loop.call_soon

    def counted(*args: Any, **kwargs: Any) -> asyncio.Handle:
        nonlocal callbacks
        callbacks += 1
        return call_soon(*args, **kwargs)

    loop.call_soon = counted  # type: ignore[method-assign,assignment]  # this run's own loop
    first.left()
    await all_given.wait()
    del loop.call_soon
    assert all(task.done() for task in tasks)
    return callbacks / waiting


async def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="The limiter alone, beside its peers.")
    parser.add_argument("--acquires", type=int, default=20_000)
    acquires = parser.parse_args().acquires
    took: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for _ in range(ROUNDS):
        for name, make in CONTESTANTS.items():
            took[name].append(await acquire_us(make(), acquires))
    base = median(took["asyncio.Semaphore"])
    print(f"{'':26}{'µs an acquire':>14}{'of asyncio.Semaphore':>22}")
    for name, times in took.items():
        goal = "   goal <= 3 µs" if name == "LocalLimiter" else ""
        print(f"{name:26}{median(times):>14.2f}{median(times) / base:>21.1f}x{goal}")
    wakeups = await wakeups_a_grant(WAITING)
    print(f"{WAITING:,} waiting: {wakeups:.3f} wake-ups a grant   goal 1")


if __name__ == "__main__":
    asyncio.run(main())
