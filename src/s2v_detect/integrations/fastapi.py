"""A client in an application of FastAPI or Starlette, and answers for its visitors.

    from fastapi import FastAPI, Request
    from s2v_detect.integrations.fastapi import Detector, add_problem_handlers, lifespan
    from s2v_detect.integrations.fastapi import problems, while_present

    app = FastAPI(lifespan=lifespan(ledger="portraits.db"))
    add_problem_handlers(app)

    @app.post("/portraits", responses=problems())
    async def check(url: str, request: Request, client: Detector) -> Verdict:
        return await while_present(request, client.check(url, max_wait_s=5))

One client for each worker, made and opened as the worker starts: nothing is made at import, so that
a server may fork or spawn its workers. All workers of a machine share the account's line, and with
`ledger=` what was paid for.

Visitors are told of errors by `add_problem_handlers`: of the image and of the service, and never of
the account.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, TypeVar, Unpack

from s2v_detect import ClientOptions, ConfigurationError, DetectClient
from s2v_detect._redaction import seal
from s2v_detect._version import missing
from s2v_detect._waiting import unhurried

try:
    from fastapi import Depends, HTTPException
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection, Request

    from s2v_detect.integrations._problems import (
        Problem,
        add_problem_handlers,
        problem_of,
        problems,
    )
except ImportError as error:
    raise ModuleNotFoundError(missing("This module", "fastapi"), name=error.name) from error

__all__ = [
    "Detector",
    "Problem",
    "add_problem_handlers",
    "client_of",
    "lifespan",
    "open_client",
    "problem_of",
    "problems",
    "while_present",
]

T = TypeVar("T")

_LEFT = 499
"""The usual status for a visitor who has left (nginx's): only the log of the server has it."""


# The client of an application


def lifespan(
    **options: Unpack[ClientOptions],
) -> Callable[[Starlette], AbstractAsyncContextManager[Mapping[str, DetectClient]]]:
    """Return a lifespan in which the application has a client: `request.state.client`.

    The client is made from the arguments, and from the environment, when a worker starts, and is
    closed after the worker's last answer: what was sent is finished and recorded.

    Example:
        >>> from fastapi import FastAPI
        >>> from s2v_detect import Budget
        >>> app = FastAPI(lifespan=lifespan(ledger="portraits.db", max_cost=Budget(per_day=20)))
    """
    seal(options)

    @asynccontextmanager
    async def with_client(_: Starlette) -> AsyncIterator[Mapping[str, DetectClient]]:
        async with DetectClient(**options) as client:
            yield {"client": client}

    return with_client


@asynccontextmanager
async def open_client(
    app: Starlette, **options: Unpack[ClientOptions]
) -> AsyncIterator[DetectClient]:
    """Have a client in the application while the block is open: `app.state.client`.

    It is for a lifespan of your own.

    Example:
        >>> @asynccontextmanager
        ... async def own_lifespan(app: Starlette) -> AsyncIterator[None]:
        ...     async with open_client(app, ledger="portraits.db"):
        ...         yield
    """
    seal(options)
    async with DetectClient(**options) as client:
        app.state.client = client
        try:
            yield client
        finally:
            del app.state.client


async def client_of(connection: HTTPConnection) -> DetectClient:
    """Return the client of the application that serves this request.

    A test puts another in its place: `app.dependency_overrides[client_of] = …`.

    Raises:
        ConfigurationError: the application has no client.
    """
    for state in (connection.state, connection.app.state):
        client = getattr(state, "client", None)
        if isinstance(client, DetectClient):
            return client
    raise ConfigurationError(
        "the application has no client.",
        do="Make it with `lifespan=lifespan()`, or open `open_client(app)` in its own lifespan; a"
        " test must run the lifespan.",
    )


Detector = Annotated[DetectClient, Depends(client_of)]
"""The application's client, as an argument of a handler."""


# Visitors who leave


async def while_present(request: Request, work: Awaitable[T]) -> T:
    """Return what `work` comes to, unless the visitor leaves first: then `work` is cancelled.

    No framework cancels a handler when its visitor leaves. A check that is still in line is then
    dropped, and costs nothing. One that was sent is finished and recorded: with a ledger it is free
    for the next who asks.

    The body of the request must have been read, as FastAPI has done when a handler begins.

    Raises:
        HTTPException: the visitor has left; the status is 499.

    Example:
        >>> async def check(url: str, request: Request, client: Detector) -> bool:
        ...     verdict = await while_present(request, client.check(url, max_wait_s=5))
        ...     return verdict.check_pass
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        leaving.result()  # an error of the server's
    finally:
        await unhurried(_cancelled(leaving, working))
    raise HTTPException(_LEFT, "the visitor has left")


async def _left(request: Request) -> None:
    # Not `is_disconnected()`: behind a `BaseHTTPMiddleware` it says "no" for ever.
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Return when these have ended."""
    late = [task for task in tasks if task.cancel()]
    if late:
        await asyncio.wait(late)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # is retrieved: an end that came too late is nobody's
