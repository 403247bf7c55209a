"""A client at one instant: `client.statistics()` and `client.forecast_s()`."""

import asyncio
import json
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import get_args

import pytest
from tests.outages import images, virtually

from s2v_detect import (
    ConfigurationError,
    DetectClient,
    Event,
    HostLimiter,
    LocalLimiter,
    NotSent,
)
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.limiters import Turn
from s2v_detect.models import Lane


class Held:
    """A line that moves when it is told to."""

    rate = 5.0
    per_s = 1.0

    def __init__(self) -> None:
        self.goes = asyncio.Event()

    async def turn(self, lane: Lane) -> Turn:
        """Return when the line moves."""
        await self.goes.wait()
        return await LocalLimiter(1e9).turn(lane)

    def throttled(self, retry_after_s: float | None = None) -> None:
        """Nobody asks."""

    def forecast_s(self, lane: Lane) -> float:
        """Return another time for each lane."""
        return {"open": 1.0, "interactive": 7.0, "bulk": 9.0}[lane]


@asynccontextmanager
async def under_way(
    emulator: Emulator, urls: Callable[[int], list[str]]
) -> AsyncIterator[tuple[DetectClient, Held]]:
    """Have a client with three checks, one of them asked for twice, and a stream of four."""
    line = Held()
    async with emulator.client(limiter=line) as client:
        *checked, _, _, _, _ = all_urls = urls(7)
        checks = [asyncio.ensure_future(client.check(url)) for url in [*checked, checked[0]]]
        async with client.aiter_check(all_urls[3:]) as outcomes:
            first = asyncio.ensure_future(anext(outcomes))
            while client.statistics().flights.in_flight < 7:  # a state, no event
                await asyncio.sleep(0)
            yield client, line
            line.goes.set()
            await first
            assert [outcome async for outcome in outcomes]
        await asyncio.gather(*checks)


async def test_it_counts_images_by_lane(
    emulator: Emulator, urls: Callable[[int], list[str]]
) -> None:
    """Two who wait for one image count as one; waiting and sent together are all in flight."""
    async with under_way(emulator, urls) as (client, _):
        told = client.statistics()
        assert (told.line.interactive.waiting, told.line.bulk.waiting) == (3, 4)
        assert (told.flights.in_flight, told.flights.sent, told.flights.waiting) == (7, 0, 7)
        assert told.line.limiter == "Held"
        assert (told.line.rate_per_s, told.line.given_per_s, told.line.margin) == (5.0, None, 0.0)
    told = client.statistics()
    assert told.flights.in_flight == told.line.interactive.waiting == told.line.bulk.waiting == 0
    assert (told.spend.billed, told.spend.shared) == (7, 1)


async def test_a_sent_request_waits_no_more(
    emulator: Emulator, urls: Callable[[int], list[str]]
) -> None:
    """While its answer is to come it is in flight, and in no lane."""
    emulator.when("*", Pass(latency_s=30))
    async with emulator.client(limiter=LocalLimiter(1e6), timeout_s=0.2) as client:
        checks = [asyncio.ensure_future(client.check(url)) for url in urls(3)]
        while client.statistics().flights.sent < 3:  # a state, no event
            await asyncio.sleep(0)
        assert client.statistics().flights.waiting == 0
        for check in checks:
            check.cancel()
        await asyncio.wait(checks)
        assert client.statistics().flights.sent == 3, "who leaves does not end what was sent"


async def test_a_forecast_is_that_of_its_lane(emulator: Emulator) -> None:
    """A check asked for now goes before the streams."""
    async with emulator.client(limiter=Held()) as client:
        assert (client.forecast_s(), client.forecast_s("bulk")) == (7.0, 9.0)
        told = client.statistics().line
        assert (told.interactive.forecast_s, told.bulk.forecast_s) == (7.0, 9.0)
        with pytest.raises(ConfigurationError, match=r"lane is 'open'\. Give one of 'interactive'"):
            client.forecast_s("open")  # type: ignore[arg-type]  # no lane of a user's


