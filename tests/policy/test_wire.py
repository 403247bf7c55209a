"""Every answer the service is known to give is a verdict or exactly one error."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect import (
    AccessDenied,
    BadRequest,
    ConfigurationError,
    DetectError,
    ImageUnusable,
    OutcomeUnknown,
    OutOfCredit,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    Verdict,
)
from s2v_detect.checks._again import Seen, may_follow
from s2v_detect.emulator import CODES, REJECT_CODES
from s2v_detect.wire._answers import (
    Answer,
    decode,
    request_body,
    request_headers,
    retry_after_s,
    service_ms,
    standing_headers,
)

DOWNLOAD = "Unable to download the media resource during the data inspection process."

ERRORS: list[tuple[int, str, str, type[DetectError], bool]] = [
    # status, code, message, the error, whether it is asked again
    (400, "InvalidParameter", "Required parameter missing", BadRequest, False),
    (400, "BadRequest.TooLarge", "Payload Too Large", BadRequest, False),
    (400, "InvalidParameter", "Failed to download image", ImageUnusable, True),
    (400, "InvalidParameter", "oss download error", ImageUnusable, True),
    (400, "BadRequest.Input", "read image failed", ImageUnusable, True),
    (400, "InvalidParameter", "url error, please check url!", ConfigurationError, False),
    (400, "InvalidParameter.DataInspection", DOWNLOAD, ImageUnusable, True),
    (400, "InvalidURL", "", ImageUnusable, False),
    (400, "InvalidURL.ConnectionRefused", "", ImageUnusable, False),
    (400, "InvalidURL.Timeout", "", ImageUnusable, True),
    (400, "DataInspectionFailed", "", ImageUnusable, False),
    (400, "data_inspection_failed", "", ImageUnusable, False),
    (400, "IPInfringementSuspect", "", ImageUnusable, False),
    (400, "Arrearage", "Access denied, account overdue.", OutOfCredit, False),
    (401, "InvalidApiKey", "Invalid API-key provided.", AccessDenied, False),
    (401, "invalid_api_key", "", AccessDenied, False),
    (401, "NOT AUTHORIZED", "", AccessDenied, False),
    (401, "", "invalid access token or token expired", AccessDenied, False),
    (403, "AccessDenied", "user api does not support asynchronous calls", AccessDenied, False),
    (403, "AccessDenied.Unpurchased", "", AccessDenied, False),
    (403, "Model.AccessDenied", "", AccessDenied, False),
    (403, "Workspace.AccessDenied", "", AccessDenied, False),
    (403, "Endpoint.AccessDenied", "", AccessDenied, False),
    (403, "AllocationQuota.FreeTierOnly", "", OutOfCredit, False),
    (404, "ModelNotFound", "", AccessDenied, False),
    (404, "WorkSpaceNotFound", "", AccessDenied, False),
    (429, "Throttling", "", RateLimited, True),
    (429, "Throttling.RateQuota", "", RateLimited, True),
    (429, "LimitRequests", "", RateLimited, True),
    (429, "limit_requests", "", RateLimited, True),
    (429, "Throttling.Concurrency", "", RateLimited, True),
    (429, "Throttling.BurstRate", "", RateLimited, True),
    (429, "limit_burst_rate", "", RateLimited, True),
    (429, "Throttling.AllocationQuota", "Allocated quota exceeded", RateLimited, True),
    (429, "insufficient_quota", "You exceeded your current quota", RateLimited, True),
    (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", OutOfCredit, False),
    (429, "insufficient_quota", "Free allocated quota exceeded.", OutOfCredit, False),
    (429, "CommodityNotPurchased", "", OutOfCredit, False),
    (429, "PrepaidBillOverdue", "", OutOfCredit, False),
    (429, "PostpaidBillOverdue", "", OutOfCredit, False),
    (500, "InternalError", "", ServiceUnavailable, True),
    (500, "InternalError.Algo", "", ServiceUnavailable, True),
    (500, "SystemError", "", ServiceUnavailable, True),
    (500, "ModelServiceFailed", "", ServiceUnavailable, True),
    (500, "RequestTimeOut", "", ServiceUnavailable, True),
    (500, "ModelServingError", "Too many requests", ServiceUnavailable, True),
    (503, "ModelServingError", "Too many requests", ServiceUnavailable, True),
    (503, "ModelUnavailable", "", ServiceUnavailable, True),
    (503, "ServiceUnavailable", "", ServiceUnavailable, True),
    # a 400 is about its image, whatever its code is called
    (400, "InternalError.Algo.InvalidParameter", "Failed to download content", ImageUnusable, True),
    (400, "InternalError.Algo", "Unable to download the media", ImageUnusable, True),
    (400, "internal_error", "read image failed", ImageUnusable, True),
    (400, "InternalError.Algo.InvalidParameter", "The image is too small", BadRequest, False),
    (400, "InternalError.Algo", "", BadRequest, False),
    (400, "InternalError", "", BadRequest, False),
    (400, "internal_error", "", BadRequest, False),
    (400, "SystemError", "", BadRequest, False),
    (400, "RequestTimeOut", "download timed out", ImageUnusable, True),
    (400, "ModelServiceFailed", "", BadRequest, False),
    (400, "ModelUnavailable", "", BadRequest, False),
    (400, "ServiceUnavailable", "", BadRequest, False),
    (400, "ModelServingError", "Too many requests", BadRequest, False),
    (413, "InternalError", "", BadRequest, False),
    (422, "InternalError.Algo", "", BadRequest, False),
    # a gateway's statuses and a throttle's are no refusal of an image
    (408, "InternalError", "", ServiceUnavailable, True),
    (499, "RequestTimeOut", "", ServiceUnavailable, True),
    (429, "ModelServingError", "", ServiceUnavailable, True),
    # nobody has listed these: the status decides
    (400, "SomethingNew", "", BadRequest, False),
    (418, "", "", BadRequest, False),
    (403, "SomethingNew", "", AccessDenied, False),
    (429, "", "", RateLimited, True),
    (500, "SomethingNew", "", ServiceUnavailable, True),
    (500, "SomethingElse", "", ServiceUnavailable, True),
]


def answer(status: int, body: object, **headers: str) -> Answer:
    """Return an answer with a JSON body, or with bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): text for name, text in headers.items()}, content)


