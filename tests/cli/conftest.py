"""The command as its users have it: another process, an emulator on a socket, two pipes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from s2v_detect.cli import main
from s2v_detect.emulator import Emulator, Pass

Command = Callable[..., subprocess.CompletedProcess[str]]
Started = Callable[..., subprocess.Popen[str]]

_PATIENCE_S = 30  # a test that would wait longer is broken
_NOT_OURS = ("DASHSCOPE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True, scope="session")
def _audible_signals() -> None:
    """Signals that the tests' own shell ignores for its background jobs are heard by what we start.

    A command keeps ignoring what it finds ignored; the tests of signals must not find it so.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator in a thread, under which every image passes."""
    with Emulator.run_in_thread(answer=Pass()) as opened:
        yield opened


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    """An environment without an account."""
    kept = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(_NOT_OURS)
    }
    return kept | {"HOME": str(tmp_path), "COLUMNS": "100"}


@pytest.fixture
def environment(clean_environment: dict[str, str], emulator: Emulator) -> dict[str, str]:
    """An environment whose account is the emulator's."""
    account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
    return clean_environment | account


def _words(arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "s2v_detect.cli", *map(str, arguments)]


@pytest.fixture
def command(tmp_path: Path, environment: dict[str, str]) -> Command:
    """Run the command to its end in `tmp_path`; `env` replaces the environment."""

    def run(
        *arguments: object, env: Mapping[str, str] = environment, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # our own command
            _words(arguments),
            env=env,
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=_PATIENCE_S,
            check=False,
            **options,
        )

    return run


@pytest.fixture
def called(
    tmp_path: Path,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    """Run the command in this process: quicker, where nothing depends on its being another."""

    def run(
        *arguments: object, env: Mapping[str, str] = environment
    ) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        for name in filter(lambda name: name.upper().startswith(_NOT_OURS), list(os.environ)):
            monkeypatch.delenv(name)
        for name in env:
            monkeypatch.setenv(name, env[name])
        words = [str(word) for word in arguments]
        return subprocess.CompletedProcess(words, main(words), *capfd.readouterr())

    return run


@pytest.fixture
def started(tmp_path: Path, environment: dict[str, str]) -> Iterator[Started]:
    """Start the command with three pipes; what still runs at the end of the test is killed."""
    with ExitStack() as stack:

        def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            process = subprocess.Popen(  # noqa: S603  # our own command
                _words(arguments),
                **{
                    "env": environment,
                    "cwd": tmp_path,
                    "encoding": "utf-8",
                    **pipes,
                    **options,
                },
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A file of 400 addresses."""
    path = tmp_path / "many.txt"
    path.write_text("".join(f"http://a.example/{number}.jpg\n" for number in range(400)))
    return path
