"""A web application that checks portraits for its visitors.

    uvicorn --app-dir examples web_app:app

One client for the application's life. A visitor who leaves while a check is still in line costs
nothing; a check that was sent is finished and counted, whoever waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

from fastapi import FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from s2v_detect import (
    AccessDenied,
    BadRequest,
    Busy,
    ConfigurationError,
    DetectClient,
    DetectError,
    ImageSkipped,
    ImageUnusable,
    OutOfCredit,
    Verdict,
)

MOST_BYTES = 20 << 20

# What a visitor can mend, what is ours to mend, and (the rest) what may be better in a while.
STATUSES: dict[type[DetectError], int] = {
    ImageSkipped: 422,
    ImageUnusable: 422,
    BadRequest: 422,
    AccessDenied: 500,
    OutOfCredit: 500,
    ConfigurationError: 500,
    Busy: 503,
}


class Portrait(BaseModel):
    """What a visitor sends."""

    url: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client with the application, and close it after its last answer."""
    async with DetectClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


async def for_visitor(request: Request, check: Awaitable[Verdict]) -> Verdict:
    """Return the verdict, unless the visitor leaves: what is still in line is free then.

    The framework goes on with a handler whose visitor has left; so somebody has to listen.
    """
    checking = asyncio.ensure_future(check)

    async def leave_with_the_visitor() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        checking.cancel()

    listening = asyncio.ensure_future(leave_with_the_visitor())
    try:
        return await checking
    except asyncio.CancelledError:
        if not listening.done():  # it was not the visitor
            raise
        raise HTTPException(499, "the visitor has left") from None
    finally:
        listening.cancel()


@app.post("/portraits")
async def check(portrait: Portrait, request: Request) -> Verdict:
    """Return the verdict, or 503 at once when the line is longer than five seconds."""
    client: DetectClient = request.app.state.client
    checking = client.check(portrait.url, max_wait_s=5, give_up_after_s=60)
    return await for_visitor(request, checking)


@app.post("/portraits/file")
async def check_file(file: UploadFile, request: Request) -> Verdict:
    """Return the verdict on an uploaded portrait; what can't pass is refused without being sent.

    It goes through the vendor's temporary store, which is meant for development and testing: in
    production put the file where you host images, and check its address.
    """
    if file.size is None or file.size > MOST_BYTES:
        raise HTTPException(413, f"at most {MOST_BYTES >> 20} MB")
    client: DetectClient = request.app.state.client
    checking = client.check(await file.read(), max_wait_s=5, give_up_after_s=60)
    return await for_visitor(request, checking)


@app.get("/spend")
async def spend(request: Request) -> dict[str, Any]:
    """Return what this worker has paid since it was started."""
    client: DetectClient = request.app.state.client
    return client.spend.model_dump(mode="json")


@app.exception_handler(DetectError)
async def explain(_: Request, error: DetectError) -> JSONResponse:
    """Tell the visitor what went wrong; the message holds no key and no signature."""
    headers = {"Retry-After": f"{ceil(error.retry_after_s)}"} if error.retry_after_s else {}
    told = {"error": type(error).__name__, "detail": str(error), "billed": error.billed}
    return JSONResponse(told, STATUSES.get(type(error), 502), headers)
