"""Clients open, close, open again, and stay out of their users' way."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from s2v_detect import (
    AccessDenied,
    Busy,
    ConfigurationError,
    DetectClient,
    Event,
    Failed,
    ImageSkipped,
    LocalLimiter,
    OutcomeUnknown,
    RetryPolicy,
    check_all,
)
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Throttle

IMAGE = "https://images.example/face.jpg"
ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture
async def opened(emulator: Emulator) -> AsyncIterator[DetectClient]:
    """A fixture that yields inside the client's block: set up and torn down in different tasks."""
    async with emulator.client() as client:
        yield client


async def test_a_fixture_may_yield_an_open_client(opened: DetectClient) -> None:
    """No cancel scope spans the yield, so the teardown is as good as any."""
    assert (await opened.check(IMAGE)).check_pass


async def test_a_client_opens_again_and_keeps_its_books(emulator: Emulator) -> None:
    """Closing ends no counting."""
    client = emulator.client()
    for _ in range(2):
        async with client:
            await client.check(IMAGE)
    assert client.spend.billed == 2


def test_one_client_serves_successive_event_loops(s2v_emulator: Emulator) -> None:
    """Each `asyncio.run` opens it anew, on a loop of its own."""
    client = s2v_emulator.client()

    async def once() -> bool:
        async with client:
            return (await client.check(IMAGE)).check_pass

    assert [asyncio.run(once()) for _ in range(3)] == [True] * 3
    assert client.spend.billed == 3


async def test_a_client_that_is_not_open_says_so(emulator: Emulator) -> None:
    """Before opening and after closing; nothing is sent."""
    client = emulator.client()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not open"):
            await client.check(IMAGE)
        with pytest.raises(ConfigurationError, match="not open"):
            client.aiter_check([IMAGE])
        async with client:
            pass
    assert emulator.requests == 0


async def test_opening_twice_says_so(opened: DetectClient) -> None:
    """A client is opened once, and shared."""
    with pytest.raises(ConfigurationError, match="open already"):
        await opened.aopen()


def test_another_loop_is_told_to_open_its_own(s2v_emulator: Emulator) -> None:
    """A client of one thread's loop refuses a check from another's, where it would hang."""
    refusals: list[BaseException] = []

    async def elsewhere(client: DetectClient) -> None:
        try:
            await client.check(IMAGE)
        except ConfigurationError as error:
            refusals.append(error)

    async def here() -> None:
        async with s2v_emulator.client() as client:
            thread = threading.Thread(target=lambda: asyncio.run(elsewhere(client)))
            thread.start()
            await asyncio.to_thread(thread.join)

    asyncio.run(here())
    assert "another event loop" in str(refusals[0])


