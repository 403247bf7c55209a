"""Broken answers, as a client sees them on a real socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from s2v_detect.emulator import Cut, Emulator, HalfBody, Html, Pass, Raw, Silent, Trickle

Ask = Callable[..., Awaitable[httpx.Response]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
IMAGE = "http://a.example/face.jpg"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator under which every image passes."""
    async with Emulator(answer=Pass()) as emulator:
        yield emulator


@pytest.mark.parametrize(
    ("cut", "error", "message"),
    [
        (Cut(), httpx.RemoteProtocolError, "without sending a response"),
        (Cut(after="headers"), httpx.RemoteProtocolError, "received 0 bytes"),
        (Cut(after="half body"), httpx.RemoteProtocolError, "received 66 bytes, expected 133"),
        (Cut(reset=True), httpx.ReadError, "^$"),
    ],
)
@pytest.mark.parametrize("billed", [True, False])
async def test_the_line_is_cut_where_it_was_said(
    emulator: Emulator, ask: Ask, *, cut: Cut, error: type[Exception], message: str, billed: bool
) -> None:
    """The client reads as much as was said, then the end; the bill is as was said, too."""
    emulator.when("*", Cut(billed, cut.after, cut.reset), Pass())
    with pytest.raises(error, match=message):
        await ask(emulator)
    assert emulator.billed == int(billed)
    assert (await ask(emulator)).status_code == 200


@pytest.mark.parametrize("after", ["request", "headers", "half body"])
async def test_silence_lasts_until_the_client_leaves(
    emulator: Emulator, ask: Ask, until: Until, after: str
) -> None:
    """Billed, then nothing; when the client hangs up, the request is in flight no more."""
    emulator.when("*", Silent(after=after))  # type: ignore[arg-type]  # a parameter of the test
    with pytest.raises(httpx.ReadTimeout):
        await ask(emulator, timeout=0.1)
    assert emulator.bills == {IMAGE: 1}
    await until(lambda: not emulator.in_flight)


async def test_silence_ends_when_the_emulator_closes(ask: Ask, until: Until) -> None:
    """Closing waits for no answer that never comes."""
    async with Emulator(answer=Silent()) as emulator:
        asking = asyncio.ensure_future(ask(emulator))
        await until(lambda: emulator.billed)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    with pytest.raises(httpx.RemoteProtocolError):
        await asking


async def test_a_half_body_is_whole_http(emulator: Emulator, ask: Ask) -> None:
    """Status, length and connection are in order; only the JSON breaks off."""
    emulator.when("*", HalfBody())
    answer = await ask(emulator)
    assert answer.status_code == 200
    assert answer.text.startswith('{"output"')
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()
    assert emulator.billed == 1


async def test_a_trickle_takes_its_time_and_is_whole(emulator: Emulator, ask: Ask) -> None:
    """No read waits long, and yet the answer takes as long as was said."""
    emulator.when("*", Trickle(over_s=0.3))
    started = time.monotonic()
    answer = await ask(emulator, timeout=0.1)
    assert time.monotonic() - started >= 0.3
    assert answer.json()["output"]["check_pass"]


async def test_latency_comes_before_the_answer(emulator: Emulator, ask: Ask) -> None:
    """The service says itself how long it took."""
    emulator.when("*", Pass(latency_s=0.2))
    started = time.monotonic()
    answer = await ask(emulator)
    assert time.monotonic() - started >= 0.2
    assert int(answer.headers["req-cost-time"]) >= 200


async def test_the_emulator_s_latency_is_for_answers_without_their_own(ask: Ask) -> None:
    """`latency_s` may be a range; an answer's own 0 is 0."""
    async with Emulator(answer=Pass(), latency_s=(0.1, 0.2)) as emulator:
        emulator.when("*/fast.jpg", Pass(latency_s=0))
        slow = await ask(emulator)
        fast = await ask(emulator, "http://a.example/fast.jpg")
    assert int(slow.headers["req-cost-time"]) >= 100
    assert int(fast.headers["req-cost-time"]) < 100


async def test_a_client_that_leaves_is_billed_all_the_same(emulator: Emulator, ask: Ask) -> None:
    """The bill is written before the answer is sent, whoever may still want it."""
    emulator.when("*", Pass(latency_s=5))
    with pytest.raises(httpx.ReadTimeout):
        await ask(emulator, timeout=0.05)
    assert emulator.billed == 1


async def test_a_gateway_s_page_is_html(emulator: Emulator, ask: Ask) -> None:
    """Status and bill are free to choose."""
    emulator.when("*", Html(), Html(502, billed=True))
    page, fault = await ask(emulator), await ask(emulator)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
    assert (fault.status_code, "<html>" in fault.text) == (502, True)
    assert emulator.billed == 1


async def test_any_body_can_be_had(emulator: Emulator, ask: Ask) -> None:
    """Text or bytes, any type, any headers."""
    emulator.when(
        "*", Raw(403, "<Error/>", "application/xml", headers={"X-A": "b"}), Raw(200, b"\xff")
    )
    xml, odd = await ask(emulator), await ask(emulator)
    assert (xml.status_code, xml.text, xml.headers["X-A"]) == (403, "<Error/>", "b")
    assert odd.content == b"\xff"
