"""A stream waits for the end of an outage, says why, and for `max_outage_s` at the most.

The emulator answers over real sockets. The event loop's clock jumps to the next timer where nothing
happens meanwhile.
"""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from tests.outages import HOUR_S, images, virtually
from tests.uploading import is_upload, picture, through, xml

from _attacks.jumping import JumpingLoop
from s2v_detect import (
    ConfigurationError,
    DetectClient,
    DetectError,
    Event,
    Failed,
    Ledger,
    NotSent,
    Outcome,
    OutcomeStream,
    OutcomeUnknown,
    RetryPolicy,
    ServiceUnavailable,
)
from s2v_detect.checks import Breaker
from s2v_detect.emulator import Answer, Emulator, Error, Html, Pass, Silent, Throttle
from s2v_detect.options import outage_bound

OUT = Error(503, "ServiceUnavailable")
LOST = Html(524, billed=True)
FAULT = NotSent("not sent, no connection could be made.", do="Wait.")


def now() -> float:
    """Return the time of the loop."""
    return asyncio.get_running_loop().time()


class Steps:
    """The events of a client, and when an outage began."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.out_at: list[float] = []
        self.began = asyncio.Event()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        self.events.append(event)
        if event.kind == "outage":
            self.out_at.append(now())
            self.began.set()

    def of(self, kind: str) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if event.kind == kind]


@asynccontextmanager
async def asked(
    answer: Answer, **options: Any
) -> AsyncIterator[tuple[Emulator, DetectClient, Steps]]:
    """Have a client of an emulator that answers so, and what happens to it."""
    steps = Steps()
    async with Emulator(answer=answer) as emulator:
        async with emulator.client(on_event=steps, **options) as client:
            yield emulator, client, steps


async def ended(stream: OutcomeStream) -> tuple[list[Outcome], DetectError | None]:
    """Return what a stream yields, and what it raises in the end."""
    outcomes = []
    try:
        async for outcome in stream:
            outcomes.append(outcome)
    except DetectError as error:
        return outcomes, error
    return outcomes, None


@pytest.mark.parametrize(
    ("answer", "kind", "cause"),
    [
        (OUT, ServiceUnavailable, "ServiceUnavailable"),
        (Error(500, "InternalError"), ServiceUnavailable, "InternalError"),
        (Html(503), OutcomeUnknown, "no whole JSON"),
        (LOST, OutcomeUnknown, "no whole JSON"),
        (Silent(), OutcomeUnknown, "no whole answer came within 20 s"),
        (None, NotSent, "no connection could be made"),
    ],
)
@pytest.mark.parametrize("max_outage_s", [0, 45.0])
def test_at_its_end_the_stream_raises_the_last_error(
    answer: Answer | None, kind: type[DetectError], cause: str, max_outage_s: float
) -> None:
    """Of its own class, with the cause, the address, how long it was, and what may be done.

    Images that waited get no outcome, but those whose requests may have been billed.
    """

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if answer is None:
            raise httpx.ConnectError("refused")
        return None

    async def main() -> None:
        steps = Steps()
        async with Emulator(answer=answer or Pass()) as emulator:
            options = {"max_outage_s": max_outage_s, "timeout_s": 20.0, "max_in_flight": 12}
            async with through(emulator, meet, on_event=steps, **options) as client:
                outcomes, error = await ended(client.aiter_check(images()))
                ended_at = now()
            assert type(error) is kind
            # A request that was under way is waited for.
            assert (
                -0.1  # the event came a moment after the clock began
                < ended_at - steps.out_at[0] - max_outage_s
                < (21 if kind is OutcomeUnknown else 1)
            )
            told = str(error)
            assert f"the service at {emulator.base_url} has been out for 0:" in told
            assert cause in told
            assert "max_outage_s" in told
            assert told.startswith("https://images.example/")
            assert all(isinstance(each, Failed) and each.cost_at_most for each in outcomes)
            assert sum(each.cost_at_most for each in outcomes) == client.spend.cost_at_most
            assert len(steps.out_at) == 1
            [begun] = steps.of("outage")
            assert begun.where == f"the service at {emulator.base_url}"
            assert cause in begun.message
            assert begun.until is not None
            assert abs((begun.until - begun.at).total_seconds() - max_outage_s) < 1

    virtually(main)


def test_those_in_flight_that_still_answer_come_first() -> None:
    """They were sent before it began, and an answer after its end is yielded all the same."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=10) as (emulator, client, steps):
            emulator.when("*/[1-4].jpg", Pass(latency_s=30))
            outcomes, error = await ended(client.aiter_check(islice(images(), 40)))
            assert isinstance(error, ServiceUnavailable)
            assert [outcome.kind for outcome in outcomes] == ["checked"] * 4
            assert emulator.billed == 4
            assert now() - steps.out_at[0] > 29
            assert (await client.check("https://images.example/1.jpg")).check_pass

    virtually(main)


