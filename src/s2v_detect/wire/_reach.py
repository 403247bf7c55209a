"""Whom a request reached: the service, its store, a proxy, or nobody; and who has answered yet.

A fault of the set-up stops a run only while nothing was ever answered since the client was opened:
later the same cause is an outage. An upload's credential comes from the service, and the file goes
elsewhere: what the store answers counts for the store, and what a check is answered for both.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from s2v_detect._service import CHECK_PATH
from s2v_detect.errors import unreached
from s2v_detect.wire._answers import Answer
from s2v_detect.wire._setup import (
    Fault,
    Network,
    Way,
    address_of,
    fault_of,
    fault_of_answer,
    is_unread,
)

_LOOK_S = 3.0

_CUT = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)


class Route:
    """The connection that a request had opened for it; one that was open already tells nothing."""

    def __init__(self) -> None:
        self.address = ""
        """Of the service or a proxy, as `host:port`."""
        self.tls_host = ""
        """With whom the latest handshake of TLS was."""
        self._is_answered = False
        self._host, self._port = "", 0

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Httpx's `trace` extension."""
        self.note(event, info)

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Note whom is connected to."""
        if event.endswith(".connect_tcp.started"):
            self._host, self._port = info["host"], info["port"]
            self.address, self.tls_host = address_of(self._host, self._port), ""
        elif event.endswith(".start_tls.started"):
            self.tls_host = info["server_hostname"] or ""
        elif event.endswith(".receive_response_headers.complete"):
            self._is_answered = True

    async def speaks_tls(self, error: BaseException) -> bool:
        """Whether what cut a new connection in plain http speaks TLS: then nothing was read.

        Servers of TLS cut what is plain, and most say no word. A handshake finds out; nothing is
        sent in it, so whoever answers need not be trusted.
        """
        is_plain = self.address and not self.tls_host
        if not is_plain or self._is_answered or not isinstance(error, _CUT):
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            async with asyncio.timeout(_LOOK_S):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
                writer.transport.abort()
                await writer.wait_closed()
        except ssl.SSLError as answer:
            return "ALERT" in str(answer.reason)  # only TLS has those
        except OSError:  # a TimeoutError too
            return False
        return True


class Reach:
    """Who has answered since the client was opened, and so what it means that nobody is reached."""

    def __init__(self, service: httpx.URL, network: Network) -> None:
        self.has_checked = False
        """Whether a check was answered."""
        self._service = service
        self._network = network
        self._answered: set[bytes] = set()  # the service's is empty

    def hear(self, answer: Answer, url: httpx.URL, route: Route) -> None:
        """Note who has answered. Raises where that was a proxy, or a port of another protocol."""
        is_plain = url.scheme == "http"
        way = self._way(url, route)
        fault = fault_of_answer(answer.status, answer.body, way, is_plain=is_plain)
        if fault:
            lasts = not self._was_answered(url)
            raise unreached(f"not sent, {fault.what}", fault.do, lasts=lasts)
        self._answered.add(self._name(url))

    async def fault(
        self, error: Exception, url: httpx.URL, route: Route, *, left: bool = False
    ) -> Fault | None:
        """Return why nothing has reached the host, where that is known for certain."""
        if not isinstance(error, httpx.HTTPError) and not route.address:
            return None  # it is not of a connection
        was_answered = self._was_answered(url)
        speaks_tls = not was_answered and await route.speaks_tls(error)
        way = self._way(url, route)._replace(speaks_tls=speaks_tls)
        if left and not is_unread(error, way):
            return None
        fault = fault_of(error, way)
        return fault and fault._replace(lasts=fault.lasts and not was_answered)

    def place(self, url: httpx.URL, route: Route) -> str:
        """Return what was connected to, or was to be."""
        return self._way(url, route).place

    def _was_answered(self, url: httpx.URL) -> bool:
        return self.has_checked or self._name(url) in self._answered

    def _name(self, url: httpx.URL) -> bytes:
        base = self._service.path.removesuffix(CHECK_PATH)
        is_service = url.netloc == self._service.netloc and url.path.startswith(base)
        return b"" if is_service else url.netloc

    def _way(self, url: httpx.URL, route: Route) -> Way:
        port = url.port or (443 if url.scheme == "https" else 80)
        return Way(
            address_of(url.raw_host.decode("ascii"), port),
            route.address,
            route.tls_host,
            is_service=not self._name(url),
            network=self._network,
        )
