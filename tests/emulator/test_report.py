"""What the emulator reports, as attributes and over HTTP."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from s2v_detect._service import CHECK_PATH
from s2v_detect.emulator import Emulator, Pass, Throttle
from s2v_detect.emulator._report import Report
from s2v_detect.emulator._serving import BASE_PATH

Ask = Callable[..., Awaitable[httpx.Response]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
IMAGE = "http://a.example/face.jpg"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator under which every image passes."""
    async with Emulator(answer=Pass()) as emulator:
        yield emulator


@pytest.fixture
async def http(emulator: Emulator, tls: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client at the emulator's own address."""
    async with httpx.AsyncClient(base_url=emulator.origin, verify=tls) as http:
        yield http


async def test_a_request_is_kept_with_its_headers_and_body(emulator: Emulator, ask: Ask) -> None:
    """A test may look at what its client really sent."""
    await ask(emulator, headers={"X-DashScope-WorkSpace": "w1"})
    (arrival,) = emulator.arrivals
    assert (arrival.image, arrival.status, arrival.billed) == (IMAGE, 200, True)
    assert arrival.headers["x-dashscope-workspace"] == "w1"
    assert IMAGE.encode() in arrival.body


async def test_a_request_counts_once_it_is_whole(
    emulator: Emulator, ask: Ask, until: Until
) -> None:
    """A client may be stopped, or killed, between its headers and its body."""
    host, port = emulator.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {BASE_PATH}{CHECK_PATH} HTTP/1.1\r\n".encode())
    writer.write(b"Host: emulator\r\nContent-Length: 2\r\n\r\n{")
    await writer.drain()
    await ask(emulator)
    assert (emulator.requests, emulator.in_flight) == (1, 0)
    writer.write(b"}")
    await until(lambda: emulator.requests == 2)
    assert b"401" in await reader.readline()
    assert emulator.arrivals[1].body == b"{}"
    writer.close()


async def test_a_key_is_in_no_repr_and_no_report(
    emulator: Emulator, ask: Ask, http: httpx.AsyncClient
) -> None:
    """Somebody may send a real key by mistake."""
    await ask(emulator, headers={"Authorization": "Bearer sk-real-secret"})
    assert "secret" in emulator.arrivals[0].headers["Authorization"]
    assert "secret" not in repr(emulator.arrivals)
    assert "secret" not in (await http.get("/emulator")).text


async def test_the_report_over_http_says_the_same(
    emulator: Emulator, ask: Ask, http: httpx.AsyncClient
) -> None:
    """Counts, bills and the last requests, as JSON."""
    emulator.when("*/fast.jpg", Throttle())
    await ask(emulator)
    await ask(emulator, "http://a.example/fast.jpg")
    report: dict[str, Any] = (await http.get("/emulator")).json()
    first, second = report.pop("arrivals")
    assert report == {
        "requests": 2,
        "statuses": {"200": 1, "429": 1},
        "throttled": 1,
        "busiest_second": 2,
        "in_flight": 0,
        "most_in_flight": 1,
        "billed": 1,
        "free_used": 0,
        "cost": "0.004",
        "bills": {IMAGE: 1},
    }
    assert first | {"at_s": 0} == {"at_s": 0, "image": IMAGE, "status": 200, "billed": True}
    assert second["at_s"] >= first["at_s"]


async def test_how_many_requests_are_listed_can_be_said(
    emulator: Emulator, ask: Ask, http: httpx.AsyncClient
) -> None:
    """`?arrivals=1` lists the last one, and what is no number is refused."""
    await ask(emulator)
    await ask(emulator, "http://a.example/2.jpg")
    (last,) = (await http.get("/emulator?arrivals=1")).json()["arrivals"]
    assert last["image"] == "http://a.example/2.jpg"
    assert (await http.get("/emulator?arrivals=0")).json()["arrivals"] == []
    assert (await http.get("/emulator?arrivals=all")).status_code == 400


@pytest.mark.parametrize("over_http", [True, False])
async def test_a_reset_forgets_requests_bills_and_rules(
    emulator: Emulator, ask: Ask, http: httpx.AsyncClient, *, over_http: bool
) -> None:
    """Afterwards it is as it was opened."""
    emulator.when("*", Throttle())
    await ask(emulator)
    if over_http:
        await http.post("/emulator/reset")
    else:
        emulator.reset()
    assert (emulator.requests, emulator.statuses, emulator.arrivals) == (0, {}, [])
    assert (await ask(emulator)).status_code == 200


async def test_a_request_that_is_under_way_at_a_reset_is_not_counted_back(
    emulator: Emulator, ask: Ask, until: Until
) -> None:
    """Its end is nobody's: `in_flight` never falls below nothing."""
    emulator.when("*", Pass(latency_s=0.1))
    asking = asyncio.ensure_future(ask(emulator))
    await until(lambda: emulator.in_flight)
    emulator.reset()
    await asking
    assert emulator.in_flight == 0


async def test_another_process_can_script_it(
    emulator: Emulator, ask: Ask, http: httpx.AsyncClient
) -> None:
    """Rules as JSON are the rules of `when`."""
    rules = [
        {
            "pattern": "*",
            "answers": [
                {"kind": "Cut", "after": "headers", "latency_s": [0.0, 0.01]},
                {"kind": "Error", "status": 503, "code": "ModelUnavailable"},
                {"kind": "Pass"},
            ],
            "each": "request",
        }
    ]
    assert (await http.post("/emulator/script", json={"rules": rules})).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        await ask(emulator)
    assert (await ask(emulator, "http://a.example/2.jpg")).status_code == 503
    assert (await ask(emulator)).status_code == 200


KINDS = "Pass, Reject, Error, Throttle, Cut, Silent, HalfBody, Trickle, Raw, Html"


def rule(*told: Any, answers: Any = None, **more: Any) -> dict[str, Any]:
    """Return a script of one rule with these answers."""
    return {
        "rules": [{"pattern": "*", "answers": list(told) if answers is None else answers, **more}]
    }


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ({}, "rules is missing."),
        ({"rules": []}, "rules is empty. Give one at least."),
        ({"rules": 3}, "rules is 3. Give a list."),
        ([], "The script is []. Give an object."),
        ({"rules": [3]}, "rules[0] is 3. Give an object."),
        ({"rules": [{}]}, "rules[0].pattern is missing."),
        ({"rules": [{"pattern": 3}]}, "rules[0].pattern is 3. Give a text."),
        (rule(answers=[]), "rules[0].answers is empty. Give one at least."),
        (rule(answers=["Pass"]), 'rules[0].answers[0] is "Pass". Give an object.'),
        (rule({"kind": "Pass"}, x=1), "rules[0] has no x. Give pattern, answers, each."),
        (rule({"kind": "Pass"}) | {"x": 1}, "The script has no x. Give rules."),
        (rule({"kind": "Pass"}, each="x"), 'rules[0].each is "x". Give "image" or "request".'),
        (rule({"kind": "Fail"}), f'rules[0].answers[0].kind is "Fail". Give one of {KINDS}.'),
        (rule({}), f"rules[0].answers[0].kind is null. Give one of {KINDS}."),
        (rule({"kind": ["Pass"]}), f'rules[0].answers[0].kind is ["Pass"]. Give one of {KINDS}.'),
        (
            rule({"kind": "Pass"}, {"kind": "Cut", "when": 1}),
            "rules[0].answers[1], Cut, has no when. Give latency_s, billed, after, reset.",
        ),
        (
            rule({"kind": "Cut", "after": "x"}),
            'rules[0].answers[0], Cut: after is "x". Give "request", "headers" or "half body".',
        ),
        (rule({"kind": "Error"}), "rules[0].answers[0], Error: status is missing."),
        (
            rule({"kind": "Error", "status": "x", "code": ""}),
            'rules[0].answers[0], Error: status is "x". Give a whole number.',
        ),
        (
            rule({"kind": "Pass", "latency_s": "soon"}),
            'rules[0].answers[0], Pass: latency_s is "soon". Give a number or two numbers.',
        ),
        (
            rule({"kind": "Raw", "content": 3}),
            "rules[0].answers[0], Raw: content is 3. Give a text.",
        ),
        (
            rule({"kind": "Raw", "headers": {"a": "b" * 99}, "billed": "b" * 99}),
            f'rules[0].answers[0], Raw: billed is "{"b" * 79}…. Give true or false.',
        ),
    ],
)
async def test_a_script_that_is_none_is_told_of_by_rule_and_field(
    http: httpx.AsyncClient, script: Any, message: str
) -> None:
    """What is wrong, where, and what there may be."""
    refused = await http.post("/emulator/script", json=script)
    assert (refused.status_code, refused.json()["message"]) == (400, message)


