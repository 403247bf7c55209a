"""The garbage collector closes what was left suspended: in the middle of anything.

It runs in any thread and between any two steps, also while its thread holds a lock. So what a
coroutine does as it is closed must wait for no lock. Here coroutines are closed at such moments, as
the collector closes them.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, thread
from pathlib import Path
from typing import Any

import pytest
from tests.redis_servers import AtOnce

from s2v_detect import HostLimiter, LocalLimiter, RedisLimiter
from s2v_detect._waiting import Mutex
from s2v_detect.limiters._redis._calls import Answer, Call
from s2v_detect.limiters._turns import Limiter
from s2v_detect.models import LANES, Lane

Suspended = list[Coroutine[Any, Any, object]]


class ClosingClock:
    """A clock that closes what is suspended whenever somebody asks for the time.

    Limiters ask with a lock in their hands, too.
    """

    def __init__(self) -> None:
        self.suspended: Suspended = []

    def __call__(self) -> float:
        """Return the time."""
        close_all(self.suspended)
        return time.monotonic()


def close_all(suspended: Suspended) -> None:
    """Close them, and let go of them."""
    while suspended:
        suspended.pop().close()


@pytest.fixture
def clock() -> ClosingClock:
    """A clock with nothing to close yet."""
    return ClosingClock()


@pytest.fixture(params=["local", "host", "redis"])
def limiter(request: pytest.FixtureRequest, tmp_path: Path, clock: ClosingClock) -> Limiter:
    """A limiter of each kind, on that clock."""
    if request.param == "local":
        return LocalLimiter(20, clock=clock)
    if request.param == "host":
        return HostLimiter(20, name="line", directory=tmp_path, clock=clock)
    client = AtOnce(request.getfixturevalue("redis_client"))
    return RedisLimiter(client, 20, name=str(tmp_path), clock=clock)


def suspended_in(limiter: Limiter, lanes: tuple[Lane, ...] = ("bulk", "bulk", "open")) -> Suspended:
    """Return coroutines that wait for a turn: the first holds the permit of its lane, if it can."""
    waiting: Suspended = [limiter.turn(lane) for lane in lanes]
    for each in waiting:
        each.send(None)
    return waiting


async def leave(limiter: Limiter) -> None:
    """Take a turn, and leave."""
    (await limiter.turn("bulk")).left()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda limiter: limiter.throttled(0.001), id="a 429"),
        pytest.param(lambda limiter: limiter.forecast_s("bulk"), id="a forecast"),
        pytest.param(lambda limiter: limiter.sharing(), id="who shares it"),
        pytest.param(lambda limiter: limiter.margin, id="the margin"),
    ],
)
async def test_it_may_be_while_the_line_is_asked(
    limiter: Limiter, clock: ClosingClock, ask: Callable[[Limiter], object]
) -> None:
    """The lock that they would need is held then, by this very thread."""
    await leave(limiter)
    for _ in range(3):
        clock.suspended = suspended_in(limiter)
        ask(limiter)
        close_all(clock.suspended)
    async with asyncio.timeout(10):
        await leave(limiter)
    assert limiter.forecast_s("open") < 1  # of those who have gone nobody is waited for


async def test_it_may_be_while_others_take_their_turns(
    limiter: Limiter, clock: ClosingClock
) -> None:
    """Whoever comes after them has a turn, and each one only."""
    await leave(limiter)
    async with asyncio.timeout(30):
        for _ in range(20):
            clock.suspended = suspended_in(limiter)
            asyncio.get_running_loop().call_later(0.01, clock)  # if nobody asks before
            await asyncio.gather(*(leave(limiter) for _ in range(3)))
    assert not clock.suspended


async def test_it_may_be_while_somebody_joins_the_queue(
    monkeypatch: pytest.MonkeyPatch, clock: ClosingClock
) -> None:
    """A future is made while the queue is locked, and to make one may start the collector."""
    limiter, loop = LocalLimiter(20, clock=clock), asyncio.get_running_loop()
    make = loop.create_future

    def create_future() -> "asyncio.Future[Any]":
        close_all(suspended)
        return make()

    await leave(limiter)
    suspended = suspended_in(limiter)
    monkeypatch.setattr(loop, "create_future", create_future)
    async with asyncio.timeout(10):
        await leave(limiter)
    assert not suspended


async def test_it_may_be_while_work_is_handed_to_an_executor(
    redis_url: str, tmp_path: Path
) -> None:
    """All executors of a process share one lock: held for ever, no name is resolved any more."""
    limiter = RedisLimiter(redis_url, 20, name=str(tmp_path))
    await leave(limiter)
    suspended = suspended_in(limiter)
    with thread._global_shutdown_lock:  # noqa: SLF001  # nothing public holds it for so long
        close_all(suspended)
    async with asyncio.timeout(10):
        assert await asyncio.to_thread(int, "3") == 3
        await leave(limiter)


def test_a_closed_loop_takes_no_permit_of_others(limiter: Limiter, clock: ClosingClock) -> None:
    """Its holder is collected late: somebody else holds the permit by then, and keeps it."""
    if isinstance(limiter, RedisLimiter):
        pytest.skip("a client that was given belongs to one loop")

    async def suspend() -> Suspended:
        await leave(limiter)
        return suspended_in(limiter, ("bulk",))

    dead = asyncio.new_event_loop()
    late = dead.run_until_complete(suspend())
    dead.close()

    async def work() -> None:
        held = await limiter.turn("bulk")
        close_all(late)
        gc.collect()
        second = asyncio.ensure_future(leave(limiter))
        await asyncio.sleep(0.05)
        assert not second.done()
        held.left()
        await asyncio.wait_for(second, 10)

    asyncio.run(work())
    assert clock.suspended == []


async def test_a_call_has_ended_when_it_is_known_here(redis_url: str) -> None:
    """Its answer is there a moment before: who took that for none would go on alone."""
    said: Future[Answer] = Future()
    call = Call(said, 0.0, LANES.index("bulk"), is_back=False)
    waiting = asyncio.ensure_future(call.wait(10))
    said.set_result(Answer([], 0.0, 0.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    call.ended.set_result(None)
    await waiting
    assert redis_url


def test_work_is_done_before_anybody_else_holds_the_lock() -> None:
    """Handed in by another thread while it was held, or by its holder: in the order of coming."""
    mutex, done = Mutex(), list[str]()
    with mutex:
        mutex.do(lambda: done.append("the holder's"))
        other = threading.Thread(target=mutex.do, args=(lambda: done.append("another's"),))
        other.start()
        other.join(10)
        assert not other.is_alive()
        assert done == []
    assert done == ["the holder's", "another's"]
    mutex.do(lambda: done.append("at once"))
    assert done[-1] == "at once"


def test_who_holds_the_lock_may_take_it_again() -> None:
    """As a handler of our logs does, who asks the limiter that logs."""
    mutex, done = Mutex(), list[int]()
    with mutex:
        with mutex:
            mutex.do(lambda: done.append(1))
        assert done == []
    assert done == [1]


@pytest.mark.parametrize("is_entered", [True, False])
def test_work_that_fails_leaves_the_lock_free(*, is_entered: bool) -> None:
    """It should raise nothing; if it does, nobody else waits for that."""
    mutex = Mutex()

    def fail() -> None:
        raise ZeroDivisionError

    def use() -> None:
        if is_entered:
            with mutex:
                mutex.do(fail)
        else:
            mutex.do(fail)

    with pytest.raises(ZeroDivisionError):
        use()
    free = threading.Thread(target=mutex.__enter__, daemon=True)
    free.start()
    free.join(10)
    assert not free.is_alive()
