"""Mistakes in a command line: told at once, in this process, before anything is asked."""

from pathlib import Path

import pytest

from s2v_detect.cli import main

RUN = ("run", "in.txt", "-o", "out.jsonl")


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
        (("run", "-o", "-"), "INPUT"),
        ((*RUN, "more.txt"), "more.txt"),
        ((*RUN, "--rate", "0"), "--rate"),
        ((*RUN, "--rate", "nan"), "--rate"),
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
        (("--base-url", "nonsense"), "the base URL is no http or https URL. It looks like https:"),
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
