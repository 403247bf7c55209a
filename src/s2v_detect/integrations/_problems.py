"""What the visitors of a web application are told of an error: problem details (RFC 9457).

A visitor is told of the image and of the service, and never of the account: what the owner of the
application must mend is one sentence for the visitor, and is logged as an error.
"""

from math import ceil, isfinite
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse

from s2v_detect import (
    BadRequest,
    Busy,
    DetectError,
    ImageSkipped,
    ImageUnusable,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from s2v_detect._logging import log
from s2v_detect._redaction import ended


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
    """Empty: what `_of_the_image` says."""
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
    BadRequest: _Kind(
        422,
        "image-refused",
        "The image is refused",
        "The service that checks images does not take this one. Give another one.",
        has_code=True,
    ),
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

    Example:
        >>> from s2v_detect import Busy
        >>> problem_of(Busy("not sent.", do="Later.", image="a", retry_after_s=3.2)).title
        'Too many are waiting'
    """
    kind = _kind_of(type(error))
    if kind.is_logged:
        log("visitor_refused", status=kind.status, error=type(error).__name__, cause=str(error))
    request_id = getattr(error, "request_id", None)
    return Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=kind.detail or _of_the_image(error),
        instance=None if request_id is None else quote(request_id, safe=""),
        billed=error.billed,
        code=(getattr(error, "code", None) or None) if kind.has_code else None,
        retry_after_s=_retry_after_s(error, kind),
    )


def _of_the_image(error: DetectError) -> str:
    """Return what is wrong with an image, and what its visitor can do.

    Errors speak to whoever writes the application, of arguments and paths. A visitor gave an
    address or a file's bytes; of anything else, and of names that the application gives to images,
    the visitor knows nothing. Nothing names the image: that may be a path of the server's.
    """
    if isinstance(error, ImageUnusable):
        said = f": {ended(error.message)}" if error.message else "."
        return f"The service that checks images can't use this one{said} {error.do}"
    if not isinstance(error, ImageSkipped) or not isinstance(error.image, str | bytes):
        return _ANOTHER
    why = ended(f"{error.reason[:1].upper()}{error.reason[1:]}")
    if error.saves == "nothing":  # no image: an address that is none, or a file
        return f"{why} {_AN_ADDRESS}" if isinstance(error.image, str) else _ANOTHER
    return _ANOTHER if error.saves == "identity" else f"{why} {error.do}"


_AN_ADDRESS = "Give the address of an image: it begins with http:// or https://."
_ANOTHER = "This image can't be checked. Give another one."


async def _answer(connection: HTTPConnection, error: Exception) -> JSONResponse:
    if not isinstance(error, DetectError) or not isinstance(connection, Request):
        raise error  # of a web socket: it has no statuses
    problem = problem_of(error)
    wait_s = problem.retry_after_s
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        problem.status,
        {} if wait_s is None else {"Retry-After": str(max(1, ceil(wait_s)))},  # 0 is no wait
        media_type="application/problem+json",
    )


def _retry_after_s(error: DetectError, kind: _Kind) -> float | None:
    wait_s = error.retry_after_s
    # A limiter of the user's own may forecast no end.
    if wait_s is None or not isfinite(wait_s):
        return None
    # A name or a port may be right again soon; an account is not.
    return wait_s if error.is_unsent or not kind.is_logged else None


def _kind_of(error: type[DetectError]) -> _Kind:
    return next(_KINDS[each] for each in error.__mro__ if each in _KINDS)


def _response(status: int, kinds: list[_Kind]) -> dict[str, Any]:
    schema = Problem.model_json_schema()
    schema["properties"]["type"]["enum"] = [kind.type for kind in kinds]
    schema["properties"]["status"]["const"] = status
    content = {"application/problem+json": {"schema": schema}}
    if status == _VALIDATION_STATUS:  # FastAPI tells of its own only where nobody else does
        content["application/json"] = {"schema": _VALIDATION}
    response: dict[str, Any] = {
        "description": "; ".join(kind.title for kind in kinds),
        "content": content,
    }
    if status != _VALIDATION_STATUS:
        about = {"description": "Seconds after which to ask again", "schema": {"type": "integer"}}
        response["headers"] = {"Retry-After": about}
    return response


_VALIDATION_STATUS = 422
_VALIDATION = {
    "title": "HTTPValidationError",
    "type": "object",
    "properties": {"detail": {"type": "array", "items": {"type": "object"}}},
}
