"""The page of a probe: what is on it, and what never is."""

import json
from collections.abc import Iterable
from itertools import product
from typing import Any

import httpx
import pytest

from s2v_detect.cli._hidden import NOT_TOLD, Hidden
from s2v_detect.cli._probe_page import TITLE, Probe, facts_of, page_of
from s2v_detect.wire import Exchange

KEY = "sk-0123456789abcdefXYZ"
PASSES = b'{"output": {"check_pass": true, "humanoid": true}, "usage": {"image_count": 1}}'
REJECTED = b'{"output": {"check_pass": false, "code": "", "message": ""}, "request_id": "r-77"}'
REFUSED = b'{"code": "InvalidFile.NoHuman", "message": "no human in %s", "request_id": "r-77"}'
THROTTLED = b'{"code": "Throttling.RateQuota", "message": "slow down", "request_id": "r-77"}'
ADDRESSES = [
    "https://pictures.shop-of-ada.example/portraits/Lovelace-1815.jpg?Signature=QwErTz99%3D",
    "/home/augusta/faces/byron.png",
    KEY,
]
ABOUT = Probe("1.0", "2026-11-26", "the public address", 5.0, 1, 0, "0.004", 0, 0, "")


def headers_of(pairs: Iterable[tuple[str, str]]) -> httpx.Headers:
    """Return headers as they come: bytes, of any kind."""
    return httpx.Headers([(name.encode(), value.encode()) for name, value in pairs])


def exchange(
    status: int = 200, body: bytes = PASSES, at_s: float | None = 0.0, **headers: str
) -> Exchange:
    """Return a request that left then, with this answer 50 ms later."""
    told = headers_of((name.replace("_", "-"), value) for name, value in headers.items())
    if at_s is None:
        return Exchange()
    return Exchange(100 + at_s, 100.04 + at_s, 100.05 + at_s, status, told, body)


def facts(*exchanges: Exchange, secrets: list[str] = ADDRESSES) -> dict[str, Any]:
    """Return what the page would say."""
    return facts_of(ABOUT, exchanges, Hidden(secrets))


@pytest.mark.parametrize(
    ("status", "body", "answer", "code", "fields"),
    [
        (200, PASSES, "passes", "", {"output.check_pass": "true", "usage.image_count": "1"}),
        (200, REJECTED, "rejects, check_pass is false", "", {"output.code": "empty text"}),
        (400, REFUSED, "rejects, an error's shape", "InvalidFile.NoHuman", {"message": "text"}),
        (200, REFUSED, "rejects, an error's shape", "InvalidFile.NoHuman", {}),
        (429, THROTTLED, "RateLimited", "Throttling.RateQuota", {"request_id": "text"}),
        (500, b'{"code": "InternalError"}', "ServiceUnavailable", "InternalError", {}),
        (200, b"", "OutcomeUnknown", "", {"(body)": "empty"}),
        (502, b"<html>", "OutcomeUnknown", "", {"(body)": "no JSON"}),
        (200, b"[1]", "OutcomeUnknown", "", {"(body)": "list of 1"}),
        (200, b"7", "OutcomeUnknown", "", {"(body)": "number"}),
        (200, b"[" * 5000, "OutcomeUnknown", "", {"(body)": "no JSON"}),
        (200, b"\xff\xfe\x00", "OutcomeUnknown", "", {"(body)": "no JSON"}),
        (0, b"", "no answer", "", {}),
    ],
)
def test_the_shape_of_each_answer_is_told(
    status: int, body: bytes, answer: str, code: str, fields: dict[str, str]
) -> None:
    """Its fields with the kinds of their values, and its code."""
    [told] = facts(exchange(status, body))["answers"]
    assert (told["answer"], told["code"], told["count"]) == (answer, code, 1)
    assert told["fields"].items() >= fields.items()


def test_equal_answers_are_counted_together() -> None:
    """And those that never left are no requests."""
    told = facts(exchange(), exchange(at_s=0.2), exchange(400, REFUSED, 0.4), exchange(at_s=None))
    assert [each["count"] for each in told["answers"]] == [2, 1]
    assert told["requests"] == 3


SECRETS = [
    *("Lovelace", "lovelace_1815", "augusta", "byron", "shop", "pictures", "x_portraits"),
    *("sk-0123456789abcdefXYZ", "0123456789abcdefXYZ", "QwErTz", "abcdefXYZ", "XYZ-QwErTz99"),
]
ODD = ["a" * 41, "https://a.example/x.jpg", "new\nline", "a|b", "名", "\x1b[31m", "<b>", "a b", ""]


