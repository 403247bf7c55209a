"""Four processes and one line in a real Redis, on a clock that jumps: what they do as it fails."""

import asyncio
import logging
import math
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import trustme
from tests.redis_servers import AtOnce, redis_server

from s2v_detect import ConfigurationError, Event, RedisLimiter
from s2v_detect.emulator import Emulator
from s2v_detect.limiters._redis._script import key_of
from s2v_detect.models import Lane


class Fleet:
    """Some processes of one line: a limiter each, with a client each."""

    def __init__(self, server: redis.Redis, name: str, count: int = 4, **options: Any) -> None:
        self.server: Any = server
        self.name = name
        self.key = key_of(name)
        self.clients = [AtOnce(server) for _ in range(count)]
        self.loop = asyncio.get_running_loop()
        self.limiters = [
            RedisLimiter(client, name=name, clock=self.loop.time, **options)
            for client in self.clients
        ]
        self.lefts: list[tuple[float, int]] = []

    async def leave(self, number: int, lane: Lane = "bulk") -> float:
        """Take a turn, leave at once, and return when."""
        turn = await self.limiters[number].turn(lane)
        turn.left()
        self.lefts.append((self.loop.time(), number))
        return self.loop.time()

    @asynccontextmanager
    async def streams(self, waiting: int = 3) -> AsyncIterator[None]:
        """Have so many wait in each process, again and again."""

        async def stream(number: int) -> None:
            while True:
                await self.leave(number)

        processes = range(len(self.limiters))
        tasks = [asyncio.create_task(stream(each)) for each in processes for _ in range(waiting)]
        yield
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in ended} == {asyncio.CancelledError}

    def break_down(self, fault: Exception | None = None, *, frozen: bool = False) -> None:
        """Have the way to the server fail for all of them, or work again."""
        for client in self.clients:
            client.fault, client.is_frozen = fault, frozen

    def between(self, after: float, until: float) -> list[float]:
        """Return when somebody left."""
        return [at for at, _ in self.lefts if after <= at < until]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The name of a line that no other test has."""
    return str(request.node.nodeid)


async def leave_shared(limiter: RedisLimiter) -> None:
    """Take turns until one is shared: on a busy machine a call may take too long."""
    async with asyncio.timeout(10):
        (await limiter.turn()).left()
        while limiter.lost:
            await asyncio.sleep(0.3)
            (await limiter.turn()).left()


def most_in_a_second(times: list[float]) -> int:
    """Return how many left within any second."""
    return max(sum(first <= at < first + 1 for at in times) for first in times)


REFUSED = redis.ConnectionError("Error 111 connecting to cache.example:6379. Connection refused.")


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize(
    ("fault", "frozen", "forgets", "down_s"),
    [
        (REFUSED, False, True, 3.0),
        (REFUSED, False, False, 3.0),
        (None, True, False, 8.0),
        (redis.BusyLoadingError("loading"), False, True, 1.0),
        (redis.ReadOnlyError("a replica"), False, False, 2.0),
        (redis.OutOfMemoryError("full"), False, False, 12.0),
        (OSError("no route"), False, False, 30.0),
        (None, False, True, 0.0),
    ],
)
async def test_a_server_that_fails_stops_nobody(
    redis_client: redis.Redis,
    name: str,
    caplog: pytest.LogCaptureFixture,
    fault: Exception | None,
    *,
    frozen: bool,
    forgets: bool,
    down_s: float,
) -> None:
    """Refused, frozen, restarted, a replica, full, flushed: each goes on alone, in its own slot.

    Never more than five in a second; nobody is stuck; and soon after it is back, the whole rate.
    """
    fleet = Fleet(redis_client, name)
    async with fleet.streams():
        await asyncio.sleep(25)
        broke_at = fleet.loop.time()
        fleet.break_down(fault, frozen=frozen)
        await asyncio.sleep(down_s)
        back_at = fleet.loop.time()
        if forgets:
            fleet.server.delete(fleet.key)
        fleet.break_down()
        await asyncio.sleep(15)
        ended_at = fleet.loop.time()
    times = fleet.between(broke_at - 5, ended_at)
    assert most_in_a_second(times) <= 5
    assert max(after - before for before, after in pairwise(times)) < 2.2
    if down_s >= 8:
        alone = fleet.between(broke_at + 2, back_at)
        assert len(alone) / (back_at - broke_at - 2) > 5 * 0.9
        counts = [
            sum(n == each and broke_at + 2 <= at < back_at for at, n in fleet.lefts)
            for each in range(4)
        ]
        assert max(counts) - min(counts) <= 2
    assert len(fleet.between(back_at + 3, ended_at)) / (ended_at - back_at - 3) > 5 * 0.93
    told = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(told) == (4 if down_s else 0)


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize("later_s", [0.0, 0.1, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("down_s", [2.0, 14.0])
async def test_who_was_there_is_known_when_the_server_fails_again(
    redis_client: redis.Redis, name: str, down_s: float, later_s: float
) -> None:
    """It had forgotten them all. Nobody takes the others' part of the rate, for they are there."""
    fleet = Fleet(redis_client, name)
    async with fleet.streams():
        await asyncio.sleep(20)
        fleet.break_down(REFUSED)
        broke_at = fleet.loop.time()
        await asyncio.sleep(down_s)
        fleet.server.delete(fleet.key)
        fleet.break_down()
        while any(limiter.lost for limiter in fleet.limiters):
            await asyncio.sleep(0.01)
        await asyncio.sleep(later_s)
        fleet.break_down(frozen=True)
        await asyncio.sleep(8)
    assert most_in_a_second(fleet.between(broke_at - 2, math.inf)) <= 5


