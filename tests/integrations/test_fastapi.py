"""FastAPI and Starlette: the client of an application, and what its visitors are told."""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.networks import closed_port
from tests.web import served

import s2v_detect
from s2v_detect import (
    AccessDenied,
    BadRequest,
    BudgetSpent,
    Busy,
    ConfigurationError,
    DetectClient,
    DetectError,
    ImageSkipped,
    ImageUnusable,
    LedgerError,
    LocalLimiter,
    NotSent,
    OutcomeUnknown,
    OutOfCredit,
    RateLimited,
    RetryPolicy,
    ServiceUnavailable,
    Verdict,
)
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.integrations.fastapi import (
    Detector,
    Problem,
    add_problem_handlers,
    client_of,
    lifespan,
    open_client,
    problems,
    while_present,
)

KEY = "sk-0123456789abcdef0123456789abcdef"
WHERE = "proxy.inside.example"
REQUEST_ID = "4909100c-7b5a-9f92-bfe5-1a2b3c4d5e6f"


def visitor_of(app: Starlette) -> httpx.AsyncClient:
    """Return a visitor of an application without a server: its lifespan is not run."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://app.example")


def raising(error: Exception, app: Starlette | None = None) -> Starlette:
    """Return an application whose only handler ends with this error."""

    async def fail(_: Request) -> JSONResponse:
        raise error

    app = app or Starlette()
    app.router.routes.append(Route("/", fail))
    add_problem_handlers(app)
    return app


def of(kind: type[Any], what: str = "told.", **more: Any) -> DetectError:
    """Return an error as one that was met: with more fields than a visitor may see."""
    if issubclass(kind, s2v_detect.ServiceError):
        more = {"status": 400, "code": "Some.Code", "request_id": REQUEST_ID, **more}
    if kind is Busy:
        more = {"image": None, "retry_after_s": 3.2, **more}
    error: DetectError
    if kind is ImageSkipped:
        error = ImageSkipped("it has 300 x 300 pixels", saves="bill", **more)
    else:
        error = kind(what, do="Do something.", **more)
    error.image = "https://images.example/face.jpg?Signature=secret"
    return error


# The client of an application


async def test_the_lifespan_gives_every_request_the_client(emulator: Emulator) -> None:
    """As `request.state.client` and as the dependency; it is closed with the application."""
    app = FastAPI(lifespan=lifespan(api_key=emulator.api_key, base_url=emulator.base_url))
    seen: list[DetectClient] = []

    @app.get("/")
    async def check(request: Request, client: Detector) -> bool:
        seen.extend([request.state.client, client])
        return (await client.check("https://images.example/1.jpg")).check_pass

    for _ in range(2):  # a lifespan may begin again: with a client of its own
        async with app.router.lifespan_context(app) as state:
            assert state is not None
            with_state = httpx.ASGITransport(_with(state, app))
            async with httpx.AsyncClient(transport=with_state, base_url="http://a.example") as they:
                assert (await they.get("/")).json() is True
    assert len({id(each) for each in seen}) == 2
    assert all("not open" in repr(each) for each in seen)
    assert emulator.billed == 2


def _with(state: Any, app: Any) -> Any:
    """Do what a server does: each request has the state of the lifespan."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    return call


async def test_a_lifespan_of_ones_own_opens_the_client(emulator: Emulator) -> None:
    """In the application's state, until its block ends; an error of the block's comes out."""

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        async with open_client(app, api_key=emulator.api_key, base_url=emulator.base_url) as client:
            assert app.state.client is client
            yield

    app = FastAPI(lifespan=own)

    @app.get("/")
    async def check(client: Detector) -> bool:
        return (await client.check("https://images.example/1.jpg")).check_pass

    with pytest.raises(LookupError):
        async with app.router.lifespan_context(app), visitor_of(app) as visitor:
            assert (await visitor.get("/")).json() is True
            raise LookupError
    assert not hasattr(app.state, "client")


async def test_a_test_puts_the_emulators_client_in_its_place(emulator: Emulator) -> None:
    """By `dependency_overrides`, without a key and without the lifespan."""
    app = FastAPI(lifespan=lifespan())

    @app.get("/")
    async def check(client: Detector) -> bool:
        return (await client.check("https://images.example/1.jpg")).check_pass

    async with emulator.client() as client, visitor_of(app) as visitor:
        app.dependency_overrides[client_of] = lambda: client
        assert (await visitor.get("/")).json() is True
    assert emulator.billed == 1


