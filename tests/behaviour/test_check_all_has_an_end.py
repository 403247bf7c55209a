"""`check_all` with a bound on its time ends by it, and loses nothing that was paid for."""

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import (
    AccessDenied,
    ConfigurationError,
    LocalLimiter,
    NotSent,
    RetryPolicy,
    ServiceUnavailable,
    check_all,
)
from s2v_detect.emulator import Emulator, Error, Pass, Throttle

IMAGES = [f"https://images.example/{number}.jpg" for number in range(200)]


def account(emulator: Emulator, rate: float = 50) -> dict[str, Any]:
    """Return options of an emulator's client."""
    return {
        "api_key": emulator.api_key,
        "base_url": emulator.base_url,
        "limiter": LocalLimiter(rate),
    }


def as_a_list(images: list[str]) -> Iterable[str]:
    """Return what has a length."""
    return images


def as_a_generator(images: list[str]) -> Iterator[str]:
    """Yield what has none."""
    yield from images


async def as_an_async_generator(images: list[str]) -> AsyncIterator[str]:
    """Yield each after a wait."""
    for image in images:
        await asyncio.sleep(0)
        yield image


INPUTS: list[Callable[[list[str]], Any]] = [as_a_list, as_a_generator, as_an_async_generator]


@pytest.mark.parametrize("as_input", INPUTS)
@pytest.mark.parametrize("ordered", [True, False])
def test_when_the_time_is_over_nothing_more_is_sent(
    s2v_emulator: Emulator, as_input: Callable[[list[str]], Any], *, ordered: bool
) -> None:
    """What was sent is waited for, and the error has its outcomes."""
    s2v_emulator.when("*", Pass(latency_s=0.2))
    began = time.monotonic()
    with pytest.raises(NotSent, match=r"max_time_s is 0\.3 s\. .*`outcomes`") as raised:
        check_all(as_input(IMAGES), max_time_s=0.3, ordered=ordered, **account(s2v_emulator))
    assert time.monotonic() - began < 3
    outcomes = raised.value.outcomes
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    assert len(outcomes) == s2v_emulator.billed == s2v_emulator.requests
    assert 0 < len(outcomes) < 40
    assert raised.value.stops_run
    assert pickle.loads(pickle.dumps(raised.value)).outcomes == outcomes  # noqa: S301  # our own


@pytest.mark.parametrize("as_input", INPUTS)
def test_what_is_done_in_time_is_returned(
    s2v_emulator: Emulator, as_input: Callable[[list[str]], Any]
) -> None:
    """As without a bound; an item that is skipped has its outcome too."""
    outcomes = check_all(as_input([*IMAGES[:3], "no url"]), max_time_s=30, **account(s2v_emulator))
    assert [outcome.kind for outcome in outcomes] == ["checked"] * 3 + ["skipped"]


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("as_input", "more"),
    [*((each, {}) for each in INPUTS), (as_a_list, {"max_in_flight": 3})],
)
def test_answers_that_come_after_the_time_are_a_whole_result(
    s2v_emulator: Emulator, as_input: Callable[[list[str]], Any], more: dict[str, Any]
) -> None:
    """Each image had been sent: nothing is missing."""
    s2v_emulator.when("*", Pass(latency_s=1.0))
    options = account(s2v_emulator, 1000) | more
    outcomes = check_all(as_input(IMAGES[:3]), max_time_s=0.7, **options)
    assert [outcome.image for outcome in outcomes] == IMAGES[:3]
    assert s2v_emulator.billed == 3


@pytest.mark.real_time
def test_a_full_window_of_an_input_of_no_known_length_is_told(s2v_emulator: Emulator) -> None:
    """Whether there was more is not known: it was not read."""
    s2v_emulator.when("*", Pass(latency_s=1.0))
    options = account(s2v_emulator, 1000) | {"max_in_flight": 3}
    with pytest.raises(NotSent) as raised:
        check_all(as_a_generator(IMAGES[:3]), max_time_s=0.7, **options)
    assert [outcome.image for outcome in raised.value.outcomes] == IMAGES[:3]


@pytest.mark.parametrize("items", [IMAGES, IMAGES[:1], ["no url"]])
def test_no_time_sends_nothing(s2v_emulator: Emulator, items: list[str]) -> None:
    """And says so."""
    with pytest.raises(NotSent) as raised:
        check_all(items, max_time_s=0, **account(s2v_emulator))
    assert raised.value.outcomes == ()
    assert s2v_emulator.requests == 0


def test_an_empty_input_needs_no_time(s2v_emulator: Emulator) -> None:
    """It has all its outcomes."""
    assert check_all([], max_time_s=0, **account(s2v_emulator)) == []


def test_a_slow_input_is_left_when_the_time_is_over(s2v_emulator: Emulator) -> None:
    """It holds the loop, so that no timer of the loop can fire while it does."""
    read = 0

    def images() -> Iterator[str]:
        nonlocal read
        for image in IMAGES:
            time.sleep(0.02)
            read += 1
            yield image

    began = time.monotonic()
    with pytest.raises(NotSent) as raised:
        check_all(images(), max_time_s=0.3, **account(s2v_emulator))
    assert time.monotonic() - began < 3
    assert read < 40
    assert len(raised.value.outcomes) == s2v_emulator.billed


