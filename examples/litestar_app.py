"""The endpoint of `fastapi_app.py` in Litestar.

uvicorn --app-dir examples --workers 2 litestar_app:app
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import FromQuery

from s2v_detect import DetectClient, DetectError, ImageSkipped, ImageUnusable, Verdict

AnyRequest = Request[Any, Any, State]
log = logging.getLogger(__name__)


@asynccontextmanager
async def with_client(app: Litestar) -> AsyncGenerator[None, None]:
    """Open one client for the life of a worker."""
    async with DetectClient(ledger="portraits.db") as client:
        app.state.client = client
        yield


async def while_present(request: AnyRequest, work: Coroutine[Any, Any, Verdict]) -> Verdict:
    """Return the verdict, unless the visitor leaves: Litestar goes on with the handler then."""
    working = asyncio.ensure_future(work)

    async def leave_with_the_visitor() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        working.cancel()

    leaving = asyncio.ensure_future(leave_with_the_visitor())
    try:
        return await working
    except asyncio.CancelledError:
        if not leaving.done():  # it was not the visitor
            raise
        raise HTTPException("the visitor has left", status_code=499) from None
    finally:
        leaving.cancel()


@post("/portraits", status_code=200)
async def check(url: FromQuery[str], request: AnyRequest, state: State) -> Verdict:
    """Return the verdict, or 503 at once where the line is longer than five seconds."""
    client: DetectClient = state.client
    return await while_present(request, client.check(url, max_wait_s=5))


def explain(_: AnyRequest, error: DetectError) -> Response[dict[str, object]]:
    """Tell a visitor of the image alone: other errors may name the account."""
    status, detail, code = 503, "Images can't be checked now. Try again later.", ""
    if isinstance(error, ImageSkipped | ImageUnusable):
        status, detail = 422, "This image can't be checked. Give a public address of an image."
        code = getattr(error, "code", "")
    elif error.stops_run:  # the account, the set-up or the ledger: the operator must mend it
        log.error("A visitor was answered with %s: %s", status, error)
    headers = {"Retry-After": str(ceil(error.retry_after_s))} if error.retry_after_s else {}
    told: dict[str, object] = {
        "status": status,
        "detail": detail,
        "code": code,
        "billed": error.billed,
    }
    return Response(
        told, status_code=status, headers=headers, media_type="application/problem+json"
    )


app = Litestar(
    [check],
    lifespan=[with_client],
    exception_handlers={DetectError: explain},
    logging_config=None,  # whoever runs it says what is logged, and where
)