@pytest.mark.usefixtures("virtual_clock")
@pytest.mark.parametrize("later_s", [0.0, 0.05, 0.1, 0.15])
async def test_the_first_start_alone_keeps_its_gap(
    redis_client: redis.Redis, name: str, later_s: float
) -> None:
    """Whenever the server goes: the others may have had turns until a moment ago."""
    fleet = Fleet(redis_client, name)
    async with fleet.streams():
        await asyncio.sleep(15 + later_s)
        count = len(fleet.lefts)
        while len(fleet.lefts) == count:
            await asyncio.sleep(0.005)
        fleet.break_down(REFUSED)
        at = fleet.loop.time()
        await asyncio.gather(*(fleet.leave(number, "interactive") for number in range(4)))
        await asyncio.sleep(3)
    gaps = [after - before for before, after in pairwise(fleet.between(at - 1, at + 4))]
    assert min(gaps) > 0.19


@pytest.mark.usefixtures("virtual_clock")
async def test_a_replica_without_the_last_writes_gives_nothing_twice(
    redis_client: redis.Redis, name: str
) -> None:
    """It has an older line under the same name: the last second is counted as used up."""
    fleet = Fleet(redis_client, name)
    async with fleet.streams():
        await asyncio.sleep(20)
        older = fleet.server.dump(fleet.key)
        await asyncio.sleep(0.9)
        at = fleet.loop.time()
        fleet.server.restore(fleet.key, 60_000, older, replace=True)
        await asyncio.sleep(10)
    times = fleet.between(at - 3, at + 10)
    assert most_in_a_second(times) <= 5
    assert len(fleet.between(at + 3, at + 10)) > 5 * 7 * 0.93


