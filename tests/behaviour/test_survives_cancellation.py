"""A caller may be cancelled at any instant: no connection, turn, answer or fen is lost."""

import asyncio
import random

import anyio
import httpx
import pytest

from s2v_detect import DetectClient, Event, LocalLimiter, NotSent, OutcomeUnknown
from s2v_detect.emulator import Cut, Emulator, Pass, Silent, Throttle

IMAGE = "https://images.example/face.jpg"


class Watched:
    """Remembers the events, and lets a test wait for one."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Remember an event."""
        self.events.append(event)
        self._changed.set()

    async def until(self, kind: str, count: int = 1) -> None:
        """Return once so many events of a kind were seen."""
        while sum(event.kind == kind for event in self.events) < count:
            self._changed.clear()
            await self._changed.wait()


@pytest.mark.parametrize("seed", range(3))
async def test_checks_cancelled_at_random_instants_lose_nothing(
    emulator: Emulator, seed: int
) -> None:
    """With a pool of one: the pool lives, and every request sent is settled and counted."""
    chance = random.Random(seed)
    emulator.when("*", Pass(latency_s=(0.0, 0.004)))
    one = httpx.AsyncClient(limits=httpx.Limits(max_connections=1))
    async with one, emulator.client(http_client=one) as client:

        async def check(number: int) -> None:
            await client.check(f"https://images.example/{number}.jpg")

        tasks = [asyncio.create_task(check(number)) for number in range(150)]
        for task in chance.sample(tasks, len(tasks)):
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait(tasks)
        assert (await client.check(IMAGE)).check_pass
    assert client.spend.billed == emulator.billed
    assert client.spend.unknown == 0


@pytest.mark.usefixtures("jumping_clock")
async def test_a_check_cancelled_in_line_is_free_and_gives_its_turn_to_the_next(
    emulator: Emulator,
) -> None:
    """The third in line is second once the second is cancelled."""
    line = LocalLimiter(1, per_s=30, clock=asyncio.get_running_loop().time)
    watched = Watched()
    async with emulator.client(limiter=line, on_event=watched) as client:
        tasks = [
            asyncio.create_task(client.check(f"https://images.example/{number}.jpg"))
            for number in range(3)
        ]
        await watched.until("queued", 3)
        tasks[1].cancel()
        await asyncio.wait(tasks)
    assert tasks[1].cancelled()
    assert [event.image for event in watched.events if event.kind == "sent"] == [
        "https://images.example/0.jpg",
        "https://images.example/2.jpg",
    ]
    assert client.spend.billed == emulator.billed == 2


@pytest.mark.usefixtures("jumping_clock")
async def test_a_check_cancelled_after_it_was_sent_is_settled_and_counted(
    emulator: Emulator,
) -> None:
    """Nobody waits any more, and the answer is in the books all the same."""
    emulator.when("*", Pass(latency_s=30))
    watched = Watched()
    async with emulator.client(on_event=watched) as client:
        task = asyncio.create_task(client.check(IMAGE))
        await watched.until("sent")
        task.cancel()
        await asyncio.wait([task])
        assert client.spend.billed == 0
        await watched.until("settled")
        assert client.spend.billed == emulator.billed == 1


@pytest.mark.usefixtures("jumping_clock")
async def test_nothing_is_asked_again_for_a_caller_who_has_left(emulator: Emulator) -> None:
    """A lost answer and a throttle are retried only while somebody waits."""
    for answer in (Cut(latency_s=30), Throttle()):
        emulator.reset()
        emulator.when("*", answer, Pass())
        watched = Watched()
        async with emulator.client(on_event=watched) as client:
            task = asyncio.create_task(client.check(IMAGE))
            await watched.until("sent")
            task.cancel()
            await watched.until("settled")
        assert emulator.requests == 1


async def test_a_flight_resting_between_attempts_ends_with_its_last_waiter(
    emulator: Emulator,
) -> None:
    """Cancelled while it waits to ask again, a check ends there."""
    emulator.when("*", Throttle(retry_after_s=30))
    watched = Watched()
    async with emulator.client(on_event=watched) as client:
        task = asyncio.create_task(client.check(IMAGE))
        await watched.until("retrying")
        task.cancel()
        await watched.until("settled")
    assert emulator.requests == 1


@pytest.mark.usefixtures("jumping_clock")
async def test_one_of_two_who_wait_may_leave(emulator: Emulator) -> None:
    """The other has the verdict, and as the first of those who are left its cost too."""
    emulator.when("*", Pass(latency_s=30))
    watched = Watched()
    async with emulator.client(on_event=watched) as client:
        leaving = asyncio.create_task(client.check(IMAGE))
        staying = asyncio.create_task(client.check(IMAGE))
        await watched.until("sent")
        leaving.cancel()
        verdict = await staying
    assert (verdict.source, verdict.billed) == ("service", "yes")


@pytest.mark.usefixtures("jumping_clock")
async def test_closing_lets_what_was_sent_finish_and_sends_nothing_more(
    emulator: Emulator,
) -> None:
    """One was sent and gets its verdict; one was in line and gets `NotSent`."""
    emulator.when("*", Pass(latency_s=30))
    watched = Watched()
    line = LocalLimiter(1, per_s=600, clock=asyncio.get_running_loop().time)
    async with emulator.client(limiter=line, on_event=watched) as client:
        sent = asyncio.create_task(client.check("https://images.example/sent.jpg"))
        await watched.until("sent")
        in_line = asyncio.create_task(client.check("https://images.example/in-line.jpg"))
        await watched.until("queued", 2)
    assert (await sent).check_pass
    with pytest.raises(NotSent, match="the client was closed"):
        await in_line
    assert client.spend.billed == emulator.billed == 1


async def test_closing_waits_no_longer_than_the_timeout(emulator: Emulator) -> None:
    """A request without an answer is unknown when the client must close."""
    emulator.when("*", Silent())
    watched = Watched()
    async with emulator.client(timeout_s=0.2, on_unknown="keep", on_event=watched) as client:
        task = asyncio.create_task(client.check(IMAGE))
        await watched.until("sent")
    with pytest.raises(OutcomeUnknown):
        await task
    assert client.spend.unknown == 1


@pytest.mark.usefixtures("jumping_clock")
async def test_a_cancelled_body_closes_the_client_before_the_cancellation_is_heard(
    emulator: Emulator,
) -> None:
    """Plain asyncio and an anyio scope alike: what was sent is counted when the block is left."""
    emulator.when("*", Pass(latency_s=30))

    async def body(client: DetectClient, watched: Watched) -> None:
        async with client:
            task = asyncio.create_task(client.check(IMAGE))
            await watched.until("sent")
            task.add_done_callback(lambda _: None)
            await asyncio.Event().wait()

    watched = Watched()
    client = emulator.client(on_event=watched)
    plain = asyncio.create_task(body(client, watched))
    await watched.until("sent")
    plain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await plain
    assert client.spend.billed == 1

    watched = Watched()
    client = emulator.client(on_event=watched)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(body, client, watched)
            await watched.until("sent")
            scope.cancel()
    assert client.spend.billed == 1
