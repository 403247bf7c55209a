"""A stream whose input failed never looks complete, in whatever step of the loop that was."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from s2v_detect import ConfigurationError, DetectClient, Outcome
from s2v_detect.emulator import Emulator, Pass

Urls = Callable[[int], list[str]]
Make = Callable[[list[str]], Any]


class Gone(Exception):
    """What the inputs of these tests raise."""


def of_a_generator(items: list[str]) -> Iterator[str]:
    """Give the items, then raise."""
    yield from items
    raise Gone


async def of_an_async_generator(items: list[str]) -> AsyncIterator[str]:
    """The same without a step of the loop between."""
    for item in items:
        yield item
    raise Gone


async def with_pauses(items: list[str]) -> AsyncIterator[str]:
    """The same, with steps of the loop between."""
    for item in items:
        await asyncio.sleep(0)
        yield item
    await asyncio.sleep(0)
    raise Gone


class OfAClass:
    """An iterator by hand; it raises again whenever it is asked."""

    def __init__(self, items: list[str]) -> None:
        self._items = iter(items)

    def __iter__(self) -> "OfAClass":
        return self

    def __next__(self) -> str:
        item = next(self._items, None)
        if item is None:
            raise Gone
        return item


INPUTS = [of_a_generator, of_an_async_generator, with_pauses, OfAClass]
SKIPPED = ["no url", "nor this"]


@pytest.mark.parametrize("make", INPUTS)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("size", [1, 2, 300])
async def test_the_stream_ends_with_what_the_input_raised(
    emulator: Emulator,
    make: Make,
    ordered: bool,  # noqa: FBT001  # pytest gives it by name
    size: int,
) -> None:
    """After every outcome of what was read before; also where nothing was ever awaited."""
    async with emulator.client(max_in_flight=size) as client:
        for asked, skipped in product(range(4), range(3)):
            images = [f"https://images.example/{number}.jpg" for number in range(asked)]
            images += SKIPPED[:skipped]
            outcomes: list[Outcome] = []
            with pytest.raises(Gone):
                async for outcome in client.aiter_check(make(images), ordered=ordered):
                    outcomes.append(outcome)
            assert sorted(outcome.index for outcome in outcomes) == list(range(len(images)))


@pytest.mark.parametrize("make", INPUTS)
async def test_a_stream_that_was_read_to_its_fault_raises_it_again(
    emulator: Emulator, make: Make
) -> None:
    """Whoever asks once more is not told of a good end."""
    async with emulator.client() as client:
        stream = client.aiter_check(make(SKIPPED))
        with suppress(Gone):
            while True:
                await anext(stream)
        with pytest.raises(Gone):
            await anext(stream)


async def test_many_takers_of_one_stream_are_all_told_of_its_fault(
    emulator: Emulator, urls: Urls
) -> None:
    """None of four workers takes the fault for the end of the input."""

    async def worker() -> None:
        async for _ in stream:
            await asyncio.sleep(0)

    async with emulator.client(max_in_flight=4) as client:
        stream = client.aiter_check(of_a_generator(urls(10)))
        ends = await asyncio.gather(*(worker() for _ in range(4)), return_exceptions=True)
    assert [type(end) for end in ends] == [Gone] * 4


@pytest.mark.parametrize("steps", range(12))
async def test_a_client_closed_under_its_stream_ends_it_with_a_fault_or_an_outcome_each(
    emulator: Emulator, urls: Urls, steps: int
) -> None:
    """Closed after any step of the loop: never fewer outcomes than items, and no word."""
    emulator.when("*", Pass(latency_s=0.01))
    client: DetectClient = emulator.client(max_in_flight=3)
    await client.aopen()
    stream = client.aiter_check(with_pauses_and_no_fault(urls(13)))
    outcomes = [await anext(stream)]
    closing = asyncio.create_task(client.aclose())
    for _ in range(steps):
        await asyncio.sleep(0)
    fault = None
    try:
        async for outcome in stream:
            outcomes.append(outcome)
    except ConfigurationError as error:
        fault = error
    await closing
    assert fault is not None or len(outcomes) == 13
    assert fault is None or "closed" in str(fault)


async def with_pauses_and_no_fault(items: list[str]) -> AsyncIterator[str]:
    """Give the items with steps of the loop between."""
    for item in items:
        await asyncio.sleep(0)
        yield item


class Countless(Exception):
    """A fault that is false: it has a length, and that is zero."""

    def __len__(self) -> int:
        return 0


async def test_a_fault_that_is_false_is_a_fault(emulator: Emulator) -> None:
    """Errors that are lists of errors have a length of their own."""

    def countless() -> Iterator[str]:
        yield "no url"
        raise Countless

    async with emulator.client() as client:
        with pytest.raises(Countless):
            async for _ in client.aiter_check(countless()):
                pass


async def deaf(items: list[str]) -> AsyncIterator[str]:
    """Give the items, and go on where the input is cancelled."""
    for item in items:
        yield item
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.005)


async def test_an_input_that_is_deaf_to_cancelling_sends_no_more_after_a_stop(
    emulator: Emulator, urls: Urls
) -> None:
    """Its next item is not asked for: that would be paid. A window's worth may be sent by then."""
    window = 5
    async with emulator.client(max_in_flight=window) as client:
        async with client.aiter_check(deaf(urls(50))) as stream:
            await anext(stream)
        sent = emulator.requests
        stream = client.aiter_check(deaf(urls(50)))
        outcomes = [await anext(stream)]
        stream.stop()
        outcomes += [outcome async for outcome in stream]
    assert sent <= window + 1
    assert emulator.requests <= sent + window + 1
    assert client.spend.billed == emulator.billed


async def test_an_input_may_stop_its_own_stream(emulator: Emulator, urls: Urls) -> None:
    """What it gives after that is not sent."""

    def stopping() -> Iterator[str]:
        stream.stop()
        yield from urls(3)

    async with emulator.client() as client:
        stream = client.aiter_check(stopping())
        outcomes = [outcome async for outcome in stream]
    assert (outcomes, emulator.requests) == ([], 0)


@pytest.mark.parametrize("is_stopped", [True, False])
async def test_a_stream_that_ended_before_its_block_sends_nothing(
    emulator: Emulator,
    urls: Urls,
    is_stopped: bool,  # noqa: FBT001  # pytest gives it by name
) -> None:
    """Stopped or closed first, and entered then: the input is not read."""
    async with emulator.client() as client:
        stream = client.aiter_check(urls(5))
        if is_stopped:
            stream.stop()
        else:
            await stream.aclose()
        async with stream:
            assert [outcome async for outcome in stream] == []
            await client.check("https://images.example/other.jpg")
    assert emulator.requests == 1
