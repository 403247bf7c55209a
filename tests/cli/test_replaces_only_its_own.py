"""A report, a summary and a file of events take the place of their like, and of nothing else."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s2v_detect.cli import main
from s2v_detect.emulator import Emulator, Pass

Command = Callable[..., subprocess.CompletedProcess[str]]

RUN = ("run", "in.txt", "-o", "out.jsonl", "--quiet", "--rate", "500")
WRITERS: dict[str, tuple[str, ...]] = {
    "summary": (*RUN, "--summary"),
    "page": (*RUN, "--report"),
    "events": (*RUN, "--events"),
    "page again": ("report", "out.jsonl", "-o"),
    "export": ("ledger", "export", "out.jsonl.ledger", "-o"),
}
"""Everything that writes a file that its user names, but for an output and a copy."""

FOREIGN: dict[str, bytes] = {
    "text": b"my notes\n",
    "a byte": b"x",
    "a blank line": b"\n",
    "a zero byte": b"\0",
    "CSV": b"id,url\n1,http://a.example/1.jpg\n",
    "Excel": b"PK\3\4 a workbook",
    "Parquet": b"PAR1 a table",
    "gzip": b"\x1f\x8b\x08",
    "HTML": b"<!doctype html>\n<html><head><title>mine</title></head></html>\n",
    "HTML of another maker": b'<!doctype html>\n<meta name="generator" content="pandoc">\n',
    "HTML that names us": b"<html><!-- made with s2v-detect --></html>\n",
    "JSON": b'{"exit_code": 0}\n',
    "a list of JSON": b'[{"schema_version": 1}]\n',
    "a number": b"1\n",
    "broken JSON": b'{"schema_version": 1, "exit_code": 0, ',
    "deep JSON": b"[" * 100_000,
    "no UTF-8": b"\xff\xfe\xfa",
    "JSON lines": b'{"kind": "sent", "at": "now"}\n',
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One for all tests here."""
    with Emulator.run_in_thread(answer=Pass()) as opened:
        yield opened


@pytest.fixture(scope="module")
def after_a_run(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Path:
    """An input, and what one run of it wrote."""
    folder = tmp_path_factory.mktemp("after")
    (folder / "in.txt").write_text("http://a.example/1.jpg\n")
    words = ("--summary", "own summary", "--report", "own page", "--events", "own events")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("DASHSCOPE_API_KEY", emulator.api_key)
        patch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
        assert main([*RUN, *words]) == 0
    shutil.copy(folder / "own page", folder / "own page again")
    return folder


@pytest.fixture
def folder(after_a_run: Path, tmp_path: Path) -> Path:
    """A copy of all that."""
    return shutil.copytree(after_a_run, tmp_path, dirs_exist_ok=True)


def content(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, and what it holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(called: Command, emulator: Emulator, folder: Path, writer: str, name: str) -> str:
    """Have a command refuse a name before it does anything; return what it said."""
    before, asked = content(folder), emulator.requests
    done = called(*WRITERS[writer], name)
    assert (done.returncode, done.stdout) == (2, ""), (writer, name, done.stderr)
    assert content(folder) == before, (writer, name)
    assert emulator.requests == asked
    return done.stderr


@pytest.mark.parametrize("writer", WRITERS)
def test_no_file_of_somebody_else_s_is_written_over(
    called: Command, emulator: Emulator, folder: Path, writer: str
) -> None:
    """Nor appended to; before the first request, and the sentence says what to do."""
    for kind, what in FOREIGN.items():
        (folder / "mine").write_bytes(what)
        told = refused(called, emulator, folder, writer, "mine")
        assert told.startswith("s2v-detect: mine exists, and "), kind
        assert "another name, or " in told


@pytest.mark.parametrize("writer", WRITERS)
def test_nor_one_that_this_command_wrote_as_something_else(
    called: Command, emulator: Emulator, folder: Path, writer: str
) -> None:
    """The list of the run, an output of another run, a page as the summary: none gives way."""
    (folder / "other.csv").write_bytes((folder / "in.txt").read_bytes())
    assert called(*RUN[:3], "another.csv", *RUN[4:], "--ledger", "l.db").returncode == 0
    own = {"own summary", "own page", "own events", "other.csv", "another.csv", "l.db"}
    for name in own - {f"own {writer.split(maxsplit=1)[0]}"}:
        refused(called, emulator, folder, writer, name)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("how", [os.symlink, os.link])
def test_a_link_is_what_it_leads_to(
    called: Command,
    emulator: Emulator,
    folder: Path,
    writer: str,
    how: Callable[[Path, Path], None],
) -> None:
    """Also one whose name looks like one of ours."""
    (folder / "mine").write_bytes(b"my notes\n")
    how(folder / "mine", folder / "report.html")
    refused(called, emulator, folder, writer, "report.html")


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "export"])
def test_the_same_command_again_replaces_its_own_file(
    called: Command, folder: Path, writer: str
) -> None:
    """So does one with an empty file, and with one of an older release."""
    own = folder / f"own {writer}"
    before = own.read_bytes()
    for name in (own.name, f"./{own.name}"):
        assert called(*WRITERS[writer], name).returncode == 0
    if writer == "events":
        assert own.read_bytes().startswith(before)
    (folder / "empty").touch()
    assert called(*WRITERS[writer], "empty").returncode == 0
    if writer.startswith("page"):
        older = before.replace(b'<meta name="generator"', b'<meta name="something"')
        assert older != before
        own.write_bytes(older)
        assert called(*WRITERS[writer], own.name).returncode == 0
    assert not list(folder.glob("*.kept-*"))


def test_an_export_replaces_a_file_when_it_is_told_to(called: Command, folder: Path) -> None:
    """By `--force`, as before."""
    (folder / "mine").write_bytes(b"my notes\n")
    assert called(*WRITERS["export"], "mine", "--force").returncode == 0
    assert b"a.example" in (folder / "mine").read_bytes()


def test_events_go_on_behind_a_line_that_was_cut(called: Command, folder: Path) -> None:
    """The run that wrote it was killed: the next line is whole."""
    own = folder / "own events"
    own.write_bytes(own.read_bytes()[:-10])
    whole = own.read_bytes().count(b"\n")
    assert called(*RUN, "--refresh", "--events", own.name).returncode == 0
    lines = own.read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines[whole + 1 :]][-1] == "settled"


@pytest.mark.parametrize("option", ["--summary", "--report"])
def test_a_file_that_comes_while_the_run_goes_is_kept(
    called: Command, emulator: Emulator, folder: Path, option: str
) -> None:
    """Under another name, which is told: a run that is paid for is not ended by it."""
    mine = folder / "mine"

    def meanwhile(_: str) -> Pass:
        mine.write_bytes(b"my notes\n")
        return Pass()

    emulator.when("*", meanwhile)
    done = called(*RUN, "--refresh", option, "mine")
    emulator.when("*", Pass())
    assert done.returncode == 0, done.stderr
    assert "is kept as mine.kept-1" in done.stderr
    assert (folder / "mine.kept-1").read_bytes() == b"my notes\n"
    assert mine.read_bytes() != b"my notes\n"


def test_a_pipe_and_a_device_are_written_as_they_are(called: Command, folder: Path) -> None:
    """Nothing in them is lost."""
    for writer in WRITERS.values():
        assert called(*writer, "/dev/null").returncode == 0
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert called(*RUN, "--refresh", "--events", "pipe").returncode == 0
        assert os.read(reader, 1 << 16).startswith(b'{"kind":')
    finally:
        os.close(reader)
