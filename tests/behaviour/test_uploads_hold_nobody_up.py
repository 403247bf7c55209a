"""An upload that is slow, hangs or is left holds up no other image, and no visitor."""

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from tests.uploading import Odd, is_credential, is_upload, picture, through, xml

from s2v_detect import Busy, LocalLimiter, NotSent, RetryPolicy
from s2v_detect.emulator import Emulator, Pass


async def test_a_visitors_upload_does_not_wait_behind_a_streams(emulator: Emulator) -> None:
    """The store is slow, and a stream has a hundred files for it."""
    held: list[httpx.Request] = []
    go_on = asyncio.Event()

    async def hold_the_streams(request: httpx.Request) -> None:
        if is_upload(request) and not visiting.is_set():
            held.append(request)
            await go_on.wait()

    visiting = asyncio.Event()
    async with through(emulator, hold_the_streams) as client:
        stream = client.aiter_check([picture(number) for number in range(1, 101)])
        reading = asyncio.ensure_future(anext(stream))
        while len(held) < 32:
            await asyncio.sleep(0)
        visiting.set()
        assert (await client.check(picture())).check_pass
        assert (await client.check(picture(77))).check_pass  # which stands in the stream's queue
        assert emulator.billed == 2
        go_on.set()
        assert (await reading).kind == "checked"
        await stream.aclose()


@pytest.mark.real_time
async def test_a_wait_for_room_is_no_retry(emulator: Emulator) -> None:
    """Images behind slow uploads have all of their own patience."""
    pages = [picture(number) for number in range(100)]
    slow, first = asyncio.Event(), [0]

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not is_upload(request):
            return None
        first[0] += 1
        if first[0] <= 32:
            await slow.wait()
        return xml(503, "ServiceBusy") if first[0] == 40 else None

    retry = RetryPolicy(give_up_after_s=2, first_wait_s=0.01, longest_wait_s=0.01)
    async with through(emulator, meet, retry=retry) as client:
        stream = client.aiter_check(pages)
        reading = asyncio.ensure_future(anext(stream))
        asyncio.get_running_loop().call_later(2.5, slow.set)
        assert (await reading).kind == "checked"
        assert {outcome.kind async for outcome in stream} == {"checked"}


async def test_patience_with_the_line_is_none_with_an_upload(emulator: Emulator) -> None:
    """`max_wait_s` is about the line of five a second, and there is none."""

    async def meet(request: httpx.Request) -> None:
        if is_upload(request):
            await asyncio.sleep(0.3)

    async with through(emulator, meet) as client:
        assert (await client.check(picture(), max_wait_s=0.05)).check_pass
    async with emulator.client(limiter=LocalLimiter(1)) as client:
        await client.check(picture(1))
        with pytest.raises(Busy):
            await client.check(picture(2), max_wait_s=0.05)


async def test_leaving_during_an_upload_costs_nothing(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits may leave; the request is not torn, and no check is made."""
    async with emulator.client() as client:
        waiting = asyncio.ensure_future(client.check(picture()))
        while not emulator.store.granted:
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert (await client.check(picture(1))).check_pass
    assert emulator.billed == 1


@pytest.mark.real_time
async def test_credentials_are_asked_for_within_their_own_limit() -> None:
    """A hundred a second, also where each of them is over as soon as it is used."""
    days = itertools.count(step=86_400)
    asked_at: list[float] = []

    async def note(request: httpx.Request) -> None:
        if is_credential(request):
            asked_at.append(time.monotonic())

    async with (
        Emulator(answer=Pass(), clock=lambda: float(next(days))) as emulator,
        through(emulator, note, retry=RetryPolicy(max_attempts=1)) as client,
    ):
        for number in range(120):  # nobody waits behind the outage: each is tried once
            with pytest.raises(NotSent, match="expired"):
                await client.check(picture(number))
        assert client.spend.billed == 0
    assert len(asked_at) >= 120
    assert all(late - early > 1 for early, late in zip(asked_at, asked_at[100:], strict=False))


class Drip(httpx.AsyncByteStream):
    """An answer that comes a byte at a time, and never to its end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("at", [is_credential, is_upload])
async def test_an_answer_that_never_ends_is_not_waited_for(
    emulator: Emulator, at: Callable[[httpx.Request], bool]
) -> None:
    """Of the service or of the store: `timeout_s` bounds the whole of it."""

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if not at(request):
            return None
        await request.aread()
        return httpx.Response(200, stream=Drip())

    once = RetryPolicy(max_attempts=1)
    async with through(emulator, meet, retry=once, timeout_s=0.2) as client:
        with pytest.raises(NotSent, match=r"no whole answer came within 0\.2 s"):
            await client.check(picture())


async def test_a_file_that_does_not_answer_is_given_up(emulator: Emulator) -> None:
    """On a network disk that hangs; `give_up_after_s` bounds that as well."""
    hangs, ours = threading.Event(), threading.current_thread()

    def read() -> str:
        if threading.current_thread() is not ours:
            hangs.wait(30)
        return "face.jpg"

    async with emulator.client() as client:
        with pytest.raises(NotSent, match="while it was read") as raised:
            await client.check(Odd(read), give_up_after_s=0.1)
        assert isinstance(raised.value.image, Odd)
    hangs.set()


async def test_a_file_that_hangs_holds_up_no_other(emulator: Emulator) -> None:
    """Nor the stream's end, once it is left."""
    hangs, ours = threading.Event(), threading.current_thread()

    def read() -> str:
        if threading.current_thread() is not ours:
            hangs.wait(30)
        return "none.jpg"

    images = [Odd(read), *(picture(number) for number in range(3)), "https://a.example/1.jpg"]
    async with emulator.client() as client:
        async with client.aiter_check(images) as stream:
            kinds = [(await anext(stream)).kind for _ in range(4)]
            assert kinds == ["checked"] * 4
        async with client.aiter_check(images) as stream:
            kinds = [(await anext(stream)).kind for _ in range(4)]
            hangs.set()
            assert [outcome.kind async for outcome in stream] == ["skipped"]