def test_nothing_is_made_before_a_worker_starts(tmp_path: Path) -> None:
    """No key is read, no ledger is made: a server imports the application, and forks then."""
    made = lifespan(ledger=tmp_path / "l.db")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigurationError, match="key"):
        asyncio.run(_started(made(FastAPI())))


async def _started(lifespan_of_app: AbstractAsyncContextManager[object]) -> None:
    async with lifespan_of_app:
        raise AssertionError


async def test_an_application_without_a_client_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """To its owner. A visitor is told what others are."""
    app = FastAPI()
    app.state.client = "of something else"
    add_problem_handlers(app)

    @app.get("/")
    async def check(client: Detector) -> bool:
        raise AssertionError(client)

    async with visitor_of(app) as visitor:
        answer = await visitor.get("/")
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:s2v-detect:problem:unavailable"
    assert "`lifespan=lifespan()`" in caplog.text


# Problem details

KINDS: dict[type[DetectError], tuple[int, str]] = {
    ImageSkipped: (422, "image-skipped"),
    ImageUnusable: (422, "image-unusable"),
    BadRequest: (422, "image-refused"),
    Busy: (503, "busy"),
    RateLimited: (503, "busy"),
    NotSent: (503, "not-sent"),
    ServiceUnavailable: (502, "service-unavailable"),
    OutcomeUnknown: (504, "outcome-unknown"),
    AccessDenied: (503, "unavailable"),
    OutOfCredit: (503, "unavailable"),
    BudgetSpent: (503, "unavailable"),
    ConfigurationError: (503, "unavailable"),
    LedgerError: (503, "unavailable"),
}


def test_every_error_has_its_problem() -> None:
    """A new one must be given a place in this table."""
    public = [vars(s2v_detect)[name] for name in s2v_detect.__all__]
    errors = {each for each in public if isinstance(each, type) and issubclass(each, DetectError)}
    assert errors - {DetectError, s2v_detect.ServiceError} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of_app", [Starlette, FastAPI])
async def test_an_error_is_told_as_a_problem(
    kind: type[DetectError], of_app: type[Starlette]
) -> None:
    """With the media type of RFC 9457, and its own status in its body."""
    error = of(kind, billed="unknown") if kind is OutcomeUnknown else of(kind)
    async with visitor_of(raising(error, of_app())) as visitor:
        answer = await visitor.get("/")
    told = answer.json()
    status, name = KINDS[kind]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == told["status"] == status
    assert told["type"] == f"urn:s2v-detect:problem:{name}"
    assert told["billed"] == error.billed
    assert told.keys() <= set(Problem.model_fields)
    assert Problem.model_validate(told).title
    assert "face.jpg" not in answer.text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (of(Busy), {"retry_after_s": 3.2, "Retry-After": "4"}),
        (of(Busy, retry_after_s=5.000000001), {"retry_after_s": 5.0, "Retry-After": "5"}),
        (of(Busy, retry_after_s=4.999999999), {"retry_after_s": 5.0, "Retry-After": "5"}),
        (of(Busy, retry_after_s=5.001), {"retry_after_s": 5.001, "Retry-After": "6"}),
        (of(Busy, retry_after_s=0.1 + 0.2 + 0.7), {"retry_after_s": 1.0, "Retry-After": "1"}),
        (of(Busy, retry_after_s=0.0), {"retry_after_s": 0.0, "Retry-After": "1"}),
        (of(Busy, retry_after_s=0.0004), {"retry_after_s": 0.0, "Retry-After": "1"}),
        (of(Busy, retry_after_s=0.0006), {"retry_after_s": 0.001, "Retry-After": "1"}),
        (of(Busy, retry_after_s=math.inf), {}),
        (of(Busy, retry_after_s=math.nan), {}),
        (of(RateLimited), {"instance": REQUEST_ID}),
        (
            of(RateLimited, retry_after_s=2),
            {"instance": REQUEST_ID, "retry_after_s": 2, "Retry-After": "2"},
        ),
        (of(ImageUnusable), {"instance": REQUEST_ID, "code": "Some.Code"}),
        (of(ImageUnusable, code="", request_id=None), {}),
        (of(ServiceUnavailable), {"instance": REQUEST_ID, "code": "Some.Code"}),
        (
            of(ServiceUnavailable, retry_after_s=30.0, request_id="a b/c"),
            {
                "instance": "a%20b%2Fc",
                "code": "Some.Code",
                "retry_after_s": 30,
                "Retry-After": "30",
            },
        ),
        (of(OutcomeUnknown), {}),
        (of(NotSent), {}),
        (of(ImageSkipped), {}),
        (of(AccessDenied, retry_after_s=9), {"instance": REQUEST_ID}),
    ],
)
async def test_a_problem_has_the_fields_that_help(
    error: DetectError, told: dict[str, object]
) -> None:
    """And leaves out the others: none of them is null."""
    async with visitor_of(raising(error)) as visitor:
        answer = await visitor.get("/")
    told = {"Retry-After": None, **told}
    assert answer.headers.get("Retry-After") == told.pop("Retry-After")
    always = ("type", "title", "status", "detail", "billed")
    assert {name: value for name, value in answer.json().items() if name not in always} == told


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (of(ImageSkipped), "It has 300 x 300 pixels. Give a JPEG, PNG, BMP or WEBP image"),
        (of(ImageUnusable), "The service that checks images can't use this one. Do something."),
        (
            of(ImageUnusable, message="Timed out. (An estimate.)"),
            "The service that checks images can't use this one: Timed out. (An estimate.) Do some",
        ),
        (of(BadRequest), "The service that checks images does not take this one. Give another"),
    ],
)
async def test_a_visitor_is_told_what_to_mend_of_the_image(error: DetectError, detail: str) -> None:
    """In words for a visitor, who gave an address or a file."""
    async with visitor_of(raising(error)) as visitor:
        assert (await visitor.get("/")).json()["detail"].startswith(detail)


