"""`run --live`: a page on this machine as long as the run goes on, and no longer."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from s2v_detect.emulator import Emulator, Pass, Reject
from s2v_detect.ledger import Ledger
from s2v_detect.report import LivePage, write_report
from s2v_detect.tables import read_records

Command = Callable[..., subprocess.CompletedProcess[str]]
Started = Callable[..., subprocess.Popen[str]]

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]{22}/")


def last_event(url: str, begun: Callable[[], None]) -> dict[str, object]:
    """Return what the page is told when the run has ended; `begun` is called at the first event."""
    with httpx.Client(trust_env=False, timeout=20) as web, web.stream("GET", url) as answer:
        name, last = "", "{}"
        for line in answer.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event" and not name:
                begun()
            name = value if field == "event" else name
            last = value if field == "data" and name == "ended" else last
    told: dict[str, object] = json.loads(last)
    return told


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A list of 40 addresses."""
    path = tmp_path / "in.txt"
    path.write_text("".join(f"http://a.example/{number}.jpg\n" for number in range(40)))
    return path


@pytest.mark.parametrize("words", [("--live",), ("--live", "0")])
def test_the_page_is_there_for_the_run_alone(
    called: Command, emulator: Emulator, few: Path, words: tuple[str, ...]
) -> None:
    """Its address is on stderr, with --quiet too; the run itself is as ever."""
    done = called("run", *words, few, "-o", "out.jsonl", "--rate", "1000", "--quiet")
    assert done.returncode == 0
    found = ADDRESS.search(done.stderr)
    assert found
    assert "Exit 0" in done.stderr
    assert emulator.billed == 40
    assert len(Path("out.jsonl").read_text().splitlines()) == 40
    with pytest.raises(httpx.ConnectError):
        httpx.get(found[0], trust_env=False)


def test_a_port_that_is_taken_is_exit_2(called: Command, emulator: Emulator, few: Path) -> None:
    """Said by its number, with what to do, before anything is asked."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = called("run", few, "-o", "out.jsonl", "--live", port)
    assert done.returncode == 2
    assert f"can't be served on port {port} of this machine: Address already in use." in done.stderr
    assert "Give another port behind --live, or none" in done.stderr
    assert emulator.requests == 0
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_exit_2(called: Command, few: Path, port: str) -> None:
    """Before anything is made."""
    done = called("run", few, "-o", "out.jsonl", f"--live={port}")
    assert done.returncode == 2
    assert "--live" in done.stderr


def test_a_page_without_its_extra_is_exit_2(
    called: Command, emulator: Emulator, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is the line that installs it."""
    monkeypatch.setitem(sys.modules, "s2v_detect.report._live", None)
    done = called("run", few, "-o", "out.jsonl", "--live")
    assert done.returncode == 2
    assert "The live page needs an extra" in done.stderr
    assert '[cli,report]"' in done.stderr
    assert emulator.requests == 0


@pytest.mark.real_time
@pytest.mark.parametrize("is_interrupted", [False, True], ids=["to its end", "by Ctrl-C"])
def test_the_page_follows_a_run(
    started: Started, emulator: Emulator, few: Path, *, is_interrupted: bool
) -> None:
    """What it is told last is what the report of the output says; then the command ends."""
    emulator.when("*", Pass(latency_s=0.1))
    emulator.when("*/3.jpg", Reject("InvalidFile.NoHuman"))
    process = started("run", "--live", few, "-o", "out.jsonl", "--rate", "20")
    assert process.stderr
    found = ADDRESS.search(process.stderr.readline())
    assert found
    with httpx.Client(trust_env=False) as web:
        page = web.get(found[0]).text
    assert "The run goes on" in page

    def begun() -> None:
        while emulator.billed < 5:
            assert process.poll() is None
        if is_interrupted:
            process.send_signal(signal.SIGINT)

    told = last_event(f"{found[0]}events", begun)
    assert process.wait(timeout=10) == (130 if is_interrupted else 0)
    parts, rows = told["parts"], told["rows"]
    assert isinstance(parts, dict)
    assert isinstance(rows, list)
    assert ("Interrupted." if is_interrupted else "Every image was answered") in parts["progress"]
    assert len(rows) == emulator.billed == len(list(read_records(few.parent / "out.jsonl")))
    assert_as_reported(parts["result"], few.parent)


def assert_as_reported(result: str, folder: Path) -> None:
    """The numbers, the cost and the number of requests are those of a report."""
    out = folder / "out.jsonl"
    write_report(read_records(out), folder / "page.html", title="out.jsonl", line_per_s=20)
    report = (folder / "page.html").read_text()
    assert result.partition("<dt>Rate")[0] in report
    assert "of 20" in result


def test_what_earlier_runs_sent_is_read_beside_the_run(
    called: Command, emulator: Emulator, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Millions of times hold up no request; the page is told of each, and of its own once."""
    assert called("run", few, "-o", "out.jsonl", "--rate", "1000").returncode == 0
    few.write_text(few.read_text() + "http://a.example/new.jpg\n")
    emulator.when("*/new.jpg", Pass(latency_s=0.3))
    read, told, real = [], list[float](), Ledger.request_times

    def read_late(ledger: Ledger, name: str | None = None) -> Iterator[float]:
        until = time.monotonic() + 10
        while emulator.requests == 40 and time.monotonic() < until:
            time.sleep(0.01)
        read.append(emulator.requests)
        yield from real(ledger, name)

    def sent(_: LivePage, times: Iterable[float]) -> None:
        told.extend(times)

    monkeypatch.setattr(Ledger, "request_times", read_late)
    monkeypatch.setattr(LivePage, "sent", sent)
    assert called("run", few, "-o", "out.jsonl", "--rate", "1000", "--live").returncode == 0
    assert read == [41, 41]  # while it went on, and at its end
    assert len(told) == 41
