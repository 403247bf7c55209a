"""The stream: every image once, memory that does not grow, and a clean way out."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from s2v_detect import (
    AccessDenied,
    Checked,
    ConfigurationError,
    DetectClient,
    Failed,
    ImageUnusable,
    LocalLimiter,
    OutcomeUnknown,
    OutOfCredit,
    RetryPolicy,
    Skipped,
)
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Throttle

Urls = Callable[[int], list[str]]


class Source:
    """An input that knows how far it was read."""

    def __init__(self, items: list[str]) -> None:
        self._items = items
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        for item in self._items:
            self.read += 1
            yield item


async def one_by_one(items: list[str]) -> AsyncIterator[str]:
    """Give the items, each in a step of the loop of its own."""
    for item in items:
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize(
    "make", [list, tuple, set, iter, one_by_one, lambda items: (i for i in items)]
)
async def test_any_iterable_will_do(
    emulator: Emulator, urls: Urls, make: Callable[[list[str]], object]
) -> None:
    """Lists, sets, iterators, generators and async iterables: one outcome for each item."""
    async with emulator.client() as client:
        outcomes = [outcome async for outcome in client.aiter_check(make(urls(20)))]  # type: ignore[arg-type]  # the point of the test
    assert sorted(outcome.image for outcome in outcomes) == sorted(urls(20))
    assert sorted(outcome.index for outcome in outcomes) == list(range(20))


async def test_an_empty_input_gives_an_empty_stream(emulator: Emulator) -> None:
    """Nothing in, nothing out, nothing sent."""
    async with emulator.client() as client:
        assert [outcome async for outcome in client.aiter_check([])] == []
    assert emulator.requests == 0


async def test_one_string_is_no_list_of_images(emulator: Emulator, urls: Urls) -> None:
    """Its characters would each be skipped; it is refused at once."""
    async with emulator.client() as client:
        with pytest.raises(TypeError, match="give one to `check`"):
            client.aiter_check(urls(1)[0])


async def test_rows_keep_their_images_and_their_other_columns(
    emulator: Emulator, urls: Urls
) -> None:
    """`image=` takes a key or a function; `outcome.item` is the row itself."""
    rows = [{"url": url, "name": number} for number, url in enumerate(urls(5))]
    async with emulator.client() as client:
        by_key = [outcome async for outcome in client.aiter_check(rows, image="url", ordered=True)]
        by_function = [
            outcome
            async for outcome in client.aiter_check(
                rows, image=lambda row: row["url"], ordered=True
            )
        ]
    for outcomes in (by_key, by_function):
        assert [outcome.item for outcome in outcomes] == rows
        assert [outcome.image for outcome in outcomes] == urls(5)


async def test_a_row_without_an_image_is_skipped_and_the_rest_goes_on(
    emulator: Emulator, urls: Urls
) -> None:
    """A missing column, None, NaN, a path, a number: each is that row's own outcome."""
    rows: list[dict[str, object]] = [
        {},
        {"url": None},
        {"url": float("nan")},
        {"url": "face.jpg"},
        {"url": 7},
        {"url": urls(1)[0]},
    ]
    async with emulator.client() as client:
        outcomes = [
            outcome async for outcome in client.aiter_check(rows, image="url", ordered=True)
        ]
    assert [type(outcome) for outcome in outcomes] == [Skipped] * 5 + [Checked]
    assert "KeyError" in outcomes[0].reason  # type: ignore[union-attr]  # seen to be Skipped above
    assert client.spend.skipped == 5
    assert emulator.requests == 1


async def test_ordered_outcomes_come_in_the_order_of_the_input(
    emulator: Emulator, urls: Urls
) -> None:
    """However long each takes, and with skipped ones between."""
    emulator.when("*", Pass(latency_s=(0.0, 0.03)))
    items = [item for pair in zip(urls(30), ["no url"] * 30, strict=True) for item in pair]
    async with emulator.client(max_in_flight=7) as client:
        outcomes = [outcome async for outcome in client.aiter_check(items, ordered=True)]
    assert [outcome.index for outcome in outcomes] == list(range(60))


@pytest.mark.usefixtures("jumping_clock")
async def test_outcomes_come_as_they_finish(emulator: Emulator) -> None:
    """A slow image does not hold back the quick ones behind it."""
    emulator.when("*/slow.jpg", Pass(latency_s=30))
    items = ["https://images.example/slow.jpg", "https://images.example/quick.jpg"]
    async with emulator.client() as client:
        outcomes = [outcome async for outcome in client.aiter_check(items)]
    assert [outcome.index for outcome in outcomes] == [1, 0]