@pytest.mark.parametrize(
    "nonsense",
    [
        {"model": ""},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"timeout_s": float("nan")},
        {"max_in_flight": 0},
        {"on_unknown": "retry"},
        {"base_url": "https://\u2603.net/api/v1"},
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(nonsense: dict[str, Any]) -> None:
    """Where the client is made, with what to give instead."""
    with pytest.raises(ConfigurationError, match=r"\. [A-Z].+\.$"):
        DetectClient("sk-x", **nonsense)


async def test_an_exception_of_the_body_comes_out_as_itself(emulator: Emulator) -> None:
    """Never in a group, and never replaced, also with a check under way."""
    emulator.when("*", Pass(latency_s=0.05))
    with pytest.raises(KeyError, match="mine"):
        async with emulator.client() as client:
            task = asyncio.create_task(client.check(IMAGE))
            await asyncio.sleep(0)
            raise KeyError("mine")
    await asyncio.wait([task])


async def test_a_given_http_client_is_used_and_never_closed(emulator: Emulator) -> None:
    """It is its owner's, also when the client is opened twice."""
    async with httpx.AsyncClient() as http:
        client = emulator.client(http_client=http)
        for _ in range(2):
            async with client:
                await client.check(IMAGE)
        assert not http.is_closed


async def test_no_proxy_is_asked_for_this_machine(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A company's proxy could not reach an emulator here; for the service it is used."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with emulator.client() as client:
        assert (await client.check(IMAGE)).check_pass
    elsewhere = emulator.client(base_url="https://service.invalid/api/v1", retry=ONCE)
    async with elsewhere:
        with pytest.raises(ConfigurationError, match=r"the proxy 127\.0\.0\.1:9 .*refuses"):
            await elsewhere.check(IMAGE)


async def test_a_given_http_client_that_is_closed_is_a_fault_of_the_run(emulator: Emulator) -> None:
    """It would be the same for every image; nothing was sent, and the turn went back."""
    http = httpx.AsyncClient()
    await http.aclose()
    async with emulator.client(http_client=http) as client:
        with pytest.raises(ConfigurationError, match="http_client"):
            await client.check(IMAGE)
    assert client.spend.cost_at_most == 0


async def test_checks_that_nobody_awaits_leave_no_warning(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Errors of flights whose callers left are retrieved: the loop has nothing to complain of."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    emulator.when("*", Cut(latency_s=0.02))
    async with emulator.client(on_unknown="keep") as client:
        tasks = [asyncio.create_task(client.check(f"{IMAGE}?{n}")) for n in range(5)]
        while emulator.requests < 5:
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert client.spend.unknown == 5
    assert complaints == []
    # The connections that were cut are an outage, which is logged.
    assert {record.name for record in caplog.records} <= {"s2v_detect"}


async def test_a_watcher_that_raises_is_logged_and_harms_no_check(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """`on_event` runs beside a paid request; its faults stay with it."""

    def watch(event: Event) -> None:
        raise ValueError(event.kind)

    async with emulator.client(on_event=watch) as client:
        assert (await client.check(IMAGE)).check_pass
    assert any("on_event raised" in record.message for record in caplog.records)


async def test_the_events_of_a_check_tell_its_story(emulator: Emulator) -> None:
    """In order, with the money on the last."""
    events: list[Event] = []
    emulator.when("*", Error(500, "InternalError"), Pass())
    async with emulator.client(on_event=events.append) as client:
        await client.check(IMAGE + "?signature=secret")
    assert [event.kind for event in events] == [
        *("queued", "turn", "sent", "answered", "retrying"),
        *("turn", "sent", "answered", "settled"),
    ]
    assert [event.attempt for event in events] == [0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert float(events[-1].cost) == 0.004
    assert [event.status for event in events if event.kind == "answered"] == [500, 200]
    assert {event.endpoint for event in events if event.kind == "turn"} == {
        f"{emulator.base_url}/services/aigc/image2video/face-detect"
    }
    assert events[-1].check_pass is True
    assert len({event.flight for event in events}) == 1
    assert "secret" not in repr(events)


async def test_all_steps_of_a_check_have_its_number_and_no_other_check_has(
    emulator: Emulator,
) -> None:
    """Of two clients too. One that is skipped or finds the line too long is told of."""
    events: list[Event] = []
    async with (
        emulator.client(on_event=events.append) as one,
        emulator.client(on_event=events.append, limiter=LocalLimiter(1, per_s=60)) as other,
    ):
        await asyncio.gather(*(client.check(IMAGE) for client in (one, other)))
        with pytest.raises(ImageSkipped):
            await one.check("face.jpg")
        with pytest.raises(Busy):
            await other.check(f"{IMAGE}?2", max_wait_s=1)
        assert [each.kind async for each in one.aiter_check([None])] == ["skipped"]
    stories: dict[int, list[str]] = {}
    for event in events:
        stories.setdefault(event.flight, []).append(event.kind)
    whole = ["queued", "turn", "sent", "answered", "settled"]
    assert sorted(stories.values()) == [whole, whole, ["settled"], ["settled"], ["settled"]]
    told = [(event.error, event.lane) for event in events if event.error]
    assert told == [
        *(("ImageSkipped", "interactive"), ("Busy", "interactive"), ("ImageSkipped", "bulk")),
    ]


async def test_an_event_is_as_its_model_says(emulator: Emulator) -> None:
    """Nobody looks at the fields of an event as it is told, for the time that takes."""
    events: list[Event] = []
    emulator.when("*", Throttle(), Error(500, "InternalError"), Cut(), Pass())
    retry = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.001)
    async with emulator.client(
        on_event=events.append, retry=retry, limiter=LocalLimiter(100)
    ) as client:
        await asyncio.gather(client.check(IMAGE), client.check(IMAGE))
        with pytest.raises(ImageSkipped):
            await client.check("face.jpg")
    assert {"throttled", "retrying", "shared", "settled"} <= {event.kind for event in events}
    for event in events:
        looked_at = Event(**dict(event))
        assert looked_at == event
        assert looked_at.model_dump_json() == event.model_dump_json()
        assert event.model_copy() == event


async def test_a_skipped_image_is_raised_by_check_and_counted(opened: DetectClient) -> None:
    """`check` raises what a stream yields."""
    with pytest.raises(ImageSkipped) as raised:
        await opened.check("face.jpg")
    assert raised.value.billed == "no"
    assert opened.spend.skipped == 1


def test_check_all_gives_a_list_in_the_order_of_the_input(s2v_emulator: Emulator) -> None:
    """For code that is not async."""
    options: dict[str, Any] = {
        "api_key": s2v_emulator.api_key,
        "base_url": s2v_emulator.base_url,
    }
    images = [f"https://images.example/{number}.jpg" for number in range(4)]
    outcomes = check_all([*images, "no url"], **options)
    assert [outcome.image for outcome in outcomes] == [*images, "no url"]


async def test_check_all_works_where_a_loop_runs_already(s2v_emulator: Emulator) -> None:
    """A notebook cell runs inside a loop."""
    options: dict[str, Any] = {
        "api_key": s2v_emulator.api_key,
        "base_url": s2v_emulator.base_url,
    }
    outcomes = check_all([{"url": IMAGE}], image="url", **options)
    assert outcomes[0].kind == "checked"


def test_check_all_loses_no_answer_to_a_fault_of_the_run(s2v_emulator: Emulator) -> None:
    """The fault carries the outcomes that had come by then."""
    s2v_emulator.when("*/fault.jpg", Error(401, "InvalidApiKey"))
    images = ["https://images.example/1.jpg", "https://images.example/fault.jpg"]
    with pytest.raises(AccessDenied, match="API key") as raised:
        check_all(images, api_key=s2v_emulator.api_key, base_url=s2v_emulator.base_url)
    assert [outcome.image for outcome in raised.value.outcomes] == images[:1]


async def test_given_up_while_the_answer_is_to_come_the_check_is_finished_all_the_same(
    emulator: Emulator,
) -> None:
    """`give_up_after_s` frees the caller; the request that was sent is settled and counted."""
    emulator.when("*", Pass(latency_s=0.2))
    async with emulator.client() as client:
        with pytest.raises(OutcomeUnknown, match=r"given up after 0\.05 s"):
            await client.check(IMAGE, give_up_after_s=0.05)
    assert client.spend.billed == emulator.billed == 1


async def test_a_broken_transport_is_a_fault_of_the_run_as_itself(emulator: Emulator) -> None:
    """What a user's own transport raises is neither hidden nor retried; the books say unknown."""

    def broken(request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    http = httpx.AsyncClient(transport=httpx.MockTransport(broken))
    async with http, emulator.client(http_client=http) as client:
        with pytest.raises(ZeroDivisionError):
            await client.check(IMAGE)
        with pytest.raises(ZeroDivisionError):
            assert not [o async for o in client.aiter_check([IMAGE]) if isinstance(o, Failed)]
    assert client.spend.unknown == 2
