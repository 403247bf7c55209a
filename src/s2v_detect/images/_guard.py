"""The guard of every connection that a look makes: to public addresses alone, and bounded.

A look fetches what strangers typed, from inside somebody's network. So it is decided where the
connection is made, on what the name resolved to, and connected to exactly that: no second look-up
that could come to something else, and no way round it by a redirect or an odd spelling.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import anyio
import httpcore

from s2v_detect._waiting import Threads
from s2v_detect.images._addresses import IPAddress, is_public

Resolve = Callable[[str, int], Awaitable[list[IPAddress]]]

_READ_BYTES = 1024
"""What is parsed in one go: a stranger's server must not hold up the event loop by crumbs."""


class NotPublic(Exception):
    """A name came to addresses that are not public; nothing was connected to."""

    def __init__(self, addresses: list[IPAddress]) -> None:
        private = next(address for address in addresses if not is_public(address))
        super().__init__(f"its host resolves to {private} here, an address that is not public")


class Unresolved(Exception):
    """A name that this machine's resolver does not know."""


class TooMuch(Exception):
    """A server sent more than anybody asked for."""


class Resolver:
    """This machine's resolver. A name that is unknown can take it ten seconds."""

    def __init__(self, most_at_once: int) -> None:
        self._threads = Threads(most_at_once)

    async def __call__(self, host: str, port: int) -> list[IPAddress]:
        """Return what the resolver says of a host, in its order. Raises `Unresolved`."""
        with suppress(ValueError):
            return [ip_address(host)]  # it is no name
        try:
            found = await self._threads.run(lambda: _addresses_of(host, port))
        except (OSError, UnicodeError) as error:  # the latter: no name in any alphabet
            raise Unresolved(f"its host can't be resolved ({type(error).__name__})") from error
        return [ip_address(address[0]) for *_, address in found]


def _addresses_of(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """A way to the network, with the guard before it."""

    def __init__(
        self,
        resolve: Resolve,
        network: httpcore.AsyncNetworkBackend,
        *,
        allow_private: bool,
        most_bytes: int,
    ) -> None:
        self._network = network
        self._resolve = resolve
        self._allow_private = allow_private
        self._most_bytes = most_bytes

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to what the host resolves to, if all of that is public."""
        addresses = await self._resolve(host, port)
        if not self._allow_private and not all(map(is_public, addresses)):
            raise NotPublic(addresses)
        fault: Exception = httpcore.ConnectError("the host has no address")
        for address in addresses:
            try:
                stream = await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
            else:
                return _Bounded(stream, self._most_bytes)
        raise fault


class _Bounded(httpcore.AsyncNetworkStream):
    """A connection that gives a little at a time, and no more than so much in all."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, most_bytes: int) -> None:
        self._stream = stream
        self._left = most_bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # as above
        if self._left <= 0:
            raise TooMuch
        piece = await self._stream.read(min(max_bytes, _READ_BYTES), timeout)
        self._left -= len(piece)
        return piece

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # as above
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # as above
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # httpcore closes it after an error, and not after a cancellation
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return _Bounded(stream, self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