async def test_a_slow_consumer_slows_the_sending_and_the_reading(
    emulator: Emulator, urls: Urls
) -> None:
    """In flight and not yet taken are at most `max_in_flight`; the input is read no further."""
    source = Source(urls(100))
    async with (
        emulator.client(max_in_flight=5) as client,
        client.aiter_check(source) as stream,
    ):
        for taken in range(1, 40):
            await anext(stream)
            assert source.read <= taken + 5
            assert emulator.requests <= taken + 5


async def test_skipped_ones_count_in_the_window_too(emulator: Emulator) -> None:
    """An input of nothing but hopeless lines is read no faster than it is taken."""
    source = Source(["no url"] * 1000)
    async with (
        emulator.client(max_in_flight=5) as client,
        client.aiter_check(source) as stream,
    ):
        await anext(stream)
        assert source.read <= 6


async def test_a_slow_input_holds_back_nothing_that_is_finished(emulator: Emulator) -> None:
    """The outcome of the first image comes while the input still thinks about the second."""
    thinking = asyncio.Event()

    async def slow() -> AsyncIterator[str]:
        yield "https://images.example/1.jpg"
        await thinking.wait()
        yield "https://images.example/2.jpg"

    async with emulator.client() as client:
        stream = client.aiter_check(slow())
        first = await asyncio.wait_for(anext(stream), timeout=5)
        thinking.set()
        second = await anext(stream)
    assert [first.index, second.index] == [0, 1]


async def test_an_input_that_raises_midway_loses_nothing_that_was_asked(
    emulator: Emulator, urls: Urls
) -> None:
    """All that was read before is delivered, then the input's own exception comes out."""
    emulator.when("*", Pass(latency_s=0.02))

    def broken() -> Iterator[str]:
        yield from urls(10)
        raise OSError("the disk is gone")

    outcomes = []
    async with emulator.client() as client:
        with pytest.raises(OSError, match="the disk is gone"):
            async for outcome in client.aiter_check(broken()):
                outcomes.append(outcome)
    assert len(outcomes) == 10


async def test_an_input_that_is_cancelled_is_not_at_its_end(emulator: Emulator, urls: Urls) -> None:
    """A cancellation inside the input comes out, where a silent end would lose the rest."""

    async def cancelled() -> AsyncIterator[str]:
        yield urls(1)[0]
        raise asyncio.CancelledError

    outcomes = []
    async with emulator.client() as client:
        with pytest.raises(asyncio.CancelledError):
            async for outcome in client.aiter_check(cancelled()):
                outcomes.append(outcome)
    assert len(outcomes) == 1


@pytest.mark.usefixtures("jumping_clock")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Error(401, "InvalidApiKey"), AccessDenied),
        (Error(400, "Arrearage"), OutOfCredit),
        (Error(400, "InvalidParameter", "url error, please check url!"), ConfigurationError),
    ],
)
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_fault_of_the_run_is_raised_last(
    emulator: Emulator,
    answer: Error,
    error: type[Exception],
    ordered: bool,  # noqa: FBT001  # pytest's way of giving it
) -> None:
    """Those in flight that still answer are yielded; the fault names its image and ends it."""
    emulator.when("*/slow-*", Pass(latency_s=30))
    emulator.when("*/fault.jpg", answer)
    slow = [f"https://images.example/slow-{number}.jpg" for number in range(4)]
    behind = [f"https://images.example/{number}.jpg" for number in range(50)]
    outcomes = []
    async with emulator.client(max_in_flight=5) as client:
        with pytest.raises(error) as raised:
            async for outcome in client.aiter_check(
                [*slow, "https://images.example/fault.jpg", *behind], ordered=ordered
            ):
                outcomes.append(outcome)
    assert [outcome.image for outcome in outcomes] == slow
    assert raised.value.image == "https://images.example/fault.jpg"  # type: ignore[attr-defined]  # all three are DetectErrors
    assert emulator.requests == 5


