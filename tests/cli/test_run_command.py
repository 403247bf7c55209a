"""`s2v-detect run`: what it writes, what it refuses, and what it says."""

import json
import os
import pty
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect import Ledger
from s2v_detect.emulator import Cut, Emulator, Error, Reject
from s2v_detect.images import IN_BUCKET

Command = Callable[..., subprocess.CompletedProcess[str]]
Started = Callable[..., subprocess.Popen[str]]

FAST = ("--rate", "1000")


def outcomes(path: Path) -> list[dict[str, object]]:
    """The lines of an output."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_line_of_the_input_has_its_line_in_the_output(
    command: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """With its number; what is no address is an outcome too."""
    emulator.when("*/2.jpg", Reject("InvalidFile.NoHuman"))
    (tmp_path / "in.txt").write_bytes(
        b"\xef\xbb\xbf# portraits\r\nhttp://a.example/1.jpg\r\n\r\nhttp://a.example/2.jpg\r\n\xff\r\nx"
    )
    done = command("run", "in.txt", "-o", "out.jsonl", "--ordered", *FAST)
    written = outcomes(tmp_path / "out.jsonl")
    assert [(each["line"], each["kind"], each["check_pass"]) for each in written] == [
        (2, "checked", True),
        (4, "checked", False),
        (5, "skipped", None),
        (6, "skipped", None),
    ]
    assert done.stdout == ""
    assert done.returncode == 1
    for part in (
        "4 images in",
        "passed",
        "InvalidFile.NoHuman 1",
        "CNY 0.008",
        "out.jsonl",
        "Exit 1",
    ):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("answer", "options", "code"),
    [
        (Reject(), (), 0),
        (Cut(), ("--on-unknown", "keep"), 5),
        (Error(400, "Arrearage"), (), 4),
    ],
)
def test_the_exit_code_says_what_came_of_it(  # noqa: PLR0917  # three values, three fixtures
    called: Command,
    emulator: Emulator,
    tmp_path: Path,
    answer: Reject | Cut | Error,
    options: tuple[str, ...],
    code: int,
) -> None:
    """And the summary says it in words."""
    emulator.when("*/2.jpg", answer)
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\nhttp://a.example/2.jpg\n")
    done = called("run", "in.txt", "-o", "out.jsonl", *FAST, *options)
    assert done.returncode == code
    assert f"Exit {code}:" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_exists_is_refused_before_anything_is_asked(
    called: Command, emulator: Emulator, many: Path, tmp_path: Path
) -> None:
    """It is left as it is, and the message says what to do."""
    (tmp_path / "out.jsonl").write_text("paid for\n")
    done = called("run", many, "-o", "out.jsonl")
    assert done.returncode == 2
    assert "out.jsonl exists, and the ledger out.jsonl.ledger knows no run" in done.stderr
    assert (tmp_path / "out.jsonl").read_text() == "paid for\n"
    assert emulator.requests == 0


def test_without_a_key_nothing_is_begun(
    command: Command, clean_environment: dict[str, str], many: Path, tmp_path: Path
) -> None:
    """Exit 4 in two sentences, and no empty output that would refuse the next run."""
    done = command("run", many, "-o", "out.jsonl", env=clean_environment)
    assert done.returncode == 4
    assert done.stderr.startswith("s2v-detect: there is no API key. Set DASHSCOPE_API_KEY")
    assert "~/.dashscope/api_key" in done.stderr
    assert "--emulator" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_refused_key_leaves_no_output(
    called: Command, environment: dict[str, str], many: Path, tmp_path: Path
) -> None:
    """The key is in none of what is printed."""
    env = environment | {"DASHSCOPE_API_KEY": "sk-wrong-0123456789"}
    done = called("run", many, "-o", "out.jsonl", env=env)
    assert done.returncode == 4
    assert "The run ended early" in done.stderr
    assert "0123456789" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_an_empty_input_is_exit_2(called: Command, tmp_path: Path) -> None:
    """Nobody runs one on purpose; there is no output."""
    (tmp_path / "in.txt").touch()
    done = called("run", "in.txt", "-o", "out.jsonl")
    assert done.returncode == 2
    assert "The input has no image" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_a_slow_pipe_is_answered_line_by_line(started: Started) -> None:
    """The first outcome is out while the second line is not yet in."""
    process = started("run", "-", "-o", "-", *FAST)
    assert process.stdin
    assert process.stdout
    for number in (1, 2):
        process.stdin.write(f"http://a.example/{number}.jpg\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["line"] == number
    process.stdin.close()
    assert process.stdout.read() == ""
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("options", "end"),
    [((), ", and lost."), (("--ledger", "l.db"), "; the ledger has what was answered.")],
)
def test_a_reader_that_leaves_stops_the_sending(
    started: Started, emulator: Emulator, many: Path, options: tuple[str, ...], end: str
) -> None:
    """The summary says whether outcomes are lost; the books are the emulator's."""
    process = started("run", many, "-o", "-", "--rate", "100", *options)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    told = process.stderr.read()
    assert process.wait() == 2
    assert "stdout takes no more: Broken pipe. Sending was stopped" in told
    assert f"not in it{end}" in told
    assert f"CNY {emulator.cost}" in told
    assert emulator.requests < 400


