"""Visitors who leave: what was not sent costs nothing, and what was sent is not lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request, UploadFile
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from tests.web import served

from s2v_detect import DetectClient, Event, LocalLimiter, Verdict
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.integrations.fastapi import (
    Detector,
    add_problem_handlers,
    lifespan,
    while_present,
)

FIRST, NEXT, SLOW = (f"https://images.example/{name}.jpg" for name in ("first", "next", "slow"))


class _Watching(BaseHTTPMiddleware):
    """One that looks at each request before its handler, as those of most applications do."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        return await call_next(request)


class _Reading(BaseHTTPMiddleware):
    """One that has read the body before the handler."""

    async def dispatch(self, request: Request, call_next: Any) -> Any:
        await request.body()
        return await call_next(request)


STACKS: dict[str, list[Any]] = {
    "no middleware": [],
    "one": [_Watching],
    "three": [_Watching, _Reading, _Watching],
    "one that packs": [_Watching, GZipMiddleware],
}


class Portrait(BaseModel):
    """What a visitor sends."""

    url: str


class Application:
    """An application, what its client told of, and how its handlers ended."""

    def __init__(self, emulator: Emulator, *, middlewares: Any = (), **options: Any) -> None:
        self.events: list[Event] = []
        self.ends: list[object] = []
        options = {"api_key": emulator.api_key, "base_url": emulator.base_url, **options}
        self.app = FastAPI(lifespan=lifespan(on_event=self.events.append, **options))
        for each in middlewares:
            self.app.add_middleware(each)
        add_problem_handlers(self.app)
        self.app.post("/json")(self.of_json)
        self.app.post("/file")(self.of_file)
        self.app.get("/query")(self.of_query)

    async def of_json(self, portrait: Portrait, request: Request, client: Detector) -> Verdict:
        """Check what a JSON body names."""
        return await self._checked(request, client, portrait.url)

    async def of_file(self, file: UploadFile, request: Request, client: Detector) -> Verdict:
        """Check what a form's file names."""
        return await self._checked(request, client, (await file.read()).decode())

    async def of_query(self, url: str, request: Request, client: Detector) -> Verdict:
        """Check what the address names; no body is read."""
        return await self._checked(request, client, url)

    async def _checked(self, request: Request, client: DetectClient, url: str) -> Verdict:
        try:
            verdict = await while_present(request, client.check(url))
        except BaseException as error:
            self.ends.append(error)
            raise
        self.ends.append(verdict)
        return verdict

    async def until(self, kind: str, image: str) -> Event:
        """Return the event of this kind, once it has come."""
        while True:
            for event in self.events:
                if event.kind == kind and event.image == image:
                    return event
            await asyncio.sleep(0.001)

    async def until_ended(self) -> object:
        """Return how the handler ended, once it has."""
        while not self.ends:
            await asyncio.sleep(0.001)
        return self.ends.pop()


ASKS: dict[str, Callable[[httpx.AsyncClient, str], Any]] = {
    "json": lambda visitor, url: visitor.post("/json", json={"url": url}),
    "file": lambda visitor, url: visitor.post("/file", files={"file": ("a.jpg", url.encode())}),
    "query": lambda visitor, url: visitor.get("/query", params={"url": url}),
}


async def leave(asking: "asyncio.Task[Any]") -> None:
    """Close the connection of one who waits."""
    asking.cancel()
    await asyncio.wait([asking])


@pytest.mark.parametrize("stack", STACKS)
async def test_one_who_leaves_the_line_costs_nothing(emulator: Emulator, stack: str) -> None:
    """The line is a minute long: the check leaves it at once, and the handler ends with 499."""
    line = LocalLimiter(rate=1, per_s=60)
    here = Application(emulator, middlewares=STACKS[stack], limiter=line)
    async with served(here.app) as visitor:
        await visitor.get("/query", params={"url": FIRST})
        assert isinstance(await here.until_ended(), Verdict)
        for name, ask in ASKS.items():
            url = f"{NEXT}?{name}"
            asking = asyncio.create_task(ask(visitor, url))
            await here.until("queued", url)
            await leave(asking)
            settled = await here.until("settled", url)
            assert (settled.error, settled.cost) == ("NotSent", Decimal(0))
            assert getattr(await here.until_ended(), "status_code", None) == 499, name
    assert emulator.billed == emulator.requests == 1


@pytest.mark.parametrize("stack", STACKS)
async def test_one_who_leaves_what_was_sent_leaves_an_answer(
    emulator: Emulator, tmp_path: Path, stack: str
) -> None:
    """It is finished and recorded: the next who asks has it from the ledger, for nothing."""
    emulator.when(f"{SLOW}*", Pass(latency_s=0.1))
    line, ledger = LocalLimiter(1000, 1), tmp_path / "l.db"
    here = Application(emulator, middlewares=STACKS[stack], ledger=ledger, limiter=line)
    async with served(here.app) as visitor:
        for name, ask in ASKS.items():
            url = f"{SLOW}?{name}"
            asking = asyncio.create_task(ask(visitor, url))
            await here.until("sent", url)
            await leave(asking)
            assert isinstance(await here.until_ended(), HTTPException), name
            assert (await here.until("settled", url)).error is None
            told = (await ask(visitor, url)).json()
            assert isinstance(await here.until_ended(), Verdict)
            assert (told["check_pass"], told["source"], told["billed"]) == (True, "ledger", "no")
    assert emulator.billed == emulator.requests == len(ASKS)


