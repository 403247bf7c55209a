"""An option that only means something beside another one is refused without it, never ignored."""

from pathlib import Path

import pytest

from s2v_detect.cli import main

RUN = ("run", "in.csv", "-o", "out.jsonl")
FOLDER = ("run", "photos", "-o", "out.jsonl")
IDLE = [
    # Of whom is asked: without --emulator the service would be, and would bill.
    (*RUN, "--answer", "pass"),
    (*RUN, "--answer", "look"),
    ("check", "http://a.example/1.jpg", "--answer", "pass"),
    (*RUN, "--emulator", "--base-url", "https://a.example/api/v1"),
    (*RUN, "--emulator", "--workspace", "ws-1"),
    (*RUN, "--emulator", "--allow-http"),
    ("check", "http://a.example/1.jpg", "--emulator", "--workspace", "ws-1"),
    (*RUN, "--send-missing"),
    ("check", "http://a.example/1.jpg", "--send-missing"),
    # Of what is read.
    *[
        ("run", source, "-o", "out.jsonl", *option)
        for source in ("photos", "photos/*.jpg", "photos/1.jpg")
        for option in (
            ("--column", "url"),
            ("--identity-column", "id"),
            ("--format", "csv"),
            ("--encoding", "gb18030"),
            ("--delimiter", ";"),
            ("--sheet", "2"),
            ("--header-row", "2"),
            ("--files",),
        )
    ],
    ("run", "in.csv", "-o", "out.jsonl", "--recursive"),
    ("run", "photos/*.jpg", "-o", "out.jsonl", "--recursive"),
    ("run", "photos/1.jpg", "-o", "out.jsonl", "--recursive"),
    (*RUN, "--sheet", "2"),
    ("run", "in.txt", "-o", "out.jsonl", "--column", "url"),
    ("run", "in.txt", "-o", "out.jsonl", "--column", "2"),
    ("estimate", "in.txt", "--column", "url"),
    (*RUN, "--seed", "7"),
    (*RUN, "--seed", "0"),
    # Of what is written.
    *[
        ("run", "in.csv", "-o", out, option)
        for out in ("out.jsonl", "out.xlsx", "out.parquet", "out", "-")
        for option in ("--excel", "--guard-formulas")
    ],
    # Of what is known from before.
    *[
        ("run", "in.csv", "-o", "-", *option)
        for option in (
            ("--retry-failed",),
            ("--refresh",),
            ("--max-age-days", "3"),
            ("--fresh",),
            ("--max-cost-per-day", "2"),
            ("--max-cost-per-month", "0"),
        )
    ],
    (*RUN, "--refresh", "--max-age-days", "3"),
    # Of the other commands.
    ("estimate", "in.csv", "--answer", "pass"),
    ("estimate", "photos", "--column", "url"),
    ("estimate", "in.csv", "-o", "-", "--fresh"),
    ("emulator", "--port", "0", "--counting", "none", "--rate", "5"),
    ("ledger", "show", "l.db", "--by-identity"),
    ("ledger", "reconcile", "l.db", "--by-identity"),
    ("ledger", "reconcile", "l.db", "--by-identity", "--write-off"),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.csv").write_text("id,url\n1,http://a.example/1.jpg\n")
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"\xff\xd8\xff")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-0123456789")
    monkeypatch.setenv("DASHSCOPE_BASE_URL", "http://127.0.0.1:9/api/v1")


@pytest.mark.parametrize("words", IDLE, ids=" ".join)
def test_an_option_that_does_nothing_is_exit_2(
    words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By its name, with what to do; nothing is asked, and no output is written."""
    before = set(tmp_path.iterdir())
    assert main(words) == 2
    told = capfd.readouterr()
    given = [word for word in words if word.startswith("--") and word in told.err]
    assert given
    assert "Leave " in told.err or "leave " in told.err
    assert told.out == ""
    # What only the first rows can tell is told when the ledger is there.
    assert {path for path in tmp_path.iterdir() if path.suffix != ".ledger"} == before


def test_an_estimate_that_names_no_output_takes_the_options_of_any(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It may be of the run that is meant."""
    words = ("--excel", "--guard-formulas", "--retry-failed", "--fresh", "--refresh")
    assert main(("estimate", "in.csv", *words)) == 0
    assert "to be asked for" in capfd.readouterr().out


@pytest.mark.parametrize("bound", ["99999999999999999999d", "1000000d", "inf", "nan", "-1", "1w"])
def test_a_bound_that_no_calendar_has_is_none(
    bound: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of an outage, and of one answer."""
    for option in ("--max-outage", "--timeout-s"):
        if option == "--max-outage" or bound in ("inf", "nan", "-1"):
            assert main((*RUN, f"{option}={bound}")) == 2
            assert option in capfd.readouterr().err
