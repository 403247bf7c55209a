"""The server of the live page: made once for all browsers, and nobody waits for any of them."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Lock

import httpx
import pytest

from s2v_detect.report import Going, LivePage, Page
from s2v_detect.report._serving import Server, Update


class Counted:
    """A page whose every update has one row, and which counts how often it is asked."""

    def __init__(self, row: str = "row") -> None:
        self.row = row
        self.updates = 0
        self.lasts = 0
        self.has_ended = False

    def whole(self, events: str) -> tuple[Update, str]:
        """Return one row, and where its events come from."""
        return self.update(), events

    def update(self) -> Update:
        """Return one row, which has its number."""
        self.updates += 1
        return Update(json.dumps([f"{self.row} {self.updates}"]), "{}")

    def last(self) -> str | None:
        """Return the last state, as soon as the run has ended."""
        self.lasts += 1
        return '{"last": true}' if self.has_ended else None


@asynccontextmanager
async def served(shown: Counted, *, every_s: float = 0.01) -> AsyncIterator[tuple[Server, str]]:
    """Give a server of that page, and its address."""
    bound = socket.create_server(("127.0.0.1", 0))
    async with Server(shown, bound, "token", every_s=every_s) as server:
        yield server, f"http://127.0.0.1:{bound.getsockname()[1]}/token/"


async def events(
    url: str, web: httpx.AsyncClient, **headers: str
) -> AsyncIterator[tuple[str, str]]:
    """Yield each event's name and value, until the server ends it."""
    async with web.stream("GET", url, headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        name = ""
        async for line in answer.aiter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                yield name, value


async def rows_until(count: int, url: str, web: httpx.AsyncClient, **headers: str) -> list[str]:
    """Return the first so many rows that come."""
    rows: list[str] = []
    async for name, value in events(url, web, **headers):
        rows += json.loads(value) if name == "rows" else []
        if len(rows) >= count:
            break
    return rows


async def test_three_browsers_share_one_rendering_of_each_update() -> None:
    """All see the same rows, each once and in their order, and the end."""
    shown = Counted()
    async with served(shown) as (server, url), httpx.AsyncClient(trust_env=False) as web:

        async def looked() -> list[tuple[str, str]]:
            return [each async for each in events(f"{url}events?after=0", web)]

        browsers = [asyncio.create_task(looked()) for _ in range(3)]
        await rows_until(5, f"{url}events?after=0", web)
        shown.has_ended = True
        await server.end()
        seen = await asyncio.gather(*browsers)
    for each in seen:
        rows = [json.loads(value)[0] for name, value in each if name == "rows"]
        assert rows == [f"row {number + 1}" for number in range(len(rows))]
        assert len(rows) >= 5
        assert each[-1] == ("ended", '{"last": true}')
    assert shown.lasts == 1
    assert shown.updates < sum(map(len, seen)) / 2 / 2  # each update has two events


async def test_nothing_is_rendered_while_nobody_looks() -> None:
    """And the page itself is up to date whenever it is loaded."""
    shown = Counted()
    async with served(shown) as (_, url), httpx.AsyncClient(trust_env=False) as web:
        await asyncio.sleep(0.1)
        assert shown.updates == 0
        assert (await web.get(url)).text == "events?after=1"
        assert (await web.get(url)).text == "events?after=2"


async def test_a_browser_that_was_away_gets_what_it_has_missed() -> None:
    """By the number of the last update that it has, as browsers say it when they come back."""
    async with served(Counted()) as (_, url), httpx.AsyncClient(trust_env=False) as web:
        first = await rows_until(4, f"{url}events?after=0", web)
        headers = {"Last-Event-ID": "2"}
        again = await rows_until(2, f"{url}events?after=0", web, **headers)
    assert first[:4] == ["row 1", "row 2", "row 3", "row 4"]
    assert again[:2] == ["row 3", "row 4"]


@pytest.mark.parametrize("told", ["-1", "x", "1e9", "9" * 40, "٣", "0x10", "", " 1"])
async def test_no_number_is_taken_for_none(told: str) -> None:
    """It is a stranger's word: all that is kept comes."""
    async with served(Counted()) as (_, url), httpx.AsyncClient(trust_env=False) as web:
        await rows_until(1, f"{url}events?after=0", web)
        params = httpx.QueryParams(after=told)
        assert (await rows_until(1, f"{url}events?{params}", web))[0] == "row 1"


async def test_a_browser_that_takes_nothing_holds_up_nobody() -> None:
    """Not the others, not the end, and what is kept for it does not grow."""
    shown = Counted("x" * 300_000)
    async with served(shown) as (server, url), httpx.AsyncClient(trust_env=False) as web:
        stuck = socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
        stuck.sendall(b"GET /token/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await rows_until(45, f"{url}events?after=0", web)
        kept = sum(len(rows) for _, rows in server._updates)  # noqa: SLF001  # what is held
        assert kept < 9_100_000
        shown.has_ended = True
        began = asyncio.get_running_loop().time()
        await server.end()
    assert asyncio.get_running_loop().time() - began < 3
    stuck.close()


async def test_too_many_browsers_are_told() -> None:
    """The twenty-first gets no events."""
    async with (
        served(Counted(), every_s=60) as (_, url),
        httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None)) as web,
    ):
        opened = [web.stream("GET", f"{url}events") for _ in range(20)]
        for each in opened:
            await each.__aenter__()
        assert (await web.get(f"{url}events")).status_code == 503
        for each in opened:
            await each.__aexit__(None, None, None)