def error_of(given_answer: Answer) -> DetectError:
    """Return the error that an answer comes to."""
    with pytest.raises(DetectError) as raised:
        decode(given_answer)
    return raised.value


@pytest.mark.parametrize(("status", "code", "message", "kind", "again"), ERRORS)
def test_every_code_is_exactly_one_error(
    status: int,
    code: str,
    message: str,
    kind: type[DetectError],
    again: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """With its class, free of charge, and asked again or not."""
    body = {"code": code, "message": message, "request_id": "r-1"}
    error = error_of(answer(status, body))
    assert type(error) is kind
    assert error.billed == "no"
    assert error.stops_run is (kind in (AccessDenied, OutOfCredit, ConfigurationError))
    assert may_follow(error, Seen()) is again
    if isinstance(error, ServiceError):
        assert (error.status, error.code, error.message) == (status, code, message)
        assert error.request_id == "r-1"


NEIGHBOURS: list[dict[str, Any]] = [
    {},
    {"type": "invalid_request_error", "param": None},
    {"type": None, "param": {"a": 1}, "status": 500},
]


@pytest.mark.parametrize(
    "beside", [{}, {"code": None, "message": None}, {"code": "", "usage": None}]
)
@pytest.mark.parametrize("neighbours", NEIGHBOURS)
@pytest.mark.parametrize("is_id_nested", [False, True])
def test_an_error_within_an_error_is_read_as_the_flat_one(
    beside: dict[str, Any],
    neighbours: dict[str, Any],
    is_id_nested: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """Every row of the table above comes to the same, with the service's own words."""
    for status, code, message, _, _ in ERRORS:
        if not code:
            continue
        words = {"code": code, "message": message}
        flat = error_of(answer(status, {**words, "request_id": "r-1"}))
        inside, outside = {**words, **neighbours}, dict(beside)
        (inside if is_id_nested else outside)["request_id"] = "r-1"
        nested = error_of(answer(status, {**outside, "error": inside}))
        assert type(nested) is type(flat)
        assert vars(nested) == vars(flat)


@pytest.mark.parametrize("error", [None, "text", 7, True, [], ["code"], {}, {"code": None}])
def test_an_error_that_is_no_object_changes_nothing(error: object) -> None:
    """What stands flat beside it is read; where nothing does, the status decides."""
    flat = {"code": "InvalidURL", "message": "m", "request_id": "r"}
    assert vars(error_of(answer(400, {**flat, "error": error}))) == vars(
        error_of(answer(400, flat))
    )
    assert type(error_of(answer(403, {"error": error}))) is AccessDenied


@pytest.mark.parametrize("row", CODES)
def test_every_code_of_the_emulator_is_in_the_table(row: tuple[int, str, str]) -> None:
    """The emulator speaks the vendor's list: none of it falls back on its status alone."""
    known = {code.replace("_", "").replace(" ", "").lower() for _, code, _, _, _ in ERRORS}
    folded = row[1].replace("_", "").replace(" ", "").lower()
    prefixes = ("badrequest.", "internalerror.", "invalidapi", "invalidaccess")
    assert folded in known or folded.startswith(prefixes)


@pytest.mark.parametrize("code", [*REJECT_CODES, "InvalidFile.NotListedYet", "InvalidImageNew"])
def test_a_reject_as_a_400_is_a_verdict(code: str) -> None:
    """Not a failure: the image was examined. An error's body is not billed."""
    verdict = decode(answer(400, {"code": code, "message": "why", "request_id": "r-1"}))
    assert verdict == Verdict(
        check_pass=False, code=code, message="why", request_id="r-1", billed="no"
    )


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        ({}, "no"),
        ({"usage": None}, "no"),
        ({"usage": {"image_count": 0}}, "no"),
        ({"usage": {"image_count": 1}}, "yes"),
        ({"usage": {"image_count": None}}, "unknown"),
        ({"usage": {}}, "unknown"),
        ({"usage": []}, "unknown"),
    ],
)
def test_a_reject_in_the_shape_of_an_error_is_billed_as_it_counts(
    usage: dict[str, Any], billed: str
) -> None:
    """`null` is no usage, as where it is left out; a count that can't be read is a doubt."""
    for shape in ({"code": "InvalidFile.NoHuman"}, {"error": {"code": "InvalidFile.NoHuman"}}):
        assert decode(answer(400, {**shape, **usage})).billed == billed


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"check_pass": True, "humanoid": True}, {"check_pass": True, "humanoid": True}),
        ({"check_pass": False, "code": "", "message": ""}, {"check_pass": False}),
        ({"check_pass": False, "humanoid": False}, {"check_pass": False, "humanoid": False}),
        ({"check_pass": True, "humanoid": "yes"}, {"check_pass": True, "humanoid": None}),
        ({"check_pass": False, "code": None}, {"check_pass": False, "code": ""}),
        ({"check_pass": False, "code": "X", "message": "m"}, {"code": "X", "message": "m"}),
    ],
)
def test_a_verdict_is_read_as_it_is_said(output: dict[str, Any], expected: dict[str, Any]) -> None:
    """True, false or not said; an empty code is no code."""
    verdict = decode(answer(200, {"output": output, "usage": {"image_count": 1}}))
    assert {name: getattr(verdict, name) for name in expected} == expected
    assert verdict.billed == "yes"


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        ({"image_count": 1}, "yes"),
        ({"image_count": "1"}, "yes"),
        ({"image_count": 0}, "no"),
        ({"image_count": -1}, "unknown"),
        ({"image_count": True}, "unknown"),
        ({"image_count": None}, "unknown"),
        ({"image_count": "many"}, "unknown"),
        ({"image_count": 1.5}, "unknown"),
        ({}, "unknown"),
        (None, "unknown"),
        ([1], "unknown"),
    ],
)
def test_the_count_of_images_says_what_was_billed(usage: object, billed: str) -> None:
    """The verdict stands in any case; a count that says nothing leaves the bill unknown."""
    verdict = decode(answer(200, {"output": {"check_pass": True}, "usage": usage}))
    assert verdict.billed == billed


