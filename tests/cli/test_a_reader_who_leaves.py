"""Who reads stdout may leave when he has seen enough (`| head`): no command minds."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s2v_detect.cli import _finishing

Command = Callable[..., subprocess.CompletedProcess[str]]

COMMANDS = [
    "doctor",
    "doctor --json",
    "check http://a.example/1.jpg",
    "estimate in.txt",
    "estimate in.txt --json",
    "ledger show out.jsonl.ledger",
    "ledger show out.jsonl.ledger --json",
    "ledger show out.jsonl.ledger http://a.example/1.jpg http://a.example/2.jpg",
    "ledger statement out.jsonl.ledger",
    "ledger statement out.jsonl.ledger --json",
    "ledger export out.jsonl.ledger -o -",
    "ledger reconcile out.jsonl.ledger",
    "completion bash",
    "--help",
    "run --help",
    "--version",
]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A stdout whose reader leaves after the command has looked whether there is one."""
    capfd.readouterr()
    read, written = os.pipe()
    os.close(read)
    kept = os.dup(1)
    os.dup2(written, 1)
    os.close(written)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(1, "wb", closefd=False)))
    monkeypatch.setattr(_finishing, "_is_writable", lambda _: True)
    yield
    os.dup2(kept, 1)
    os.close(kept)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_ends_as_it_would_have_ended(
    called: Command, tmp_path: Path, words: str, request: pytest.FixtureRequest
) -> None:
    """With its own exit code, and no word of a pipe."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\nhttp://a.example/2.jpg\n")
    if words.startswith("ledger"):
        called("run", "in.txt", "-o", "out.jsonl", "--rate", "1000", "--quiet")
    code = called(*words.split()).returncode
    request.getfixturevalue("left")
    done = called(*words.split())
    sys.stdout.close()  # as at the interpreter's exit: nothing is left to be written
    assert done.returncode == code
    assert "pipe" not in done.stderr
    assert "stdout" not in done.stderr
