"""Whatever task factory the loop has and whatever a watcher raises: every check has its end."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from s2v_detect import (
    AccessDenied,
    ConfigurationError,
    DetectClient,
    DetectError,
    Event,
    LocalLimiter,
    Verdict,
)
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Silent
from s2v_detect.limiters import Turn
from s2v_detect.models import EventKind, Lane

IMAGE = "https://images.example/face.jpg"
SOURCE = Path(sys.modules["s2v_detect"].__file__ or "").parent
KINDS = get_args(EventKind)


class Strange(BaseException):
    """As pytest's own `Failed`: no `Exception`."""


async def one(client: DetectClient) -> None:
    """Check one image."""
    await client.check(IMAGE)


async def same_twice(client: DetectClient) -> None:
    """Check one image twice at one time."""
    await asyncio.gather(client.check(IMAGE), client.check(IMAGE))


async def again(client: DetectClient) -> None:
    """Check one image, and once more."""
    await client.check(IMAGE)
    await client.check(IMAGE)


async def stream(client: DetectClient) -> None:
    """Stream images, one of them twice."""
    images = [IMAGE, "no url", IMAGE, "https://images.example/2.jpg"]
    outcomes = [outcome async for outcome in client.aiter_check(images)]
    assert len(outcomes) == 4


async def in_order(client: DetectClient) -> None:
    """Stream images in their order."""
    outcomes = [outcome async for outcome in client.aiter_check([IMAGE] * 5, ordered=True)]
    assert [outcome.index for outcome in outcomes] == list(range(5))


async def a_file(client: DetectClient) -> None:
    """Check a local file."""
    await client.check(Path(__file__).parents[2] / "examples/photographs/portrait.jpg")


async def cancelled(client: DetectClient) -> None:
    """Begin a check, leave, and check again."""
    leaving = asyncio.create_task(client.check(IMAGE))
    leaving.cancel()
    await asyncio.wait([leaving])
    await client.check(IMAGE)


async def left(client: DetectClient) -> None:
    """Leave a stream after its first outcome."""
    async with client.aiter_check([IMAGE, "https://images.example/2.jpg"]) as outcomes:
        await anext(outcomes)


USES = [one, same_twice, again, stream, in_order, a_file, cancelled, left]
Use = Callable[[DetectClient], Awaitable[None]]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before 3.12")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("has_ledger", [False, True])
async def test_an_eager_loop_hangs_no_check(
    emulator: Emulator,
    tmp_path: Path,
    use: Use,
    has_ledger: bool,  # noqa: FBT001  # pytest gives it by name
) -> None:
    """Tasks of `asyncio.eager_task_factory` run before whoever makes them goes on."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # since 3.12
    ledger = tmp_path / "eager.db" if has_ledger else None
    async with asyncio.timeout(20), emulator.client(ledger=ledger) as client:
        await use(client)
        await use(client)
    assert client.spend.billed == emulator.billed


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before 3.12")
@pytest.mark.parametrize("use", [use for use in USES if use is not a_file])
@pytest.mark.parametrize("status", [200, 401])
async def test_an_eager_loop_hangs_no_check_that_never_waits(
    emulator: Emulator, use: Use, status: int
) -> None:
    """With a transport that answers at once, a flight ends within its first step."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # since 3.12
    told = {"output": {"check_pass": True}, "usage": {"image_count": 1}}
    refusal = {"code": "InvalidApiKey", "message": "no"}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=told if status == 200 else refusal)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with asyncio.timeout(20), http, emulator.client(http_client=http) as client:
        for _ in range(2):
            with nullcontext() if status == 200 else suppress(AccessDenied):
                await use(client)


