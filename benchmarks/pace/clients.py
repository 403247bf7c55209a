"""The clients of the pace table: the peers' own code, as their users write it, and ours.

After a 429 each takes its limiter's next turn at once, which is the best that its user can do.
aiometer starts tasks and has no turn to take again, so the task itself waits, with full jitter.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from tempfile import TemporaryDirectory

import aiometer
from aiolimiter import AsyncLimiter
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate, SingleBucketFactory

from s2v_detect import HostLimiter, LocalLimiter
from s2v_detect.limiters import GRACE_S
from service import Client, Service

WORKERS = 100
PROCESSES = 4
FIRST_RETRY_S = 1.0
POLL_S = 0.01

OurLine = HostLimiter | LocalLimiter


async def semaphore_and_sleep(service: Service, checks: int) -> None:
    """Five at a time, and each holds its place for a second more."""
    places = asyncio.Semaphore(5)

    async def check() -> None:
        async with places:
            admitted = False
            while not admitted:
                await service.connect()
                admitted = await service.ask()
                await asyncio.sleep(1)

    await asyncio.gather(*(check() for _ in range(checks)))


async def exact_spacing(service: Service, checks: int) -> None:
    """A start each 200 ms, exactly."""
    lock = asyncio.Lock()
    next_at = 0.0

    async def turn() -> None:
        nonlocal next_at
        async with lock:
            await asyncio.sleep(next_at - time.monotonic())
            next_at = time.monotonic() + 0.2

    await _check_all(service, checks, turn)


async def aiolimiter(service: Service, checks: int) -> None:
    """`AsyncLimiter(5, 1)`."""
    limiter = AsyncLimiter(5, 1)
    await _check_all(service, checks, limiter.acquire)


async def aiometer_5(service: Service, checks: int) -> None:
    """`max_per_second=5`, with the retries inside the task."""

    async def check(_: int) -> None:
        await service.connect()
        while not await service.ask():
            await asyncio.sleep(service.chance.uniform(0, FIRST_RETRY_S))
            await service.connect()

    await aiometer.run_on_each(check, range(checks), max_per_second=5)


async def pyrate_limiter(service: Service, checks: int) -> None:
    """`Rate(5, Duration.SECOND)`, without the background thread that only frees memory."""
    bucket = InMemoryBucket([Rate(5, Duration.SECOND)])
    limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False))

    async def turn() -> None:
        await limiter.try_acquire_async("checks")

    await _check_all(service, checks, turn)


async def limits(service: Service, checks: int) -> None:
    """A moving window of five a second, asked again when it says that it is reset."""
    limiter = MovingWindowRateLimiter(MemoryStorage())
    item = RateLimitItemPerSecond(5)

    async def turn() -> None:
        while not await limiter.hit(item, "checks"):
            stats = await limiter.get_window_stats(item, "checks")
            await asyncio.sleep(max(POLL_S, stats.reset_time - time.time()))

    await _check_all(service, checks, turn)


async def ours(service: Service, checks: int) -> None:
    """Our line, with the grace that the wire gives to a connection."""
    await _in_our_lines(service, checks, [LocalLimiter(clock=asyncio.get_running_loop().time)])


async def ours_four(service: Service, checks: int) -> None:
    """Four processes on the machine's line: each has a sign of life, and a wish of its own."""
    clock = asyncio.get_running_loop().time
    with TemporaryDirectory() as folder:
        lines = [HostLimiter(name="pace", directory=folder, clock=clock) for _ in range(PROCESSES)]
        await _in_our_lines(service, checks, lines)


async def aiolimiter_four(service: Service, checks: int) -> None:
    """`AsyncLimiter(5, 1)` in each of four processes, as they don't know of each other."""
    limiters = [AsyncLimiter(5, 1) for _ in range(PROCESSES)]

    async def check(limiter: AsyncLimiter) -> None:
        admitted = False
        while not admitted:
            await limiter.acquire()
            await service.connect()
            admitted = await service.ask()

    await _work(checks, *(partial(check, limiter) for limiter in limiters))


async def _in_our_lines(service: Service, checks: int, lines: Sequence[OurLine]) -> None:
    async def check(limiter: OurLine) -> None:
        while True:
            await _leave(limiter, service)
            if await service.ask():
                return
            limiter.throttled()

    await _work(checks, *(partial(check, line) for line in lines))


async def _leave(limiter: OurLine, service: Service) -> None:
    turn = await limiter.turn("bulk")
    is_withdrawn = False

    def withdraw() -> None:
        nonlocal is_withdrawn
        is_withdrawn = True
        turn.withdrawn()

    grace = asyncio.get_running_loop().call_later(GRACE_S, withdraw)
    await service.connect()
    grace.cancel()
    if is_withdrawn:
        turn = await limiter.turn("open")
    turn.left()


async def _check_all(service: Service, checks: int, turn: Callable[[], Awaitable[object]]) -> None:
    async def check() -> None:
        admitted = False
        while not admitted:
            await turn()
            await service.connect()
            admitted = await service.ask()

    await _work(checks, check)


async def _work(checks: int, *processes: Callable[[], Awaitable[None]]) -> None:
    todo = iter(range(checks))

    async def work(check: Callable[[], Awaitable[None]]) -> None:
        for _ in todo:
            await check()

    await asyncio.gather(*(work(processes[each % len(processes)]) for each in range(WORKERS)))


OURS = "s2v-detect"
OURS_FOUR = "s2v-detect, 4 processes"
CLIENTS: dict[str, Client] = {
    "Semaphore(5) + sleep(1)": semaphore_and_sleep,
    "exact 200 ms spacing": exact_spacing,
    "aiolimiter (5, 1)": aiolimiter,
    "aiometer, 5 a second": aiometer_5,
    "pyrate-limiter 5/s": pyrate_limiter,
    "limits, moving window": limits,
    "aiolimiter, 4 processes": aiolimiter_four,
    OURS_FOUR: ours_four,
    OURS: ours,
}