@pytest.mark.parametrize("answer", [OUT, LOST, Html(503)])
def test_the_same_again_does_those_that_waited(answer: Answer, tmp_path: Path) -> None:
    """None of them is failed in the ledger; those that may have been billed are unknown."""
    urls = list(islice(images(), 12))
    path = tmp_path / "ledger.db"

    async def main() -> None:
        async with asked(answer, max_outage_s=60, ledger=path) as (emulator, client, _):
            outcomes, error = await ended(client.aiter_check(urls))
            assert error is not None
            sent = {arrival.image for arrival in emulator.arrivals}
            may_have_cost = client.spend.unknown > 0
        with Ledger(path) as books:
            states = {url: entry.state for url, entry in books.entries(urls).items()}
        assert set(states.values()) <= {"not sent", "unknown"}
        unsure = {url for url, state in states.items() if state == "unknown"}
        assert unsure == (sent if may_have_cost else set())
        async with Emulator(answer=Pass()) as emulator:
            async with emulator.client(ledger=path) as client:
                outcomes, error = await ended(client.aiter_check(urls))
            assert error is None
            twice = sum(outcome.kind == "failed" for outcome in outcomes)
            assert twice <= emulator.requests == 12 - twice
            assert twice == 0 or may_have_cost  # asked for twice already, and lost

    virtually(main, has_threads=True)


def test_the_clock_is_that_of_the_outage() -> None:
    """A stream that was opened in its middle ends with the first, and a check is told at once."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=600, max_in_flight=10) as (_, client, steps):
            early = asyncio.ensure_future(ended(client.aiter_check(images())))
            await steps.began.wait()
            await asyncio.sleep(400)
            late = [
                asyncio.ensure_future(ended(client.aiter_check([f"https://late.example/{n}.jpg"])))
                for n in range(3)
            ]
            for _ in range(3):
                asked_at = now()
                with pytest.raises(NotSent, match="the service has been out for 4"):
                    await client.check("https://images.example/new.jpg")
                assert now() - asked_at < 1
            both = await asyncio.gather(early, *late)
            assert -0.1 < now() - steps.out_at[0] - 600 < 5
            for outcomes, error in both:
                assert outcomes == []
                assert isinstance(error, ServiceUnavailable)
                assert "0:10:0" in str(error)
            assert len(steps.out_at) == 1

    virtually(main)


@pytest.mark.parametrize("comes", ["stream", "check"])
def test_after_its_end_the_next_who_comes_tries_anew(comes: str) -> None:
    """Where the service answers again, all goes on as before."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=60) as (emulator, client, steps):
            await ended(client.aiter_check(images()))
            await asyncio.sleep(HOUR_S)
            before = emulator.requests
            await asyncio.sleep(HOUR_S)
            assert emulator.requests == before  # nobody waits, and nothing is tried
            emulator.when("*", Pass())
            if comes == "check":
                assert (await client.check("https://images.example/now.jpg")).check_pass
            outcomes, error = await ended(client.aiter_check(islice(images(), 30)))
            assert [outcome.kind for outcome in outcomes] == ["checked"] * 30
            assert error is None
            assert len(steps.of("outage")) == len(steps.of("restored")) == 1

    virtually(main)