@pytest.mark.usefixtures("virtual_clock")
async def test_a_line_that_stops_waits_for_the_server(
    redis_client: redis.Redis, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With `on_lost="stop"` nothing leaves while the server is away, and all goes on after it."""
    fleet = Fleet(redis_client, name, 2, on_lost="stop")
    async with fleet.streams():
        await asyncio.sleep(20)
        fleet.break_down(REFUSED)
        await asyncio.sleep(0.01)
        at = fleet.loop.time()
        await asyncio.sleep(60)
        assert not fleet.between(at, fleet.loop.time())
        fleet.break_down()
        back_at = fleet.loop.time()
        await asyncio.sleep(10)
    assert len(fleet.between(back_at + 2, back_at + 10)) > 5 * 8 * 0.9
    assert "This process waits until it can." in caplog.text


@pytest.mark.usefixtures("virtual_clock")
async def test_a_process_that_dies_costs_one_start(redis_client: redis.Redis, name: str) -> None:
    """Its wish is passed over, and its claim counts as left."""
    fleet = Fleet(redis_client, name)
    async with fleet.streams():
        await asyncio.sleep(25)
        fleet.clients[0].is_frozen = True  # this one says nothing any more
        fleet.limiters[0].on_lost = "stop"
        at = fleet.loop.time()
        await asyncio.sleep(10)
        times = fleet.between(at, at + 10)
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 0.42
    assert len([gap for gap in gaps if gap > 0.25]) <= 1


@pytest.mark.usefixtures("virtual_clock")
async def test_a_check_goes_before_every_stream(redis_client: redis.Redis, name: str) -> None:
    """In whichever process: it has the next start, and the streams share the rest evenly."""
    fleet = Fleet(redis_client, name)
    async with fleet.streams():
        await asyncio.sleep(25)
        for number in range(12):
            asked_at = fleet.loop.time()
            assert await fleet.leave(number % 4, "interactive") - asked_at < 0.25
            await asyncio.sleep(1.7)
        ended_at = fleet.loop.time()
    assert len(fleet.between(ended_at - 20, ended_at)) > 5 * 20 * 0.96


@pytest.mark.usefixtures("virtual_clock")
async def test_a_turn_costs_one_call(redis_client: redis.Redis, name: str) -> None:
    """With many waiting in each of four processes: the next wish joins as a turn is claimed."""
    fleet = Fleet(redis_client, name)
    async with fleet.streams(waiting=40):
        await asyncio.sleep(25)
        calls, count = sum(client.calls for client in fleet.clients), len(fleet.lefts)
        await asyncio.sleep(60)
        calls = sum(client.calls for client in fleet.clients) - calls
        since = fleet.lefts[count:]
        counts = [sum(each == number for _, each in since) for number in range(4)]
    assert calls <= 1.02 * (len(fleet.lefts) - count)
    assert max(counts) - min(counts) <= 1


@pytest.mark.usefixtures("virtual_clock")
async def test_bytes_that_left_late_are_told(redis_client: redis.Redis, name: str) -> None:
    """The next start counts from them; a moment later alone is no call."""
    fleet = Fleet(redis_client, name, 1)
    await fleet.leave(0)
    turn = await fleet.limiters[0].turn("bulk")
    calls = fleet.clients[0].calls
    await asyncio.sleep(0.09)
    turn.left()
    left_at = fleet.loop.time()
    await asyncio.sleep(0)
    assert await fleet.leave(0) - left_at >= 0.199
    assert fleet.clients[0].calls > calls + 1


@pytest.mark.usefixtures("virtual_clock")
async def test_who_leaves_during_a_call_gives_its_turn_back(
    redis_client: redis.Redis, name: str
) -> None:
    """The call goes on without its caller, and what it is granted goes to the next."""
    fleet = Fleet(redis_client, name, 2)
    first = asyncio.create_task(fleet.limiters[0].turn("bulk"))
    while not fleet.clients[0].calls:
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    await asyncio.sleep(0.001)  # two calls
    asked_at = fleet.loop.time()
    assert await fleet.leave(1) == asked_at


@pytest.mark.usefixtures("virtual_clock")
async def test_another_release_on_the_line_is_not_disturbed(
    redis_client: redis.Redis, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its hash stays as it is; this process goes alone, and says why."""
    fleet = Fleet(redis_client, name, 1)
    fleet.server.hset(fleet.key, mapping={"layout": "0/0", "id": "x"})
    await fleet.leave(0)
    await fleet.leave(0)
    assert fleet.server.hlen(fleet.key) == 2
    fleet.server.delete(fleet.key)
    assert caplog.text.count("another release of s2v-detect uses it") == 1


@pytest.mark.usefixtures("virtual_clock")
async def test_a_key_that_is_no_line_stops_nobody(redis_client: redis.Redis, name: str) -> None:
    """It is somebody else's, and stays as it is."""
    fleet = Fleet(redis_client, name, 1)
    fleet.server.set(fleet.key, "mine")
    await fleet.leave(0)
    assert fleet.server.get(fleet.key) == b"mine"
    fleet.server.delete(fleet.key)


@pytest.mark.usefixtures("virtual_clock")
async def test_the_key_has_no_secret_and_does_not_stay(redis_client: redis.Redis) -> None:
    """One hash tag, so that a cluster has it in one place; gone a minute after its last use."""
    fleet = Fleet(redis_client, "sk-secret", 1)
    await fleet.leave(0)
    assert 50_000 < fleet.server.pttl(fleet.key) <= 60_000
    assert fleet.key.startswith("{s2v-detect:")
    assert fleet.key.endswith("}")
    assert "secret" not in f"{fleet.key} {fleet.server.hgetall(fleet.key)}"


@pytest.mark.usefixtures("virtual_clock")
async def test_a_line_bound_to_accounts_is_one_for_each(redis_client: redis.Redis) -> None:
    """A name of its own is the same for all; so one limiter serves two keys."""
    limiter = RedisLimiter(AtOnce(redis_client))
    assert limiter.bound_to("a") is limiter.bound_to("a") is not limiter.bound_to("b")
    named = RedisLimiter(AtOnce(redis_client), name="team")
    assert named.bound_to("a") is named


@pytest.mark.usefixtures("virtual_clock")
async def test_it_is_said_how_many_processes_share_the_line(
    redis_client: redis.Redis, name: str
) -> None:
    """Those that were seen in the last ten seconds, as the line was heard of last."""
    fleet = Fleet(redis_client, name, 3)
    assert fleet.limiters[0].sharing() == (1, 0, None)
    for number in (0, 1, 2, 0):
        await fleet.leave(number)
    assert fleet.limiters[0].sharing() == (3, 2, None)
    await asyncio.sleep(11)
    await fleet.leave(0)
    assert fleet.limiters[0].sharing() == (1, 2, None)


@pytest.mark.real_time
async def test_a_real_server_is_killed_frozen_and_started_again(name: str) -> None:
    """On the machine's own clock, over a socket: no turn is stuck over a second and its gap."""
    with redis_server() as server:
        limiters = [RedisLimiter(server.url, 40, name=name) for _ in range(2)]
        times: list[float] = []
        longest_s = 0.0

        async def stream(limiter: RedisLimiter) -> None:
            nonlocal longest_s
            while True:
                asked_at = time.monotonic()
                (await limiter.turn()).left()
                times.append(time.monotonic())
                longest_s = max(longest_s, times[-1] - asked_at)

        tasks = [asyncio.create_task(stream(limiter)) for limiter in limiters]
        for act in (server.kill, server.start, server.freeze, server.thaw):
            await asyncio.sleep(1)
            await asyncio.to_thread(act)
            is_lost = act in (server.kill, server.freeze)
            async with asyncio.timeout(10):
                while {bool(limiter.lost) for limiter in limiters} != {is_lost}:
                    await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert longest_s < 1.6  # 0.3 s of patience, or the window that is used up as one comes back
    assert max(sum(first <= at < first + 1 for at in times) for first in times) <= 42


async def test_an_event_says_once_that_the_line_is_lost(
    emulator: Emulator, urls: Callable[[int], list[str]], name: str
) -> None:
    """With the first turn that is not shared, and with the first that is again."""
    events: list[Event] = []
    with redis_server() as server:
        limiter = RedisLimiter(server.url, 200, name=name)
        client = emulator.client(limiter=limiter, on_event=events.append)
        async with client:
            first, second, third, *rest = urls(8)
            await client.check(first)
            await asyncio.to_thread(server.kill)
            await client.check(second)
            await client.check(third)
            await asyncio.to_thread(server.start)
            for url in rest:
                await client.check(url)
                await asyncio.sleep(0.3 if limiter.lost else 0)
    told = [event for event in events if event.kind == "line"]
    assert [event.image for event in told][:1] == [second]
    assert [bool(event.message) for event in told] == [True, False]


async def test_a_script_that_the_server_forgot_is_loaded_again(redis_url: str, name: str) -> None:
    """As after a restart: the turn is granted all the same."""
    limiter = RedisLimiter(redis_url, 1000, name=name)
    await leave_shared(limiter)
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()
    await leave_shared(limiter)


@pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}])
async def test_a_client_that_was_given_is_used_as_it_is(
    redis_url: str, name: str, options: dict[str, Any]
) -> None:
    """Whatever its answers are like; it is not closed."""
    async with redis.asyncio.Redis.from_url(redis_url, **options) as client:
        limiter = RedisLimiter(client, 1000, name=name)
        for _ in range(3):
            await leave_shared(limiter)
        assert await client.ping()


