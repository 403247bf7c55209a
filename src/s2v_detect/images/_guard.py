"""The guard of every connection that a look makes: to public addresses alone.

A look fetches what strangers typed, from inside somebody's network. So it is decided where the
connection is made, on what the name resolved to, and connected to exactly that: no second look-up
that could come to something else, and no way round it by a redirect or an odd spelling.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import httpcore

from s2v_detect._addresses import IPAddress, is_public

Resolve = Callable[[str, int], Awaitable[list[IPAddress]]]


class NotPublic(Exception):
    """A name came to addresses that are not public; nothing was connected to."""

    def __init__(self, addresses: list[IPAddress]) -> None:
        private = next(address for address in addresses if not is_public(address))
        super().__init__(f"its host resolves to {private}, an address that is not public")
        self.is_hopeless = not any(is_public(address) for address in addresses)
        """Whether none of them is public: the service can't reach it either."""


class Unresolved(Exception):
    """A name that this machine's resolver does not know."""


_RESOLVING = ThreadPoolExecutor(64, thread_name_prefix="s2v-detect resolver")
"""A name that is unknown can take its resolver ten seconds. asyncio's own few threads would be
taken up by six of them."""


async def resolved(host: str, port: int) -> list[IPAddress]:
    """Return what this machine's resolver says of a host, in its order."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(_RESOLVING, _addresses_of, host, port)
    except (OSError, UnicodeError) as error:  # the latter: no name in any alphabet
        raise Unresolved(f"its host can't be resolved ({type(error).__name__})") from error
    return [ip_address(address[0]) for *_, address in found]


def _addresses_of(host: str, port: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """A way to the network, with the guard before it."""

    def __init__(
        self, resolve: Resolve, network: httpcore.AsyncNetworkBackend, *, allow_private: bool
    ) -> None:
        self._network = network
        self._resolve = resolve
        self._allow_private = allow_private

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
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault
