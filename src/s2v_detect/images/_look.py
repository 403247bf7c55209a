"""A look at an image where it lies, before a check is paid for.

What the service would surely refuse is skipped. What only *we* could not reach or read is in
doubt, and sent all the same: the service fetches from another network.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cached_property
from ssl import SSLContext
from urllib.parse import urljoin, urlsplit

import httpcore

from s2v_detect.errors import ImageSkipped
from s2v_detect.images._addresses import private_reason
from s2v_detect.images._fetching import Connection, Part, Unclear
from s2v_detect.images._guard import (
    GuardedBackend,
    NotPublic,
    Resolve,
    Resolver,
    TooMuch,
    Unresolved,
)
from s2v_detect.images._header import (
    FIRST_BYTES,
    HTML,
    MARKUP,
    Finding,
    Foreign,
    Header,
    Needs,
    read_header,
    refusal,
)
from s2v_detect.models import LANES, Lane
from s2v_detect.options import Preflight

_MOST_HOPS = 5
_MORE_BYTES = 4096
"""Asked for beyond what is needed next: the segments of a JPEG are many and small."""
_OVERHEAD_BYTES = 2**18
"""Of heads, of framing, and of what a server sends that ignores ranges."""
_MISSING = (404, 410)
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_PAGES = (Foreign(HTML), Foreign(MARKUP))
"""What asks us for a log-in, or whether we are a robot. The service perhaps gets the image."""


class Looker:
    """Looks at images by the rules of one `Preflight`."""

    def __init__(
        self,
        rules: Preflight,
        *,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._rules = rules
        # Each lane its own: a check does not wait behind a stream's looks.
        self._backends = {
            lane: GuardedBackend(
                resolve or Resolver(rules.max_at_once),
                network or httpcore.AnyIOBackend(),
                allow_private=rules.allow_private,
                most_bytes=rules.max_header_bytes + _OVERHEAD_BYTES,
            )
            for lane in LANES
        }
        self._free = {lane: asyncio.Semaphore(rules.max_at_once) for lane in LANES}

    async def look(self, image: str, lane: Lane) -> str:
        """Return what could not be told of an image, or nothing; cancelling is free.

        Raises `ImageSkipped` where the service would surely refuse it.
        """
        if urlsplit(image).scheme not in _PORTS:
            return ""  # in the service's own store
        async with self._free[lane]:
            try:
                async with asyncio.timeout(self._rules.timeout_s):
                    finding = await self._finding(image, self._backends[lane])
            except ImageSkipped:
                raise
            except (NotPublic, Unclear, Unresolved) as error:
                return f"not looked at: {error}"
            except TooMuch:
                return "not looked at: its server sends without end"
            except TimeoutError:
                return f"not looked at: its server took over {self._rules.timeout_s:g} s"
            except Exception as error:  # noqa: BLE001  # whatever a stranger's server does: it is in doubt
                return f"not looked at: its server could not be asked ({type(error).__name__})"
        if reason := refusal(finding):
            raise ImageSkipped(reason, image=image, saves="bill")
        return ""

    @cached_property
    def _tls(self) -> SSLContext:
        return httpcore.default_ssl_context()  # at the first look: it takes 20 ms

    async def _finding(self, image: str, backend: GuardedBackend) -> Header | Foreign:
        url = image
        for _ in range(_MOST_HOPS + 1):
            self._refuse_to_visit(url, image)
            async with Connection(url, backend, self._tls, self._rules.timeout_s) as connection:
                part = await connection.get(0, FIRST_BYTES)
                if part.status in _REDIRECTS and part.location:
                    url = _next(url, part.location)
                    continue
                if part.status in _MISSING and self._rules.skip_missing:
                    reason = f"its server answered {part.status}: it is not there"
                    raise ImageSkipped(reason, image=image, saves="call")
                finding = await self._read(connection, part)
                if finding in _PAGES:
                    raise Unclear(
                        "its server sent us a page: a log-in perhaps, or a check for robots"
                    )
                return finding
        raise Unclear(f"its server redirected more than {_MOST_HOPS} times")

    def _refuse_to_visit(self, url: str, image: str) -> None:
        """Raise where an address is not to be visited, in whatever spelling it says so."""
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise Unclear("it redirects to a port that is none") from error
        if parts.scheme not in _PORTS or not host:
            raise Unclear("it redirects to what is no http or https address")
        if parts.username is not None or parts.password is not None:
            raise Unclear("an address with a password in it is not visited")
        if self._rules.allow_private:
            return
        if reason := private_reason(url):
            if url == image:
                raise ImageSkipped(reason, image=image, saves="call")
            raise Unclear(f"it redirects us, and there {reason}")  # the service perhaps elsewhere
        port = _PORTS[parts.scheme] if port is None else port
        if port not in self._rules.ports:
            raise Unclear(f"port {port} is not visited; `ports` of the preflight can allow it")

    async def _read(self, connection: Connection, part: Part) -> Header | Foreign:
        """Return what the first bytes say, asking for more of them as long as it takes."""
        prefix = bytearray()
        finding: Finding = Needs(1)
        while True:
            if part.is_empty_image and not prefix:
                return Foreign("an empty file")
            if part.status not in (200, 206):
                raise Unclear(f"its server answered {part.status}")
            before = len(prefix)
            async with aclosing(part.content(prefix)) as chunks:
                finding = await _fed(prefix, finding, chunks, self._rules.max_header_bytes)
            await part.close()
            if not isinstance(finding, Needs):
                return finding
            if len(prefix) >= self._rules.max_header_bytes:
                raise Unclear(f"its first {len(prefix)} bytes do not tell its size")
            if part.was_the_last(len(prefix)):
                return _last_word(prefix, finding)
            if part.status == 200 or len(prefix) == before:  # noqa: PLR2004  # HTTP's own
                raise Unclear(f"its server ended it after {len(prefix)} bytes")
            end = min(finding.header_bytes + _MORE_BYTES, self._rules.max_header_bytes)
            part = await connection.get(len(prefix), end)


async def _fed(
    prefix: bytearray, finding: Finding, chunks: AsyncGenerator[bytes, None], most_bytes: int
) -> Finding:
    """Return what the prefix says once the chunks are in it, or as soon as it says something."""
    async for chunk in chunks:
        prefix += chunk[: most_bytes - len(prefix)]
        if isinstance(finding, Needs) and len(prefix) >= finding.header_bytes:
            finding = read_header(prefix, after=finding)
        if not isinstance(finding, Needs) or len(prefix) >= most_bytes:
            break
    return finding


def _next(url: str, location: str) -> str:
    try:
        joined = urljoin(url, location)
        urlsplit(joined).netloc.encode()  # in a path any bytes go on as they are
    except ValueError as error:
        raise Unclear("it redirects to an address that can't be read") from error
    return joined


def _last_word(prefix: bytearray, finding: Needs) -> Header | Foreign:
    said = read_header(prefix, is_whole=True, after=finding)
    if isinstance(said, Needs):
        raise Unclear("its first bytes do not tell what it is")
    return said
