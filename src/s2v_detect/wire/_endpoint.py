"""The service over httpx: one POST and its whole answer, a GET, and an upload.

An answer is read as it comes: it is asked for uncoded, and unpacked by us where it is not.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx
from pydantic import SecretStr

from s2v_detect._redaction import bare
from s2v_detect._service import BASE_URL, CHECK_PATH
from s2v_detect.errors import (
    MAYBE_BILLED,
    ConfigurationError,
    DetectError,
    NotSent,
    OutcomeUnknown,
    unreached,
)
from s2v_detect.wire._answers import Answer, request_body, request_headers
from s2v_detect.wire._departure import Departure, PoolQueue
from s2v_detect.wire._environment import network_of
from s2v_detect.wire._http import THIS_MACHINE, own_http, reads_environment
from s2v_detect.wire._reach import Reach, Route
from s2v_detect.wire._setup import Fault, Network
from s2v_detect.wire._unpacking import CODINGS, Damaged, Unpacker, coding_of

_CONNECT_TIMEOUT_S = 5.0
_SHORTEST_KEY = 16  # real ones have 35 characters
_LONGEST_ANSWER_BYTES = 1 << 20  # a verdict has some 200
_NOT_UPLOADED = "not uploaded"
_UNREADABLE = b"(packed in a way that was not asked for)"
"""Stands for such a body: no JSON, and not empty, which is what the store says of success."""

TRANSPORT_ERRORS: dict[type[Exception], str] = {
    httpx.ConnectError: "no connection could be made",
    httpx.ConnectTimeout: "no connection could be made in time",
    httpx.PoolTimeout: "the HTTP client's pool had no connection free",
    httpx.ProxyError: "the proxy refused",
    httpx.ReadError: "the connection broke before the answer was whole",
    httpx.ReadTimeout: "no answer came in time",
    httpx.WriteError: "the connection broke while the request was sent",
    httpx.WriteTimeout: "the request could not be sent in time",
    httpx.CloseError: "the connection broke while it was closed",
    httpx.RemoteProtocolError: "the connection was cut before the answer was whole",
    httpx.LocalProtocolError: "the request could not be put on the wire",
    httpx.UnsupportedProtocol: "the HTTP client can't speak to the base URL",
}
"""What each transport error is called in a message; a test compares this with httpx."""

_OF_THE_TRANSPORT = (httpx.HTTPError, ssl.SSLError)
"""httpcore lets through what TLS says while an answer is read."""
_NO_ADDRESS = (OverflowError, UnicodeError, ExceptionGroup)
"""Of a port or a host that is none: httpcore lets these through, too, as anyio groups them."""


class Endpoint:
    """The service's one address, with an httpx client while it is open."""

    def __init__(
        self,
        base_url: str,
        model: str,
        standing: Mapping[str, str],
        *,
        api_key: SecretStr,
        timeout_s: float,
        http_client: httpx.AsyncClient | None,
    ) -> None:
        self._url = _url_of(base_url)
        self.url = str(self._url)
        """Where a check is asked for."""
        self._model = model
        self.base_url = base_url
        self._timeout_s = timeout_s
        self._headers = {"Host": self._url.netloc.decode("ascii"), **standing}
        self._api_key = api_key
        self._too_late = f"no whole answer came within {timeout_s:g} s"
        self._queue = PoolQueue()
        if http_client is not None and not isinstance(http_client, httpx.AsyncClient):
            raise ConfigurationError(
                f"http_client is of type {type(http_client).__name__}.",
                do="Give an httpx.AsyncClient, or leave it out.",
            )
        self._given = http_client
        self._http = http_client
        self._reach = Reach(self._url, Network())
        self._timeouts = httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S).as_dict()

    @property
    def where(self) -> str:
        """Words that tell an emulator from the service, whatever its port."""
        return " on this machine" if self._url.host in THIS_MACHINE else ""

    def open(self) -> None:
        """Have an httpx client of this event loop; a given one is used as it is.

        Raises `ConfigurationError` where the environment's proxies or certificates are none.
        """
        self._queue = PoolQueue()
        self._reach = Reach(self._url, network_of(os.environ))
        self._http = self._given or own_http(self._url.host)

    async def close(self) -> None:
        """Close the connections; a given client is its owner's to close."""
        if self._given is None and self._http is not None:
            await self._http.aclose()
            self._http = None

    async def post(self, image: Callable[[], Awaitable[str]], departure: Departure) -> Answer:
        """Return the whole answer, or raise `NotSent` or `OutcomeUnknown`.

        `image` gives the address, and what it raises is raised: nothing has left then. `timeout_s`
        runs from the bytes leaving to the whole answer.
        """
        try:
            url = await image()
            async with asyncio.timeout(None) as deadline:
                await departure.start(self._queue, deadline, self._timeout_s)
                request = self._request(url, departure)
                answer = await self._answer(request, departure.route)
        except BaseException as error:  # whatever it is, the turn must hear whether the bytes left
            departure.failed(error)
            if isinstance(error, TimeoutError):
                raise _unknown(self._too_late, error) from bare(error)
            if isinstance(error, _OF_THE_TRANSPORT + _NO_ADDRESS):
                left, route = departure.left, departure.route
                fault = await self._reach.fault(error, self._url, route, left=left)
                if fault or isinstance(error, _OF_THE_TRANSPORT):
                    place = self._reach.place(self._url, route)
                    raise _translated(error, fault, place, left=left) from bare(error)
            raise
        departure.answered()
        self._reach.has_checked = True
        self._queue.is_needed = departure.has_events
        return answer

    @property
    def reads_environment(self) -> bool:
        """Whether the proxies and certificates of the environment count for its address."""
        return reads_environment(self._url.host)

    def place(self, route: Route) -> str:
        """Return in words what a request to the service was connected to: it, or a proxy."""
        return self._reach.place(self._url, route)

    async def get(
        self, path: str, route: Route | None = None, *, unless: str = _NOT_UPLOADED
    ) -> Answer:
        """Return the service's answer to a GET. Never billed. Raises `NotSent`.

        The `route` is told what was connected to; `unless` is how an error begins.
        """
        headers = {name: self._headers[name] for name in self._headers if name != "Content-Type"}
        request = httpx.Request("GET", self._url.join(self.base_url + path), headers=headers)
        request.headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        deadline = asyncio.timeout(self._timeout_s)
        return await self._run(request, deadline, route or Route(), unless=unless)

    async def post_elsewhere(
        self, url: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> Answer:
        """Return the answer to a POST without our key: an upload's. Raises `NotSent`.

        The body may take its time; its answer is due within `timeout_s`.
        """
        deadline = asyncio.timeout(None)

        async def leaving() -> AsyncIterator[bytes]:
            async for piece in body:
                yield piece
            deadline.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

        try:
            host = _url_in_range(url).netloc.decode("ascii")
            headers = {"Host": host, "Accept-Encoding": "identity", **headers}
            request = httpx.Request("POST", url, headers=headers, content=leaving())
        except httpx.InvalidURL as error:
            what = f"{_NOT_UPLOADED}, the store's address can't be read"
            raise _not_asked(what, error) from bare(error)
        return await self._run(request, deadline, Route())

    async def _run(
        self,
        request: httpx.Request,
        deadline: asyncio.Timeout,
        route: Route,
        *,
        unless: str = _NOT_UPLOADED,
    ) -> Answer:
        request.extensions = {"timeout": self._timeouts, "trace": route.trace}
        try:
            async with deadline:
                return await self._answer(request, route)
        except TimeoutError as error:
            raise _not_asked(f"{unless}, {self._too_late}", error) from bare(error)
        except _OF_THE_TRANSPORT + _NO_ADDRESS as error:
            fault = await self._reach.fault(error, request.url, route)
            if fault:
                what = f"{unless}, {fault.what}"
                raise unreached(what, fault.do, lasts=fault.lasts) from bare(error)
            if isinstance(error, _NO_ADDRESS):
                raise
            what = f"{unless}, {_what(error)}, at {self._reach.place(request.url, route)}"
            raise _not_asked(what, error) from bare(error)

    def _request(self, image: str, departure: Departure) -> httpx.Request:
        # Made by hand, not by the client: no cookies, no headers but ours.
        body = request_body(self._model, image)
        headers = request_headers(self._headers, image)
        headers["Content-Length"] = str(len(body))
        headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        return httpx.Request(
            "POST",
            self._url,
            headers=headers,
            stream=httpx.ByteStream(body),
            extensions={"timeout": self._timeouts, "trace": departure.trace},
        )

    async def _answer(self, request: httpx.Request, route: Route) -> Answer:
        http = self._http
        if http is None or http.is_closed:
            raise unreached(
                "the http_client of this client is closed",
                "Keep it open for as long as the DetectClient is",
                lasts=True,
            )
        try:
            response = await http.send(request, stream=True, auth=None, follow_redirects=False)
            try:
                body = await _body_of(response)
            finally:
                await response.aclose()
        except BaseException:  # an error of httpx travels with its request
            request.headers.pop("Authorization", None)
            raise
        answer = Answer(response.status_code, response.headers, self._without_key(body))
        self._reach.hear(answer, request.url, route)
        return answer

    def _without_key(self, told: bytes) -> bytes:
        """Return an answer without our key: some gateways echo what they were sent."""
        key = self._api_key.get_secret_value().encode()
        # A short one, as tests have, may be a part of any word.
        return told if len(key) < _SHORTEST_KEY else told.replace(key, b"sk-...")


async def _body_of(response: httpx.Response) -> bytes:
    """Return the body, or as much of it as any answer may have: longer ones will not parse."""
    if response.is_stream_consumed:  # an injected transport has read it, and unpacked it too
        return response.content[:_LONGEST_ANSWER_BYTES]
    coding = coding_of(response.headers.get("content-encoding", ""))
    if coding and coding not in CODINGS:
        return _UNREADABLE
    unpacker = Unpacker() if coding else None
    body, came_bytes = bytearray(), 0
    async for chunk in response.aiter_raw():
        came_bytes += len(chunk)
        if unpacker is None:
            body += chunk
        else:
            try:
                await _unpack(unpacker, chunk, body)
            except Damaged:
                return _UNREADABLE
        if max(came_bytes, len(body)) > _LONGEST_ANSWER_BYTES:
            break
    return bytes(body)


async def _unpack(unpacker: Unpacker, chunk: bytes, body: bytearray) -> None:
    for piece in unpacker.pieces(chunk):
        body += piece
        if len(body) > _LONGEST_ANSWER_BYTES:
            return
        await asyncio.sleep(0)  # others are to be heard meanwhile


def _url_of(base_url: str) -> httpx.URL:
    try:
        return httpx.URL(base_url + CHECK_PATH)
    except httpx.InvalidURL as error:  # a host that is no name in any alphabet, or too long
        raise ConfigurationError(
            "the base URL can't be used.", do=f"Give one such as {BASE_URL}."
        ) from bare(error)


def _url_in_range(text: str) -> httpx.URL:
    url = httpx.URL(text)
    if url.port is not None and not 0 < url.port < 2**16:  # no one else looks before the socket
        raise httpx.InvalidURL("the port is none")
    return url


def _what(error: Exception) -> str:
    return TRANSPORT_ERRORS.get(type(error), "the answer could not be read")


def _translated(error: Exception, fault: Fault | None, place: str, *, left: bool) -> DetectError:
    if fault:
        return unreached(f"not sent, {fault.what}", fault.do, lasts=fault.lasts)
    if not left:
        return NotSent(
            f"not sent, {_what(error)}, at {place} ({type(error).__name__}).",
            do="Check the network and the base URL; it was not billed.",
        )
    return _unknown(_what(error), error)


def _not_asked(what: str, error: BaseException) -> NotSent:
    return NotSent(
        f"{what} ({type(error).__name__}).",
        do="Check the network; it was not billed.",
    )


def _unknown(what: str, error: BaseException) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"sent, but {what} ({type(error).__name__}).",
        do=MAYBE_BILLED,
        billed="unknown",
    )