def test_a_code_at_the_top_of_a_200_is_an_error() -> None:
    """HTTP 200 alone proves nothing."""
    error = error_of(answer(200, {"code": "InternalError", "msg": "busy", "request_id": "r"}))
    assert isinstance(error, ServiceUnavailable)
    assert (error.message, error.billed) == ("busy", "no")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>gateway</html>"),
        (200, b'{"output": {"check_pass": true'),
        (200, b"[" * 100_000),
        (200, b"\xff\xfe\x00"),
        (200, b"[1]"),
        (200, b"null"),
        (200, b"{}"),
        (200, b'{"output": {"check_pass": "true"}}'),
        (200, b'{"output": {"check_pass": 1}}'),
        (204, b""),
        (502, b'{"code": "InternalError"}'),
        (504, b"<html>"),
    ],
)
def test_what_cannot_be_read_may_have_been_billed(status: int, body: bytes) -> None:
    """An answer without a verdict or an error in it: unknown, and resent once if allowed."""
    error = error_of(answer(status, body))
    assert isinstance(error, OutcomeUnknown)
    assert error.billed == "unknown"
    assert may_follow(error, Seen())
    assert not may_follow(error, Seen(on_unknown="keep"))
    assert not may_follow(error, Seen(lost=1))


def test_a_billed_answer_of_another_shape_is_not_paid_for_twice() -> None:
    """A sibling's shape: it was billed for certain, and asking again would give the same."""
    error = error_of(answer(200, {"output": {"pass": True}, "usage": {"image_count": 1}}))
    assert isinstance(error, OutcomeUnknown)
    assert error.billed == "yes"
    assert not may_follow(error, Seen())