def test_no_task_of_ours_is_made_by_the_loops_own_factory() -> None:
    """The rooms of a check make their tasks by `task_of`; an eager loop would run them too soon."""
    rooms = [
        SOURCE,
        *(SOURCE / room for room in ("limiters", "wire", "images", "ledger", "checks")),
    ]
    texts = {path.name: path.read_text("utf-8") for room in rooms for path in room.glob("*.py")}
    makers = ("create_task(", "ensure_future(", "TaskGroup(")
    assert [name for name, text in texts.items() if any(make in text for make in makers)] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "fault", [Strange, asyncio.CancelledError, GeneratorExit, ZeroDivisionError]
)
async def test_a_watcher_that_raises_anything_hangs_and_changes_nothing(
    emulator: Emulator, tmp_path: Path, kind: str, fault: type[BaseException]
) -> None:
    """At every event, with every kind of exception: the same verdicts and the same books."""

    def watch(event: Event) -> None:
        if event.kind == kind:
            raise fault

    emulator.when("*/lost.jpg", Cut(billed=True), Pass())
    emulator.when("*/slow.jpg", Error(429, "Throttling"), Pass())
    images: list[Any] = [
        IMAGE,
        IMAGE,
        "https://images.example/lost.jpg",
        "https://images.example/slow.jpg",
        Path(__file__).parents[2] / "examples/photographs/portrait.jpg",
    ]
    ledger = tmp_path / "watched.db"
    async with asyncio.timeout(30), emulator.client(on_event=watch, ledger=ledger) as client:
        outcomes = [outcome async for outcome in client.aiter_check(images)]
        known = await client.check(IMAGE)
    assert [outcome.kind for outcome in outcomes] == ["checked"] * 5
    assert known.source == "ledger"
    assert client.spend.billed + client.spend.unknown == emulator.billed == 5


async def test_a_transport_that_raises_no_exception_still_lands(emulator: Emulator) -> None:
    """What a user's transport raises comes out of the check, and of the next one's too."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise Strange

    http = httpx.AsyncClient(transport=httpx.MockTransport(refuse))
    async with http, emulator.client(http_client=http) as client, asyncio.timeout(10):
        for _ in range(2):
            with pytest.raises(Strange):
                await client.check(IMAGE)
    assert client.spend.unknown == 2


@pytest.mark.parametrize("leaving", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_watcher_ends_the_program_and_not_the_check(
    s2v_emulator: Emulator, leaving: type[BaseException]
) -> None:
    """It comes out of the loop, and the request that was under way is in the books."""
    verdicts: list[Verdict] = []
    client = s2v_emulator.client(on_event=lambda event: _raise_at_sent(event, leaving))

    async def check() -> None:
        async with client:
            verdicts.append(await client.check(IMAGE))

    with pytest.raises(leaving):
        asyncio.run(check())
    assert verdicts == []
    assert client.spend.billed + client.spend.unknown == 1


def _raise_at_sent(event: Event, leaving: type[BaseException]) -> None:
    if event.kind == "sent":
        raise leaving


async def test_a_silent_service_and_a_broken_watcher_end_in_time(emulator: Emulator) -> None:
    """A time-out is told too, though the watcher breaks at every event."""

    def watch(event: Event) -> None:
        raise Strange

    emulator.when("*", Silent(billed=True))
    async with asyncio.timeout(20):
        async with emulator.client(on_event=watch, timeout_s=0.2, on_unknown="keep") as client:
            outcomes = [outcome async for outcome in client.aiter_check([IMAGE])]
    assert [outcome.billed for outcome in outcomes] == ["unknown"]


@pytest.mark.parametrize("fault", [GeneratorExit, asyncio.CancelledError, Strange, OSError])
async def test_whatever_a_part_of_the_users_own_raises_the_check_has_its_end(
    emulator: Emulator, fault: type[BaseException]
) -> None:
    """A transport or a limiter; the next check is no share of the one that failed."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise fault

    class Refusing(LocalLimiter):
        async def turn(self, lane: Lane = "bulk") -> Turn:
            raise fault

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        for options in ({"http_client": http}, {"limiter": Refusing(5)}):
            async with emulator.client(on_unknown="keep", **options) as client:
                for _ in range(2):
                    with pytest.raises((fault, DetectError)):
                        await asyncio.wait_for(client.check(IMAGE), 10)
            assert client.spend.unknown == (2 if "http_client" in options else 0)


def test_a_loop_that_is_none_of_asyncios_is_refused_in_words(
    tmp_path: Path,
) -> None:
    """As under trio: with a ledger and without, and no coroutine is left behind."""
    for ledger in (None, tmp_path / "no_loop.db"):
        client = DetectClient("sk-x", ledger=ledger)
        with pytest.raises(ConfigurationError, match="no event loop of asyncio"):
            client.aopen().send(None)