def test_after_its_end_one_fault_begins_the_next() -> None:
    """It has its own clock, costs one request, and a check that comes in it is told at once."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=60, max_in_flight=20) as (emulator, client, steps):
            await ended(client.aiter_check(images()))
            for round_ in (2, 3):
                await asyncio.sleep(1000)
                before, began = emulator.requests, now()
                stream = asyncio.ensure_future(ended(client.aiter_check(images())))
                await asyncio.sleep(1)
                assert emulator.requests == before + 1
                with pytest.raises(NotSent, match="has been out for"):
                    await client.check("https://images.example/new.jpg")
                _, error = await stream
                assert isinstance(error, ServiceUnavailable)
                assert 59.9 < now() - began < 65
                assert len(steps.out_at) == round_
            emulator.when("*", Pass())
            outcomes, error = await ended(client.aiter_check(islice(images(), 30)))
            assert error is None
            assert len(outcomes) == 30

    virtually(main)


def test_one_image_alone_is_told_too_and_is_not_tried_again() -> None:
    """Its own request is the trial that is under way when the time is up."""

    async def main() -> None:
        async with asked(Silent(), max_outage_s=100, timeout_s=50, on_unknown="keep") as parts:
            emulator, client, steps = parts
            checks = [client.check(f"https://images.example/{n}.jpg") for n in range(5)]
            await asyncio.gather(*checks, return_exceptions=True)
            assert steps.began.is_set()
            before = emulator.requests
            emulator.when("*", OUT, Error(503, "ServiceUnavailable", latency_s=49))
            began = now()
            outcomes, error = await ended(client.aiter_check(["https://images.example/a.jpg"]))
            assert outcomes == []
            assert isinstance(error, ServiceUnavailable)
            assert emulator.requests - before <= 5
            assert 95 < now() - began < 150
            assert len(steps.out_at) == 1

    virtually(main)


def test_a_check_and_a_stream_of_one_image_end_together() -> None:
    """The check with its own error, the stream with the outage's end; no image is failed."""

    async def main() -> None:
        policy = RetryPolicy(give_up_after_s=1000)
        async with asked(OUT, max_outage_s=60, retry=policy) as (_, client, steps):
            urls = list(islice(images(), 6))
            stream = asyncio.ensure_future(ended(client.aiter_check(urls)))
            checks = [asyncio.ensure_future(client.check(url)) for url in urls]
            await steps.began.wait()
            await stream
            assert -0.1 < now() - steps.out_at[0] - 60 < 5
            await asyncio.wait(checks)
            assert now() - steps.out_at[0] - 60 < 5 + policy.longest_wait_s  # one was at rest
            for check in checks:
                assert isinstance(check.exception(), ServiceUnavailable)
            outcomes, error = stream.result()
            assert outcomes == []
            assert isinstance(error, ServiceUnavailable)
            assert len(steps.out_at) == 1

    virtually(main)


def test_a_night_asleep_is_no_night_of_waiting() -> None:
    """The clock of a machine that slept jumps: what was not seen to pass does not count."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=600) as (emulator, client, steps):
            stream = asyncio.ensure_future(ended(client.aiter_check(islice(images(), 30))))
            await steps.began.wait()
            await asyncio.sleep(300)
            cast("JumpingLoop", asyncio.get_running_loop()).jumped_s += 8 * HOUR_S
            await asyncio.sleep(100)
            assert not stream.done()
            emulator.when("*", Pass())
            outcomes, error = await stream
            assert error is None
            assert len(outcomes) == 30

    virtually(main)


def test_without_an_end_it_is_waited_out() -> None:
    """However long it takes: here longer than the default."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=None, max_in_flight=8) as (emulator, client, steps):
            stream = asyncio.ensure_future(ended(client.aiter_check(islice(images(), 12))))
            await steps.began.wait()
            await asyncio.sleep(1.5 * HOUR_S)
            emulator.when("*", Pass())
            outcomes, error = await stream
            assert error is None
            assert len(outcomes) == 12
            assert steps.of("outage")[0].until is None

    virtually(main)


@pytest.mark.parametrize(
    ("given", "bound_s"),
    [(None, math.inf), (math.inf, math.inf), (1e300, math.inf), (0, 0), (90, 90), (7.5e7, 7.5e7)],
)
def test_a_bound_that_nobody_sees_is_none(given: float | None, bound_s: float) -> None:
    """A calendar ends somewhere, and so do timers."""
    assert outage_bound(given) == bound_s