async def test_before_and_after_nothing_waits_and_the_spend_is_kept(emulator: Emulator) -> None:
    """A page that shows it may be asked at any time; a forecast is for who may check."""
    client = emulator.client(limiter=LocalLimiter(2.5))
    for billed in (0, 1, 1):
        told = client.statistics()
        assert (told.is_open, told.spend.billed, told.outages) == (False, billed, ())
        assert told.line.rate_per_s == 2.5
        assert told.flights.in_flight == 0
        with pytest.raises(ConfigurationError, match="not open"):
            client.forecast_s()
        if not billed:
            async with client:
                await client.check("https://images.example/1.jpg")
                assert client.statistics().is_open


def test_a_client_whose_loop_has_ended_is_not_open() -> None:
    """Its flights ended with the loop, whoever forgot to close it."""

    async def forgetful() -> DetectClient:
        async with Emulator(answer=Pass()) as emulator:
            return await emulator.client(limiter=LocalLimiter()).aopen()

    client = asyncio.run(forgetful())
    assert not client.statistics().is_open
    with pytest.raises(ConfigurationError):
        client.forecast_s()


async def test_it_may_be_asked_from_any_thread(
    emulator: Emulator, urls: Callable[[int], list[str]]
) -> None:
    """What exports figures has a thread of its own."""
    async with under_way(emulator, urls) as (client, _):
        told = await asyncio.to_thread(client.statistics)
        assert told.flights.in_flight == 7
        assert await asyncio.to_thread(client.forecast_s) == 7.0


@pytest.mark.parametrize("rate", [5.0, float("inf")])
async def test_it_pickles_and_is_json(emulator: Emulator, rate: float) -> None:
    """Amounts are texts, as everywhere; a line without a rate has none, and no Infinity."""
    async with emulator.client(limiter=LocalLimiter(rate)) as client:
        await client.check("https://images.example/1.jpg")
        told = client.statistics()
    assert pickle.loads(pickle.dumps(told)) == told  # noqa: S301  # its own
    read = json.loads(told.model_dump_json())
    assert read["line"]["rate_per_s"] == (5.0 if rate == 5.0 else None)
    assert read["spend"]["cost"] == "0.004"
    assert read["outages"] == []


def test_an_outage_is_told_while_it_is_on() -> None:
    """Since when, of what, by which error, and until when streams wait; none after its end."""

    async def main() -> None:
        began = asyncio.Event()

        def watch(event: Event) -> None:
            if event.kind == "outage":
                began.set()

        async with (
            Emulator(answer=Error(503, "ServiceUnavailable")) as emulator,
            emulator.client(max_outage_s=3600.0, max_in_flight=5, on_event=watch) as client,
        ):
            async with client.aiter_check(images()) as outcomes:
                first = asyncio.ensure_future(anext(outcomes))
                await began.wait()
                (told,) = client.statistics().outages
                assert told.where == f"the service at {emulator.base_url}"
                assert told.error == "ServiceUnavailable"
                assert "503" in told.message
                assert told.until is not None
                assert 3590 < (told.until - told.since).total_seconds() < 3610
                with pytest.raises(NotSent):
                    await client.check("https://images.example/new.jpg")
                emulator.when("*", Pass())
                await first
                assert client.statistics().outages == ()

    virtually(main)


async def test_a_refused_request_widens_the_margin(emulator: Emulator) -> None:
    """A new line has the margin of its opening; each limiter tells its own."""
    limiter = LocalLimiter(1000.0)
    async with emulator.client(limiter=limiter) as client:
        before = client.statistics().line.margin
        for _ in range(4):
            (await limiter.turn()).left()
        limiter.throttled()
        assert client.statistics().line.margin > before > 0
        assert client.statistics().line.given_per_s is None


def test_a_line_that_others_see_says_who_is_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The machine's line, by two limiters as two processes have them."""
    folder = tmp_path_factory.mktemp("lines")
    one, other = (HostLimiter(5, name="team", directory=folder) for _ in range(2))
    told = DetectClient("sk-none", limiter=one).statistics().line
    assert (told.limiter, told.processes, told.processes_met, told.lost) == (
        "HostLimiter",
        2,
        0,
        "",
    )
    assert other.margin == told.margin


def test_every_lane_of_a_check_is_told() -> None:
    """A lane that is new must be told too."""
    lanes = set(get_args(Lane)) - {"open"}
    assert lanes <= set(type(DetectClient("sk-none").statistics().line).model_fields)