@pytest.mark.parametrize("status", [403, 404, 429])
def test_a_page_of_html_that_refuses_is_free(status: int) -> None:
    """It was refused before the model ran: no bill."""
    assert error_of(answer(status, b"<html>no</html>")).billed == "no"


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_told_as_one(status: int) -> None:
    """What stands there may have passed the request on, so it may have been billed."""
    error = error_of(answer(status, b""))
    assert isinstance(error, OutcomeUnknown)
    assert error.billed == "unknown"
    assert "redirect" in error.what
    assert "base_url" in error.do


def test_the_request_id_is_in_the_body_or_in_the_header() -> None:
    """The body's comes first."""
    body = {"output": {"check_pass": True}, "usage": {"image_count": 1}}
    assert decode(answer(200, body, x_request_id="h")).request_id == "h"
    assert decode(answer(200, {**body, "request_id": "b"}, x_request_id="h")).request_id == "b"
    assert decode(answer(200, body)).request_id is None


DATE = "Mon, 23 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:12 GMT", "date": DATE}, 12.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:12 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:12", "date": DATE}, None),
    ],
)
def test_a_wish_to_wait_is_heeded_where_it_makes_sense(
    headers: dict[str, str], expected: float | None
) -> None:
    """Seconds, milliseconds, or a date counted from the answer's own."""
    assert retry_after_s(headers) == expected


def test_the_service_may_ask_not_to_be_asked_again() -> None:
    """`x-should-retry: false` is heeded, as the vendor's SDK does."""
    body = {"code": "InternalError"}
    assert not may_follow(error_of(answer(500, body, x_should_retry="false")), Seen())
    assert may_follow(error_of(answer(500, body, x_should_retry="true")), Seen())
    wanted = error_of(answer(400, {"code": "SomethingNew"}, x_should_retry="true"))
    assert may_follow(wanted, Seen())
    denied = error_of(answer(401, {"code": "InvalidApiKey"}, x_should_retry="true"))
    assert not may_follow(denied, Seen())


