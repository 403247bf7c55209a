"""Never over the account's rate, on real sockets."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpcore
import httpx
import pytest

from s2v_detect import Busy, DetectClient, Event, LocalLimiter, NotSent, RateLimited, RetryPolicy
from s2v_detect.emulator import Counting, Emulator, Error, Pass, Throttle

Urls = Callable[[int], list[str]]
IMAGE = "https://images.example/face.jpg"
COUNTINGS: list[Counting] = ["sliding", "fixed", "bucket", "spaced"]


@pytest.mark.parametrize("counting", COUNTINGS)
@pytest.mark.real_time
async def test_five_a_second_is_never_refused_however_the_service_counts(
    urls: Urls, counting: Counting
) -> None:
    """Twelve checks at the documented rate against each of the four counting models."""
    async with Emulator(answer=Pass(), counting=counting) as emulator:
        async with emulator.client(limiter=LocalLimiter()) as client:
            outcomes = [outcome async for outcome in client.aiter_check(urls(12))]
    assert len(outcomes) == 12
    assert emulator.throttled == 0
    assert emulator.busiest_second <= 5


@pytest.mark.real_time
async def test_clients_of_one_account_share_one_line(urls: Urls) -> None:
    """Three clients made without a limiter, one of them after another was closed: one line."""
    async with Emulator(answer=Pass(), counting="sliding") as emulator:
        account: dict[str, Any] = {"api_key": emulator.api_key, "base_url": emulator.base_url}
        async with DetectClient(**account) as first, DetectClient(**account) as second:
            checks = [first.check(url) for url in urls(4)]
            checks += [second.check(url + "?2") for url in urls(4)]
            await asyncio.gather(*checks)
        async with DetectClient(**account) as third:
            await asyncio.gather(*(third.check(url + "?3") for url in urls(3)))
    assert emulator.throttled == 0
    assert emulator.busiest_second <= 5


def test_threads_and_loops_of_one_process_share_one_line(s2v_emulator: Emulator) -> None:
    """Two threads, each with a loop of its own: together no more than five in a second."""
    account: dict[str, Any] = {"api_key": s2v_emulator.api_key, "base_url": s2v_emulator.base_url}

    async def screen(name: str) -> None:
        async with DetectClient(**account) as client:
            await asyncio.gather(*(client.check(f"{IMAGE}?{name}{n}") for n in range(5)))

    threads = [
        threading.Thread(target=lambda name=name: asyncio.run(screen(name))) for name in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert s2v_emulator.billed == 10
    assert s2v_emulator.busiest_second <= 5


async def test_interactive_checks_go_before_bulk(emulator: Emulator, urls: Urls) -> None:
    """A `check` that comes last goes before the stream's images that wait."""
    sent: list[Any] = []
    watch = lambda event: sent.append(event.image) if event.kind == "sent" else None  # noqa: E731
    line = LocalLimiter(20)
    async with emulator.client(limiter=line, on_event=watch) as client:
        async with client.aiter_check(urls(12)) as stream:
            await anext(stream)
            await client.check(IMAGE)
            async for _ in stream:
                pass
    assert sent.index(IMAGE) <= 3


async def test_a_check_takes_a_bulk_flight_of_the_same_image_along(
    emulator: Emulator, urls: Urls
) -> None:
    """Last in the bulk lane, it is moved up by one who waits for it, and is one request."""
    sent: list[Any] = []
    watch = lambda event: sent.append(event.image) if event.kind == "sent" else None  # noqa: E731
    last = urls(12)[-1]
    async with emulator.client(limiter=LocalLimiter(20), on_event=watch) as client:
        async with client.aiter_check(urls(12)) as stream:
            await anext(stream)
            verdict = await client.check(last)
            rest = [outcome async for outcome in stream]
    assert verdict.source == "shared"
    assert sent.index(last) <= 3
    assert len(rest) == 11
    assert emulator.bills[last] == 1


async def test_a_retry_after_pauses_the_whole_line(emulator: Emulator, urls: Urls) -> None:
    """One image is told to wait 0.3 s: none of the others is sent in that time."""
    emulator.when("*/0.jpg", Throttle(retry_after_s=0.3), Pass())
    events: list[Event] = []
    retry = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.02)
    async with emulator.client(
        limiter=LocalLimiter(20), retry=retry, on_event=events.append
    ) as client:
        outcomes = [o async for o in client.aiter_check(urls(8))]
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    told_at = next(event.at for event in events if event.kind == "throttled")
    after = [event.at for event in events if event.kind == "sent" and event.at > told_at]
    assert (min(after) - told_at).total_seconds() > 0.29


