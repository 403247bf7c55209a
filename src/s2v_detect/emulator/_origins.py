"""Who may speak to the emulator: programs, and no page of another site in a browser.

The emulator listens where every page that is open on this machine can send requests. A page of
another site may neither steer the emulator nor read what it knows: not by a request across sites,
which carries its `Origin`, nor under a name of its own that it has made resolve to this machine
(DNS rebinding), which the browser sends as `Host`. Such a name is one of the open internet;
an address, a single label (`emulator`, as in a compose file) or a local name can't be one.
It holds for every address: the files of the folder and the bills are as private as the script.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from s2v_detect.images import address_in, host_of, is_local

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refusal(host: str | None, origin: str | None) -> str:
    """Return why a request with these headers is refused, or nothing.

    Example:
        >>> refusal("127.0.0.1:8787", None), refusal("127.0.0.1:8787", "http://127.0.0.1:8787")
        ('', '')
        >>> refusal("rebound.example:8787", None)
        'the Host is a name of the open internet, and the emulator has none'
    """
    try:
        is_ours = host is None or _is_of_this_network(host)
        is_own_page = origin is None or (host is not None and _same_place(origin, host))
    except ValueError:  # no host can be told
        is_ours = is_own_page = False
    if not is_ours:
        return "the Host is a name of the open internet, and the emulator has none"
    return "" if is_own_page else "a page of another site asks"


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a page of another site with 403, before anything is counted or done."""
    why = refusal(request.headers.get("Host"), request.headers.get("Origin"))
    if why:
        told = {"code": "EmulatorRefused", "message": f"Refused: {why}."}
        return web.json_response(told, status=403)
    return await handler(request)


def _is_of_this_network(host: str) -> bool:
    url = f"http://{host}/"
    return is_local(url) or address_in(host_of(url)) is not None


def _same_place(origin: str, host: str) -> bool:
    return urlsplit(origin).netloc.lower() == host.lower()
