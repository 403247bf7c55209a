"""`check_all` that is interrupted gives back what was paid for, and the exception passes."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from s2v_detect import AccessDenied, Event, LocalLimiter, check_all
from s2v_detect.emulator import Emulator, Error, Pass

IMAGES = [f"https://images.example/{number}.jpg" for number in range(40)]
LAST = 5  # answered before the signal comes


class Ended(BaseException):
    """What a worker's handler may raise."""


def raises(error: BaseException) -> Callable[..., None]:
    """Return a handler of a signal."""

    def handle(*_: object) -> None:
        raise error

    return handle


@contextmanager
def handled(number: int, handler: Any) -> Iterator[None]:
    """Have a signal handled so."""
    before = signal.signal(number, handler)
    try:
        yield
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)


@pytest.fixture(autouse=True)
def _all_is_retrieved(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No task is left whose exception asyncio would log, at a time of its own."""
    yield
    gc.collect()
    assert "never retrieved" not in caplog.text
    assert "was destroyed" not in caplog.text


def asking(emulator: Emulator, act: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Return options of an emulator's client; after a few answers something is done."""
    answered = 0

    def watch(event: Event) -> None:
        nonlocal answered
        answered += event.kind == "answered"
        if event.kind == "answered" and answered == LAST:
            act()

    return {
        "api_key": emulator.api_key,
        "base_url": emulator.base_url,
        "limiter": LocalLimiter(50),
        "on_event": watch,
    }


def all_that_was_paid(error: BaseException, emulator: Emulator) -> bool:
    """Whether an exception has an outcome of each image that was billed, and of no other."""
    outcomes = vars(error)["outcomes"]
    assert all(outcome.kind == "checked" for outcome in outcomes)
    images = {outcome.image for outcome in outcomes}
    assert len(images) == len(outcomes)
    return len(outcomes) == emulator.billed


@pytest.mark.parametrize(
    ("number", "handler", "kind"),
    [
        (signal.SIGINT, signal.default_int_handler, KeyboardInterrupt),
        (signal.SIGINT, raises(SystemExit(7)), SystemExit),
        (signal.SIGTERM, raises(SystemExit(143)), SystemExit),
        (signal.SIGTERM, raises(Ended()), Ended),
        (signal.SIGTERM, raises(TimeoutError("soft time limit")), TimeoutError),
        (signal.SIGHUP, raises(KeyboardInterrupt()), KeyboardInterrupt),
        (signal.SIGALRM, raises(TimeoutError("of a queue's job")), TimeoutError),
        (signal.SIGUSR1, raises(Ended("a soft time limit")), Ended),
        (signal.SIGUSR2, raises(Ended()), Ended),
        (signal.SIGQUIT, raises(SystemExit(3)), SystemExit),
        (signal.SIGVTALRM, raises(Ended()), Ended),
    ],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_signal_gives_back_what_was_paid_for(
    s2v_emulator: Emulator, number: int, handler: Any, kind: type[BaseException], *, ordered: bool
) -> None:
    """What was on its way is waited for, nothing more is sent, and the handler stays."""
    s2v_emulator.when("*", Pass(latency_s=0.1))
    options = asking(s2v_emulator, lambda: signal.raise_signal(number))
    with handled(number, handler), pytest.raises(kind) as raised:
        check_all(IMAGES, ordered=ordered, **options)
    assert all_that_was_paid(raised.value, s2v_emulator)
    assert LAST < s2v_emulator.billed == s2v_emulator.requests < 30
    if kind is SystemExit:
        assert isinstance(raised.value, SystemExit)
        assert raised.value.code in (3, 7, 143)
    assert "sys.last_value.outcomes" in raised.value.__notes__[0]


def test_a_handler_that_only_notes_the_signal_stops_nothing(s2v_emulator: Emulator) -> None:
    """It is called, once for each signal."""
    noted: list[int] = []
    options = asking(s2v_emulator, lambda: signal.raise_signal(signal.SIGTERM))
    with handled(signal.SIGTERM, lambda number, _: noted.append(number)):
        assert len(check_all(IMAGES, **options)) == 40
    assert noted == [signal.SIGTERM]


def test_a_handler_that_sets_another_one_keeps_it(s2v_emulator: Emulator) -> None:
    """As those do that let the second signal kill."""

    def handle(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        options = asking(s2v_emulator, lambda: signal.raise_signal(signal.SIGTERM))
        assert len(check_all(IMAGES, **options)) == 40
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_second_signal_does_not_wait(s2v_emulator: Emulator) -> None:
    """What had come is given back all the same."""
    s2v_emulator.when("*", Pass(latency_s=20))
    for image in IMAGES[:LAST]:
        s2v_emulator.when(f"*/{image.rpartition('/')[2]}", Pass(latency_s=0.3))

    def twice() -> None:
        signal.raise_signal(signal.SIGTERM)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()

    began = time.monotonic()
    with handled(signal.SIGTERM, raises(SystemExit(1))), pytest.raises(SystemExit) as raised:
        check_all(IMAGES, **asking(s2v_emulator, twice))
    assert time.monotonic() - began < 10
    outcomes = vars(raised.value)["outcomes"]
    assert [outcome.image for outcome in outcomes] == IMAGES[:LAST]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(2), Ended(), ValueError("row 7"), OSError("disk")]
)
def test_an_input_that_raises_gives_back_what_was_paid_for(
    s2v_emulator: Emulator, error: BaseException
) -> None:
    """Whatever it raises."""
    s2v_emulator.when("*", Pass(latency_s=0.1))

    def images() -> Iterator[str]:
        yield from IMAGES[:10]
        raise error

    with pytest.raises(type(error)) as raised:
        check_all(images(), **asking(s2v_emulator))
    assert raised.value is error
    assert all_that_was_paid(raised.value, s2v_emulator)


def test_an_input_that_blocks_does_not_hold_a_signal_up(s2v_emulator: Emulator) -> None:
    """It waits for what never comes, in the thread of the loop."""

    def images() -> Iterator[str]:
        yield from IMAGES[:3]
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        threading.Event().wait(30)
        pytest.fail("it went on")

    with handled(signal.SIGTERM, raises(SystemExit(1))), pytest.raises(SystemExit) as raised:
        check_all(images(), **asking(s2v_emulator))
    assert all_that_was_paid(raised.value, s2v_emulator)


def test_a_watcher_that_ends_the_program_gives_back_what_was_paid_for(
    s2v_emulator: Emulator,
) -> None:
    """`sys.exit` in `on_event`."""
    s2v_emulator.when("*", Pass(latency_s=0.1))
    with pytest.raises(SystemExit) as raised:
        check_all(IMAGES, **asking(s2v_emulator, lambda: sys.exit(5)))
    assert raised.value.code == 5
    assert all_that_was_paid(raised.value, s2v_emulator)


async def test_a_notebook_that_is_interrupted_gives_back_what_was_paid_for(
    s2v_emulator: Emulator,
) -> None:
    """A loop runs in this thread, which waits for another one."""
    s2v_emulator.when("*", Pass(latency_s=0.1))
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        signal.pthread_kill(main, signal.SIGTERM)

    with handled(signal.SIGTERM, raises(KeyboardInterrupt())):
        with pytest.raises(KeyboardInterrupt) as raised:
            check_all(IMAGES, **asking(s2v_emulator, interrupt))
    assert all_that_was_paid(raised.value, s2v_emulator)
    assert LAST < s2v_emulator.billed < 30


async def test_in_a_notebook_too_a_fault_has_the_outcomes(s2v_emulator: Emulator) -> None:
    """As where no loop runs."""
    s2v_emulator.when("*/5.jpg", Error(401, "InvalidApiKey"))
    with pytest.raises(AccessDenied) as raised:
        check_all(IMAGES, **asking(s2v_emulator))
    assert all_that_was_paid(raised.value, s2v_emulator)


def test_a_fault_that_comes_while_it_ends_does_not_hide_the_signal(s2v_emulator: Emulator) -> None:
    """Who ends the process is obeyed; the fault is the exception's cause."""
    s2v_emulator.when("*", Error(401, "InvalidApiKey", latency_s=0.2))
    for image in IMAGES[:LAST]:
        s2v_emulator.when(f"*/{image.rpartition('/')[2]}", Pass(latency_s=0.1))
    options = asking(s2v_emulator, lambda: signal.raise_signal(signal.SIGTERM))
    with handled(signal.SIGTERM, raises(SystemExit(143))), pytest.raises(SystemExit) as raised:
        check_all(IMAGES, **options)
    assert isinstance(raised.value.__cause__, AccessDenied)
    assert all_that_was_paid(raised.value, s2v_emulator)


def test_in_a_worker_thread_no_handler_is_touched(s2v_emulator: Emulator) -> None:
    """Handlers belong to the main thread."""
    outcomes: list[Any] = []
    handlers: list[Any] = []

    def work() -> None:
        seen = asking(s2v_emulator, lambda: handlers.append(signal.getsignal(signal.SIGINT)))
        outcomes.extend(check_all(IMAGES, **seen))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(outcomes) == 40
    assert handlers == [signal.getsignal(signal.SIGINT)]


PROGRAM = """
import json, signal, sys
from s2v_detect import LocalLimiter, check_all

def end(*_):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
images = [f"https://images.example/{number}.jpg" for number in range(400)]
try:
    check_all(images, api_key=sys.argv[1], base_url=sys.argv[2], limiter=LocalLimiter(100))
except SystemExit as error:
    print(json.dumps([outcome.kind for outcome in error.outcomes]))
    raise
"""


@pytest.mark.real_time
def test_a_worker_that_is_terminated_gives_back_what_was_paid_for(s2v_emulator: Emulator) -> None:
    """A process of its own, and a signal at any time."""
    s2v_emulator.when("*", Pass(latency_s=0.2))
    process = subprocess.Popen(  # noqa: S603  # our own lines
        [sys.executable, "-c", PROGRAM, s2v_emulator.api_key, s2v_emulator.base_url],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        while s2v_emulator.billed < 30:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 143
    kinds = json.loads(told)
    assert set(kinds) == {"checked"}
    assert 30 <= len(kinds) == s2v_emulator.billed == s2v_emulator.requests < 400