@pytest.mark.parametrize("max_outage_s", [-1, math.nan, "30m", "600", [], object()])
def test_a_bound_that_is_none_is_refused(max_outage_s: Any) -> None:
    """With what to give instead."""
    with pytest.raises(ConfigurationError, match=r"max_outage_s is .* Give the seconds"):
        DetectClient("sk-1", max_outage_s=max_outage_s)


def test_an_outage_is_no_time_of_an_images_retries() -> None:
    """An image was tried for minutes, and its policy has a minute: after it there is all of it."""

    async def main() -> None:
        policy = RetryPolicy(give_up_after_s=60, max_attempts=6)
        late = Error(503, "ServiceUnavailable", latency_s=15)
        async with asked(OUT, retry=policy, on_unknown="keep") as (emulator, client, steps):
            checks = [client.check(f"https://images.example/{n}.jpg") for n in range(8)]
            await asyncio.gather(*checks, return_exceptions=True)
            assert steps.began.is_set()
            emulator.when("*/a.jpg", *[late] * 12, Throttle(), Throttle(), Pass())
            outcomes, error = await ended(client.aiter_check(["https://images.example/a.jpg"]))
            assert error is None
            assert [outcome.kind for outcome in outcomes] == ["checked"]
            assert outcomes[0].attempts == 15

    virtually(main)


@pytest.mark.parametrize("failing", ["store", "credential"])
def test_an_outage_of_the_store_has_an_end_too(failing: str, tmp_path: Path) -> None:
    """What can be asked for without the store is asked for meanwhile."""
    is_out = True

    async def meet(request: httpx.Request) -> httpx.Response | None:
        if is_upload(request) if failing == "store" else request.method == "GET":
            return xml(503, "ServiceBusy") if is_out else None
        return None

    async def main() -> None:
        nonlocal is_out
        steps = Steps()
        pages: list[Any] = [picture(number) for number in range(15)]
        addresses = list(islice(images(), 5))
        path = tmp_path / "ledger.db"
        async with Emulator(answer=Pass()) as emulator:
            options = {"max_outage_s": 60, "ledger": path}
            async with through(emulator, meet, on_event=steps, **options) as client:
                outcomes, error = await ended(client.aiter_check(pages + addresses))
                assert isinstance(error, NotSent)
                assert "the store for uploads has been out for 0:01:0" in str(error)
                assert [outcome.kind for outcome in outcomes] == ["checked"] * 5
                assert -0.1 < now() - steps.out_at[0] - 60 < 20
                is_out = False
                outcomes, error = await ended(client.aiter_check(pages))
                assert error is None
                assert [outcome.kind for outcome in outcomes] == ["checked"] * 15
                assert {event.where for event in steps.of("restored")} == {"the store for uploads"}

    virtually(main, has_threads=True)


def test_an_outage_is_logged_once_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    """That it began and why, that it is still on and for how long, and that it ended."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=600, max_in_flight=10) as (emulator, client, steps):
            stream = asyncio.ensure_future(ended(client.aiter_check(islice(images(), 12))))
            await steps.began.wait()
            await asyncio.sleep(200)
            emulator.when("*", Pass())
            await stream

    caplog.set_level(logging.WARNING, "s2v_detect")
    virtually(main)
    told = [record.getMessage() for record in caplog.records]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert {record.name for record in caplog.records} == {"s2v_detect"}
    where = r"the service at http://127.0.0.1:\d+/api/v1"
    assert re.match(
        rf"An outage of {where} has begun: .*ServiceUnavailable.* at most 0:10:00", told[0]
    )
    for place, line in enumerate(told[1:-1], start=1):
        assert re.match(rf"The outage of {where} is still on after 0:0{place}:00: ", line)
    assert len(told) == 5
    assert re.match(rf"The outage of {where} has ended after 0:03:[2-5]\d", told[-1])


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("given up", r"is still on after 0:01:00, and streams wait no longer: "),
        ("closed", r"was still on after 0:00:3\d, when the client was closed\."),
    ],
)
def test_what_ends_the_waiting_is_logged_too(
    end: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And after that there is nothing to log any more."""

    async def main() -> None:
        async with asked(OUT, max_outage_s=60) as (_, client, steps):
            stream = asyncio.ensure_future(ended(client.aiter_check(images())))
            await steps.began.wait()
            await asyncio.sleep(HOUR_S if end == "given up" else 30)
        await stream
        await asyncio.sleep(HOUR_S)

    caplog.set_level(logging.WARNING, "s2v_detect")
    virtually(main)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert re.search(words, told[-1])


