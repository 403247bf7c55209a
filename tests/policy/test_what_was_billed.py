"""Only the service's own word says that nothing was billed."""

import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect import (
    AccessDenied,
    BadRequest,
    DetectError,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
    Verdict,
)
from s2v_detect.checks._again import slows_the_line
from s2v_detect.checks._money import Books, Costs
from s2v_detect.wire._answers import Answer, decode, images_billed

PAGE = b"<html><title>gateway</title></html>"
OURS = b'{"code": "InternalError", "message": "m"}'
NESTED = b'{"error": {"code": "InternalError", "message": "m"}}'
HALF = OURS[:20]
EMPTY_CODE = b'{"code": "", "message": "m"}'
NUMBER = b'{"code": 500, "message": "m"}'
NO_VERDICT = b'{"output": {}, "usage": {"image_count": 1}}'
GATEWAYS = (408, 499, 500, 503, 520, 522, 524, 598, 301, 302, 307)
REFUSALS = {
    400: BadRequest,
    401: AccessDenied,
    403: AccessDenied,
    404: AccessDenied,
    413: BadRequest,
    418: BadRequest,
    429: RateLimited,
}


def told(status: int, body: bytes) -> Verdict | DetectError:
    """Return what an answer comes to."""
    try:
        return decode(Answer(status, {}, body))
    except DetectError as error:
        return error


TABLE: list[tuple[int, bytes, type[Verdict | DetectError], str]] = [
    *[
        (status, body, OutcomeUnknown, "unknown")
        for status in GATEWAYS
        for body in (PAGE, b"", HALF, EMPTY_CODE, NUMBER, b"[]", b"null", b'"code"')
    ],
    *[(status, OURS, ServiceUnavailable, "no") for status in GATEWAYS],
    *[(status, NESTED, ServiceUnavailable, "no") for status in GATEWAYS],
    *[
        (status, body, OutcomeUnknown, "unknown")
        for status in (502, 504)
        for body in (PAGE, b"", OURS, NESTED, HALF, NO_VERDICT)
    ],
    *[
        (status, body, kind, "no")
        for status, kind in REFUSALS.items()
        for body in (PAGE, b"", HALF, EMPTY_CODE, NUMBER)
    ],
    *[(200, body, OutcomeUnknown, "unknown") for body in (PAGE, b"", HALF, EMPTY_CODE, NUMBER)],
    (200, OURS, ServiceUnavailable, "no"),
    (200, NESTED, ServiceUnavailable, "no"),
    (200, NO_VERDICT, OutcomeUnknown, "yes"),
    (500, NO_VERDICT, OutcomeUnknown, "yes"),
    (200, b'{"output": {"check_pass": true}}', Verdict, "unknown"),
    (
        200,
        b'\xef\xbb\xbf{"output": {"check_pass": true}, "usage": {"image_count": 1}}',
        Verdict,
        "yes",
    ),
    (200, b'{"output": {"check_pass": true}, "usage": {"image_count": 0}}', Verdict, "no"),
    (200, b'{"output": {"check_pass": true}, "usage": {"image_count": 2}}', Verdict, "yes"),
]


@pytest.mark.parametrize(("status", "body", "kind", "billed"), TABLE)
def test_every_answer_has_its_bill(
    status: int, body: bytes, kind: type[Verdict | DetectError], billed: str
) -> None:
    """By its status, and by whether the service itself speaks."""
    answer = told(status, body)
    assert (type(answer), answer.billed) == (kind, billed)


def test_a_gateway_that_asks_to_wait_is_heeded() -> None:
    """Its page is no word of the service, and the line is slowed for it all the same."""
    with pytest.raises(OutcomeUnknown) as raised:
        decode(Answer(503, {"retry-after": "30"}, PAGE))
    assert raised.value.retry_after_s == 30
    assert slows_the_line(raised.value)
    assert pickle.loads(pickle.dumps(raised.value)).retry_after_s == 30  # noqa: S301  # our own
    assert not slows_the_line(told(503, PAGE))  # type: ignore[arg-type]  # seen to be an error above


def test_an_error_in_error_is_read_as_a_flat_one() -> None:
    """Its code and its message."""
    error = told(429, b'{"error": {"code": "LimitRequests", "message": "Too fast."}}')
    assert isinstance(error, RateLimited)
    assert (error.code, error.message) == ("LimitRequests", "Too fast.")