@pytest.mark.real_time
@pytest.mark.parametrize("room", [1_000, 70_000, 120_000])
def test_on_a_full_disk_nothing_is_sent_that_is_not_recorded(
    environment: dict[str, str],
    started: Started,
    emulator: Emulator,
    many: Path,
    tmp_path: Path,
    *,
    room: int,
) -> None:
    """The run ends with the ledger's two sentences; with room again it goes on, one bill each."""
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # else half of a compiled module stays

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    process = started("run", many, "-o", "out.jsonl", "--rate", "500", preexec_fn=small_disk)
    assert process.stderr
    told = process.stderr.read()
    assert process.wait() == 2
    assert "nothing is sent that can't be recorded" in told
    assert emulator.requests < 400
    again = started("run", many, "-o", "out.jsonl", "--rate", "500")
    assert again.wait() == 0
    assert len(outcomes(tmp_path / "out.jsonl")) == 400
    with Ledger(tmp_path / "out.jsonl.ledger") as ledger:
        requests = sum(spend.requests for spend in ledger.statement())
        unknown = sum(spend.unknown for spend in ledger.statement())
    assert emulator.requests <= requests
    assert emulator.billed - 400 <= unknown


def test_a_reader_of_stderr_that_leaves_stops_nothing(
    started: Started, many: Path, tmp_path: Path
) -> None:
    """Nobody reading the summary is no reason to lose a run."""
    process = started("run", many, "-o", "out.jsonl", *FAST)
    assert process.stderr
    process.stderr.close()
    assert process.wait() == 0
    assert len(outcomes(tmp_path / "out.jsonl")) == 400


