"""Mistakes in a command line: told at once, in this process, before anything is asked."""

import re
import subprocess
from pathlib import Path

import pytest

from s2v_detect.cli import main

AMOUNTS = ("--max-cost", "--max-cost-per-day", "--max-cost-per-month")
NO_AMOUNTS = (
    "abc",
    "",
    "nan",
    "snan",
    "inf",
    "-inf",
    "-1",
    "-0.01",
    "12,50",
    "CNY 5",
    "5 CNY",
    "1/2",
)
RUN = ("run", "in.txt", "-o", "out.jsonl")
FILES = ("--summary", "--report", "--events", "--ledger")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "missing.txt", "-o", "out.jsonl"), "missing.txt can't be read: No such file"),
        (("run", "*.none", "-o", "out.jsonl"), "No file matches '*.none'"),
        (("run", "**none", "-o", "out.jsonl"), "is no pattern of files"),
        (("run", "**.txt", "-o", "out.jsonl"), "is no pattern of files"),
        (("run", "in**", "-o", "out.jsonl"), "is no pattern of files"),
        (("run", "***", "-o", "out.jsonl"), "is no pattern of files"),
        (("run", "a/**b/*.jpg", "-o", "out.jsonl"), "is no pattern of files"),
        (("run", "in.txt", "-o", "no/out.jsonl"), "no/out.jsonl can't be written: No such file"),
        (("run", "in.txt"), "--out"),
        (("run", "in.txt", "-o"), "-o"),
        (("run", "in.txt", "-o", "--quiet"), "It looks like an option"),
        *[((*RUN, option, "--quiet"), "It looks like an option") for option in FILES],
        *[((*RUN, option, "-"), "stdout is /dev/stdout") for option in FILES],
        *[((*RUN, f"{option}=-"), "stdout is /dev/stdout") for option in FILES],
        (("report", "in.txt", "-o", "-"), "stdout is /dev/stdout"),
        (("run", "-o", "-"), "INPUT"),
        ((*RUN, "more.txt"), "more.txt"),
        ((*RUN, "--rate", "0"), "--rate"),
        *[((*RUN, f"--rate={rate}"), "--rate") for rate in ("nan", "-1", "x", "", "5/s")],
        *[((*RUN, f"{option}={amount}"), option) for option in AMOUNTS for amount in NO_AMOUNTS],
        ((*RUN, "--max-in-flight", "0"), "--max-in-flight"),
        ((*RUN, "--timeout-s", "0"), "--timeout-s"),
        ((*RUN, "--on-unknown", "guess"), "--on-unknown"),
        ((*RUN, "--api-key", "sk-1"), "--api-key"),
        (("check",), "IMAGES"),
        (("emulator", "--port", "65536"), "--port"),
        (("emulator", "--port", "0", "--folder", "missing"), "--folder"),
        (("chekc", "x"), "chekc"),
    ],
)
def test_a_mistake_in_the_command_is_exit_2_and_says_where(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """On stderr alone, and no output is left that would refuse the next run."""
    assert main(arguments) == 2
    told = capfd.readouterr()
    assert message in told.err
    assert told.out == ""
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--base-url", "nonsense"),
            "the base URL is no http or https URL. Give one such as https:",
        ),
        (("--workspace", "a b"), "the workspace id"),
    ],
)
def test_an_account_that_can_not_be_reached_is_exit_4(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whether the option or the environment is wrong: the account can't be asked."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-0123456789")
    assert main((*RUN, *arguments)) == 4
    told = capfd.readouterr().err
    assert told.startswith(f"s2v-detect: {message}")
    assert "0123456789" not in told
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ((*RUN, "--ledgr", "x"), "--ledger"),
        ((*RUN, "--colum=x"), "--column"),
        ((*RUN, "--max-costs", "3"), "--max-cost"),
        ((*RUN, "--maxcost", "3"), "--max-cost"),
        ((*RUN, "--Rate", "5"), "--rate"),
        ((*RUN, "--retry-fail"), "--retry-failed"),
        ((*RUN, "--no-preflight"), "--preflight"),
        ((*RUN, "--timeout", "3"), "--timeout-s"),
        ((*RUN, "--on-unknown", "kep"), "keep"),
        ((*RUN, "--format", "cvs"), "csv"),
        (("run", "in.txt", "--otu", "out.jsonl"), "--out"),
        (("report", "in.txt", "--output", "x"), "--out"),
        (("ledger", "prune", "l.db", "--older", "3d"), "--older-than"),
        (("estimate", "in.txt", "--jsno"), "--json"),
        (("emulator", "--prot", "1"), "--port"),
        (("estmate", "in.txt"), "estimate"),
        (("ledger", "shwo", "l.db"), "show"),
    ],
)
def test_a_mistyped_word_gets_a_suggestion(
    arguments: tuple[str, ...], meant: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """An option, a value, a command: what was meant stands beside what is wrong."""
    assert main(arguments) == 2
    assert re.search(rf"Did you mean \"?{meant}\b", capfd.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*RUN, "--retry-failed", "NotSent"), "--retry-failed=NotSent"),
        (
            ("run", "--retry-failed", "NotSent,Busy", "in.txt", "-o", "o"),
            "--retry-failed=NotSent,B",
        ),
        ((*RUN, "--live", "http"), "--live=http"),
        ((*RUN, "two.txt", "3.txt", "4.txt", "5.txt"), "words: two.txt, 3.txt, 4.txt and 1 more."),
        (
            ("estimate", "in.txt", "more"),
            "`s2v-detect estimate` does not take so many words: more.",
        ),
        (("emulator", "8080"), "`s2v-detect emulator` does not take so many words: 8080."),
        (("ledger", "statement", "l.db", "x\x1b[31m"), "`s2v-detect ledger statement` does not"),
    ],
)
def test_a_word_too_many_is_named(
    arguments: tuple[str, ...], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """And what to write, where it was meant as a value."""
    assert main(arguments) == 2
    shown = capfd.readouterr().err
    assert told in " ".join(re.sub("[│╭╮╰╯─]", " ", shown).split())
    assert "\x1b[31m" not in shown
    assert "Token" not in shown


def test_an_option_may_be_written_with_an_underscore(capfd: pytest.CaptureFixture[str]) -> None:
    """As Python's words are."""
    assert main((*RUN, "--max_cost", "x")) == 2
    assert "Give an amount in CNY" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "what", "example"),
    [
        (("run", "in.txt"), "needs -o (or --out)", "run photographs -o verdicts.jsonl"),
        (("run", "in.txt", "-o"), "-o needs a value", "run photographs -o verdicts.jsonl"),
        ((*RUN, "--report"), "--report needs a value", "-o trial.jsonl --emulator --report"),
        ((*RUN, "--ledger"), "--ledger needs a value", ""),
        (("run",), "needs INPUT", "run photographs -o verdicts.jsonl"),
        (("check",), "needs IMAGES", "check https://example.com/face.jpg"),
        (("estimate",), "needs INPUT", "estimate portraits.csv"),
        (("report",), "needs SOURCE", "report verdicts.jsonl -o report.html"),
        (("report", "x"), "needs -o (or --out)", "report verdicts.jsonl -o report.html"),
        (("ledger", "export", "x"), "needs -o (or --out)", "ledger export verdicts.jsonl.ledger"),
        (("ledger", "prune", "x"), "needs --older-than", "--older-than 90d"),
        (("ledger", "copy", "x"), "needs COPY", "copy verdicts.jsonl.ledger monday.ledger"),
        (("completion",), "needs SHELL", "completion bash"),
    ],
)
def test_what_is_missing_is_told_with_a_line_that_has_it(
    arguments: tuple[str, ...], what: str, example: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The name as the help has it; no example where none has the option."""
    assert main(arguments) == 2
    told = capfd.readouterr().err
    assert what in told
    assert "requires an argument" not in told
    assert ("For example: s2v-detect" in told) == bool(example)
    assert example in told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_names_all_commands(
    shell: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """On stdout, for a file that the shell reads."""
    assert main(("completion", shell)) == 0
    script = capfd.readouterr().out
    for word in ("s2v-detect", "estimate", "reconcile", "max-cost", "on-unknown"):
        assert word in script


def test_bash_completes_what_is_typed(capfd: pytest.CaptureFixture[str]) -> None:
    """A real bash, asked for the words after `run x --em`."""
    assert main(("completion", "bash")) == 0
    ask = "COMP_WORDS=(s2v-detect run x --em); COMP_CWORD=3; _s2v_detect; echo ${COMPREPLY[*]}"
    done = subprocess.run(  # noqa: S603  # our own words
        ["bash", "-c", f"{capfd.readouterr().out}\n{ask}"],  # noqa: S607  # whichever there is
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["--emulator"]


@pytest.mark.parametrize(
    "name", ["check", "completion", "doctor", "emulator", "estimate", "report", "run"]
)
def test_the_help_of_a_command_names_its_own_options_alone(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option of another command would be tried, and refused."""
    assert main([name, "--help"]) == 0
    told = capsys.readouterr().out
    own = set(re.findall(r"^│[^│]*?(--[a-z][a-z-]*)", told, re.MULTILINE))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", told)) - own <= {"--help", "--lang"}
