"""An hour of a gateway that loses what is paid for costs a dozen images in doubt, and says so.

The emulator answers 524 with a bill behind it and grants credentials as ever, over real sockets.
The event loop's clock jumps to the next timer where nothing happens meanwhile.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest

from s2v_detect import (
    DetectClient,
    Event,
    Failed,
    LocalLimiter,
    NotSent,
    Outcome,
    OutcomeUnknown,
    RetryPolicy,
    ServiceUnavailable,
)
from s2v_detect.emulator import Emulator, Error, Html, Pass

HOUR_S = 3600.0
MOST_TRIES = 12
LOST = Html(524, billed=True, latency_s=1.0)
PRICE = Decimal("0.004")


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop with real sockets, whose clock jumps to the next timer where they are quiet."""

    def __init__(self) -> None:
        self.jumped_s = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Return the real time and all that was jumped over."""
        return super().time() + self.jumped_s


class _Jumping(selectors.BaseSelector):
    _QUIET_S = 0.01

    def __init__(self, loop: JumpingLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= self._QUIET_S:
            return self._real.select(timeout)
        events = self._real.select(self._QUIET_S)
        if not events:
            self._loop.jumped_s += timeout - self._QUIET_S
        return events

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def virtually(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main()` in such a loop."""

    async def awaited() -> None:
        await main()

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(awaited())


class Watched:
    """When things happened, in seconds of the loop, and what."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.sent_at: list[float] = []
        self.out_at = 0.0
        self.began = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        now = asyncio.get_running_loop().time()
        if event.kind == "sent":
            self.sent_at.append(now)
        elif event.kind == "outage":
            self.out_at = now
            self.began.set()

    def tries_until(self, end_s: float) -> int:
        """Return how many requests left between the beginning of the outage and so long after."""
        return sum(self.out_at < at <= self.out_at + end_s for at in self.sent_at)


def five_a_second() -> LocalLimiter:
    """Return the account's own line, on the loop's clock."""
    return LocalLimiter(clock=asyncio.get_running_loop().time)


def images() -> Iterator[str]:
    """Yield images without end."""
    number = 0
    while True:
        number += 1
        yield f"https://images.example/{number}.jpg"


def test_an_hour_costs_a_stream_what_was_in_flight_and_twelve_tries() -> None:
    """All of it is in `cost_at_most`; an image fails only after both of its requests were sent."""

    async def main() -> None:
        async with Emulator(answer=LOST) as emulator:
            watched = Watched(emulator)
            outcomes: list[Outcome] = []
            async with emulator.client(limiter=five_a_second(), on_event=watched) as client:
                stream = client.aiter_check(images())

                async def take() -> None:
                    async for outcome in stream:
                        outcomes.append(outcome)

                taking = asyncio.ensure_future(take())
                await watched.began.wait()
                before = len(watched.sent_at)
                await asyncio.sleep(HOUR_S)
                failed = list(outcomes)
                stream.stop()
                await taking
            assert before < 25  # five faults, and a second's more in flight
            assert 8 <= watched.tries_until(HOUR_S) <= MOST_TRIES
            assert emulator.billed == emulator.requests == len(watched.sent_at)
            assert client.spend.cost_at_most == emulator.billed * PRICE
            assert client.spend.cost == 0
            assert len(failed) > 0
            for outcome in failed:
                assert isinstance(outcome, Failed)
                assert isinstance(outcome.error, OutcomeUnknown)
                assert (outcome.attempts, outcome.cost_at_most) == (2, 2 * PRICE)
            # Those that the stop has ended tell what they may have cost.
            told = sum(outcome.cost_at_most for outcome in outcomes)
            assert told == client.spend.cost_at_most
            tries = watched.sent_at[before:]
            waits = [after - earlier for earlier, after in pairwise(tries)]
            assert waits[-1] > 590  # at last they are ten minutes apart
            assert emulator.store.granted >= watched.tries_until(HOUR_S)

    virtually(main)


def test_an_hour_costs_no_more_where_only_checks_come() -> None:
    """A web application: a check every ten seconds. Those that were not sent say so, and why."""

    async def main() -> None:
        async with Emulator(answer=LOST) as emulator:
            watched = Watched(emulator)
            refused: list[NotSent] = []
            lost: list[OutcomeUnknown] = []
            async with emulator.client(on_event=watched) as client:

                async def check(number: int) -> None:
                    try:
                        await client.check(f"https://images.example/{number}.jpg")
                    except NotSent as error:
                        refused.append(error)
                    except OutcomeUnknown as error:
                        lost.append(error)

                async with asyncio.TaskGroup() as tasks:
                    for number in range(int(HOUR_S / 10)):
                        tasks.create_task(check(number))
                        await asyncio.sleep(10)
            assert watched.tries_until(HOUR_S) <= MOST_TRIES
            assert emulator.billed == len(watched.sent_at)
            assert client.spend.cost_at_most == emulator.billed * PRICE
            assert len(refused) > 300
            assert all(error.billed == "no" for error in refused)
            assert "the service has been out for" in str(refused[0])
            assert "(OutcomeUnknown)" in str(refused[0])
            assert len(refused) + len(lost) == HOUR_S / 10

    virtually(main)


@pytest.mark.parametrize("has_answered", [True, False])
@pytest.mark.real_time
def test_where_nothing_answers_no_image_is_tried(
    has_answered: bool,  # noqa: FBT001  # pytest's way of giving it
) -> None:
    """Not even the free call comes through: none is burnt, once it was known to be answered."""

    async def main() -> None:
        is_out = False

        async def meet(request: httpx.Request) -> httpx.Response | None:
            return httpx.Response(503, text="<html>") if is_out else None

        async with Emulator(answer=LOST) as emulator:
            watched = Watched(emulator)
            async with (
                httpx.AsyncClient(transport=Between(meet)) as http,
                emulator.client(http_client=http, on_event=watched, max_in_flight=10) as client,
            ):
                stream = client.aiter_check(images())
                taking = asyncio.ensure_future(anext(stream))
                is_out = not has_answered
                await watched.began.wait()
                if has_answered:
                    await asyncio.sleep(20)  # a try or two, after a call that was answered
                is_out = True
                await asyncio.sleep(700)
                before = len(watched.sent_at)
                await asyncio.sleep(HOUR_S)
                tries = len(watched.sent_at) - before
                assert tries == 0 if has_answered else 0 < tries <= MOST_TRIES
                is_out = False
                emulator.when("*", Pass())
                await asyncio.sleep(700)
                kinds = [(await taking).kind]
                for _ in range(50):
                    kinds.append((await anext(stream)).kind)
                assert kinds[-10:] == ["checked"] * 10
                await stream.aclose()

    virtually(main)


class Between(httpx.AsyncHTTPTransport):
    """The network, with somebody in between who may answer himself."""

    def __init__(self, meet: Callable[[httpx.Request], Awaitable[httpx.Response | None]]) -> None:
        super().__init__()
        self._meet = meet

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let it go on unless it was answered."""
        return await self._meet(request) or await super().handle_async_request(request)