@pytest.mark.parametrize("steps", range(6))
async def test_a_browser_that_comes_while_the_server_closes_is_not_waited_for(steps: int) -> None:
    """At every step of its request, of a run that is gone without its last state."""
    async with asyncio.timeout(10), served(Counted()) as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.split(":")[2][:-7]))
        writer.write(b"GET /token/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"GET /token/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for _ in range(steps):
            await asyncio.sleep(0)
    writer.close()


class Between:
    """A lock at whose first release a row comes: the worst moment for whoever takes it twice."""

    def __init__(self, lock: Lock, come: Callable[[], None]) -> None:
        self._lock = lock
        self._come = [come]

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self._come:
            self._come.pop()()


def rows_of(text: str) -> list[str]:
    """Return the images whose rows are in a page, or in an event."""
    return re.findall(r"/(\w+)\.jpg", text)


async def test_a_row_that_comes_while_the_page_is_made_is_shown_once() -> None:
    """It is in the page, or in the first event after it; the rows before it are in the page."""
    with LivePage(Page("P"), every_s=0.01) as page:
        page.add([{"kind": "checked", "image": "http://a.example/early.jpg", "check_pass": True}])
        late = {"kind": "checked", "image": "http://a.example/late.jpg", "check_pass": True}
        state = vars(vars(page)["_state"])  # the moment in it is what is tried
        state["_lock"] = Between(state["_lock"], lambda: page.add([late]))
        async with httpx.AsyncClient(trust_env=False) as web:
            text = (await web.get(page.url)).text
            source = re.search(r"events\?after=\d+", text)
            assert source
            told = await rows_until(1, page.url + source[0], web)
    assert sorted(set(rows_of(text)) | set(rows_of(str(told)))) == ["early", "late"]
    assert not set(rows_of(text)) & set(rows_of(str(told)))


class FaultyOnce(Counted):
    """A page whose first update fails."""

    def update(self) -> Update:
        """Fail, or return one row."""
        update = super().update()
        if self.updates == 1:
            raise ZeroDivisionError
        return update


async def test_a_fault_of_one_update_is_logged_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No browser is left with a page that stands still."""
    async with served(FaultyOnce()) as (_, url), httpx.AsyncClient(trust_env=False) as web:
        assert await rows_until(1, f"{url}events?after=0", web) == ["row 2"]
    assert [each.getMessage()[:24] for each in caplog.records] == ["The live page has failed"]


def test_what_is_told_after_the_end_is_not_shown() -> None:
    """Neither a row, nor a request, nor how far it is: the last state stays the last."""
    passed = {"kind": "checked", "image": "http://a.example/1.jpg", "check_pass": True}
    with LivePage(Page("P")) as page:
        state = vars(page)["_state"]
        page.add([passed])
        page.end(["Done."], [1.0, 2.0])
        last = state.last()
        page.add([passed] * 300)
        page.sent(iter(range(300)))
        page.show(Going(1, 2, ["1 of 2"]))
        page.end(["Twice."], [3.0])
        assert state.last() == last


def test_a_port_that_is_taken_is_an_error_at_once() -> None:
    """And nothing of the page is left open."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="in use"), LivePage(Page("P"), port=port):
            pass


def test_a_page_that_nobody_has_opened_costs_no_time_at_the_end() -> None:
    """Whatever was told of it."""
    with LivePage(Page("P")) as page:
        page.add([{"kind": "checked", "check_pass": True}])
        page.end(["Done."])
        page.end(["Twice."])
    assert page.url.startswith("http://127.0.0.1:")
