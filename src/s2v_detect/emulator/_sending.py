"""How a reply gets onto the socket, whole or broken.

aiohttp sends what is whole. What breaks is written by hand: aiohttp keeps headers back until
there is a body, and would mend an answer that is meant to stay in pieces.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from s2v_detect.emulator._script import Reply

_DROPS = 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close() resets


async def sent(
    request: web.Request, reply: Reply, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Return the answer for aiohttp to send; what breaks or trickles is dealt with here.

    A broken exchange never returns: it is cancelled when its connection ends.
    """
    headers = {**headers, **reply.headers}
    if reply.breaks_after is not None:
        await _break_off(request, reply, headers)
    if reply.over_s:
        return await _trickled(request, reply, headers)
    return web.Response(
        status=reply.status, body=reply.content, headers=headers, content_type=reply.content_type
    )


async def _break_off(request: web.Request, reply: Reply, headers: Mapping[str, str]) -> None:
    transport = request.transport
    if transport is not None:  # None: the client has gone already
        transport.write(_part(reply, headers))
        if reply.then == "reset":
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
            )
            transport.abort()
        elif reply.then == "close":
            transport.close()
    await asyncio.Event().wait()


def _part(reply: Reply, headers: Mapping[str, str]) -> bytes:
    if reply.breaks_after == "request":
        return b""
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.content)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    half = len(reply.content) // 2 if reply.breaks_after == "half body" else 0
    return head + reply.content[:half]


async def _trickled(
    request: web.Request, reply: Reply, headers: Mapping[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_type = reply.content_type
    response.content_length = len(reply.content)
    await response.prepare(request)
    drop_bytes = max(1, len(reply.content) // _DROPS)
    drops = range(0, len(reply.content), drop_bytes)
    for start in drops:
        await asyncio.sleep(reply.over_s / len(drops))
        await response.write(reply.content[start : start + drop_bytes])
    return response
