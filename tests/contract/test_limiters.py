"""What every limiter keeps, on a virtual clock."""

import asyncio
import itertools
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.redis_servers import AtOnce

from s2v_detect import ConfigurationError, HostLimiter, LocalLimiter, RedisLimiter
from s2v_detect.emulator._counting import counted
from s2v_detect.limiters._pacing import GRACE_S
from s2v_detect.limiters._turns import Limiter, Sharing
from s2v_detect.models import Lane

pytestmark = pytest.mark.usefixtures("virtual_clock")

Make = Callable[[float], Limiter]


@pytest.fixture(params=["local", "host", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A limiter of each kind, on the virtual clock. Each line is a new one.

    The Redis is a real one, and runs the script; its calls take no time.
    """
    names = itertools.count()
    at_once = None
    if request.param == "redis":
        at_once = AtOnce(request.getfixturevalue("redis_client"))

    def limiter(rate: float) -> Limiter:
        clock = asyncio.get_running_loop().time
        name = f"{tmp_path}-{next(names)}"
        if request.param == "local":
            return LocalLimiter(rate, clock=clock)
        if at_once is not None:
            return RedisLimiter(at_once, rate, name=name, clock=clock)
        return HostLimiter(rate, name=name, directory=tmp_path, clock=clock)

    return limiter


@pytest.fixture(params=["local", "host", "redis"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A limiter of each kind, on the machine's own clock."""
    if request.param == "local":
        return LocalLimiter
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return lambda rate: RedisLimiter(url, rate, name=str(tmp_path))
    return lambda rate: HostLimiter(rate, name="real", directory=tmp_path)


async def leave(limiter: Limiter, lane: Lane = "bulk") -> float:
    """Take a turn, leave at once, and return when."""
    turn = await limiter.turn(lane)
    turn.left()
    return asyncio.get_running_loop().time()


async def test_no_second_holds_more_than_the_rate(make: Make) -> None:
    """Two hundred at once: any six span more than a second, and none waits without need."""
    limiter = make(5.0)
    times = sorted(await asyncio.gather(*(leave(limiter) for _ in range(200))))
    assert min(sixth - first for first, sixth in zip(times, times[5:], strict=False)) > 1.0
    assert (len(times) - 1) / (times[-1] - times[0]) > 5 * 0.95


@pytest.mark.parametrize("rate", [0.5, 2.0, 40.0])
async def test_other_rates_are_kept_as_well(make: Make, rate: float) -> None:
    """Lower, where others use the account too, and higher, where the account was raised."""
    limiter = make(rate)
    times = sorted(await asyncio.gather(*(leave(limiter) for _ in range(100))))
    assert rate * 0.9 < 99 / (times[-1] - times[0]) <= rate


async def test_a_lane_is_first_come_first_served(make: Make) -> None:
    """The order of asking is the order of the turns."""
    limiter = make(5.0)
    order: list[int] = []

    async def ask(number: int) -> None:
        await leave(limiter)
        order.append(number)

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert order == list(range(20))


async def test_lanes_go_in_their_order(make: Make) -> None:
    """Open connections, then interactive, then bulk.

    In the line of one process the first who comes holds its start; on the machine a turn is bound
    when it is claimed, and a visitor goes before every stream that has none yet.
    """
    limiter = make(5.0)
    order: list[str] = []
    await leave(limiter)

    async def ask(lane: Lane) -> None:
        await leave(limiter, lane)
        order.append(lane)

    lanes: list[Lane] = ["bulk", "bulk", "interactive", "open", "interactive", "open"]
    await asyncio.gather(*(ask(lane) for lane in lanes))
    in_order = ["open", "open", "interactive", "interactive", "bulk", "bulk"]
    if isinstance(limiter, LocalLimiter):
        in_order.insert(0, in_order.pop())
    assert order == in_order


async def test_a_turn_that_is_withdrawn_goes_to_the_next_at_once(make: Make) -> None:
    """No slot is lost: the next leaves at the very time of the one that was given back."""
    limiter = make(5.0)
    loop = asyncio.get_running_loop()
    await leave(limiter)
    turn = await limiter.turn("bulk")
    following = asyncio.create_task(leave(limiter))
    await asyncio.sleep(GRACE_S)
    turn.withdrawn()
    withdrawn_at = loop.time()
    assert await following == withdrawn_at


async def test_one_who_is_cancelled_in_line_costs_nobody_a_turn(make: Make) -> None:
    """Waiting, holding the permit, or just granted: the rest go on as if it had never come."""
    limiter = make(5.0)
    tasks = [asyncio.create_task(leave(limiter)) for _ in range(30)]
    await asyncio.sleep(0)
    for number in (1, 2, 7, 20):  # 1 holds the permit and sleeps to its start
        tasks[number].cancel()
    await asyncio.wait(tasks)
    times = [task.result() for task in tasks if not task.cancelled()]
    assert len(times) == 26
    undisturbed = make(5.0)
    other = [await leave(undisturbed) for _ in range(26)]
    # In Redis the pace learns with the next call, and one who leaves makes a call fewer.
    lag_s = 0.005 if isinstance(limiter, RedisLimiter) else 0.0
    assert times[-1] - times[0] == pytest.approx(other[-1] - other[0], abs=0.001 + lag_s)


async def test_a_line_says_what_the_account_gives_where_it_is_less_than_the_rate(
    make: Make,
) -> None:
    """The vendor lowers the rate to three a second, and raises it again."""
    limiter = make(5.0)
    told = []
    for rate, requests in ((5.0, 160), (3.0, 80), (5.0, 60)):
        admission = counted("sliding", rate)
        for _ in range(requests):
            if not admission.admit(await leave(limiter)):
                limiter.throttled()
        told.append(Sharing.of(limiter).given_per_s)
    assert told == [None, pytest.approx(3.0), None]


async def test_a_line_says_how_wide_its_margin_is(make: Make) -> None:
    """Wide as it opens, and narrow after fifty requests: in figures that have no tail."""
    limiter = make(5.0)
    told = [limiter.margin]  # type: ignore[attr-defined]  # beside the protocol, as `sharing` is
    for _ in range(50):
        await leave(limiter)
    told.append(limiter.margin)  # type: ignore[attr-defined]  # as above
    assert told == [0.15, 0.02]


async def test_a_throttle_pauses_the_line_once_an_episode(make: Make) -> None:
    """Five 429s of one moment slow the line by one pause; the line goes on by itself."""
    limiter = make(5.0)
    loop = asyncio.get_running_loop()
    await leave(limiter)
    told_at = loop.time()
    for _ in range(5):
        limiter.throttled(2.0)
    assert 2.0 <= await leave(limiter) - told_at < 2.3


@pytest.mark.parametrize("nonsense", [math.nan, -5.0, math.inf, 1e9])
async def test_a_nonsensical_retry_after_does_not_stop_the_line(
    make: Make, nonsense: float
) -> None:
    """A line that never moves again would lose every answer still to come."""
    limiter = make(5.0)
    await leave(limiter)
    limiter.throttled(nonsense)
    began = asyncio.get_running_loop().time()
    assert await leave(limiter) - began <= 300


async def test_the_forecast_tells_how_long_the_line_is(make: Make) -> None:
    """With thirty in line at five a second, a newcomer waits some six seconds; an open one none."""
    limiter = make(5.0)
    assert limiter.forecast_s("bulk") == 0
    tasks = [asyncio.create_task(leave(limiter)) for _ in range(30)]
    await asyncio.sleep(0.01)
    forecast_s = limiter.forecast_s("bulk")
    began = asyncio.get_running_loop().time()
    waited_s = await leave(limiter) - began
    assert forecast_s == pytest.approx(waited_s, rel=0.15)
    assert limiter.forecast_s("open") <= 0.5
    await asyncio.wait(tasks)


@pytest.mark.parametrize(("rate", "per_s"), [(0, 1), (-1, 1), (math.nan, 1), (5, 0), (5, math.inf)])
@pytest.mark.parametrize(
    "kind", [LocalLimiter, HostLimiter, partial(RedisLimiter, "redis://localhost")]
)
def test_a_rate_that_cannot_be_kept_is_refused(
    kind: Callable[[float, float], Limiter], rate: float, per_s: float
) -> None:
    """At once, with what to do."""
    with pytest.raises(ConfigurationError, match="Give a rate above 0"):
        kind(rate, per_s)


def test_a_permit_held_by_a_closed_loop_is_free(real: Make) -> None:
    """A loop that was closed without a word took its permit along: the next has it."""
    limiter = real(1000)
    dead = asyncio.new_event_loop()
    dead.run_until_complete(limiter.turn("bulk"))  # granted, and never told that it left
    dead.close()
    assert asyncio.run(leave(limiter)) > 0


def test_waiters_of_a_closed_loop_are_passed_over(real: Make) -> None:
    """The permit goes to one who can still take it."""
    limiter = real(1000)

    async def hold_and_queue(dead: asyncio.AbstractEventLoop) -> None:
        turn = await limiter.turn("bulk")
        waiting = dead.create_task(limiter.turn("bulk"))
        dead.call_soon(dead.stop)
        await asyncio.to_thread(dead.run_forever)
        dead.close()
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  # it is destroyed pending, on purpose
        turn.left()
        (await limiter.turn("bulk")).left()

    asyncio.run(hold_and_queue(asyncio.new_event_loop()))


@pytest.mark.real_time
def test_a_forked_child_has_a_line_of_its_own() -> None:
    """The parent's waiters belong to loops that the child does not have."""
    code = """
import asyncio, os
from s2v_detect.limiters import shared_line

line = shared_line("https://a.example", "m", "k")
asyncio.run(line.turn("bulk"))  # held, and never told that it left
child = os.fork()
if not child:
    other = shared_line("https://a.example", "m", "k")
    asyncio.run(asyncio.wait_for(other.turn("bulk"), 5))
    os._exit(0 if other is not line else 1)
assert os.waitpid(child, 0)[1] == 0
assert shared_line("https://a.example", "m", "k") is line
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603  # our own lines
    assert done.returncode == 0


def test_threads_take_turns_in_one_line(real: Make) -> None:
    """Four loops in four threads, two hundred turns: none is lost and none is given twice."""
    limiter = real(2000)
    taken: list[float] = []

    async def work() -> None:
        for _ in range(50):
            taken.append(await leave(limiter))  # appended as the turns come

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 200
