"""`s2v-detect emulator`: an account for the other commands."""

import json
import math
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from s2v_detect._service import CHECK_PATH, MODEL
from s2v_detect.cli._account import counting_at
from s2v_detect.emulator._counting import counted

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


def asked_and_ended(port: int, number: signal.Signals) -> None:
    """Ask the emulator twice for one image, once with a wrong key, and end the command."""
    url = f"http://127.0.0.1:{port}/api/v1{CHECK_PATH}"
    body = {"model": MODEL, "input": {"image_url": "http://a.example/1.jpg"}}
    with httpx.Client(transport=httpx.HTTPTransport(retries=9), timeout=10) as http:
        for key in ("sk-emulator", "sk-emulator", "sk-wrong"):
            http.post(url, json=body, headers={"Authorization": f"Bearer {key}"})
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_what_it_counted_when_it_ends(called: Command, number: signal.Signals) -> None:
    """To lay beside what a client says of its spend; on stderr, for stdout is a shell's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    asking = threading.Thread(target=asked_and_ended, args=(port, number))
    asking.start()
    done = called("emulator", "--port", port, "--answer", "pass", "--counting", "none")
    asking.join()
    assert done.returncode == 0
    assert "Every image passes, unseen." in done.stderr
    assert "counted 3 requests (2 x 200, 1 x 401), at most 3 within a second" in done.stderr
    assert "2 billed images (CNY 0.008) of 1 different image" in done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_the_emulator_of_a_run_is_as_fast_as_the_run(called: Command, tmp_path: Path) -> None:
    """Neither the rate of an account nor the search for faces holds up what was asked for."""
    lines = (f"http://a.example/{number}.jpg\n" for number in range(200))
    (tmp_path / "in.txt").write_text("".join(lines))
    run = ("run", "in.txt", "-o", "-", "--emulator", "--summary", "summary.json", "--quiet")
    done = called(*run, "--rate", "1000")
    assert (done.returncode, "each passes" in done.stderr) == (0, True)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["passed"], summary["throttled"]) == (200, 0)
    assert summary["requests_per_s"] > 45  # 5 by an account's rate, 20 to 40 by looking


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), "InvalidFile.Format"),
        (("--rate", "1000"), ""),
        (("--rate", "1000", "--answer", "look"), "InvalidFile.Format"),
        (("--answer", "pass"), ""),
        (("--rate", "20"), "InvalidFile.Format"),
    ],
)
def test_the_emulator_of_a_run_looks_where_it_can_keep_up(
    called: Command, tmp_path: Path, options: tuple[str, ...], found: str
) -> None:
    """Or as it is told to."""
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "in.txt").write_text("http://photographs.example/text.jpg\n")
    done = called("run", "in.txt", "-o", "-", "--emulator", "--quiet", *options)
    assert json.loads(done.stdout)["code"] == found


@pytest.mark.parametrize("rate", [0.5, 2.5, 1000.0, math.inf])
def test_an_account_of_any_rate_takes_what_a_line_of_that_rate_sends(rate: float) -> None:
    """No request of a run is throttled by its own emulator; a faster one is."""
    admission = counted(**counting_at(rate))
    pacer_gap_s = 0.0 if math.isinf(rate) else 1 / rate
    assert all(admission.admit(n * pacer_gap_s) for n in range(3000))
    if not math.isinf(rate):
        admission = counted(**counting_at(rate))
        assert not all(admission.admit(n * pacer_gap_s * 0.9) for n in range(3000))