@pytest.mark.parametrize("said", [*SECRETS, *ODD])
@pytest.mark.parametrize("place", ["field", "inner field", "code", "header", "value", "cookie"])
def test_what_tells_of_somebody_is_not_on_the_page(said: str, place: str) -> None:
    """Wherever the service, or a gateway, says it; and what is no name is none on the page."""
    bodies: dict[str, Any] = {
        "field": {said: 1},
        "inner field": {"output": {"check_pass": True, said: {said: said}}},
        "code": {"code": f"InvalidFile.{said}", "message": said, "request_id": said},
    }
    headers = {
        "header": ((f"x-{said}", said),),
        "value": (("server", said), ("retry-after", said), ("x-ratelimit-key", said)),
        "cookie": (("set-cookie", f"id={said}"), ("location", said), ("x-request-id", said)),
    }
    seen = exchange(400 if place == "code" else 200)
    if place in bodies:
        seen.body = json.dumps(bodies[place]).encode()
    seen.headers = headers_of(headers.get(place, ()))
    page = page_of(facts(seen))
    assert page.startswith(TITLE + "\n")
    assert "\x1b" not in page
    if said in SECRETS:
        assert said.lower() not in page.lower()
    elif place not in ("value", "cookie") and said:
        assert NOT_TOLD in page


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("Retry-After", "2", "2"),
        ("retry-after-ms", "120", "120"),
        ("X-RateLimit-Remaining", "4", "4"),
        ("ratelimit-policy", '5;w=1;comment="second"', '5;w=1;comment="second"'),
        ("content-type", "application/json;charset=UTF-8", "application/json;charset=UTF-8"),
        ("server", "istio-envoy", "istio-envoy"),
        ("server", "Python/3.11 aiohttp/3.14.5", "Python/3.11 aiohttp/3.14.5"),
        ("server", "proxy-3.corp.example.com", NOT_TOLD),
        ("server", "10.0.0.7", NOT_TOLD),
        ("keep-alive", "a1b2c3d4e5f6a7b8", NOT_TOLD),
        ("vary", "x" * 81, NOT_TOLD),
        ("cache-control", "token=S3CR3T", NOT_TOLD),
        ("x-request-id", "r-77", None),
        ("set-cookie", "a=b", None),
        ("x-unknown", "7", None),
    ],
)
def test_the_values_of_a_few_headers_are_told(name: str, value: str, told: str | None) -> None:
    """Those that are the service's own; of all others the name."""
    seen = exchange()
    seen.headers = headers_of([(name, value), (name, value)])
    [header] = facts(seen)["headers"]
    assert header == {"name": name.lower(), "count": 1, "values": [] if told is None else [told]}


def test_documented_names_are_told_whatever_the_addresses_hold() -> None:
    """An address of `output` or `message` hides no field of that name."""
    secrets = ["https://a.example/output/message/usage_image_count/content-type.jpg", KEY]
    told = facts(exchange(400, REFUSED, content_type="application/json"), secrets=secrets)
    assert list(told["answers"][0]["fields"]) == ["code", "message", "request_id"]
    assert told["headers"][0]["name"] == "content-type"
    hidden = facts(exchange(400, REFUSED), secrets=["https://a.example/nohuman.jpg"])
    assert hidden["answers"][0]["code"] == f"InvalidFile.{NOT_TOLD}"


def test_the_pace_around_the_rate() -> None:
    """In milliseconds from the first: of each, how many were accepted in the second before."""
    times = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.9, 1.05]
    seen = [
        exchange(429, THROTTLED, at_s) if at_s in (0.5, 0.9) else exchange(at_s=at_s)
        for at_s in times
    ]
    told = facts(*reversed(seen))
    assert [each["after_first"] for each in told["pace"]] == [0, 100, 200, 300, 400, 500, 900, 1050]
    assert [each["accepted_in_1000"] for each in told["pace"]] == [0, 1, 2, 3, 4, 5, 5, 4]
    assert told["spacing_ms"]["throttled"] == {
        "count": 2,
        "least": 100.0,
        "middle": 250.0,
        "most": 400.0,
    }
    assert told["spacing_ms"]["accepted"]["count"] == 6
    assert {each["answer_after"] for each in told["pace"]} == {50.0}


def test_the_service_s_own_times_are_told_from_the_first() -> None:
    """No absolute one: with it the vendor could look an account up."""
    dates = ["Thu, 26 Nov 2026 04:00:00 GMT", "Thu, 26 Nov 2026 04:00:01 GMT", "never"]
    arrivals = ["1795665600123", "1795665600873", "x"]
    seen = [
        exchange(at_s=number / 5, date=date, req_arrive_time=arrival)
        for number, (date, arrival) in enumerate(zip(dates, arrivals, strict=True))
    ]
    told = facts(*seen)
    assert [each["service_second"] for each in told["pace"]] == [0, 1, None]
    assert [each["arrived"] for each in told["pace"]] == [0, 750, None]
    assert "17956656" not in page_of(told)
    assert "04:00" not in page_of(told)


def test_the_page_holds_the_same_for_machines() -> None:
    """JSON in a block of its own; nothing at all is a page as well."""
    for told in (facts(exchange(), exchange(429, THROTTLED, 0.2)), facts()):
        page = page_of(told)
        _, _, block = page.partition("```json\n")
        assert json.loads(block.partition("\n```")[0]) == told


def test_a_page_has_an_end() -> None:
    """Whatever a thousand fields and headers of somebody's gateway are."""
    letters = ["".join(each) for each in product("abcdefghij", repeat=3)]
    body = json.dumps({f"field_{each}": each for each in letters}).encode()
    seen = exchange(200, body)
    seen.headers = headers_of((f"x-{each}", "1") for each in letters)
    told = facts(seen)
    assert len(told["answers"][0]["fields"]) == len(told["headers"]) == 100
