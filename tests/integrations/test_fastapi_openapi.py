"""What the OpenAPI page says of problems is what an application answers: asked by schemathesis."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import s2v_detect
from s2v_detect import (
    Busy,
    DetectClient,
    DetectError,
    ImageSkipped,
    NotSent,
    ServiceError,
    Verdict,
)
from s2v_detect.emulator import Emulator, Error, Pass, Reject, Throttle
from s2v_detect.integrations.fastapi import (
    Detector,
    add_problem_handlers,
    client_of,
    problems,
    while_present,
)

pytestmark = pytest.mark.real_time  # seconds of import: one version of Python is enough

PUBLIC = [vars(s2v_detect)[name] for name in s2v_detect.__all__]
ERRORS: list[Any] = [
    each for each in PUBLIC if isinstance(each, type) and issubclass(each, DetectError)
]


def error_of(kind: Any) -> Exception:
    """Return an error of this class, with all that it may have."""
    error: Exception
    if issubclass(kind, ImageSkipped):
        error = kind("it has 300 x 300 pixels", saves="bill")
    elif issubclass(kind, Busy):
        error = kind("busy.", do="Wait.", image=None, retry_after_s=0.7)
    elif issubclass(kind, ServiceError):
        told = {"code": "Some.Code", "request_id": "4909100c-7b5a-9f92-bfe5-1a2b3c4d5e6f"}
        error = kind("told.", do="Wait.", status=503, retry_after_s=2.5, **told)
    else:
        error = kind("told.", do="Wait.")
    return error


def failing(app: FastAPI, path: str, kind: Any, *told: Any) -> None:
    """Add an operation that ends with such an error, and tells of these in OpenAPI."""

    @app.get(path, responses=problems(*told))
    async def fail() -> None:
        raise error_of(kind)


class Asking:
    """Asks an application by its OpenAPI page, and looks at its answers."""

    def __init__(self, app: FastAPI) -> None:
        # 1.5 s of import, for the tests of this file.
        import schemathesis  # noqa: PLC0415
        import schemathesis.specs.openapi.checks as those  # noqa: PLC0415

        self.api = schemathesis
        self._checks = [
            those.status_code_conformance,
            those.content_type_conformance,
            those.response_schema_conformance,
            those.response_headers_conformance,
        ]
        self._page: Any = schemathesis.openapi.from_asgi("/openapi.json", app)

    def operation(self, method: str, path: str) -> Any:
        """Return an operation of the page."""
        return self._page[path][method]

    def status(self, case: Any) -> int:
        """Return the status of an answer that is as the page says; else raise."""
        return int(case.call_and_validate(checks=self._checks).status_code)


@pytest.mark.parametrize("told", ["alone", "among all"])
def test_every_error_is_answered_as_its_page_says(told: str) -> None:
    """Its status, its media type, its body and its headers."""
    app = FastAPI()
    add_problem_handlers(app)
    for kind in ERRORS:
        failing(app, f"/{kind.__name__}", kind, *([kind] if told == "alone" else []))
    asking = Asking(app)
    seen = {asking.status(asking.operation("GET", f"/{kind.__name__}").Case()) for kind in ERRORS}
    assert seen == {422, 502, 503, 504}


@pytest.mark.parametrize(
    ("told", "fault"),
    [(ImageSkipped, "Undocumented status code"), (NotSent, "violates schema")],
)
def test_a_page_that_says_otherwise_is_found_out(told: type[DetectError], fault: str) -> None:
    """So the test above can fail: by a status, and by the problem's type."""
    app = FastAPI()
    add_problem_handlers(app)
    failing(app, "/", Busy, told)
    asking = Asking(app)
    with pytest.raises(asking.api.errors.FailureGroup, match=fault):
        asking.status(asking.operation("GET", "/").Case())


class Portrait(BaseModel):
    """What a visitor sends."""

    url: str


def test_whatever_a_visitor_sends_is_answered_as_the_page_says(s2v_emulator: Emulator) -> None:
    """Addresses that fit and those that don't, bodies that are none; FastAPI's own answers too."""
    steps = [Pass(), Reject("InvalidFile.NoHuman"), Error(400, "InvalidURL"), Error(400, "New")]
    for number, step in enumerate([*steps, Error(401, "InvalidApiKey"), Throttle()]):
        s2v_emulator.when(f"*/{number}.jpg", step)

    async def client_of_the_emulator() -> AsyncIterator[DetectClient]:
        retry = s2v_detect.RetryPolicy(max_attempts=1)
        async with s2v_emulator.client(retry=retry) as client:
            yield client

    app = FastAPI()
    add_problem_handlers(app)
    app.dependency_overrides[client_of] = client_of_the_emulator

    own = {"description": "FastAPI's own: the body is no JSON"}

    @app.post("/portraits", responses={400: own, **problems()})
    async def check(portrait: Portrait, request: Request, client: Detector) -> Verdict:
        return await while_present(request, client.check(portrait.url))

    asking = Asking(app)
    operation = asking.operation("POST", "/portraits")
    seen = set()

    @settings(
        max_examples=15,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*(operation.as_strategy(mode) for mode in asking.api.GenerationMode)))
    def ask(case: Any) -> None:
        seen.add(asking.status(case))

    ask()
    for number in range(6):
        image = {"url": f"https://images.example/{number}.jpg"}
        seen.add(asking.status(operation.Case(body=image, media_type="application/json")))
    assert seen >= {200, 422, 503}
