"""Somebody waits for a check: in an outage and in a dead network he is told at once, and when next.

The network fails between a real client and a real emulator. The event loop's clock jumps.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from tests.outages import virtually
from tests.uploading import is_credential, picture, through

from s2v_detect import (
    Busy,
    DetectClient,
    DetectError,
    Event,
    LocalLimiter,
    NotSent,
    OutcomeUnknown,
    RetryPolicy,
    ServiceUnavailable,
)
from s2v_detect.emulator import Emulator, Pass

CONNECTING_S = 5.0
MOST_RESTS_S = 1 + 2 + 4 + 8
"""Before the fifth request of one image, by the policy that is the default."""

Meet = Callable[[httpx.Request], Awaitable[httpx.Response | None]]


def now() -> float:
    """Return the seconds of the loop."""
    return asyncio.get_running_loop().time()


def after_s(wait_s: float, what: Exception | httpx.Response) -> Meet:
    """Return a network in which each request ends so after a wait."""

    async def meet(request: httpx.Request) -> httpx.Response | None:
        at = {"host": request.url.host, "port": request.url.port}
        await request.extensions["trace"]("connection.connect_tcp.started", at)
        await asyncio.sleep(wait_s)
        if isinstance(what, Exception):
            raise what
        return httpx.Response(what.status_code, headers=what.headers, content=what.content)

    return meet


REFUSED = after_s(0.001, httpx.ConnectError("refused"))
BLACK_HOLE = after_s(CONNECTING_S, httpx.ConnectTimeout("no answer to the SYN"))
NO_ROOM = after_s(CONNECTING_S, httpx.PoolTimeout("the pool is full"))
OVERLOADED = after_s(0.02, httpx.Response(503, json={"code": "ServiceUnavailable"}))
LATER = after_s(
    0.02,
    httpx.Response(503, json={"code": "ServiceUnavailable"}, headers={"Retry-After": "7"}),
)
GATEWAY = after_s(1.0, httpx.Response(502, text="<html>Bad Gateway"))
DEAD = {"refused": REFUSED, "black hole": BLACK_HOLE, "no room": NO_ROOM}
OUT = {"overloaded": OVERLOADED, "later": LATER, "gateway": GATEWAY}
NETWORKS = {**DEAD, **OUT}


async def ends_of(client: DetectClient, count: int, **bounds: float) -> list[tuple[float, object]]:
    """Return how long each of these checks took, and how it ended."""

    async def one(number: int) -> tuple[float, object]:
        began = now()
        try:
            end: object = await client.check(f"https://images.example/{number}.jpg", **bounds)  # type: ignore[arg-type]  # the bounds alone
        except DetectError as error:
            end = error
        return now() - began, end

    return await asyncio.gather(*(one(number) for number in range(count)))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("count", [1, 8])
def test_the_first_who_meet_an_outage_are_told_as_it_begins(name: str, count: int) -> None:
    """Not when the retries of a minute and a half are over."""

    async def main() -> None:
        async with Emulator() as emulator, through(emulator, NETWORKS[name]) as client:
            ends = await ends_of(client, count)
            for took_s, error in ends:
                assert isinstance(error, NotSent | ServiceUnavailable | OutcomeUnknown)
                most_s = MOST_RESTS_S + 5 * CONNECTING_S if count == 1 else 4 + CONNECTING_S
                assert took_s < most_s
                assert error.attempts <= 5
                # OutcomeUnknown is asked for once more, and may end before the outage is known.
                if name != "gateway":
                    assert 1 <= (error.retry_after_s or 0) <= 7

    virtually(main)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_next_is_told_at_once(name: str) -> None:
    """By `retry_after_s`, when the service is tried again: who comes then is the one who tries."""

    async def main() -> None:
        async with Emulator() as emulator, through(emulator, NETWORKS[name]) as client:
            await ends_of(client, 8)
            await ends_of(client, 1)  # it may be the trial
            for _ in range(3):
                [(took_s, error)] = await ends_of(client, 1)
                assert isinstance(error, NotSent)
                assert "the service has been out for" in str(error)
                assert took_s < 0.01
                assert error.attempts == 0
                assert 1 <= (error.retry_after_s or 0) <= 31
                await asyncio.sleep(0.1)

    virtually(main)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_one_who_tries_is_told_by_his_first_request(name: str) -> None:
    """His request is the trial. It ends, he is told; nobody is waited for, nothing is repeated."""

    async def main() -> None:
        async with Emulator() as emulator, through(emulator, NETWORKS[name]) as client:
            await ends_of(client, 8)
            for _ in range(40):
                await asyncio.sleep(3)
                [(took_s, error)] = await ends_of(client, 1)
                assert isinstance(error, DetectError)
                assert took_s < CONNECTING_S + 1
                assert error.attempts <= 1
                assert (error.retry_after_s or 0) >= 1

    virtually(main)


@pytest.mark.parametrize("name", DEAD)
@pytest.mark.parametrize("max_wait_s", [0.0, 2.0, 8.0])
def test_max_wait_s_bounds_what_can_not_be_sent(name: str, max_wait_s: float) -> None:
    """One who meets a dead network alone does not wait until five requests have failed."""

    async def main() -> None:
        rests = RetryPolicy(wait=lambda _: 0.5)
        async with Emulator() as emulator, through(emulator, DEAD[name], retry=rests) as client:
            [(took_s, error)] = await ends_of(client, 1, max_wait_s=max_wait_s)
            assert isinstance(error, NotSent)
            assert error.billed == "no"
            assert error.retry_after_s
            assert took_s < max_wait_s + CONNECTING_S + 0.2

    virtually(main)


def test_max_wait_s_ends_as_the_bytes_leave() -> None:
    """The answer may take longer: it is waited for, and so is a retry after it."""

    async def main() -> None:
        calls = 0

        async def meet(_: httpx.Request) -> httpx.Response | None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(20)
            return None if calls > 1 else httpx.Response(429, json={"code": "Throttling"})

        async with Emulator(answer=Pass()) as emulator, through(emulator, meet) as client:
            [(took_s, verdict)] = await ends_of(client, 1, max_wait_s=1)
            assert not isinstance(verdict, DetectError)
            assert 40 < took_s < 45
            assert calls == 2

    virtually(main)


def test_a_network_that_comes_back_costs_a_check_nothing_but_time() -> None:
    """Fewer faults than an outage has, within `max_wait_s`: it is asked again, and answered."""

    async def main() -> None:
        left = [httpx.ConnectError("refused")] * 3

        async def meet(_: httpx.Request) -> httpx.Response | None:
            if left:
                raise left.pop()
            return None

        async with Emulator(answer=Pass()) as emulator, through(emulator, meet) as client:
            [(_, verdict)] = await ends_of(client, 1, max_wait_s=8)
            assert not isinstance(verdict, DetectError)
            assert emulator.billed == 1

    virtually(main)


def test_a_known_outage_is_told_before_an_upload() -> None:
    """Nothing is put into the store for a check that is refused."""

    async def main() -> None:
        kinds: list[str] = []

        async def meet(request: httpx.Request) -> httpx.Response | None:
            kinds.append(request.url.path)
            return None if is_credential(request) else await OVERLOADED(request)

        async with Emulator() as emulator, through(emulator, meet) as client:
            await ends_of(client, 8)
            del kinds[:]
            began = now()
            with pytest.raises(NotSent, match="the service has been out for") as raised:
                await client.check(picture())
            assert now() - began < 1
            assert raised.value.retry_after_s
            assert kinds == []

    virtually(main, has_threads=True)


def test_in_an_outage_of_the_store_an_upload_is_tried_once() -> None:
    """It is free, and it may be the one that works. Nobody waits for a minute behind it."""

    async def main() -> None:
        tried = 0

        async def meet(request: httpx.Request) -> httpx.Response | None:
            nonlocal tried
            tried += 1
            return await BLACK_HOLE(request)

        async with Emulator() as emulator, through(emulator, meet) as client:
            began = now()
            with pytest.raises(NotSent, match="not uploaded"):
                await client.check(picture())
            assert now() - began < MOST_RESTS_S + 5 * CONNECTING_S
            before, began = tried, now()
            with pytest.raises(NotSent, match="not uploaded") as raised:
                await client.check(picture(9))
            assert raised.value.retry_after_s
            assert now() - began < CONNECTING_S + 1
            assert tried == before + 1

    virtually(main, has_threads=True)


def test_what_the_ledger_knows_is_answered_in_an_outage(tmp_path: Path) -> None:
    """The service is not needed for it."""

    async def main() -> None:
        is_out = False

        async def meet(request: httpx.Request) -> httpx.Response | None:
            return await OVERLOADED(request) if is_out else None

        ledger = tmp_path / "l.db"
        async with (
            Emulator(answer=Pass()) as emulator,
            through(emulator, meet, ledger=ledger) as client,
        ):
            await client.check("https://images.example/known.jpg")
            is_out = True
            await ends_of(client, 8)
            known = await client.check("https://images.example/known.jpg")
            assert (known.source, known.billed) == ("ledger", "no")

    virtually(main, has_threads=True)


def test_a_stream_goes_on_where_its_check_was_told() -> None:
    """Both asked for one image: the stream waits the outage out, and its image is checked."""

    async def main() -> None:
        is_out = False

        async def meet(request: httpx.Request) -> httpx.Response | None:
            return await OVERLOADED(request) if is_out else None

        events: list[Event] = []
        async with (
            Emulator(answer=Pass()) as emulator,
            through(emulator, meet, on_event=events.append) as client,
        ):
            is_out = True
            await ends_of(client, 8)
            stream = client.aiter_check(["https://images.example/both.jpg"])
            taking = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(1)
            began = now()
            with pytest.raises(NotSent, match="has been out for"):
                await client.check("https://images.example/both.jpg")
            assert now() - began < 0.05
            await asyncio.sleep(30)
            is_out = False
            assert (await taking).kind == "checked"

    virtually(main)


def test_a_long_line_is_still_busy() -> None:
    """`max_wait_s` is about the line first: the network is sound."""

    async def main() -> None:
        async with Emulator(answer=Pass()) as emulator:
            line = LocalLimiter(1, 10, clock=now)
            async with emulator.client(limiter=line) as client:
                ends = await ends_of(client, 3, max_wait_s=5)
                errors = [end for _, end in ends if isinstance(end, DetectError)]
                assert len(errors) == 2
                assert all(isinstance(error, Busy) for error in errors)

    virtually(main)
