"""Ctrl-C and SIGTERM: what was sent is settled and written, and then there is an end."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator, Pass, Silent

Started = Callable[..., subprocess.Popen[str]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_sending_and_every_paid_answer_is_written(
    started: Started, emulator: Emulator, many: Path, number: int
) -> None:
    """Requests were on their way when it came; the exit code is 130."""
    emulator.when("*", Pass(latency_s=0.2))
    process = started("run", many, "-o", "-", "--rate", "50")
    assert process.stdout
    assert process.stderr
    first = process.stdout.readline()
    process.send_signal(number)
    written = [first, *process.stdout]
    assert process.wait() == 130
    assert 1 < len(written) < 400
    assert len(written) == emulator.billed
    assert all(json.loads(line)["check_pass"] for line in written)
    told = process.stderr.read()
    assert "Stopping" in told
    assert "Exit 130: interrupted" in told


def test_a_second_signal_does_not_wait_for_answers(
    started: Started, emulator: Emulator, many: Path
) -> None:
    """It says how many may be billed, and ends long before they time out."""
    emulator.when("*", Silent())
    emulator.when("*/0.jpg", Pass())
    process = started("run", many, "-o", "-", "--rate", "50")
    assert process.stdout
    assert process.stderr
    began = time.monotonic()
    process.stdout.readline()
    while emulator.in_flight < 2:
        process.poll()
    process.send_signal(signal.SIGINT)
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    told = process.stderr.read()
    assert process.wait() == 130
    assert "sent without an answer and may be billed" in told
    assert time.monotonic() - began < 20


def test_a_silent_input_does_not_hold_up_the_end(started: Started) -> None:
    """The pipe never says another word, and the command ends."""
    process = started("run", "-", "-o", "-")
    assert process.stdin
    assert process.stdout
    process.stdin.write("http://a.example/1.jpg\n")
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130


def test_a_check_is_interrupted_in_the_same_way(started: Started, emulator: Emulator) -> None:
    """The table has what was answered."""
    emulator.when("*/2.jpg", Silent())
    one, two = "http://a.example/1.jpg", "http://a.example/2.jpg"
    process = started("check", one, two, "--json", "--timeout-s", "1", "--on-unknown", "keep")
    assert process.stdout
    first = process.stdout.readline()
    while emulator.in_flight < 1:
        process.poll()
    process.send_signal(signal.SIGINT)
    second = process.stdout.read()
    assert process.wait() == 130
    assert json.loads(first)["image"] == one
    assert json.loads(second)["error"] == "OutcomeUnknown"