def test_a_client_belongs_to_one_event_loop(redis_url: str, name: str) -> None:
    """The second is told what to do; a URL serves any of them."""
    client = redis.asyncio.Redis.from_url(redis_url)

    async def leave(limiter: RedisLimiter) -> None:
        (await limiter.turn()).left()

    async def leave_and_close(limiter: RedisLimiter) -> None:
        await leave(limiter)
        await client.aclose()

    given = RedisLimiter(client, 1000, name=name)
    asyncio.run(leave_and_close(given))
    with pytest.raises(ConfigurationError, match=r"another one.*Give RedisLimiter the URL"):
        asyncio.run(leave(given))
    by_url = RedisLimiter(redis_url, 1000, name=name)
    for _ in range(3):
        asyncio.run(leave_shared(by_url))


@pytest.mark.parametrize(
    "redis_", ["cache.example", "http://cache.example", "", None, 6379, redis.Redis()]
)
def test_what_is_no_redis_is_told_at_once(redis_: Any) -> None:
    """In one sentence, with what to give."""
    with pytest.raises(ConfigurationError, match='Give "redis://'):
        RedisLimiter(redis_)


def test_another_way_to_lose_is_told_at_once() -> None:
    """There are two."""
    with pytest.raises(ConfigurationError, match="on_lost is 'wait'"):
        RedisLimiter("redis://cache.example", on_lost="wait")  # type: ignore[arg-type]  # a slip


