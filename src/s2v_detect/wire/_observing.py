"""The requests for checks as they go over the wire, watched from beside the one who sends them.

An HTTP client like the endpoint's own is given to a client, and notes of each request for a check
when its bytes left and what came back. It also holds the number of these requests: nothing that
decides about retries can pass it.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from s2v_detect._service import CHECK_PATH
from s2v_detect.errors import unreached
from s2v_detect.wire._answers import Answer
from s2v_detect.wire._http import own_http
from s2v_detect.wire._unpacking import CODINGS, Damaged, Unpacker, coding_of

_KEPT_BYTES = 1 << 16
"""Of a body: an answer of the service has some 200."""
_KEY = "s2v_detect.exchange"


@dataclass
class Exchange:
    """One request for a check, in seconds of the event loop's clock."""

    left_s: float | None = None
    """When its bytes left; None: they never did."""
    answered_s: float | None = None
    """When the head of the answer came."""
    ended_s: float | None = None
    """When the answer had come whole."""
    status: int = 0
    """0: no answer came."""
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    body: bytes = b""
    """Its beginning, unpacked."""

    @property
    def answer(self) -> Answer | None:
        """What came back, as far as it came; None where nothing did."""
        if not self.status:
            return None
        return Answer(self.status, self.headers, self.body)


class Observer:
    """What is seen of the checks of one client."""

    def __init__(self, most: int) -> None:
        self._left = most
        self.is_used_up = False
        """Whether one more was refused."""
        self.exchanges: list[Exchange] = []
        """In the order in which they were sent."""

    def http(self, base_url: str) -> httpx.AsyncClient:
        """Return the HTTP client to watch. Raises `ConfigurationError` as the endpoint does."""
        hooks = {"request": [self._requested], "response": [self._answered]}
        return own_http(httpx.URL(base_url).host, event_hooks=hooks)

    async def _requested(self, request: httpx.Request) -> None:
        if not _is_check(request):
            return
        if not self._left:  # before a byte of it, so that it counts as not sent
            self.is_used_up = True
            what = "not sent, as many requests were made as were asked for"
            raise unreached(what, "Ask for more of them", lasts=True)
        self._left -= 1
        exchange = Exchange()
        self.exchanges.append(exchange)
        trace = request.extensions.get("trace")
        loop = asyncio.get_running_loop()

        async def noted(event: str, info: Mapping[str, Any]) -> None:
            if trace is not None:
                await trace(event, info)  # it may hold the bytes until their turn
            if event.endswith(".send_request_headers.started"):
                is_own = info["request"].method == b"POST"  # a proxy's CONNECT has the event too
                exchange.left_s = loop.time() if is_own else exchange.left_s

        request.extensions = {**request.extensions, "trace": noted, _KEY: exchange}

    async def _answered(self, response: httpx.Response) -> None:
        exchange = response.request.extensions.get(_KEY)
        if not isinstance(exchange, Exchange):
            return
        exchange.answered_s = asyncio.get_running_loop().time()
        exchange.status = response.status_code
        exchange.headers = response.headers
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Copied(response.stream, exchange)


class _Copied(httpx.AsyncByteStream):
    """A body whose beginning is kept as it is read."""

    def __init__(self, stream: httpx.AsyncByteStream, exchange: Exchange) -> None:
        self._stream = stream
        self._exchange = exchange
        coding = coding_of(exchange.headers.get("content-encoding", ""))
        self._unpacker = Unpacker() if coding in CODINGS else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            with suppress(Damaged):
                self._keep(chunk)
            yield chunk
        self._exchange.ended_s = asyncio.get_running_loop().time()

    def _keep(self, chunk: bytes) -> None:
        for piece in [chunk] if self._unpacker is None else self._unpacker.pieces(chunk):
            room = _KEPT_BYTES - len(self._exchange.body)
            if not room:
                return
            self._exchange.body += piece[:room]

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_check(request: httpx.Request) -> bool:
    return request.method == "POST" and request.url.path.endswith(CHECK_PATH)