async def test_the_next_who_asks_meanwhile_shares_the_answer(emulator: Emulator) -> None:
    """Without a ledger too: the one who paid has left, and one request was made."""
    emulator.when(SLOW, Pass(latency_s=0.2))
    here = Application(emulator, limiter=LocalLimiter(1000, 1))
    async with served(here.app) as visitor:
        asking = asyncio.create_task(visitor.get("/query", params={"url": SLOW}))
        await here.until("sent", SLOW)
        next_one = asyncio.create_task(visitor.get("/query", params={"url": SLOW}))
        await here.until("shared", SLOW)
        await leave(asking)
        assert (await next_one).json()["check_pass"]
    assert emulator.billed == emulator.requests == 1


async def test_one_of_two_who_wait_in_line_may_leave(emulator: Emulator) -> None:
    """The other's check stays in line."""
    here = Application(emulator, limiter=LocalLimiter(rate=1, per_s=0.5))
    async with served(here.app) as visitor:
        await visitor.get("/query", params={"url": FIRST})
        one = asyncio.create_task(visitor.get("/query", params={"url": NEXT}))
        await here.until("queued", NEXT)
        other = asyncio.create_task(visitor.get("/query", params={"url": NEXT}))
        await here.until("shared", NEXT)
        await leave(one)
        assert (await other).json()["check_pass"]
    assert emulator.billed == 2


# Without a server: what a receive channel may do


def request_of(*messages: Any, then: Any = None) -> Request:
    """Return a request whose channel brings these, and then what `then` does (default: nothing)."""
    left = list(messages)

    async def receive() -> Any:
        if left:
            return left.pop(0)
        return await (then or asyncio.Event().wait)()

    return Request({"type": "http", "method": "GET", "headers": []}, receive)


BODY = {"type": "http.request", "body": b"x", "more_body": True}
GONE = {"type": "http.disconnect"}


@asynccontextmanager
async def no_task_left() -> AsyncIterator[None]:
    """Assert that all tasks which begin inside have ended."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("messages", [(), (BODY,), (BODY, BODY)])
async def test_what_the_work_comes_to_is_returned(messages: tuple[Any, ...]) -> None:
    """Or raised; and nobody listens any more."""

    async def fail() -> None:
        raise LookupError

    async with no_task_left():
        assert await while_present(request_of(*messages), asyncio.sleep(0, "done")) == "done"
        with pytest.raises(LookupError):
            await while_present(request_of(*messages), fail())


@pytest.mark.parametrize("messages", [(GONE,), (BODY, GONE), (GONE, GONE)])
async def test_one_who_had_left_before_gets_nothing(messages: tuple[Any, ...]) -> None:
    """The work has been cancelled, and has ended, when the handler ends."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async with no_task_left():
        with pytest.raises(HTTPException) as raised:
            await while_present(request_of(*messages), work())
    assert raised.value.status_code == 499
    assert ended == [True]


async def test_an_error_of_the_cleaning_up_is_nobodys() -> None:
    """The visitor has left: who would be told? It is no warning at exit either."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    with pytest.raises(HTTPException):
        await while_present(request_of(GONE), work())


async def test_a_channel_that_breaks_is_an_error_of_the_server() -> None:
    """It comes out as itself, and the work is cancelled."""

    async def broken() -> Any:
        raise RuntimeError("Unexpected message received")

    async with no_task_left():
        with pytest.raises(RuntimeError, match="Unexpected"):
            await while_present(request_of(then=broken), asyncio.Event().wait())


async def test_a_handler_that_is_cancelled_cancels_its_work() -> None:
    """As a server does at its end, and a time limit of the application's own."""
    working = asyncio.get_running_loop().create_future()
    async with no_task_left():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await while_present(request_of(), working)
    assert working.cancelled()


async def test_work_that_cancels_itself_is_told_so() -> None:
    """It is not taken for a visitor who left."""

    async def work() -> None:
        raise asyncio.CancelledError

    async with no_task_left():
        with pytest.raises(asyncio.CancelledError):
            await while_present(request_of(), work())


async def test_several_checks_of_one_visitor_listen_together(emulator: Emulator) -> None:
    """All of them are dropped with the visitor."""
    left = asyncio.Event()

    async def gone() -> Any:
        await left.wait()
        return GONE

    async with DetectClient(
        emulator.api_key, base_url=emulator.base_url, limiter=LocalLimiter(1, 60)
    ) as client:
        await client.check(FIRST)
        request = request_of(then=gone)
        checks = [
            asyncio.ensure_future(while_present(request, client.check(f"{NEXT}?{n}")))
            for n in range(3)
        ]
        await asyncio.sleep(0.01)
        left.set()
        ends = await asyncio.gather(*checks, return_exceptions=True)
    assert [getattr(each, "status_code", None) for each in ends] == [499] * 3
    assert emulator.billed == 1