def test_without_its_extra_the_sentence_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r'pip install .*\[redis\]"'):
        RedisLimiter("redis://cache.example")


async def test_a_user_who_is_refused_is_told_at_the_first_turn(name: str) -> None:
    """No waiting mends a wrong password, or a user who may not run scripts. It is not shown."""
    with redis_server("--requirepass", "s3cret") as server:
        where = server.url.removeprefix("redis://")
        with redis.Redis.from_url(f"redis://:s3cret@{where}") as admin:
            admin.execute_command("ACL SETUSER reader on >pw ~* +@read")
            may = "+evalsha +eval +hmget +hset +pexpire +time"
            admin.execute_command(f"ACL SETUSER line on >pw ~{{s2v-detect:*}} {may}")
        for user in (":wr0ng@", "", "reader:pw@", "nobody:wr0ng@"):
            limiter = RedisLimiter(f"redis://{user}{where}", name=name)
            with pytest.raises(ConfigurationError, match="Redis refuses this user") as raised:
                while True:  # the first call may take too long on a busy machine
                    (await limiter.turn()).left()
                    await asyncio.sleep(0.3)
            assert "wr0ng" not in str(raised.value)
        for user in (":s3cret@", "line:pw@"):
            limiter = RedisLimiter(f"redis://{user}{where}", name=name)
            await leave_shared(limiter)


async def test_a_url_may_ask_for_tls(tmp_path: Path, name: str) -> None:
    """With `rediss://`; a server whose certificate is not trusted is told nothing."""
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("localhost")
    for path, pem in (
        ("key.pem", certificate.private_key_pem),
        ("cert.pem", certificate.cert_chain_pems[0]),
        ("ca.pem", authority.cert_pem),
        ("other.pem", other.cert_pem),
    ):
        pem.write_to_path(str(tmp_path / path))
    files = {"cert": "cert.pem", "key": "key.pem", "ca-cert": "ca.pem"}
    options = [
        word for kind, file in files.items() for word in (f"--tls-{kind}-file", tmp_path / file)
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options += ["--tls-port", port, "--tls-auth-clients", "no"]
    with redis_server(*map(str, options)):
        for authorities, is_trusted in (("ca.pem", True), ("other.pem", False)):
            url = f"rediss://localhost:{port}?ssl_ca_certs={tmp_path / authorities}"
            limiter = RedisLimiter(url, 1000, name=name)
            for _ in range(5):  # the first connection may take longer than a call may
                (await limiter.turn()).left()
                await asyncio.sleep(0.3 if limiter.lost else 0)
            assert bool(limiter.lost) is not is_trusted


@pytest.mark.real_time
def test_a_forked_child_has_calls_of_its_own(redis_url: str, name: str) -> None:
    """Its parent's thread and connection are not the child's; the line is the same."""
    code = f"""
import asyncio, os
from s2v_detect import RedisLimiter

async def leave():
    (await asyncio.wait_for(limiter.turn("bulk"), 5)).left()
    assert not limiter.lost, limiter.lost

limiter = RedisLimiter({redis_url!r}, 1000, name={name!r})
asyncio.run(leave())
child = os.fork()
asyncio.run(leave())
assert limiter.sharing().processes <= 2
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
asyncio.run(leave())
assert limiter.sharing() == (2, 1, None), limiter.sharing()
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  # our own lines
