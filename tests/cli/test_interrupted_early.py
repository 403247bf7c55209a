"""Ctrl-C in the first second: the command ends with 130, and prints no traceback."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator, Silent

LOADED = (
    "httpx._models",
    "pydantic_core",
    "pydantic._internal._fields",
    "s2v_detect.errors",
    "s2v_detect.models",
    "s2v_detect.client",
    "s2v_detect.cli._exits",
    "cyclopts.core",
    "rich.table",
    "s2v_detect.cli._app",
)
"""Modules in the order in which they are loaded; the interpreter tells of each."""


@pytest.fixture
def program(
    tmp_path: Path, environment: dict[str, str], emulator: Emulator
) -> Iterator["subprocess.Popen[str]"]:
    """A run that has just been started, whose interpreter tells what it loads.

    Nothing answers it, so that it can't be done before it is interrupted.
    """
    emulator.when("*", Silent())
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    words = ("-X", "importtime", "-m", "s2v_detect_command", "run", "in.txt", "-o", "out.jsonl")
    keep = ("--on-unknown", "keep", "--timeout-s", "3")
    with subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, *words, *keep],
        env=environment,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield process
        process.kill()


def ended(process: "subprocess.Popen[str]") -> None:
    """See that a run ends as it should when it is interrupted now."""
    assert process.stderr
    process.send_signal(signal.SIGINT)
    told = process.stderr.read()
    assert process.wait() == 130, told
    assert "Traceback" not in told
    assert "KeyboardInterrupt" not in told


@pytest.mark.parametrize("module", LOADED)
@pytest.mark.real_time
def test_while_it_is_loaded(program: "subprocess.Popen[str]", module: str) -> None:
    """Within whichever import is going on."""
    assert program.stderr
    assert any(line.endswith(f" {module}\n") for line in program.stderr)
    ended(program)


@pytest.mark.parametrize("name", ["out.jsonl.ledger", ".out.jsonl.lock"])
@pytest.mark.real_time
def test_while_it_opens_its_files(
    program: "subprocess.Popen[str]", tmp_path: Path, name: str
) -> None:
    """What it made so far blocks nobody, and it leaves nothing beside its output."""
    while not (tmp_path / name).exists():
        assert program.poll() is None
    ended(program)
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.real_time
def test_while_its_first_request_is_on_its_way(
    program: "subprocess.Popen[str]", emulator: Emulator
) -> None:
    """It says so, and Ctrl-C again ends it."""
    assert program.stderr
    while not emulator.in_flight:
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    assert any("Stopping" in line for line in program.stderr)
    ended(program)
