"""`check_one` is `check` for code that is not async."""

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.behaviour.test_interrupted_check_all import handled, raises

from s2v_detect import (
    AccessDenied,
    BadRequest,
    Busy,
    ConfigurationError,
    DetectClient,
    DetectError,
    Event,
    ImageSkipped,
    ImageUnusable,
    Ledger,
    LocalLimiter,
    NotSent,
    OutcomeUnknown,
    RetryPolicy,
    ServiceUnavailable,
    check_one,
)
from s2v_detect.emulator import Cut, Emulator, Error, Pass, Reject

IMAGE = "https://images.example/face.jpg"


def account(emulator: Emulator) -> dict[str, Any]:
    """Return options of an emulator's client."""
    return {"api_key": emulator.api_key, "base_url": emulator.base_url}


def test_the_verdict_is_returned(s2v_emulator: Emulator) -> None:
    """A reject is a verdict too."""
    s2v_emulator.when("*/no.jpg", Reject("InvalidFile.NoHuman"))
    assert check_one(IMAGE, **account(s2v_emulator)).check_pass
    rejected = check_one("https://images.example/no.jpg", **account(s2v_emulator))
    assert (rejected.check_pass, rejected.code) == (False, "InvalidFile.NoHuman")
    assert s2v_emulator.billed == 2


async def test_beside_a_running_loop_too(s2v_emulator: Emulator) -> None:
    """As in a notebook's cell."""
    assert check_one(IMAGE, **account(s2v_emulator)).check_pass


def test_a_file_is_uploaded(s2v_emulator: Emulator, photographs: Path) -> None:
    """As `check` does."""
    assert check_one(photographs / "0.jpg", **account(s2v_emulator)).check_pass


