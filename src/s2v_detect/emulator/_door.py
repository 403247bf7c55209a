"""A listening socket that can also stop accepting, so that connecting to it is slow.

asyncio's own servers can only close, which refuses. Here the socket stays, accepts nothing, and
its queue is filled by ourselves; the kernel then leaves whoever knocks without an answer.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from s2v_detect._logging import log

_BACKLOG = 1024
_MOST_FILLERS = 16
_LOOPBACK_CONNECT_S = 0.05  # far longer than a connection on loopback takes to open
_WITHOUT_FILES_S = 0.1


class Door:
    """A bound socket that hands every connection to a protocol of `protocol_factory`."""

    def __init__(
        self, host: str, port: int, protocol_factory: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._socket.settimeout(0)
        self._protocol_factory = protocol_factory
        self._accepting = asyncio.create_task(self._accept())
        self._one_at_a_time = asyncio.Lock()
        self.port: int = self._socket.getsockname()[1]

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
                await loop.connect_accepted_socket(self._protocol_factory, connection)
            except OSError as error:  # no file descriptor is left: later there may be one
                log("connection_refused", cause=str(error))
                await asyncio.sleep(_WITHOUT_FILES_S)

    async def _stop(self) -> None:
        self._accepting.cancel()
        await asyncio.wait({self._accepting})

    async def close(self) -> None:
        """Accept nothing any more; connections that are open stay so."""
        await self._stop()
        self._socket.close()

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Leave new connections unanswered inside the block; open ones work on."""
        async with self._one_at_a_time:
            await self._stop()
            self._socket.listen(0)
            fillers: list[socket.socket] = []
            try:
                await self._fill(fillers)
                yield
            finally:
                for filler in fillers:
                    filler.close()
                self._socket.listen(_BACKLOG)
                self._accepting = asyncio.create_task(self._accept())

    async def _fill(self, fillers: list[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        address = self._socket.getsockname()
        while len(fillers) < _MOST_FILLERS:
            filler = socket.socket(self._socket.family)
            fillers.append(filler)
            filler.settimeout(0)
            try:
                async with asyncio.timeout(_LOOPBACK_CONNECT_S):
                    await loop.sock_connect(filler, address)
            except TimeoutError:
                return  # this one got no answer, so nobody gets one
        raise RuntimeError("This system accepts connections without being asked.")