def test_an_error_that_was_billed_is_not_asked_again() -> None:
    """The count is the oracle beside an error too: asking again would pay twice."""
    error = error_of(answer(500, {"code": "InternalError", "usage": {"image_count": 1}}))
    assert error.billed == "yes"
    assert not may_follow(error, Seen())


@pytest.mark.parametrize(
    ("text", "expected"), [("120", 120), ("", None), ("fast", None), ("9" * 40, None), ("²", None)]
)
def test_the_services_own_time_is_read_where_it_is_a_number(
    text: str, expected: int | None
) -> None:
    """`req-cost-time`, in milliseconds."""
    assert service_ms(answer(200, b"", req_cost_time=text)) == expected


def test_the_request_is_the_documented_one() -> None:
    """Nothing else is in its body; the resolve header is for the temporary store alone."""
    assert json.loads(request_body("m", "https://a.example/ü.jpg")) == {
        "model": "m",
        "input": {"image_url": "https://a.example/ü.jpg"},
    }
    standing = standing_headers("ws", "agent")
    assert "X-DashScope-Async" not in standing
    assert standing["X-DashScope-WorkSpace"] == "ws"
    assert request_headers(standing, "https://a.example/") == standing
    extra = set(request_headers(standing, "oss://b/k")) - set(standing)
    assert extra == {"X-DashScope-OssResourceResolve"}
    assert "X-DashScope-WorkSpace" not in standing_headers(None, "agent")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["code", "message", "output", "usage", "check_pass", "image_count", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()),
    wish=st.text(max_size=12),
)
def test_no_answer_is_anything_else(status: int, body: bytes, wish: str) -> None:
    """Whatever comes: a verdict, or an error of ours."""
    try:
        told: Verdict | DetectError = decode(Answer(status, {"retry-after": wish}, body))
    except DetectError as error:
        told = error
    assert told.billed in {"no", "yes", "unknown"}
    wait_s = getattr(told, "retry_after_s", None)
    assert wait_s is None or (wait_s >= 0 and math.isfinite(wait_s))


@pytest.mark.parametrize(
    "date",
    [
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
        "Wed, 21 Oct 2026 07:28:00 +99999999",
        "Wed, 99 Oct 2026 07:28:00 GMT",
        "Wed, 21 Oct 2026",
        "Wed,",
    ],
)
@pytest.mark.parametrize("name", ["retry-after", "date"])
def test_a_date_that_is_none_is_no_wish(name: str, date: str) -> None:
    """A hostile header is not an error of another kind."""
    headers = {"retry-after": DATE, "date": DATE, name: date}
    assert retry_after_s(headers) is None
    assert isinstance(error_of(Answer(429, headers, b"{}")), RateLimited)


def test_a_wish_in_milliseconds_that_makes_no_sense_leaves_the_one_in_seconds() -> None:
    """They are two headers; one may be broken."""
    assert retry_after_s({"retry-after-ms": "nan", "retry-after": "5"}) == 5.0


def test_an_error_that_carries_a_count_was_billed() -> None:
    """The count is the oracle, whatever stands beside it."""
    body = {"code": "InternalError", "message": "late", "usage": {"image_count": 1}}
    assert error_of(answer(200, body)).billed == "yes"


@pytest.mark.parametrize(("status", "code", "message", "kind", "again"), ERRORS)
def test_a_message_is_two_sentences_whatever_the_service_said(
    status: int,
    code: str,
    message: str,
    kind: type[DetectError],
    again: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """Its own words may end without a full stop."""
    error = error_of(answer(status, {"code": code, "message": message}))
    assert error.what[-1] in ".!?…"
    assert ".." not in str(error)