def test_with_a_ledger_the_second_call_costs_nothing(
    s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """By the user's own identity here."""
    options = account(s2v_emulator) | {"ledger": tmp_path / "l.db"}
    sources = [check_one(f"{IMAGE}?sign={n}", identity=7, **options).source for n in range(2)]
    assert sources == ["service", "ledger"]
    assert s2v_emulator.billed == 1


FAULTS: list[tuple[Any, type[DetectError]]] = [
    (Error(401, "InvalidApiKey"), AccessDenied),
    (Error(400, "InvalidURL"), ImageUnusable),
    (Error(400, "InvalidParameter"), BadRequest),
    (Error(500, "InternalError"), ServiceUnavailable),
    (Cut(billed=True), OutcomeUnknown),
]


@pytest.mark.parametrize(("step", "kind"), FAULTS)
def test_raises_as_check_does(s2v_emulator: Emulator, step: Any, kind: type[DetectError]) -> None:
    """The same error with the same words and the same bill."""
    s2v_emulator.when("*", step)
    options = account(s2v_emulator) | {"retry": RetryPolicy(max_attempts=1), "on_unknown": "keep"}

    async def check() -> None:
        async with DetectClient(**options) as client:
            await client.check(IMAGE)

    with pytest.raises(kind) as expected:
        asyncio.run(check())
    with pytest.raises(kind) as raised:
        check_one(IMAGE, **options)
    told, said = raised.value, expected.value
    assert (told.what, told.do, told.image) == (said.what, said.do, said.image)
    assert (told.billed, told.attempts) == (said.billed, said.attempts)


NO_IMAGES: list[Any] = ["face.jpg", "", 5, None, [IMAGE], b"", {"url": IMAGE}]


@pytest.mark.parametrize("image", NO_IMAGES, ids=repr)
def test_what_is_no_image_is_skipped(s2v_emulator: Emulator, image: Any) -> None:
    """It is not sent."""
    with pytest.raises(ImageSkipped):
        check_one(image, **account(s2v_emulator))
    assert s2v_emulator.requests == 0


@pytest.mark.parametrize("name", ["give_up_after_s", "max_wait_s"])
def test_what_are_no_seconds_is_told(s2v_emulator: Emulator, name: str) -> None:
    """As by `check`."""
    wrong: Any = {name: "20"}
    with pytest.raises(ConfigurationError, match=f"^{name} is "):
        check_one(IMAGE, **account(s2v_emulator), **wrong)


@pytest.mark.parametrize("lane", ["urgent", "Bulk", None, []])
def test_what_is_no_lane_is_told(s2v_emulator: Emulator, lane: Any) -> None:
    """As by `check`."""
    with pytest.raises(ConfigurationError, match=r"^lane is "):
        check_one(IMAGE, lane=lane, **account(s2v_emulator))
    assert s2v_emulator.requests == 0


class Lanes(LocalLimiter):
    """Knows who asked for a turn."""

    def __init__(self) -> None:
        super().__init__(math.inf)
        self.asked: list[str] = []

    async def turn(self, lane: Any = "bulk") -> Any:
        """Return at once."""
        self.asked.append(lane)
        return await super().turn(lane)


@pytest.mark.parametrize(
    ("given", "lane"),
    [({}, "interactive"), ({"lane": "interactive"}, "interactive"), ({"lane": "bulk"}, "bulk")],
)
def test_its_lane_is_that_of_check(s2v_emulator: Emulator, given: Any, lane: str) -> None:
    """A visitor's, if nothing is said."""
    limiter = Lanes()
    check_one(IMAGE, limiter=limiter, **given, **account(s2v_emulator))
    assert set(limiter.asked) == {lane}  # on a busy machine a request may be made again


class Slow(LocalLimiter):
    """A line whose first turn is a minute away."""

    def __init__(self) -> None:
        super().__init__(1 / 60)

    async def turn(self, lane: Any = "bulk") -> Any:
        """Return after a minute."""
        await asyncio.sleep(60)
        return await super().turn(lane)


def test_given_up_in_line_it_is_not_sent(s2v_emulator: Emulator) -> None:
    """And nothing is billed."""
    began = time.monotonic()
    with pytest.raises(NotSent, match=r"face\.jpg: not sent, given up after 0\.2 s\.") as raised:
        check_one(IMAGE, give_up_after_s=0.2, limiter=Slow(), **account(s2v_emulator))
    assert time.monotonic() - began < 20
    assert (raised.value.image, raised.value.attempts) == (IMAGE, 0)
    assert s2v_emulator.requests == 0


def test_given_up_at_rest_the_last_error_is_told(s2v_emulator: Emulator) -> None:
    """It is not asked for again."""
    s2v_emulator.when("*", Error(500, "InternalError"))
    retry = RetryPolicy(first_wait_s=60, longest_wait_s=60)
    with pytest.raises(ServiceUnavailable):
        check_one(IMAGE, give_up_after_s=0.3, retry=retry, **account(s2v_emulator))
    assert s2v_emulator.requests == 1


def test_given_up_while_the_answer_is_to_come_it_is_waited_for(s2v_emulator: Emulator) -> None:
    """It is paid for, and the client has to wait for it all the same."""
    s2v_emulator.when("*", Pass(latency_s=0.5))
    assert check_one(IMAGE, give_up_after_s=0.2, **account(s2v_emulator)).check_pass


def test_given_up_while_a_file_is_read_it_is_not_sent(
    s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """A pipe into which nobody writes."""
    pipe = tmp_path / "face.jpg"
    os.mkfifo(pipe)
    with pytest.raises((NotSent, ImageSkipped)):
        check_one(pipe, give_up_after_s=0.2, **account(s2v_emulator))
    assert s2v_emulator.requests == 0


def test_a_long_line_is_told(s2v_emulator: Emulator) -> None:
    """By `max_wait_s`, as by `check`."""
    limiter = LocalLimiter(0.1)
    options = account(s2v_emulator) | {"limiter": limiter}
    check_one(IMAGE, **options)
    with pytest.raises(Busy):
        check_one("https://images.example/2.jpg", max_wait_s=0.01, **options)


def when(kind: str, act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a watcher that does something at the first event of a kind."""
    done: list[Event] = []

    def watch(event: Event) -> None:
        if event.kind == kind and not done:
            done.append(event)
            act()

    return watch


def interrupted(emulator: Emulator, kind: str, **options: Any) -> BaseException:
    """Return what an interrupt at an event of a check leaves behind."""
    act = when(kind, lambda: signal.raise_signal(signal.SIGTERM))
    with handled(signal.SIGTERM, raises(SystemExit(143))), pytest.raises(SystemExit) as raised:
        check_one(IMAGE, **account(emulator), on_event=act, **options)
    return raised.value


def test_interrupted_while_the_answer_is_to_come_it_gives_the_verdict(
    s2v_emulator: Emulator, tmp_path: Path
) -> None:
    """It was paid for, and the ledger has it."""
    s2v_emulator.when("*", Pass(latency_s=0.2))
    error = interrupted(s2v_emulator, "sent", ledger=tmp_path / "l.db")
    assert vars(error)["verdict"].check_pass
    assert s2v_emulator.billed == 1
    with Ledger(tmp_path / "l.db") as ledger:
        assert ledger.known([IMAGE])[IMAGE].check_pass


def test_interrupted_in_line_it_costs_nothing(s2v_emulator: Emulator) -> None:
    """It is not sent."""
    error = interrupted(s2v_emulator, "queued", limiter=Slow())
    assert "verdict" not in vars(error)
    assert s2v_emulator.requests == 0


def test_interrupted_at_rest_it_is_not_asked_for_again(s2v_emulator: Emulator) -> None:
    """It goes at once."""
    s2v_emulator.when("*", Error(500, "InternalError"))
    retry = RetryPolicy(first_wait_s=60, longest_wait_s=60)
    began = time.monotonic()
    interrupted(s2v_emulator, "retrying", retry=retry)
    assert time.monotonic() - began < 20
    assert s2v_emulator.requests == 1
