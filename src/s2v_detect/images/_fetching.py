"""The first bytes of an image from its server, through the guard, and bounded in every way.

httpcore and not httpx: the guard is one network backend, and nothing adds a cookie, a referrer, a
key, a proxy or a redirect of its own. One connection a look: the time is bounded by a cancellation,
which costs a pool its place for good.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, quote, urlsplit

import httpcore
import idna

from s2v_detect._version import VERSION
from s2v_detect.wire import CODINGS, Damaged, Unpacker, coding_of

_SAFE = "!\"$%&'()*+,-./:;=?@[\\]^_`{|}~"
"""Sent as they stand: servers differ in what they make of their escapes."""
_CONTENT_RANGE = re.compile(rb"bytes (?:(\d{1,19})-\d{1,19}|\*)/(\d{1,19}|\*)")
_MOST_PIECES = 4096
"""Of one answer. Each costs its parsing, however little is in it."""


class Unclear(Exception):
    """A server's answer from which nothing can be told."""


class Part:
    """An answer: its status, and for an image its bytes as they come."""

    def __init__(self, response: httpcore.Response, start: int) -> None:
        self._response = response
        self._start = start
        self.status = response.status
        self._headers = {name.lower(): value for name, value in response.headers}
        self._range = _CONTENT_RANGE.fullmatch(self._headers.get(b"content-range", b""))
        self._coding = coding_of(self._headers.get(b"content-encoding", b"").decode("latin-1"))
        self._has_ended = False

    @property
    def location(self) -> str:
        """Where a redirect leads; bytes in it that are no UTF-8 will be sent as they are."""
        return self._headers.get(b"location", b"").decode(errors="surrogateescape")

    @property
    def is_empty_image(self) -> bool:
        """Whether the server says that there is nothing to take a part of."""
        is_refused = self.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        return is_refused and bool(self._range) and self._total_bytes == 0

    def was_the_last(self, read_bytes: int) -> bool:
        """Whether it is proven that an image has no more than the bytes that were read of it.

        An answer that has just ended may have been cut.
        """
        if self.status == HTTPStatus.PARTIAL_CONTENT:
            return read_bytes == self._total_bytes > 0
        is_framed = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        return self._has_ended and is_framed

    async def content(self, known: bytes | bytearray) -> AsyncGenerator[bytes, None]:
        """Yield the bytes behind those that are known; a server may begin at the beginning."""
        is_part = self.status == HTTPStatus.PARTIAL_CONTENT
        if is_part and (self._range is None or self._range[1] != b"%d" % self._start):
            raise Unclear("its server sent another part than the one it was asked for")
        skipped = self._start if is_part else 0
        pieces = 0
        async with aclosing(self._decoded()) as chunks:
            async for chunk in chunks:
                pieces += 1
                if pieces > _MOST_PIECES:
                    raise Unclear("its server sends it in crumbs")
                repeated = chunk[: max(0, self._start - skipped)]
                if repeated != known[skipped : skipped + len(repeated)]:
                    raise Unclear("its server sends something else each time")
                skipped += len(repeated)
                if len(repeated) < len(chunk):
                    yield chunk[len(repeated) :]
        if skipped < self._start:
            raise Unclear("its server sends something else each time")

    async def close(self) -> None:
        """Let the connection go on to the next answer, if this one was taken whole."""
        await self._response.aclose()

    @property
    def _total_bytes(self) -> int:
        """How long the whole image is, where the server says so."""
        return int(self._range[2]) if self._range and self._range[2] != b"*" else 0

    async def _decoded(self) -> AsyncGenerator[bytes, None]:
        stream = self._response.aiter_stream()
        if not self._coding:
            async for chunk in stream:
                yield chunk
            self._has_ended = True
            return
        if self._coding not in CODINGS or self.status == HTTPStatus.PARTIAL_CONTENT:
            raise Unclear("its server sent it in a coding it was not asked for")
        unpacker = Unpacker()
        async for chunk in stream:
            try:
                for piece in unpacker.pieces(chunk):
                    if piece:
                        yield piece
                    await asyncio.sleep(0)  # others are to be heard meanwhile
            except Damaged as error:
                raise Unclear(f"its server sent damaged {self._coding}") from error
        self._has_ended = unpacker.has_ended


class Connection:
    """A connection to the server of a URL, made anew where it ends, while the block lasts."""

    def __init__(
        self,
        url: str,
        backend: httpcore.AsyncNetworkBackend,
        tls: ssl.SSLContext,
        timeout_s: float,
    ) -> None:
        parts = urlsplit(url)
        host = _ascii_host(parts)
        self._url = _on_the_wire(parts, host)
        name = f"[{host}]" if ":" in host else host
        self._host = name if parts.port is None else f"{name}:{parts.port}"
        self._backend = backend
        self._tls = tls
        # For each step, so that nothing is left behind; the whole look is bounded by the same.
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
        self._http: httpcore.AsyncHTTPConnection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._leave()

    async def get(self, start: int, end: int) -> Part:
        """Ask for the bytes from `start` to before `end`."""
        headers: dict[bytes | str, bytes | str] = {
            "Host": self._host,
            "User-Agent": f"s2v-detect/{VERSION}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-{end - 1}",
        }
        request = httpcore.Request(
            "GET", self._url, headers=headers, extensions={"timeout": self._timeouts}
        )
        http = await self._connection()
        return Part(await http.handle_async_request(request), start)

    async def _connection(self) -> httpcore.AsyncHTTPConnection:
        if self._http is not None and (not self._http.is_available() or self._http.has_expired()):
            await self._leave()
        if self._http is None:
            self._http = httpcore.AsyncHTTPConnection(
                origin=self._url.origin, ssl_context=self._tls, network_backend=self._backend
            )
        return self._http

    async def _leave(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()


def _ascii_host(parts: SplitResult) -> str:
    """Return the host as httpx spells it: by IDNA 2008, where `ß` is no `ss`."""
    host = parts.hostname or ""
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise Unclear("its host is no name in any alphabet") from error


def _on_the_wire(parts: SplitResult, host: str) -> httpcore.URL:
    target = quote(parts.path or "/", safe=_SAFE, errors="surrogateescape")
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE, errors="surrogateescape")
    return httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)
