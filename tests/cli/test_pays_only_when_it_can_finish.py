"""What the end of a run needs is tried before its first request: exit 2, and nothing is paid."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from s2v_detect.emulator import Emulator

Command = Callable[..., subprocess.CompletedProcess[str]]

RUN = ("run", "in.txt", "-o", "out.jsonl", "--quiet")


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("mine\n")
    (tmp_path / "gone").symlink_to("nowhere/at/all")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "old.db").write_bytes(b"SQLite format 3\0" + bytes(84))


UNWRITABLE = [
    "no/such/folder/x", "folder", "folder/", "text/x", "gone", "loop", "x" * 300, "/proc/x",
    "/dev/null/x", "old.db", "in.txt", "out.jsonl", "out.jsonl.ledger", "text",
]  # fmt: skip


@pytest.mark.parametrize("option", ["--summary", "--report", "--events"])
@pytest.mark.parametrize("name", UNWRITABLE, ids=lambda name: name[:20])
def test_a_file_that_can_not_be_written_is_told_before_the_first_request(
    called: Command, emulator: Emulator, tmp_path: Path, option: str, name: str
) -> None:
    """Whatever is written when the run ends; no file of the run is left, nor any of the trial."""
    before = sorted(tmp_path.iterdir())
    done = called(*RUN, option, name)
    assert (done.returncode, emulator.requests, done.stdout) == (2, 0, "")
    assert done.stderr.startswith("s2v-detect: ")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["new", "empty", "/dev/null"])
def test_a_file_that_can_be_written_is_as_it_was_after_the_trial(
    called: Command, emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """One that is there, one that is not, and a device."""
    (tmp_path / "empty").touch()
    assert called(*RUN, "--summary", name, "--report", "page.html").returncode == 0
    assert emulator.requests == 1


EXTRAS = {
    "jinja2": ((*RUN, "--report", "page.html"), "cli,report"),
    "pyarrow": (("run", "in.txt", "-o", "out.parquet", "--quiet"), "cli,parquet"),
    "pyarrow ": (("run", "in.parquet", "-o", "out.jsonl", "--quiet"), "cli,parquet"),
    "xlsxwriter": (("run", "in.txt", "-o", "out.xlsx", "--quiet"), "cli,excel"),
    "python_calamine": (("run", "in.xlsx", "-o", "out.jsonl", "--quiet"), "cli,excel"),
    "aiohttp": ((*RUN, "--emulator"), "cli,emulator"),
    "aiohttp ": (("check", "--emulator", "http://a.example/1.jpg"), "cli,emulator"),
    "aiohttp  ": (("emulator", "--port", "0"), "cli,emulator"),
}


@pytest.mark.parametrize("module", EXTRAS)
def test_an_extra_that_is_missing_is_told_before_the_first_request(
    called: Command,
    emulator: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
) -> None:
    """By the one sentence of all extras; and no output is left."""
    arguments, extras = EXTRAS[module]
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    (tmp_path / "in.xlsx").write_bytes(b"PK\3\4")
    formats = ("s2v_detect.tables._parquet", "s2v_detect.tables._excel")
    rooms = ("s2v_detect.report", *formats, "s2v_detect.emulator")
    for name in [name for name in sys.modules if name.startswith((*rooms, module.strip()))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module.strip(), None)
    done = called(*arguments)
    assert (done.returncode, emulator.requests) == (2, 0)
    assert f'[{extras}]"' in done.stderr.partition("pip install ")[2]
    assert not [path for path in tmp_path.iterdir() if path.stem == "out"]


@contextmanager
def nobody_reads() -> Iterator[Any]:
    """Give a stdout whose reader has left."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as file:
        yield file


@contextmanager
def not_for_writing() -> Iterator[Any]:
    """Give a stdout that is open for reading alone, as by `1</dev/null`."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    with os.fdopen(descriptor) as file:
        yield file


@contextmanager
def closed() -> Iterator[Any]:
    """Give what Python has where the descriptor was closed."""
    yield None


TO_STDOUT = [
    ("check", "http://a.example/1.jpg"),
    ("check", "--json", "http://a.example/1.jpg"),
    ("run", "in.txt", "-o", "-"),
    ("run", "in.txt", "-o", "-", "--ledger", "books.db"),
    ("estimate", "in.txt"),
    ("ledger", "show", "books.db"),
    ("ledger", "show", "--json", "books.db"),
    ("ledger", "statement", "books.db"),
    ("ledger", "statement", "--json", "books.db"),
    ("ledger", "export", "books.db", "-o", "-"),
]


@pytest.mark.parametrize("arguments", TO_STDOUT, ids=" ".join)
@pytest.mark.parametrize("stdout", [closed, nobody_reads, not_for_writing])
def test_a_stdout_that_nobody_reads_is_told_before_the_first_request(
    called: Command,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    stdout: Callable[[], Any],
) -> None:
    """Of every command whose data goes there."""
    assert called(*RUN, "--ledger", "books.db").returncode == 0
    asked = emulator.requests
    with stdout() as file:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", file)
            done = called(*arguments)
    assert (done.returncode, emulator.requests) == (2, asked)
    assert done.stderr.startswith("s2v-detect: ")
    assert "stdout" in done.stderr


@pytest.mark.parametrize("out", ["-", "/dev/null"])
def test_a_report_of_what_can_not_be_read_again_needs_a_ledger(
    called: Command, emulator: Emulator, tmp_path: Path, out: str
) -> None:
    """With one, the page is made of the ledger."""
    run = ("run", "in.txt", "-o", out, "--quiet", "--report", "page.html")
    if out == "-":
        done = called(*run)
        assert (done.returncode, emulator.requests) == (2, 0)
        assert "--ledger" in done.stderr
    assert called(*run, "--ledger", "books.db").returncode == 0
    assert "a.example/1.jpg" in (tmp_path / "page.html").read_text()