def test_no_key_and_no_signature_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Though a gateway's answer echoes both."""
    url = "https://images.example/1.jpg?Expires=1&Signature=abcdefghijkl"

    async def main() -> None:
        key = "sk-0123456789abcdef0123456789abcdef"
        async with Emulator(answer=Pass(), api_key=key) as emulator:

            async def meet(request: httpx.Request) -> httpx.Response | None:
                told = f"can't fetch {url} for {key}"
                return httpx.Response(503, json={"code": "Unavailable", "message": told})

            async with through(emulator, meet, max_outage_s=60) as client:
                urls = [f"{url}&n={number}" for number in range(9)]
                _, error = await ended(client.aiter_check(urls))
                caplog.records[0].error = str(error)

    caplog.set_level(logging.WARNING, "s2v_detect")
    virtually(main)
    told = caplog.text + caplog.records[0].error  # type: ignore[attr-defined]  # put there above
    assert "can't fetch https://images.example/1.jpg?…" in told
    for secret in ("Signature", "abcdef", "Expires", "n=3"):
        assert secret not in told


async def test_closing_ends_every_timer() -> None:
    """Nothing is left in the loop, whatever state the outage is in."""
    for after_s in (0.0, 0.02):
        breaker = Breaker(max_outage_s=after_s + 0.01)
        for _ in range(5):
            breaker.failed(FAULT)
        await asyncio.sleep(after_s)
        await breaker.close()
        handles = getattr(asyncio.get_running_loop(), "_scheduled")  # noqa: B009  # no public way
        assert not [
            handle for handle in handles if not handle.cancelled() and "Breaker" in repr(handle)
        ]


async def fails(breaker: Breaker, times: int = 5) -> list[bool]:
    """Let requests fail; return which of them began an outage."""
    return [bool(breaker.failed(FAULT)) for _ in range(times)]


@pytest.mark.parametrize("ends", ["cancelled", "given back", "answered", "failed"])
def test_a_trial_after_the_end_is_one_at_a_time(ends: str) -> None:
    """However it ends, the others that came meanwhile are not forgotten."""

    async def main() -> None:
        breaker = Breaker(max_outage_s=30)
        await fails(breaker)
        first = await breaker.passage()
        waiting = asyncio.ensure_future(breaker.passage())
        await asyncio.wait([waiting])
        assert isinstance(waiting.exception(), NotSent)
        assert breaker.holds(first)
        breaker.end(first, in_doubt=True)
        trial = await breaker.passage()
        assert not breaker.holds(trial)
        second = asyncio.ensure_future(breaker.passage())
        await asyncio.sleep(10)
        assert not second.done()
        if ends == "cancelled":
            breaker.end(trial)
        elif ends == "given back":
            breaker.give_back(trial)
        elif ends == "answered":
            assert breaker.answered()
        else:
            assert breaker.failed(FAULT)
            breaker.end(trial)
            await asyncio.sleep(1)
            assert not second.done()
        await asyncio.wait([second])
        assert not breaker.holds(second.result())
        await breaker.close()

    virtually(main)


def test_late_failures_of_before_begin_no_outage_after_the_end() -> None:
    """They were sent into the last one; only a trial that was made since then counts."""

    async def main() -> None:
        breaker = Breaker(max_outage_s=30)
        assert await fails(breaker, 7) == [False] * 4 + [True] + [False] * 2
        since = breaker.held_since(None)
        await asyncio.sleep(31)
        assert not any(await fails(breaker))
        with pytest.raises(NotSent, match="has been out for"):
            await breaker.passage(since)
        trial = await breaker.passage(breaker.held_since(None))
        assert await fails(breaker, 2) == [True, False]
        breaker.end(trial)
        await breaker.close()

    virtually(main)
