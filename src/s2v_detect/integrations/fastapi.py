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

A visitor is told of the image and of the service, and never of the account: what the owner of the
application must mend is one sentence for the visitor, and is logged as an error.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import ceil, isfinite
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Unpack
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from s2v_detect import (
    BadRequest,
    Busy,
    ClientOptions,
    ConfigurationError,
    DetectClient,
    DetectError,
    ImageSkipped,
    ImageUnusable,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from s2v_detect._redaction import seal
from s2v_detect._version import missing

try:
    from fastapi import Depends, HTTPException
    from starlette.applications import Starlette
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import JSONResponse
except ImportError as error:
    raise ModuleNotFoundError(missing("This module", "fastapi"), name=error.name) from error

T = TypeVar("T")

_log = logging.getLogger("s2v_detect")

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
        >>> app = FastAPI(lifespan=lifespan(ledger="portraits.db", max_cost=20))
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
        await _cancelled(leaving, working)
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


# Problem details


class Problem(BaseModel):
    """Problem details of RFC 9457 for a check that gave no verdict."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="What kind of problem it is: a URN that stays as it is.")
    title: str = Field(description="The kind in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What happened to this image, and what to do.")
    instance: str | None = Field(None, description="The request's id at the service.")
    billed: Literal["no", "yes", "unknown"] = Field(
        description="Whether the image may have been paid for."
    )
    code: str | None = Field(None, description="The service's own code.")
    retry_after_s: float | None = Field(None, description="Seconds after which to ask again.")


class _Kind(NamedTuple):
    """What a visitor is told of one kind of error."""

    status: int
    name: str
    title: str
    detail: str = ""
    """Empty: the error's own sentences, which are about the image alone."""
    has_code: bool = False
    is_logged: bool = False
    """Whether the owner of the application must mend it."""

    @property
    def type(self) -> str:
        return f"urn:s2v-detect:problem:{self.name}"


_BUSY = _Kind(
    503,
    "busy",
    "Too many are waiting",
    "The image was not checked: too many others are waiting. Try again later.",
)
_KINDS: dict[type[DetectError], _Kind] = {
    ImageSkipped: _Kind(422, "image-skipped", "The image can't be checked"),
    ImageUnusable: _Kind(422, "image-unusable", "The image can't be used", has_code=True),
    BadRequest: _Kind(422, "image-refused", "The image is refused", has_code=True),
    Busy: _BUSY,
    RateLimited: _BUSY,
    NotSent: _Kind(
        503,
        "not-sent",
        "The image was not checked",
        "The service that checks images could not be asked. Try again later.",
    ),
    ServiceUnavailable: _Kind(
        502,
        "service-unavailable",
        "The service has a fault",
        "The service that checks images has a fault. Try again later.",
        has_code=True,
    ),
    OutcomeUnknown: _Kind(
        504,
        "outcome-unknown",
        "No answer came",
        "The image was sent to the service that checks images, and no whole answer came. Try again"
        " later.",
    ),
    DetectError: _Kind(
        503,
        "unavailable",
        "Images can't be checked now",
        "Images can't be checked at the moment. Try again later.",
        is_logged=True,
    ),
}
"""Whatever is not named stands under `DetectError`: the account, the set-up, the ledger."""


def add_problem_handlers(app: Starlette) -> None:
    """Let the application answer our exceptions with problem details (RFC 9457), and no others.

    422: the image can't be used. 503: the line is too long (`Busy`), or the service could not be
    asked. 502 and 504: a fault of the service, and an answer that was lost. What is the owner's to
    mend (`BudgetSpent`, `OutOfCredit`, `AccessDenied`, `ConfigurationError`, `LedgerError`) is 503
    with one sentence that tells nothing of the account; the error itself is logged.
    """
    app.add_exception_handler(DetectError, _answer)


def problems(*errors: type[DetectError]) -> dict[int | str, dict[str, Any]]:
    """Return what stands in the OpenAPI page for these errors: all of them, if none is named.

    Example:
        >>> sorted(problems())
        [422, 502, 503, 504]
    """
    named = dict.fromkeys(_kind_of(each) for each in errors or _KINDS)
    kinds: dict[int, list[_Kind]] = {}
    for kind in named:
        kinds.setdefault(kind.status, []).append(kind)
    return {status: _response(status, kinds[status]) for status in kinds}


def problem_of(error: DetectError) -> Problem:
    """Return what a visitor is told of an error where there is no status: in a stream of events.

    What is the owner's to mend is logged.
    """
    kind = _kind_of(type(error))
    if kind.is_logged:
        _log.error("A visitor was answered with %s: %s", kind.status, error)
    request_id = getattr(error, "request_id", None)
    wait_s = None if kind.is_logged else error.retry_after_s  # a user's limiter may forecast no end
    return Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        # Without the image's name: it may be a path of the server's.
        detail=kind.detail or f"{error.what} {error.do}",
        instance=None if request_id is None else quote(request_id, safe=""),
        billed=error.billed,
        code=(getattr(error, "code", None) or None) if kind.has_code else None,
        retry_after_s=wait_s if wait_s is not None and isfinite(wait_s) else None,
    )


async def _answer(connection: HTTPConnection, error: Exception) -> JSONResponse:
    if not isinstance(error, DetectError) or not isinstance(connection, Request):
        raise error  # of a web socket: it has no statuses
    problem = problem_of(error)
    wait_s = problem.retry_after_s
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        problem.status,
        {} if wait_s is None else {"Retry-After": str(ceil(wait_s))},
        media_type="application/problem+json",
    )


def _kind_of(error: type[DetectError]) -> _Kind:
    return next(_KINDS[each] for each in error.__mro__ if each in _KINDS)


def _response(status: int, kinds: list[_Kind]) -> dict[str, Any]:
    schema = Problem.model_json_schema()
    schema["properties"]["type"]["enum"] = [kind.type for kind in kinds]
    schema["properties"]["status"]["const"] = status
    content = {"application/problem+json": {"schema": schema}}
    response: dict[str, Any] = {"content": content}
    response["description"] = "; ".join(kind.title for kind in kinds)
    if status == _VALIDATION_STATUS:  # FastAPI tells of its own only where nobody else does
        content["application/json"] = {"schema": _VALIDATION}
    else:
        about = {"description": "Seconds after which to ask again", "schema": {"type": "integer"}}
        response["headers"] = {"Retry-After": about}
    return response


_VALIDATION_STATUS = 422
_VALIDATION = {
    "title": "HTTPValidationError",
    "type": "object",
    "properties": {"detail": {"type": "array", "items": {"type": "object"}}},
}