GIVEN: list[Any] = [
    *("face.jpg", "", "https://a.example/x ", "https://a.example/a b", "https://", "oss://b"),
    *("data:image/png;base64,AAAA", "http://127.0.0.1/x.jpg", "http://[::1/x", b"", b"GIF89a"),
    *(7, None, ["x"], Path("/srv/portraits/none.jpg"), Path("/srv")),
]
FOR_DEVELOPERS = re.compile(
    r"pathlib|Path\b|bytes|type|str\b|preflight|identity|vendor|skipped|billed|[`_]|--|/srv|\bNone",
    re.IGNORECASE,
)


@pytest.mark.parametrize("image", GIVEN, ids=repr)
async def test_a_visitor_reads_no_words_for_developers(image: Any) -> None:
    """Whatever was given; nor where a file of the server lies."""
    async with DetectClient("sk-0123456789abcdef", limiter=LocalLimiter()) as client:
        with pytest.raises(ImageSkipped) as raised:
            await client.check(image)
    async with visitor_of(raising(raised.value)) as visitor:
        detail = (await visitor.get("/")).json()["detail"]
    assert not FOR_DEVELOPERS.search(detail), detail
    assert re.fullmatch(r"[A-Z].+\. [A-Z].+\.", detail)


ACCOUNTS = [kind for kind, (_, name) in KINDS.items() if name == "unavailable"]


@pytest.mark.parametrize("kind", [*ACCOUNTS, NotSent, OutcomeUnknown, ServiceUnavailable, Busy])
async def test_a_visitor_learns_nothing_of_the_account(
    kind: type[DetectError], caplog: pytest.LogCaptureFixture
) -> None:
    """Not the key, the amount, the network or a file; nor whether it was the one or the other."""
    secrets = ["CNY 20", WHERE, "screening.db", "Arrearage", "--max-cost"]
    error = of(kind, f"{' '.join(secrets)} {KEY}.")
    error.do = "Raise --max-cost."
    with caplog.at_level(logging.DEBUG, "s2v_detect"):
        async with visitor_of(raising(error)) as visitor:
            answer = await visitor.get("/")
    shown = str(answer.json()) + str(answer.headers)
    assert not [each for each in (*secrets, KEY, kind.__name__) if each in shown]
    if kind in ACCOUNTS:
        told = answer.json()
        told.pop("instance", None)
        assert told == {
            "type": "urn:s2v-detect:problem:unavailable",
            "title": "Images can't be checked now",
            "status": 503,
            "detail": "Images can't be checked at the moment. Try again later.",
            "billed": "no",
        }
        assert "CNY 20" in caplog.text
        assert KEY not in caplog.text
    else:
        assert not caplog.records