async def test_what_is_no_json_is_no_script(http: httpx.AsyncClient) -> None:
    """Empty, cut off, and no text at all."""
    for content in (b"", b'{"rules"', b"\xff"):
        refused = await http.post("/emulator/script", content=content)
        assert refused.status_code == 400
        assert refused.json()["message"].startswith("The script is no JSON (")


@pytest.mark.parametrize("wrong", [{"pattern": "*", "answers": [{"kind": "Fail"}]}, {}, 3])
async def test_a_script_that_is_none_is_refused_whole(
    emulator: Emulator, ask: Ask, http: httpx.AsyncClient, wrong: Any
) -> None:
    """No rule of it is followed, also none before the wrong one."""
    first = {"pattern": "*", "answers": [{"kind": "Throttle"}]}
    refused = await http.post("/emulator/script", json={"rules": [first, wrong]})
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("rules[1]")
    assert (await ask(emulator)).status_code == 200


async def test_the_most_in_flight_is_what_was_held_at_one_time(
    emulator: Emulator, ask: Ask
) -> None:
    """Ten requests of 0.1 s each, all at once."""
    emulator.when("*", Pass(latency_s=0.1))
    await asyncio.gather(*(ask(emulator, f"http://a.example/{n}.jpg") for n in range(10)))
    assert (emulator.most_in_flight, emulator.in_flight) == (10, 0)


def test_the_busiest_second_is_any_second() -> None:
    """Five around the edge of a clock's second are five in one second."""
    report = Report()
    for at_s in (0.0, 0.75, 0.875, 1.0, 1.25, 1.5, 1.75, 5.0):
        with report.arrived(at_s, {}, b""):
            pass
    assert report.busiest_second == 5
    assert report.requests == 8


def test_requests_are_kept_in_bounded_memory() -> None:
    """The last 10,000 whole, all of them counted."""
    report = Report()
    for number in range(10_005):
        with report.arrived(float(number), {}, b"") as arrival:
            report.decided(arrival, 200, billed=False)
    assert (len(report.arrivals), report.requests) == (10_000, 10_005)
    assert report.arrivals[0].at_s == 5.0
    assert report.statuses == {200: 10_005}
