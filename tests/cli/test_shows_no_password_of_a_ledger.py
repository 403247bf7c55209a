"""Whatever is given as a ledger: exit 2 where it is none, and no password on any stream."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]

RUN = ("run", "in.txt", "-o", "out.jsonl", "--ledger")
TAKERS = (
    RUN,
    ("estimate", "in.txt", "-o", "out.jsonl", "--ledger"),
    ("doctor", "--ledger"),
    ("report", "-o", "page.html"),
    ("ledger", "show"),
    ("ledger", "statement"),
    ("ledger", "export", "-o", "-"),
    ("ledger", "reconcile"),
    ("ledger", "prune", "--older-than=1d"),
)
DO = {
    "en": {
        "postgresql+psycopg://u:a-secret@127.0.0.1:1/x": "Leave out the +",
        "host=127.0.0.1 port=1 password=a-secret": "Give postgresql://host/database",
        "mysql://u:a-secret@127.0.0.1:1/x": "Give the path of a file",
        " postgresql://u:se/cret@127.0.0.1:1/x": "%40 or %2F",
        "postgresql://u:secret@h:5/%zz": "can't be read",
        "postgresql://u:secret@127.0.0.1:1/x?pool=secret": "no parameter pool. Leave it out.",
        "": "a variable that is not set",
    },
    "zh": {
        "postgresql+psycopg://u:a-secret@127.0.0.1:1/x": "请去掉 + 和驱动名",
        "host=127.0.0.1 port=1 password=a-secret": "请改写成地址",
        "mysql://u:a-secret@127.0.0.1:1/x": "请给出文件，或 postgresql://USER@HOST/DATABASE",
        " postgresql://u:se/cret@127.0.0.1:1/x": "要写成 %40、%2F",
        "postgresql://u:secret@127.0.0.1:1/x?pool=secret": "请去掉这个参数",
        "": "也可能是引用的环境变量没有设置",
    },
}


def words_of(told: str) -> str:
    """What is said, without the frame around it and its line breaks."""
    return " ".join(told.replace("│", " ").split())


@pytest.mark.parametrize("taker", TAKERS, ids=" ".join)
@pytest.mark.parametrize(
    ("language", "text", "do"),
    [(language, text, do) for language in DO for text, do in DO[language].items()],
)
def test_what_is_no_ledger_is_exit_2_in_both_languages(
    *,
    taker: tuple[str, ...],
    language: str,
    text: str,
    do: str,
    called: Command,
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """A mistake in the command, and nothing is made or sent."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    spoken = {"LANGUAGE": "", "LC_ALL": f"{language}_XX.UTF-8", "COLUMNS": "500"}
    told = called(*taker, text, env=environment | spoken)
    assert told.returncode == 2
    assert do in words_of(told.stderr)
    assert told.stdout == ""
    assert "secret" not in told.stderr
    assert "cret@" not in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


@pytest.mark.parametrize("taker", TAKERS, ids=" ".join)
@pytest.mark.parametrize(
    "text", [" POSTGRESQL://u:a-secret@127.0.0.1:1/x", "postgresql://u:secret?is@127.0.0.1:1/x"]
)
def test_a_server_that_is_away_is_told_of_without_a_password(
    taker: tuple[str, ...], text: str, called: Command, tmp_path: Path
) -> None:
    """In any spelling of its address, and in the doctor's facts."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    told = called(*taker, text, *(("--json",) if "doctor" in taker else ()))
    assert told.returncode == 2
    assert "the ledger postgresql://127.0.0.1:1/x can't be used" in (
        told.stdout + told.stderr
    ).replace("The", "the")
    assert "secret" not in told.stdout + told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]