@pytest.mark.usefixtures("jumping_clock")
async def test_a_fault_of_the_run_leaves_what_was_in_line_unsent(
    emulator: Emulator, urls: Urls
) -> None:
    """With 20 in line behind the fault not one of them is sent, and none gets an outcome."""
    emulator.when("*", Error(401, "InvalidApiKey"))
    outcomes = []
    line = LocalLimiter(1, per_s=900, clock=asyncio.get_running_loop().time)
    async with emulator.client(limiter=line, max_in_flight=20) as client:
        with pytest.raises(AccessDenied):
            async for outcome in client.aiter_check(urls(20)):
                outcomes.append(outcome)
    assert outcomes == []
    assert emulator.requests == 1


@pytest.mark.usefixtures("jumping_clock")
async def test_a_fault_of_the_run_still_tells_of_what_may_have_been_billed(
    emulator: Emulator,
) -> None:
    """An image whose answer was lost gets its outcome, with the money, though it is not resent."""
    emulator.when("*/lost.jpg", Cut(latency_s=30), Pass())
    emulator.when("*/fault.jpg", Error(401, "InvalidApiKey"))
    outcomes = []
    async with emulator.client() as client:
        with pytest.raises(AccessDenied):
            async for outcome in client.aiter_check(
                ["https://images.example/lost.jpg", "https://images.example/fault.jpg"]
            ):
                outcomes.append(outcome)
    assert [type(outcome) for outcome in outcomes] == [Failed]
    assert isinstance(outcomes[0].error, OutcomeUnknown)  # type: ignore[union-attr]  # seen to be Failed above
    assert outcomes[0].cost_at_most > 0
    assert emulator.requests == 2


async def test_one_bad_image_is_data(emulator: Emulator) -> None:
    """An image the service could not use is `Failed`, and the stream goes on."""
    emulator.when("*/bad.jpg", Error(400, "InvalidURL.ConnectionRefused"))
    items = ["https://images.example/bad.jpg", "https://images.example/good.jpg"]
    async with emulator.client() as client:
        bad, good = [o async for o in client.aiter_check(items, ordered=True)]
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, ImageUnusable)
    assert isinstance(good, Checked)


async def leave_by_block(client: DetectClient, source: Source) -> None:
    """Leave the `async with` of the stream."""
    async with client.aiter_check(source) as stream:
        async for _ in stream:
            break


async def leave_by_break(client: DetectClient, source: Source) -> None:
    """Break out of a stream that nothing else refers to."""
    async for _ in client.aiter_check(source):
        break


async def leave_by_aclose(client: DetectClient, source: Source) -> None:
    """Close it by hand."""
    stream = client.aiter_check(source)
    await anext(stream)
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def leave_by_exception(client: DetectClient, source: Source) -> None:
    """Raise in the loop's body."""
    with pytest.raises(ZeroDivisionError):
        async for _ in client.aiter_check(source):
            raise ZeroDivisionError


async def leave_by_cancellation(client: DetectClient, source: Source) -> None:
    """Be cancelled in the loop's body."""
    first = asyncio.Event()

    async def consume() -> None:
        async for _ in client.aiter_check(source):
            first.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await first.wait()
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.usefixtures("jumping_clock")
@pytest.mark.parametrize(
    "leave",
    [leave_by_block, leave_by_break, leave_by_aclose, leave_by_exception, leave_by_cancellation],
)
async def test_leaving_stops_the_sending(
    emulator: Emulator, urls: Urls, leave: Callable[[DetectClient, Source], object]
) -> None:
    """The line still has room for hundreds; once the stream is left not one more is sent."""
    source = Source(urls(500))
    line = LocalLimiter(1, per_s=5, clock=asyncio.get_running_loop().time)
    async with emulator.client(limiter=line, max_in_flight=50) as client:
        await leave(client, source)  # type: ignore[misc]  # all five are coroutine functions
        gc.collect()
        await asyncio.sleep(0)  # a finalizer hands its work to the loop
        arrived, read = emulator.requests, source.read
        for number in range(10):  # the line moves on, and nothing but these leaves
            await client.check(f"https://images.example/after-{number}.jpg")
        assert source.read == read
        assert emulator.requests <= arrived + 11  # one was leaving already
    assert client.spend.billed == emulator.billed


async def test_leaving_ends_an_input_that_is_being_awaited(emulator: Emulator) -> None:
    """An async generator that waits for its next row is closed with the stream."""
    closed = False

    async def rows() -> AsyncIterator[str]:
        nonlocal closed
        try:
            yield "https://images.example/1.jpg"
            await asyncio.Event().wait()
        finally:
            closed = True

    async with emulator.client() as client, client.aiter_check(rows()) as stream:
        await anext(stream)
    assert closed


