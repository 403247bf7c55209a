"""`s2v-detect check`: a table or JSON lines, and what the exit code says."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect.emulator import Cut, Emulator, Error, Pass, Reject

Command = Callable[..., subprocess.CompletedProcess[str]]

ONE, TWO = "http://a.example/1.jpg", "http://a.example/2.jpg"


def test_a_table_tells_image_verdict_reason_and_cost(command: Command, emulator: Emulator) -> None:
    """In the order of the arguments, one row a line, on stdout alone."""
    emulator.when("*/2.jpg", Reject("InvalidFile.NoHuman", "nobody there"))
    done = command("check", TWO, ONE, "portrait.jpg")
    head, second, first, local = done.stdout.splitlines()
    assert head.split() == ["image", "verdict", "why", "CNY"]
    assert second.split() == [TWO, "rejected", "InvalidFile.NoHuman:", "nobody", "there", "0.004"]
    assert first.split() == [ONE, "passed", "0.004"]
    assert local.split()[:2] == ["portrait.jpg", "skipped"]
    assert (done.returncode, done.stderr) == (1, "")


def test_json_gives_one_line_an_image(command: Command, emulator: Emulator) -> None:
    """With the keys of an outcome and nothing else on stdout."""
    emulator.when("*/2.jpg", Reject())
    done = command("check", "--json", ONE, TWO)
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert (first["image"], first["check_pass"]) == (ONE, True)
    assert (second["image"], second["check_pass"]) == (TWO, False)
    assert "line" not in first
    assert done.returncode == 0


def test_a_rejected_image_is_an_answer(called: Command, emulator: Emulator) -> None:
    """Exit 0: the question was answered."""
    emulator.when("*", Reject("InvalidFile.FacePose"))
    assert called("check", ONE).returncode == 0


@pytest.mark.parametrize(
    ("answer", "options", "code"),
    [
        (Error(400, "InvalidURL"), (), 1),
        (Cut(), ("--on-unknown", "keep"), 5),
        (Error(400, "Arrearage"), (), 4),
        (Error(401, "InvalidApiKey"), (), 4),
    ],
)
def test_the_exit_code_says_what_came_of_it(
    called: Command, emulator: Emulator, answer: Error | Cut, options: tuple[str, ...], code: int
) -> None:
    """Failed 1, unknown 5, the account 4; never a traceback."""
    emulator.when("*", answer)
    done = called("check", ONE, *options)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


def test_an_unknown_bill_shows_in_the_cost(called: Command, emulator: Emulator) -> None:
    """At most the price."""
    emulator.when("*", Cut())
    done = called("check", ONE, "--on-unknown", "keep")
    assert "≤ 0.004" in done.stdout
    assert "OutcomeUnknown" in done.stdout


@pytest.mark.parametrize("answer", [Pass(), Reject()])
def test_what_costs_nothing_says_why(
    called: Command, emulator: Emulator, answer: Pass | Reject
) -> None:
    """An image that is given twice is asked for once."""
    emulator.when("*", answer)
    first, second = called("check", ONE, ONE).stdout.splitlines()[1:]
    assert first.endswith("0.004")
    assert "again" not in first
    assert re.search("the same image again, asked for once +0.000$", second)
    assert (" · " in second) is isinstance(answer, Reject)
    assert emulator.billed == 1


def test_resend_asks_once_more_and_counts_both(called: Command, emulator: Emulator) -> None:
    """The default of --on-unknown."""
    emulator.when("*", Cut(), Reject())
    done = called("check", ONE)
    assert done.returncode == 0
    assert "≤ 0.008" in done.stdout
    assert emulator.billed == 2


def test_what_the_service_says_can_not_steer_the_terminal(
    called: Command, emulator: Emulator
) -> None:
    """Escapes and turned text are shown as what they are not."""
    emulator.when("*", Reject("InvalidFile.NoHuman", "\x1b[2J\u202eevil [red]plain[/red]"))
    done = called("check", ONE)
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "[red]plain[/red]" in done.stdout


def test_what_signs_an_address_is_not_shown(called: Command) -> None:
    """A table is copied into tickets."""
    done = called("check", "http://user:word@a.example/1.jpg?Signature=secret")
    assert "http://a.example/1.jpg?…" in done.stdout
    assert "secret" not in done.stdout
    assert "word" not in done.stdout


def test_the_workspace_is_sent(called: Command, emulator: Emulator) -> None:
    """As the header that the service knows."""
    assert called("check", ONE, "--workspace", "ws-1").returncode == 0
    assert emulator.arrivals[0].headers["X-DashScope-WorkSpace"] == "ws-1"


def test_a_base_url_of_the_command_line_goes_before_the_environments(
    called: Command, environment: dict[str, str], emulator: Emulator
) -> None:
    """As the more particular of the two."""
    env = environment | {"DASHSCOPE_BASE_URL": "http://127.0.0.1:9/api/v1"}
    assert called("check", ONE, "--base-url", emulator.base_url, env=env).returncode == 0


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_wrong_key_prints_no_empty_table(
    called: Command, environment: dict[str, str], more: tuple[str, ...]
) -> None:
    """The head of a table without a row says nothing."""
    done = called("check", ONE, *more, env=environment | {"DASHSCOPE_API_KEY": "sk-wrong"})
    assert (done.returncode, done.stdout) == (4, "")
    assert "InvalidApiKey" in done.stderr


@pytest.mark.parametrize(
    "name", ["in.xlsx", "in.csv", "IN.CSV", "in.txt", "in.csv.gz", "in.jsonl", "in.parquet"]
)
def test_a_list_is_told_to_be_one_for_run(
    called: Command, emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """Before anything is asked, also where an image stands beside it."""
    (tmp_path / name).write_text(f"{ONE}\n")
    done = called("check", ONE, name)
    assert (done.returncode, done.stdout, emulator.requests) == (2, "", 0)
    assert f"s2v-detect run {name} -o" in done.stderr


def test_an_image_that_is_called_as_a_list_is_one(called: Command, tmp_path: Path) -> None:
    """By how it begins; and what is not there is no list."""
    (tmp_path / "face.txt").write_bytes(b"\xff\xd8\xff")
    for name in ("face.txt", "nowhere.csv"):
        done = called("check", name)
        assert done.returncode == 1
        assert "skipped" in done.stdout


@pytest.mark.parametrize("images", [(ONE,), (ONE, TWO)], ids=len)
def test_of_one_image_nothing_ended_early(
    called: Command, environment: dict[str, str], images: tuple[str, ...]
) -> None:
    """Of more than one the others were left out."""
    done = called("check", *images, env=environment | {"DASHSCOPE_API_KEY": "sk-wrong"})
    assert ("The run ended early." in done.stderr) == (len(images) > 1)


@pytest.mark.parametrize("answer", [Error(401, "InvalidApiKey"), Error(400, "Arrearage")])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_fault_at_the_second_image_shows_the_first_and_names_the_others(
    called: Command, emulator: Emulator, answer: Error, more: tuple[str, ...]
) -> None:
    """What was paid for is on stdout; what was not asked is on stderr, without its signature."""
    emulator.when(TWO, answer)
    third, fourth = "http://a.example/3.jpg", "http://a.example/4.jpg?Signature=secret"
    done = called("check", ONE, TWO, third, fourth, *more)
    assert done.returncode == 4
    assert ONE in done.stdout
    assert TWO not in done.stdout
    named = f"Without an answer, and not billed: {third}, http://a.example/4.jpg?…."
    assert done.stderr.splitlines()[-1] == named
    assert done.stderr.count(TWO) == 1
    assert emulator.billed == 1


def test_images_that_may_have_been_billed_have_their_rows(
    called: Command, emulator: Emulator
) -> None:
    """Their first answers were lost, after they were billed; then the key was taken back."""
    third = "http://a.example/3.jpg"
    for image in (TWO, third):
        emulator.when(image, Cut(billed=True), Error(401, "InvalidApiKey"))
    done = called("check", ONE, TWO, third)
    assert done.returncode == 4
    assert emulator.billed == 3
    assert done.stdout.count("≤ 0.004") == 2
    assert "Without an answer" not in done.stderr


def test_images_that_have_their_rows_are_not_named(called: Command, emulator: Emulator) -> None:
    """Failed ones and repeats have theirs; one image that shows a fault is named once."""
    emulator.when(TWO, Error(400, "InvalidURL"))
    assert "Without an answer" not in called("check", ONE, TWO, ONE, "nowhere.jpg").stderr
    emulator.when(TWO, Error(401, "InvalidApiKey"))
    done = called("check", TWO)
    assert "Without an answer" not in done.stderr
    assert done.stderr.count(TWO) == 1
