"""`s2v-detect emulator`: an account for the other commands."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
Started = Callable[..., subprocess.Popen[str]]


@pytest.mark.real_time
def test_its_two_lines_send_a_client_there(
    started: Started, command: Command, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """A shell that reads them can check the folder's files; Ctrl-C is the ordinary end."""
    (tmp_path / "text.jpg").write_text("no image")
    serving = started("emulator", "--port", "0", "--folder", tmp_path)
    assert serving.stdout
    exports = [serving.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
    account = dict(line.split("=", 1) for line in exports)
    assert set(account) == {"DASHSCOPE_BASE_URL", "DASHSCOPE_API_KEY"}
    done = command("check", "http://photographs.example/text.jpg", env=clean_environment | account)
    assert (done.returncode, "InvalidFile.Format" in done.stdout) == (0, True)
    serving.send_signal(signal.SIGINT)
    assert serving.wait() == 0


@pytest.mark.real_time
def test_a_port_that_is_taken_is_told(command: Command, started: Started) -> None:
    """Exit 2, with what to do."""
    first = started("emulator", "--port", "0")
    assert first.stdout
    port = first.stdout.readline().partition("127.0.0.1:")[2].partition("/")[0]
    done = command("emulator", "--port", port)
    assert done.returncode == 2
    assert "Give another --port" in done.stderr
