"""An hour of a gateway that loses what is paid for costs a dozen images in doubt, and says so.

The emulator answers 524 with a bill behind it and grants credentials as ever, over real sockets.
The event loop's clock jumps to the next timer where nothing happens meanwhile.
"""

import asyncio
from decimal import Decimal
from itertools import pairwise

import httpx
import pytest
from tests.outages import HOUR_S, images, virtually
from tests.uploading import Between

from s2v_detect import (
    BudgetSpent,
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
from s2v_detect.checks import Breaker
from s2v_detect.emulator import Emulator, Error, Html, Pass

MOST_TRIES = 12
LOST = Html(524, billed=True, latency_s=1.0)
PRICE = Decimal("0.004")


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


def test_an_hour_costs_a_stream_what_was_in_flight_and_twelve_tries() -> None:
    """All of it is in `cost_at_most`; an image fails only after both of its requests were sent.

    Those that a stop leaves with one request say so.
    """

    async def main() -> None:
        async with Emulator(answer=LOST) as emulator:
            watched = Watched(emulator)
            outcomes: list[Outcome] = []
            limiter = five_a_second()
            async with emulator.client(
                limiter=limiter, on_event=watched, max_outage_s=None
            ) as client:
                stream = client.aiter_check(images())

                async def take() -> None:
                    async for outcome in stream:
                        outcomes.append(outcome)

                taking = asyncio.ensure_future(take())
                await watched.began.wait()
                before = len(watched.sent_at)
                await asyncio.sleep(HOUR_S)
                before_the_stop = len(outcomes)
                stream.stop()
                await taking
            assert before < 25  # five faults, and a second's more in flight
            assert 8 <= watched.tries_until(HOUR_S) <= MOST_TRIES
            assert emulator.billed == emulator.requests == len(watched.sent_at)
            assert client.spend.cost_at_most == emulator.billed * PRICE
            assert client.spend.cost == 0
            ended = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
            assert len(ended) == len(outcomes) > before_the_stop > 0
            for place, outcome in enumerate(ended):
                assert isinstance(outcome.error, OutcomeUnknown)
                assert outcome.attempts == 2 or place >= before_the_stop
                assert outcome.cost_at_most == outcome.attempts * PRICE
            assert sum(outcome.cost_at_most for outcome in ended) == client.spend.cost_at_most
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
                emulator.client(
                    http_client=http, on_event=watched, max_in_flight=10, max_outage_s=None
                ) as client,
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


def test_a_check_under_way_ends_as_the_outage_begins() -> None:
    """With its own error: somebody waits. After the outage all are answered as before."""

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
                assert loop.time() - began < 5
                with pytest.raises(NotSent):
                    await client.check("https://images.example/new.jpg")
                emulator.when("*", Pass())
                await asyncio.sleep(60)
                assert (await client.check(urls[1])).check_pass

    virtually(main)


def test_in_an_outage_a_check_is_refused_at_once_though_the_budget_is_in_use() -> None:
    """What the outage holds of a stream holds none of the budget."""

    async def main() -> None:
        async with Emulator(answer=Error(503, "ServiceUnavailable")) as emulator:
            watched = Watched(emulator)
            async with emulator.client(on_event=watched, max_cost=10 * PRICE) as client:
                stream = client.aiter_check(images())
                taking = asyncio.ensure_future(anext(stream))
                await watched.began.wait()
                await asyncio.sleep(10)
                loop = asyncio.get_running_loop()
                began = loop.time()
                with pytest.raises(NotSent, match="the service has been out for"):
                    await client.check("https://images.example/new.jpg", give_up_after_s=100)
                assert loop.time() - began < 1
                emulator.when("*", Pass())
                assert (await taking).kind == "checked"
                with pytest.raises(BudgetSpent):
                    while True:
                        await anext(stream)
            assert emulator.billed == client.spend.billed == 10

    virtually(main)


class Strange(BaseException):
    """As pytest's own `Failed`: no `Exception`."""


@pytest.mark.parametrize("fault", [Strange, asyncio.CancelledError, GeneratorExit, OSError])
def test_whatever_a_free_call_raises_is_no_answer(fault: type[BaseException]) -> None:
    """The breaker's timer goes on, and so does the stream when the service is back."""

    async def main() -> None:
        is_out = True

        async def meet(request: httpx.Request) -> httpx.Response | None:
            if request.method == "GET":
                raise fault
            return httpx.Response(503, text="<html>") if is_out else None

        async with Emulator(answer=Pass()) as emulator:
            watched = Watched(emulator)
            async with (
                httpx.AsyncClient(transport=Between(meet)) as http,
                emulator.client(http_client=http, on_event=watched, max_in_flight=3) as client,
            ):
                stream = client.aiter_check(images())
                taking = asyncio.ensure_future(anext(stream))
                await watched.began.wait()
                is_out = False
                await taking
                kinds = [(await anext(stream)).kind for _ in range(10)]
                assert kinds[-3:] == ["checked"] * 3
                await stream.aclose()

    virtually(main)


def test_a_try_of_the_last_outage_is_none_in_the_next() -> None:
    """It stood in line meanwhile: it comes back, or each flap would cost one more image."""

    async def main() -> None:
        breaker = Breaker()
        tries = []
        for _ in range(2):
            breaker.answered()
            assert [breaker.failed(NotSent("lost.", do="Wait.")) for _ in range(5)][-1]
            tries.append(await breaker.passage())
            assert not breaker.holds(tries[-1])
        assert breaker.holds(tries[0])
        await breaker.close()

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