async def test_the_retries_outlast_the_services_minute_of_recovery(emulator: Emulator) -> None:
    """Still throttled when the budget is spent: `RateLimited`, free, with every attempt counted."""
    emulator.when("*", Throttle())
    retry = RetryPolicy(max_attempts=4, first_wait_s=0.001, longest_wait_s=0.001)
    async with emulator.client(retry=retry) as client:
        with pytest.raises(RateLimited) as raised:
            await client.check(IMAGE)
    assert raised.value.attempts == 4
    assert raised.value.billed == "no"


async def test_a_long_line_is_refused_at_once(emulator: Emulator, urls: Urls) -> None:
    """`max_wait_s`: `Busy` says how long the line is; nothing was sent."""
    async with emulator.client(limiter=LocalLimiter(1, per_s=10)) as client:
        async with client.aiter_check(urls(6)) as stream:
            await anext(stream)
            with pytest.raises(Busy) as raised:
                await client.check(IMAGE, lane="bulk", max_wait_s=1)
            assert (raised.value.retry_after_s or 0) > 30
    assert IMAGE not in emulator.bills


@pytest.mark.parametrize("ledger", [None, "a.db"])
async def test_many_who_come_at_once_see_each_other(
    emulator: Emulator, tmp_path: Path, ledger: str | None
) -> None:
    """Those for whom the line will be too long are told so at once, not when they have waited."""
    queued: list[Event] = []

    def watch(event: Event) -> None:
        if event.kind == "queued":
            queued.append(event)

    limiter = LocalLimiter(20)
    path = ledger and tmp_path / ledger
    async with emulator.client(limiter=limiter, on_event=watch, ledger=path) as client:
        checks = [client.check(f"{IMAGE}?{number}", max_wait_s=0.5) for number in range(60)]
        ended = await asyncio.gather(*checks, return_exceptions=True)
    busy = [error for error in ended if isinstance(error, Busy)]
    assert len(busy) >= 45
    assert all((error.retry_after_s or 0) > 0.4 for error in busy)
    assert len(queued) <= 14


@pytest.mark.parametrize("idle_s", [0.0, 3600.0])
async def test_a_line_that_stood_empty_is_not_long(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle_s: float
) -> None:
    """The first who come at once, and those after an hour, are not refused: nobody is in line."""
    later_s = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + later_s)
    monkeypatch.setattr("s2v_detect.checks._line.time", clock)
    async with emulator.client(limiter=LocalLimiter(50), ledger=tmp_path / "a.db") as client:
        if idle_s:
            await client.check(IMAGE)
            later_s = idle_s
        checks = [client.check(f"{IMAGE}?{number}") for number in range(12)]
        checking = asyncio.gather(*checks)
        while len(emulator.bills) < 6:
            await asyncio.sleep(0)
        await client.check(f"{IMAGE}?one-more", max_wait_s=1)
        await checking


async def test_a_line_that_turns_out_longer_is_refused_then(emulator: Emulator) -> None:
    """A pause that comes while one waits: the patience of `max_wait_s` ends in line."""
    emulator.when("*/throttled.jpg", Throttle(retry_after_s=30, latency_s=0.02))
    async with emulator.client(limiter=LocalLimiter(50)) as client:
        first = asyncio.create_task(client.check("https://images.example/throttled.jpg"))
        while not emulator.requests:
            await asyncio.sleep(0)
        while not emulator.throttled:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            while True:
                await client.check(IMAGE, max_wait_s=0.2)
        first.cancel()
        await asyncio.wait([first])


async def test_given_up_in_line_nothing_was_sent(emulator: Emulator) -> None:
    """`give_up_after_s` in line is `NotSent`, and free."""
    async with emulator.client(limiter=LocalLimiter(1, per_s=60)) as client:
        await client.check(IMAGE)
        with pytest.raises(NotSent, match=r"given up after 0\.05 s"):
            await client.check(IMAGE + "?2", give_up_after_s=0.05)
    assert emulator.requests == 1


