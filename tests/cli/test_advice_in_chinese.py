"""`--lang zh`: what came of an image, and what stops a run, is told in Chinese before English."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect.bulk import Skips
from s2v_detect.cli._summary import skips_told
from s2v_detect.emulator import Emulator, Error
from s2v_detect.languages import speaking

Command = Callable[..., subprocess.CompletedProcess[str]]
UNUSABLE = Error(400, "InvalidParameter", "Unable to download the media resource.")
CHECK_AGAIN, RUN_AGAIN = "然后再检测一次", "--retry-failed"


def told(reason: str, error: str | None = None, language: str = "zh") -> str:
    """Return what the summary says of a reason."""
    skips = Skips()
    skips.add(reason, line=2, image="a", error=error)
    with speaking(language):  # type: ignore[arg-type]  # one of the two
        [line] = skips_told(skips)
    return line


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("ImageUnusable", "1 个：服务端下载不到或打不开"),
        ("OutcomeUnknown", "1 个：已经发送"),
        ("RateLimited", "1 个：重试"),
        ("Unheard", "1 个：这次检测没有得出结果"),
    ],
)
def test_a_failure_has_its_advice_in_the_summary(error: str, meaning: str) -> None:
    """As a skip has; it was the English message alone."""
    line = told("Unable to download.", error)
    assert line.startswith(meaning), line
    assert line.endswith("（Unable to download.）（第 2 行）"), line
    assert told("Unable to download.", error, "en") == "1 x Unable to download. (line 2)"


def test_the_rest_of_the_reasons_is_told_in_chinese() -> None:
    """Where there are too many to be told apart."""
    assert told("other reasons") == "1 个：其他原因（第 2 行）"


def test_run_and_check_advise_what_each_can(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """`check` has no --retry-failed."""
    emulator.when("*", UNUSABLE)
    image = "http://a.example/1.jpg"
    (tmp_path / "list.txt").write_text(f"{image}\n")
    checked = called("check", image, "--lang", "zh").stdout
    assert CHECK_AGAIN in checked
    assert RUN_AGAIN not in checked
    ran = called("run", "list.txt", "-o", "out.csv", "--quiet", "--lang", "zh").stderr
    assert RUN_AGAIN in ran
    assert CHECK_AGAIN not in ran


@pytest.mark.parametrize("name", ["missing.jpg", "ftp://a.example/1.jpg", "."])
def test_check_advises_no_option_that_it_has_not(name: str, called: Command) -> None:
    """Of what is skipped too."""
    checked = called("check", name, "--lang", "zh").stdout
    assert "请" in checked
    assert "--" not in checked.partition("（")[0]
    assert "再运行一次" not in checked