def test_five_faults_in_an_afternoon_are_no_outage() -> None:
    """Each is asked again and answered by nobody else: they are minutes apart."""

    async def main() -> None:
        async with Emulator(answer=Error(500, "InternalError")) as emulator:
            watched = Watched(emulator)
            once = RetryPolicy(max_attempts=1)
            async with emulator.client(on_event=watched, retry=once) as client:
                for number in range(20):
                    await fails(client, number)
                    await asyncio.sleep(16)
                assert not watched.began.is_set()
                for number in range(5):
                    await fails(client, 100 + number)
                    await asyncio.sleep(14)
                assert watched.began.is_set()

    virtually(main)


async def fails(client: DetectClient, number: int) -> None:
    """Have a check fail."""
    with pytest.raises(ServiceUnavailable, match="InternalError"):
        await client.check(f"https://images.example/{number}.jpg")


def test_a_check_under_way_waits_for_what_its_bounds_leave() -> None:
    """Its request failed, the breaker is open: it is asked again after the outage, or gives up."""

    async def main() -> None:
        async with Emulator(answer=Error(503, "ServiceUnavailable")) as emulator:
            watched = Watched(emulator)
            async with emulator.client(on_event=watched) as client:
                loop = asyncio.get_running_loop()
                urls = [f"https://images.example/{number}.jpg" for number in range(8)]
                began = loop.time()
                checks = [asyncio.ensure_future(client.check(url)) for url in urls]
                await watched.began.wait()
                await asyncio.wait(checks)
                assert all("ServiceUnavailable" in str(each.exception()) for each in checks)
                assert 30 < loop.time() - began < 100
                with pytest.raises(NotSent):
                    await client.check("https://images.example/new.jpg")
                hurried = asyncio.ensure_future(client.check(urls[0], give_up_after_s=5))
                with pytest.raises(NotSent):
                    await hurried
                emulator.when("*", Pass())
                await asyncio.sleep(60)
                assert (await client.check(urls[1])).check_pass

    virtually(main)


def test_checks_that_wait_go_on_when_the_service_is_back() -> None:
    """Within their bounds an outage costs them nothing but time."""

    async def main() -> None:
        async with Emulator(answer=Error(503, "ServiceUnavailable")) as emulator:
            watched = Watched(emulator)
            async with emulator.client(on_event=watched) as client:
                urls = [f"https://images.example/{number}.jpg" for number in range(8)]
                checks = [asyncio.ensure_future(client.check(url)) for url in urls]
                await watched.began.wait()
                await asyncio.sleep(20)
                emulator.when("*", Pass())
                for verdict in await asyncio.gather(*checks):
                    assert verdict.check_pass

    virtually(main)


async def test_closing_in_an_outage_ends_its_call(emulator: Emulator) -> None:
    """No task is left behind."""
    calling = asyncio.Event()

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            calling.set()
            await asyncio.Event().wait()
        return None

    emulator.when("*", Error(503, "ServiceUnavailable"))
    async with httpx.AsyncClient(transport=Between(meet)) as http:
        async with emulator.client(http_client=http, max_in_flight=8) as client:
            stream = client.aiter_check(images())
            taking = asyncio.ensure_future(anext(stream))
            await calling.wait()
            assert "s2v-detect free call" in names_of_tasks()
        assert "s2v-detect free call" not in names_of_tasks()
        taking.cancel()
        await asyncio.wait([taking])
        await stream.aclose()


def names_of_tasks() -> set[str]:
    """Return the names of all tasks."""
    return {task.get_name() for task in asyncio.all_tasks()}