@pytest.mark.parametrize(
    ("error", "status"),
    [(HTTPException(418, "a teapot"), 418), (ValueError("of the application's"), 500)],
)
async def test_other_exceptions_are_left_alone(error: Exception, status: int) -> None:
    """They are the application's."""
    async with visitor_of(raising(error, FastAPI())) as visitor:
        answer = await visitor.get("/")
    assert answer.status_code == status
    assert "problem" not in answer.headers["content-type"]


async def test_a_web_socket_has_its_error_as_it_is() -> None:
    """It has no statuses: the server closes it."""
    app = FastAPI()
    add_problem_handlers(app)

    @app.websocket("/")
    async def fail() -> None:
        raise of(NotSent)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}

    async def nothing(*_: Any) -> Any:
        return {"type": "websocket.connect"}

    with pytest.raises(NotSent):
        await app(scope, nothing, nothing)


# A network that is dead


def application(**options: Any) -> FastAPI:
    """Return an application with one endpoint."""
    app = FastAPI(lifespan=lifespan(**options))
    add_problem_handlers(app)

    @app.get("/")
    async def check(number: int, request: Request, client: Detector) -> Verdict:
        checking = client.check(f"https://images.example/{number}.jpg", max_wait_s=2)
        return await while_present(request, checking)

    return app


@pytest.mark.parametrize(
    ("name", "statuses", "last"),
    [
        ("a port that never answered", {503}, "unavailable"),
        ("a port that answers no more", {503}, "not-sent"),
        ("a service that is out", {502, 503}, "not-sent"),
    ],
)
async def test_in_a_dead_network_visitors_are_told_at_once_when_to_come_again(
    name: str, statuses: set[int], last: str
) -> None:
    """The first few after a quick retry, all others at once: `Retry-After` is in each answer."""
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(Emulator(answer=Pass()))
        where = emulator.base_url
        if name == "a port that never answered":
            where = f"http://127.0.0.1:{closed_port()}/api/v1"
        retry = RetryPolicy(first_wait_s=0.01, longest_wait_s=0.01)
        app = application(api_key=emulator.api_key, base_url=where, retry=retry)
        async with served(app) as visitor:
            before = await visitor.get("/", params={"number": 0})
            assert before.status_code == 200 or "never" in name
            if name == "a service that is out":
                emulator.when("*", Error(503, "ServiceUnavailable"))
            else:
                await stack.aclose()
            asks = [visitor.get("/", params={"number": number}) for number in range(1, 9)]
            answers = await asyncio.gather(*asks)
            latest = await visitor.get("/", params={"number": 9})
    assert {answer.status_code for answer in answers} <= statuses
    assert latest.json()["type"].endswith(last)
    for answer in (*answers, latest):
        assert 1 <= int(answer.headers["Retry-After"]) <= 31
        assert answer.json()["billed"] == "no"


# The page of OpenAPI


def test_problems_are_told_in_openapi() -> None:
    """Each status with its types; beside what FastAPI says of 422 itself."""
    app = FastAPI()

    @app.get("/some", responses=problems(Busy, RateLimited, ImageSkipped))
    async def some(number: int) -> None: ...

    @app.get("/all", responses=problems())
    async def every() -> None: ...

    paths = app.openapi()["paths"]
    some_of = paths["/some"]["get"]["responses"]
    assert set(some_of) == {"200", "422", "503"}
    assert set(paths["/all"]["get"]["responses"]) == {"200", "422", "502", "503", "504"}
    assert set(some_of["422"]["content"]) == {"application/json", "application/problem+json"}
    assert set(some_of["503"]["content"]) == {"application/problem+json"}
    [busy] = some_of["503"]["content"].values()
    assert busy["schema"]["properties"]["type"]["enum"] == ["urn:s2v-detect:problem:busy"]
    assert "Retry-After" in some_of["503"]["headers"]