async def test_in_a_notebook_the_time_is_over_too(s2v_emulator: Emulator) -> None:
    """Where a loop runs in this thread."""
    with pytest.raises(NotSent) as raised:
        check_all(IMAGES, max_time_s=0.3, **account(s2v_emulator))
    assert 0 < len(raised.value.outcomes) == s2v_emulator.billed < 40


def test_an_outage_is_left_when_the_time_is_over(s2v_emulator: Emulator) -> None:
    """It would be waited out for an hour; an image that met it is told of its error, or left."""
    s2v_emulator.when("*", Error(503, "ServiceUnavailable"))
    began = time.monotonic()
    with pytest.raises(NotSent, match="max_time_s"):
        check_all(IMAGES, max_time_s=0.5, **account(s2v_emulator))
    assert time.monotonic() - began < 5
    assert s2v_emulator.billed == 0


def test_a_fault_of_the_run_comes_before_the_time(s2v_emulator: Emulator) -> None:
    """It is what is to be mended."""
    s2v_emulator.when("*", Pass(latency_s=0.1))
    s2v_emulator.when("*/9.jpg", Error(401, "InvalidApiKey", latency_s=0.5))
    with pytest.raises(AccessDenied) as raised:
        check_all(IMAGES, max_time_s=0.4, **account(s2v_emulator))
    assert len(raised.value.outcomes) == s2v_emulator.billed


def test_with_a_ledger_the_next_call_goes_on(s2v_emulator: Emulator, tmp_path: Path) -> None:
    """What was paid for is known, and no image is paid for twice."""
    s2v_emulator.when("*", Pass(latency_s=0.1))
    options = account(s2v_emulator) | {"ledger": tmp_path / "l.db"}
    with pytest.raises(NotSent) as raised:
        check_all(IMAGES[:40], max_time_s=0.3, **options)
    had = len(raised.value.outcomes)
    outcomes = check_all(IMAGES[:40], max_time_s=30, **options)
    sources = [outcome.verdict.source for outcome in outcomes if outcome.kind == "checked"]
    assert sources == ["ledger"] * had + ["service"] * (40 - had)
    assert s2v_emulator.billed == 40


# One image's time


def test_one_image_is_given_up_and_the_rest_goes_on(s2v_emulator: Emulator) -> None:
    """Its last error is told."""
    s2v_emulator.when("*/1.jpg", Error(500, "InternalError"))
    began = time.monotonic()
    outcomes = check_all(IMAGES[:4], give_up_after_s=0.5, **account(s2v_emulator))
    assert time.monotonic() - began < 5
    assert [outcome.kind for outcome in outcomes] == ["checked", "failed", "checked", "checked"]
    assert outcomes[1].kind == "failed"
    assert isinstance(outcomes[1].error, ServiceUnavailable)


@pytest.mark.parametrize("more", [{}, {"max_outage_s": None}, {"max_outage_s": 60}])
def test_an_outage_is_not_waited_out_for_longer(
    s2v_emulator: Emulator, more: dict[str, Any]
) -> None:
    """Five faults in a row are one; it is the run's end, and what had come is kept."""
    s2v_emulator.when("*/1.jpg", Error(500, "InternalError"))
    retry = RetryPolicy(first_wait_s=0.01)
    options = account(s2v_emulator) | more
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="has been out") as raised:
        check_all(IMAGES[:4], give_up_after_s=0.3, retry=retry, **options)
    assert time.monotonic() - began < 5
    assert len(raised.value.outcomes) == s2v_emulator.billed == 3


def test_the_line_is_no_time_of_an_image(s2v_emulator: Emulator) -> None:
    """The last of a list stands in line for longer than any image may take."""
    outcomes = check_all(IMAGES[:30], give_up_after_s=0.1, **account(s2v_emulator))
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    assert s2v_emulator.billed == 30


def test_what_was_sent_is_waited_for(s2v_emulator: Emulator) -> None:
    """It may be paid for, so its answer is worth having."""
    s2v_emulator.when("*", Pass(latency_s=0.4))
    outcomes = check_all(IMAGES[:2], give_up_after_s=0.1, **account(s2v_emulator))
    assert [outcome.kind for outcome in outcomes] == ["checked", "checked"]


def test_an_image_that_may_not_be_given_time_is_asked_for_once(s2v_emulator: Emulator) -> None:
    """No retry has time."""
    s2v_emulator.when("*", Throttle(retry_after_s=1.0))
    [outcome] = check_all(IMAGES[:1], give_up_after_s=0, **account(s2v_emulator))
    assert (outcome.kind, outcome.attempts) == ("failed", 1)


@pytest.mark.parametrize("name", ["give_up_after_s", "max_time_s"])
@pytest.mark.parametrize("value", ["20", "", -1, -0.5, float("nan"), True, [], object()])
def test_what_are_no_seconds_is_told_at_once(s2v_emulator: Emulator, name: str, value: Any) -> None:
    """Before anything is sent."""
    wrong: Any = {name: value}
    with pytest.raises(ConfigurationError, match=f"^{name} is "):
        check_all(IMAGES[:1], **account(s2v_emulator), **wrong)
    assert s2v_emulator.requests == 0
