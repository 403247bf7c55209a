"""The first bytes of an image from its server, through the guard, and bounded in every way.

httpcore and not httpx: the guard is one network backend, and nothing adds a cookie, a referrer, a
key, a proxy or a redirect of its own. One connection a look: the time is bounded by a cancellation,
which costs a pool its place for good.
"""

import re
import ssl
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, quote, urlsplit

import httpcore

from s2v_detect._version import VERSION

_SAFE = "!\"$%&'()*+,-./:;=?@[\\]^_`{|}~"
"""Sent as they stand: servers differ in what they make of their escapes."""
_CONTENT_RANGE = re.compile(rb"bytes (?:(\d{1,19})-\d{1,19}|\*)/(\d{1,19}|\*)")
_PARTIAL = 206
_TIMEOUT_S = 5.0
"""For each step, so that nothing is left behind; the whole look has its own bound."""


class Unclear(Exception):
    """A server's answer from which nothing can be told."""


class Part:
    """An answer: its status, and for an image its bytes as they come."""

    def __init__(self, response: httpcore.Response, start: int) -> None:
        self._response = response
        self._start = start
        self.status = response.status
        self._headers = {name.lower(): value for name, value in response.headers}

    @property
    def location(self) -> str:
        """Where a redirect leads, as it stands there."""
        return self._headers.get(b"location", b"").decode("latin-1")

    @property
    def total_bytes(self) -> int | None:
        """How long the whole image is, where the server says so."""
        found = _CONTENT_RANGE.fullmatch(self._headers.get(b"content-range", b""))
        return int(found[2]) if found and found[2] != b"*" else None

    async def content(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from where they were asked for; a server may begin at the beginning."""
        skip = 0 if self.status == _PARTIAL else self._start
        if self.status == _PARTIAL:
            self._begin_where_asked()
        async with aclosing(self._decoded()) as chunks:
            async for chunk in chunks:
                if skip < len(chunk):
                    yield chunk[skip:]
                skip = max(0, skip - len(chunk))

    def _begin_where_asked(self) -> None:
        found = _CONTENT_RANGE.fullmatch(self._headers.get(b"content-range", b""))
        if not found or found[1] is None or int(found[1]) != self._start:
            raise Unclear("its server sent another part than the one it was asked for")

    async def _decoded(self) -> AsyncGenerator[bytes, None]:
        coding = self._headers.get(b"content-encoding", b"identity").strip().lower()
        stream = self._response.aiter_stream()
        if coding in (b"identity", b""):
            async for chunk in stream:
                yield chunk
            return
        if coding not in (b"gzip", b"x-gzip", b"deflate") or self.status == _PARTIAL:
            raise Unclear("its server sent it in a coding it was not asked for")
        unpacking = zlib.decompressobj(wbits=47)  # gzip and zlib, by their own heads
        async for chunk in stream:
            packed = chunk
            while packed:
                try:
                    piece = unpacking.decompress(packed, 65_536)  # a bomb comes piece by piece
                except zlib.error as error:
                    raise Unclear("its server sent damaged gzip") from error
                packed = unpacking.unconsumed_tail
                if piece:
                    yield piece
                if unpacking.eof:
                    return


class Connection:
    """One connection to the server of a URL, for as long as the block lasts."""

    def __init__(
        self, url: str, backend: httpcore.AsyncNetworkBackend, tls: ssl.SSLContext
    ) -> None:
        parts = urlsplit(url)
        self._url = _on_the_wire(parts)
        self._host = parts.netloc.rpartition("@")[2]
        self._http = httpcore.AsyncHTTPConnection(
            origin=self._url.origin, ssl_context=tls, network_backend=backend
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def get(self, start: int, end: int) -> Part:
        """Ask for the bytes from `start` to before `end`."""
        headers: dict[bytes | str, bytes | str] = {
            "Host": self._host.encode("idna").decode() if not self._host.isascii() else self._host,
            "User-Agent": f"s2v-detect/{VERSION}",
            "Accept": "image/*",
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-{end - 1}",
        }
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), _TIMEOUT_S)
        request = httpcore.Request(
            "GET", self._url, headers=headers, extensions={"timeout": timeouts}
        )
        return Part(await self._http.handle_async_request(request), start)


def _on_the_wire(parts: SplitResult) -> httpcore.URL:
    try:
        host = (parts.hostname or "").encode("idna")
    except UnicodeError as error:
        raise Unclear("its host is no name that can be resolved") from error
    target = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE)
    return httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)