class SlowBackend(httpcore.AsyncNetworkBackend):
    """The real network, on which some connections are slow to open, or never do."""

    def __init__(self, delays_s: list[float]) -> None:
        self._backend = httpcore.AnyIOBackend()
        self._delays_s = delays_s

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Connect, after the next of the delays."""
        if self._delays_s:
            await asyncio.sleep(self._delays_s.pop(0))
        return await self._backend.connect_tcp(*args, **kwargs)

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)


def slow_http(delays_s: list[float]) -> httpx.AsyncClient:
    """Return a client whose connections open after these delays, and serve one request each."""
    transport = httpx.AsyncHTTPTransport()
    transport._pool = httpcore.AsyncConnectionPool(  # noqa: SLF001  # httpx hands no backend through
        network_backend=SlowBackend(delays_s), max_keepalive_connections=0
    )
    return httpx.AsyncClient(transport=transport)


async def test_a_connection_that_hangs_stops_nobody(emulator: Emulator, urls: Urls) -> None:
    """The first connection takes a second to open; the nine behind it do not wait for it."""
    sent: list[Any] = []
    watch = lambda event: sent.append(event.image) if event.kind == "sent" else None  # noqa: E731
    async with slow_http([1.0]) as http:
        async with emulator.client(
            limiter=LocalLimiter(20), http_client=http, on_event=watch
        ) as client:
            outcomes = [o async for o in client.aiter_check(urls(10))]
    assert len(outcomes) == 10
    assert sent[-1] == urls(1)[0]


@pytest.mark.real_time
async def test_slow_connections_do_not_break_the_pace(urls: Urls) -> None:
    """Every other connection is slow; the turn that counts is the one at which the bytes leave."""
    async with Emulator(answer=Pass(), counting="sliding", rate=20.0) as emulator:
        async with slow_http([0.15, 0.0] * 20) as http:
            async with emulator.client(limiter=LocalLimiter(20), http_client=http) as client:
                outcomes = [o async for o in client.aiter_check(urls(40))]
    assert len(outcomes) == 40
    assert emulator.throttled == 0


async def test_a_connection_that_failed_is_asked_for_again_and_costs_nothing(
    emulator: Emulator,
) -> None:
    """No way there: `NotSent`, with the attempts, and the turns went back to the line."""
    retry = RetryPolicy(max_attempts=3, first_wait_s=0.001, longest_wait_s=0.001)

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no way")

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(fail)) as http,
        emulator.client(http_client=http, retry=retry) as client,
    ):
        with pytest.raises(NotSent) as raised:
            await client.check(IMAGE)
    assert raised.value.attempts == 3
    assert raised.value.billed == "no"
    assert client.spend.cost_at_most == 0


async def test_a_transport_without_events_is_paced_by_the_end_of_its_posts() -> None:
    """`MockTransport` and respx emit none: the turn is stamped when the post ends."""
    loop = asyncio.get_running_loop()
    starts: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        starts.append(loop.time())
        return httpx.Response(
            200, json={"output": {"check_pass": True}, "usage": {"image_count": 1}}
        )

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    line = LocalLimiter(20)
    async with http, DetectClient("sk-x", limiter=line, http_client=http) as client:
        await asyncio.gather(*(client.check(f"{IMAGE}?{n}") for n in range(8)))
    gaps = [after - before for before, after in pairwise(starts)]
    assert min(gaps) > 0.9 / 20
    assert client.spend.billed == 8


async def test_a_wait_in_a_small_pool_loses_no_turn(emulator: Emulator, urls: Urls) -> None:
    """A pool has no event for a wait: the turn counts as used, and another is taken after it."""
    emulator.when("*", Pass(latency_s=0.1))
    kinds: list[str] = []
    one = httpx.AsyncClient(limits=httpx.Limits(max_connections=1))
    async with (
        one,
        emulator.client(
            limiter=LocalLimiter(50),
            http_client=one,
            on_event=lambda event: kinds.append(event.kind),
        ) as client,
    ):
        outcomes = [o async for o in client.aiter_check(urls(6))]
        assert (await client.check(IMAGE, give_up_after_s=5)).check_pass
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    assert client.spend.billed == emulator.billed == 7
    assert kinds.count("sent") == 7


async def test_a_lifted_line_is_no_line(emulator: Emulator, urls: Urls) -> None:
    """At `math.inf` nobody waits, and a 429 slows only the image that got it."""
    emulator.when("*", Error(429, "Throttling"), *[Pass()] * 40)
    line = LocalLimiter(math.inf)
    retry = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.001)
    async with emulator.client(limiter=line, retry=retry) as client:
        assert line.forecast_s("bulk") == 0
        outcomes = [o async for o in client.aiter_check(urls(40))]
    assert len(outcomes) == 40