@pytest.mark.real_time
def test_a_terminal_gets_a_live_picture_and_quiet_none(
    started: Started, many: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Rate against the line, counts and cost; the summary comes in both."""
    told = {}
    for name, options in (("loud", ()), ("quiet", ("--quiet",))):
        ours, theirs = pty.openpty()
        process = started(
            "run", many, "-o", f"{name}.jsonl", "--rate", "800", *options,
            stderr=theirs, env=environment | {"TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(theirs)
        told[name] = _all_of(ours)
        assert process.wait() == 0
    assert "/s of 800" in told["loud"]
    assert "of 400  " in told["loud"]
    assert "/s of 800" not in told["quiet"]
    assert all("400 images in" in text for text in told.values())


def _all_of(terminal: int) -> str:
    content = b""
    try:
        while piece := os.read(terminal, 65_536):
            content += piece
    except OSError:  # how a terminal's end shows on Linux
        pass
    os.close(terminal)
    return content.decode()


def test_the_embedded_emulator_needs_no_key_and_serves_the_files_beside_the_input(
    command: Command, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """It looks at them for real; a proxy of the environment is not asked; nothing is billed."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "text.jpg").write_text("no image")
    (folder / "in.txt").write_text("http://photographs.example/text.jpg\n")
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = command(
        "run", "set/in.txt", "-o", "out.jsonl", "--emulator", env=clean_environment | proxies
    )
    assert done.returncode == 0
    (outcome,) = outcomes(tmp_path / "out.jsonl")
    assert outcome["code"] == "InvalidFile.Format"
    assert "its verdicts are estimates" in done.stderr
    assert "nothing was billed" in done.stderr


def test_a_look_before_paying_saves_what_can_not_pass(
    command: Command, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """`--preflight`: what lies at no public address is skipped, in whatever spelling."""
    (tmp_path / "portraits.txt").write_text(
        "http://127.0.0.1:9/1.jpg\noss://bucket/2.jpg\nhttp://0x7f.1:9/3.jpg\n"
    )
    account = {"DASHSCOPE_API_KEY": "sk-1", "DASHSCOPE_BASE_URL": "https://127.0.0.1:9/api/v1"}
    words = ("run", "portraits.txt", "-o", "out.jsonl", "--quiet", "--preflight", "--timeout-s", 1)
    done = command(*words, "--max-cost", "0.001", env=clean_environment | account)
    assert done.returncode == 3, done.stderr  # the one that may pass would cost more than that
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["error"] for line in lines] == ["ImageSkipped"] * 2
    assert all("not public" in line["message"] for line in lines)


@pytest.mark.parametrize("ledger", ["l.db", "none"])
def test_the_summary_counts_images_that_come_again(
    called: Command, tmp_path: Path, ledger: str
) -> None:
    """Else nothing says why two images cost as much as one."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n" * 2 + "http://a.example/2.jpg\n")
    words = ("run", "in.txt", "-o", "out.csv", "--ledger", ledger)
    told = " ".join(called(*words).stderr.split())
    assert "repeated 1 of these: the same image again, asked for once" in told
    assert "CNY 0.008" in told
    if ledger != "none":
        told = " ".join(called(*words).stderr.split())
        assert "known 3 of these" in told
        assert "repeated" not in told


def test_the_summary_and_an_estimate_say_why_rows_are_skipped(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Each reason once, with its count and the line of its first row; programs get all of it."""
    addresses = (
        "http://a.example/1.jpg",
        "x",
        "ftp://y",
        "z",
        "https://",
        "oss://bucket",
        "s3://b/k",
    )
    (tmp_path / "in.txt").write_text("".join(f"{each}\n" for each in addresses))
    counts = [
        {"reason": "it is no http, https or oss URL", "count": 3, "first_line": 2},
        {"reason": "the address names no host", "count": 1, "first_line": 5},
        {"reason": "the oss address names no object", "count": 1, "first_line": 6},
        {"reason": IN_BUCKET, "count": 1, "first_line": 7},
    ]
    hint = "for files beside the list, give --files"
    told = f"3 x it is no http, https or oss URL; {hint} (first in line 2)"
    run = called("run", "in.txt", "-o", "out.jsonl", "--summary", "s.json", *FAST)
    assert told in " ".join(run.stderr.split())
    assert "1 x the address names no host (line 5)" in run.stderr
    assert json.loads((tmp_path / "s.json").read_text())["skipped_by_reason"] == counts
    estimate = called("estimate", "in.txt", "-o", "out.jsonl")
    assert told in " ".join(estimate.stdout.split())
    estimated = json.loads(called("estimate", "in.txt", "-o", "out.jsonl", "--json").stdout)
    assert estimated["faulty_by_reason"] == counts


def test_no_output_is_named_where_none_was_written(
    called: Command, environment: dict[str, str], emulator: Emulator, tmp_path: Path
) -> None:
    """The key was wrong, and no row has an outcome; a proxy that refuses has had no request."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    run = ("run", "in.txt", "-o", "out.jsonl", *FAST)
    done = called(*run, env=environment | {"DASHSCOPE_API_KEY": "sk-wrong"})
    assert done.returncode == 4
    assert "out.jsonl was not written" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()
    assert "was not written" not in called(*run).stderr