@pytest.mark.usefixtures("jumping_clock")
async def test_stop_sends_no_more_and_delivers_what_was_sent(
    emulator: Emulator, urls: Urls
) -> None:
    """What the command does at the first Ctrl-C: nothing that was paid for is lost."""
    emulator.when("*", Pass(latency_s=30))
    async with (
        emulator.client(max_in_flight=10) as client,
        client.aiter_check(urls(100)) as stream,
    ):
        outcomes = [await anext(stream)]
        stream.stop()
        outcomes += [outcome async for outcome in stream]
    assert 10 <= len(outcomes) <= 11
    assert len(outcomes) == emulator.billed == client.spend.billed


@pytest.mark.usefixtures("jumping_clock")
async def test_stop_retries_nothing(emulator: Emulator) -> None:
    """An image that is throttled after the stop gets no outcome: a resume does it again."""
    emulator.when("*", Throttle(latency_s=30), Pass())
    async with emulator.client() as client:
        stream = client.aiter_check(["https://images.example/1.jpg"])
        taking = asyncio.ensure_future(anext(stream, None))
        while not emulator.requests:
            await asyncio.sleep(0)
        stream.stop()
        assert await taking is None
    assert emulator.requests == 1


@pytest.mark.parametrize("latency_s", [0.0, 0.05])
async def test_stop_tells_of_what_may_have_been_billed(
    emulator: Emulator, latency_s: float
) -> None:
    """An image that waits for its retry after a lost answer may be paid for: it is told of."""
    emulator.when("*", Cut(billed=True, latency_s=latency_s))
    waits = RetryPolicy(first_wait_s=60, longest_wait_s=60, give_up_after_s=600)
    outcomes = []
    async with emulator.client(retry=waits) as client:
        stream = client.aiter_check([f"https://images.example/{number}.jpg" for number in range(3)])
        taking = asyncio.ensure_future(anext(stream))
        while client.spend.unknown < 3:
            await asyncio.sleep(0)
        stream.stop()
        outcomes = [await taking, *[outcome async for outcome in stream]]
    assert [type(outcome) for outcome in outcomes] == [Failed] * 3
    assert sum(outcome.cost_at_most for outcome in outcomes) == client.spend.cost_at_most
    assert emulator.billed == 3


async def test_several_consumers_may_share_a_stream(emulator: Emulator, urls: Urls) -> None:
    """Four workers take from one stream: each outcome goes to one of them."""
    taken: list[int] = []
    async with emulator.client(max_in_flight=8) as client:
        stream = client.aiter_check(urls(60))

        async def worker() -> None:
            async for outcome in stream:
                taken.append(outcome.index)
                await asyncio.sleep(0)

        await asyncio.gather(*(worker() for _ in range(4)))
    assert sorted(taken) == list(range(60))


@pytest.mark.usefixtures("jumping_clock")
async def test_latency_never_limits_the_rate(emulator: Emulator, urls: Urls) -> None:
    """At 2 a second and 50 seconds' latency, 60 are in flight together."""
    emulator.when("*", Pass(latency_s=50))
    line = LocalLimiter(2, clock=asyncio.get_running_loop().time)
    async with emulator.client(limiter=line) as client:
        outcomes = [outcome async for outcome in client.aiter_check(urls(60))]
    assert len(outcomes) == 60
    assert emulator.most_in_flight == 60


@pytest.mark.usefixtures("jumping_clock")
async def test_a_client_that_closes_ends_its_streams(emulator: Emulator, urls: Urls) -> None:
    """The stream says that the client is closed, where it would otherwise hang."""
    line = LocalLimiter(1, per_s=600, clock=asyncio.get_running_loop().time)
    client = emulator.client(limiter=line, max_in_flight=3)
    await client.aopen()
    stream = client.aiter_check(urls(10))
    await anext(stream)
    await client.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        async for outcome in stream:
            assert isinstance(outcome, Failed)
    assert emulator.requests == 1


async def test_an_exhausted_retry_is_that_images_failure(emulator: Emulator) -> None:
    """A stream does not stop for a fault of the service: the image is `Failed`."""
    emulator.when("*", Error(500, "InternalError"))
    quick = RetryPolicy(max_attempts=2, first_wait_s=0.001, longest_wait_s=0.001)
    async with emulator.client(retry=quick) as client:
        (outcome,) = [o async for o in client.aiter_check(["https://images.example/1.jpg"])]
    assert isinstance(outcome, Failed)
    assert outcome.attempts == 2