@pytest.mark.parametrize(
    ("count", "images"),
    [(1, 1), (2, 2), ("3", 3), (0, 0), (-1, 0), (True, 0), (1.5, 0), (10**9, 0), ("1_0", 0)],
)
def test_a_count_of_two_is_two_images(count: object, images: int) -> None:
    """What is no count for one image that was sent is none."""
    body = json.dumps({"output": {"check_pass": True}, "usage": {"image_count": count}}).encode()
    assert images_billed(Answer(200, {}, body)) == images
    assert images_billed(Answer(502, {}, body)) == 0


def test_two_images_are_two_in_the_costs_and_in_the_spend() -> None:
    """The same in both."""
    books, costs = Books(), Costs()
    for billed, images in (("yes", 2), ("unknown", 1), ("no", 1)):
        books.count_request(billed, images)  # type: ignore[arg-type]  # the three words
        costs.add(billed, images)  # type: ignore[arg-type]  # as above
    assert costs.bill.cost == books.spend.cost == Decimal("0.008")
    assert (books.spend.billed, books.spend.unknown, costs.at_most) == (2, 1, 3)


CODES: st.SearchStrategy[Any] = st.sampled_from(
    ["InternalError", "Throttling", "InvalidApiKey", "X", "", "  ", None, 7, True, [], {}]
)
COUNTS = st.sampled_from([None, 0, 1, 2, "1", -1, True, "many", 2.0])
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "code": CODES,
        "error": st.fixed_dictionaries({}, optional={"code": CODES}) | CODES,
        "message": st.sampled_from(["m", "", None]),
        "output": st.sampled_from([{}, None, {"check_pass": True}, {"check_pass": "yes"}]),
        "usage": st.builds(lambda count: {"image_count": count}, COUNTS) | st.none(),
    },
)


def speaks(body: Any) -> bool:
    """Whether the service itself says what went wrong."""
    words = [body.get("code")]
    if isinstance(body.get("error"), dict):
        words.append(body["error"].get("code"))
    return any(isinstance(word, str) and word.strip() for word in words)


def bill(status: int, body: Any) -> str:
    """Return what may have been billed, written from the rule and not from the code.

    `body` is None where the JSON is not whole.
    """
    if status in (502, 504):
        return "unknown"
    usage = (body or {}).get("usage")
    count = usage.get("image_count") if usage else None
    counted = {"0": "no", "1": "yes", "2": "yes"}.get(str(count), "unknown")
    if counted == "yes" and not 300 <= status < 400:
        return "yes"
    if body is not None and status < 300 and (body.get("output") or {}).get("check_pass") is True:
        return counted
    if body is not None and speaks(body):
        return "yes" if counted == "yes" else "no"
    if 400 <= status < 500 and status not in (408, 499):
        return "no"
    return "unknown" if 300 <= status < 400 else counted


@given(
    status=st.sampled_from([200, 201, 204, 302, 400, 401, 408, 418, 429, 499])
    | st.sampled_from([500, 502, 503, 504, 520, 524, 598]),
    body=BODIES,
    is_cut=st.booleans(),
)
def test_whatever_comes_the_bill_is_the_rules(
    status: int,
    body: dict[str, Any],
    is_cut: bool,  # noqa: FBT001  # hypothesis' way of giving it
) -> None:
    """Generated answers against the rule as another wrote it."""
    content = json.dumps(body).encode()
    answer = told(status, content[:-1] if is_cut else content)
    assert answer.billed == bill(status, None if is_cut else body)


@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_words_of_a_megabyte_are_cut_before_they_are_looked_at(status: int) -> None:
    """A code of a megabyte went through two hundred patterns: two seconds of the event loop."""
    long = "x" * 1_000_000
    body = {"code": long, "message": long, "request_id": long}
    error = told(status, json.dumps(body).encode())
    assert isinstance(error, DetectError)
    assert [len(getattr(error, name)) for name in ("code", "message", "request_id")] == [
        *(200, 2000, 200)
    ]
    output = {"output": {"check_pass": False, "code": long, "message": long}}
    verdict = told(200, json.dumps(output).encode())
    assert isinstance(verdict, Verdict)
    assert (len(verdict.code), len(verdict.message)) == (200, 2000)
