"""The page of a run that goes on, over HTTP on this machine: the page, and its events.

Who may read it: whoever was given its address. The page shows addresses of somebody's customers,
and everything that runs on this machine can reach the port: other users, and every page of another
site that is open in a browser. So the path begins with a secret that is printed for the user alone.
A page of another site that has made its own name resolve to this machine (DNS rebinding) is known
by its `Host`, one that asks across sites by its `Origin`; both are refused before the path is
looked at. A port that is forwarded here (`ssh -L`) has another number, so the port may be any.

Who pays for a slow browser: that browser. An update is made once, as bytes, for all of them. A
browser that has not taken the last one is not waited for: it gets the rows that it has missed, out
of a bounded number of updates, and the newest figures. What it misses beyond that, it has when the
run ends, or when it loads the page again.
"""

import asyncio
import logging
import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from aiohttp import web

from s2v_detect._logging import Harmless

_log = logging.getLogger("s2v_detect.report")

NAME = "The live page"
EVERY_S = 1.0
"""An update is made no more often, and none while nobody looks."""
_MOST_UPDATES = 30
"""Whose rows are kept for a browser that is slow, or was away for a moment."""
_MOST_BROWSERS = 20
_STUCK_S = 20.0
"""A browser that takes nothing for so long is let go. It comes back by itself when it can."""
_LAST_S = 1.0
"""How long the last state may take to be taken, when the run has ended."""
_LET_GO_S = 0.05
"""For a browser that came while the server was closing. Zero would be no bound at all: aiohttp's
own rule, by which such a browser was waited for without an end."""
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # no page can say that itself
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Update(NamedTuple):
    """What is new, as JSON."""

    rows: str
    """A list of those that came since the update before."""
    parts: str
    """What now stands in each part of the page."""


class Shown(Protocol):
    """What is served. Called in the server's own thread."""

    def whole(self, events: str) -> tuple[Update, str]:
        """Return what is new since the last call, and the page with exactly that.

        `events` is where the page's events come from.
        """

    def update(self) -> Update:
        """Return what is new since the last call."""

    def last(self) -> str | None:
        """Return the last state, as JSON; None: the run goes on."""


class Server:
    """Serves the page under `/TOKEN/` on a bound socket, while its block is open."""

    def __init__(
        self,
        shown: Shown,
        bound: socket.socket,
        token: str,
        *,
        every_s: float = EVERY_S,
        harmless: Harmless | None = None,
    ) -> None:
        self._harmless = harmless or Harmless(NAME)
        self._every_s = every_s
        self._shown = shown
        self._socket = bound
        self._token = token
        self._number = 0
        self._updates: deque[tuple[int, bytes]] = deque(maxlen=_MOST_UPDATES)
        self._parts = b""
        self._last: bytes | None = None
        self._browsers: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Condition()
        application = web.Application(middlewares=[_refuse_other_sites])
        application.router.add_get(f"/{self._token}/", self._page)
        application.router.add_get(f"/{self._token}/events", self._events)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,  # a browser that has left is let go at once
            logger=_log,
            shutdown_timeout=_LET_GO_S,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        self._keeping = asyncio.create_task(self._keep_current())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeping.cancel()
        await self.end()
        with suppress(TimeoutError):
            # Where there is no last state, there is nothing to be taken.
            async with asyncio.timeout(_LAST_S if self._last else 0), self._changed:
                await self._changed.wait_for(lambda: not self._browsers)
        for stuck in tuple(self._browsers):
            stuck.abort()  # to close it would wait for that browser
        await self._runner.cleanup()

    async def end(self) -> None:
        """Send the last state: no other follows."""
        async with self._changed:
            last = None
            with self._harmless:
                last = None if self._last else self._shown.last()
            if last is not None:
                self._last = f"event: ended\ndata: {last}\n\n".encode()
                self._changed.notify_all()

    async def _keep_current(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._browsers)
            await asyncio.sleep(self._every_s)
            async with self._changed:
                with self._harmless:
                    self._take(self._shown.update())

    def _take(self, update: Update) -> None:
        self._number += 1
        rows = f"id: {self._number}\nevent: rows\ndata: {update.rows}\n\n"
        self._updates.append((self._number, rows.encode()))
        self._parts = f"event: parts\ndata: {update.parts}\n\n".encode()
        self._changed.notify_all()

    async def _page(self, _: web.Request) -> web.StreamResponse:
        async with self._changed:  # a row is in the page, or in what comes after it: never in both
            update, text = self._shown.whole(f"events?after={self._number + 1}")
            self._take(update)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        connection = request.transport
        if connection is None or len(self._browsers) >= _MOST_BROWSERS:
            return web.Response(status=503, text="Too many browsers look at this page.")
        headers = {**_HEADERS, "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        async with self._changed:
            self._browsers.add(connection)
            self._changed.notify_all()
        try:
            await self._feed(response, _taken(request))
        except (TimeoutError, ConnectionError):  # stuck, or gone
            connection.abort()
        finally:
            self._browsers.discard(connection)
            async with self._changed:
                self._changed.notify_all()
        return response

    async def _missed(self, taken: int) -> tuple[list[bytes], int]:
        """Wait for a later update. Return the rows of all later ones, and the last one's number."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._last or self._number > taken)
        return [rows for number, rows in self._updates if number > taken], self._number

    async def _feed(self, response: web.StreamResponse, taken: int) -> None:
        while self._last is None:
            missed, taken = await self._missed(taken)
            async with asyncio.timeout(_STUCK_S):
                await response.write(b"".join([*missed, self._parts]))
        async with asyncio.timeout(_STUCK_S):
            await response.write(self._last)


def _taken(request: web.Request) -> int:
    """Return the number of the last update that a browser has."""
    told = request.headers.get("Last-Event-ID") or request.query.get("after", "")
    return int(told) if _NUMBER.fullmatch(told) else 0


def is_refused(host: str | None, origin: str | None) -> bool:
    """Whether a request with these headers is one of another site.

    Example:
        >>> is_refused("127.0.0.1:8080", None), is_refused("localhost:9", "http://localhost:9")
        (False, False)
        >>> is_refused("rebound.example:8080", None), is_refused("127.0.0.1:8080", "null")
        (True, True)
    """
    try:
        name = urlsplit(f"//{host or ''}").hostname
    except ValueError:
        return True
    return name not in _LOOPBACK or (origin is not None and origin != f"http://{host}")


@web.middleware
async def _refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    if is_refused(request.headers.get("Host"), request.headers.get("Origin")):
        return web.Response(status=403, text="This page is for a browser of this machine.")
    return await handler(request)
