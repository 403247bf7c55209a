"""No command destroys a file of somebody else's, whatever the paths are and however spelled."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from _attacks.command import FAST
from _attacks.files import CLASHES, NEW, OVER_A_LEDGER, RUN, WAYS, content, spelled
from s2v_detect.cli import main
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.tables import read_records

Command = Callable[..., subprocess.CompletedProcess[str]]
STATEMENT = ("ledger", "statement")


def give(path: Path, *names: object) -> None:
    """Write an input."""
    path.write_text("".join(f"http://a.example/{name}.jpg\n" for name in names))


@pytest.fixture(scope="module")
def after_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input, an output, its ledger, a copy of that, a page, and a file of somebody's."""
    folder = tmp_path_factory.mktemp("after")
    give(folder / "in.txt", "a", "b")
    with (
        pytest.MonkeyPatch.context() as patch,
        Emulator.run_in_thread(answer=Pass()) as emulator,
    ):
        patch.chdir(folder)
        patch.setenv("DASHSCOPE_API_KEY", emulator.api_key)
        patch.setenv("DASHSCOPE_BASE_URL", emulator.base_url)
        assert main([*RUN, "--report", "page.html"]) == 0
    (folder / "notes.txt").write_text("mine\n")
    shutil.copy(folder / "out.csv.ledger", folder / "l.db")
    return folder


@pytest.fixture
def folder(after_a_run: Path, tmp_path: Path) -> Path:
    """A copy of all that."""
    return shutil.copytree(after_a_run, tmp_path, dirs_exist_ok=True)


def forget_marks(ledger: Path) -> None:
    """Make a ledger as older releases left it."""
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE run SET output = NULL")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize(
    ("name", "words"),
    CLASHES,
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else value,
)
def test_no_file_is_two_things_at_once(  # noqa: PLR0917  # two values and a way, three fixtures
    called: Command, emulator: Emulator, folder: Path, name: str, words: tuple[str, ...], how: str
) -> None:
    """The command is refused before it opens anything, and every file is as it was."""
    other = spelled(folder / name, how)
    if other is None:
        pytest.skip("no hard link of what is not there")
    before, asked = content(folder), emulator.requests
    done = called(*(word.format(other) for word in words))
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(". ") == 1, done.stderr
    assert content(folder) == before
    assert emulator.requests == asked


@pytest.mark.parametrize("words", OVER_A_LEDGER)
def test_nothing_is_written_over_a_ledger_of_another_run(
    called: Command, folder: Path, words: tuple[str, ...]
) -> None:
    """It begins as SQLite does, whatever it is called."""
    before = content(folder)
    done = called(*words)
    assert done.returncode == 2
    assert "is a ledger or another database" in done.stderr
    assert content(folder) == before


@pytest.mark.parametrize("option", ["-o", "--summary", "--report", "--events"])
def test_nothing_is_written_over_an_image(called: Command, folder: Path, option: str) -> None:
    """It may be one of the folder that is screened: the run would leave it out, and replace it."""
    photos = folder / "photos"
    photos.mkdir()
    for name in ("a.jpg", "b"):
        (photos / name).write_bytes(b"\xff\xd8\xff" + name.encode())
    before = content(photos)
    out = () if option == "-o" else ("-o", "new.csv")
    done = called("run", "photos", *out, option, "photos/b", "--ledger", "l.db", *FAST)
    assert done.returncode == 2
    assert "photos/b is an image. Give " in done.stderr
    assert content(photos) == before


def test_a_copy_replaces_files_and_older_copies_alone(called: Command, folder: Path) -> None:
    """No device, no pipe, no link, and no ledger with runs of its own."""
    copy = ("ledger", "copy", "l.db", "copy.db", "--force")
    (folder / "copy.db").symlink_to("real.db")
    for _ in range(2):
        assert called(*copy).returncode == 0
    assert (folder / "copy.db").is_symlink()
    assert called(*NEW, "-o", "more.csv", "--ledger", "real.db").returncode == 0
    os.mkfifo(folder / "pipe")
    before = content(folder)
    assert "no older copy" in called(*copy).stderr
    assert "a device" in called("ledger", "copy", "l.db", "pipe", "--force").stderr
    assert "it is no ledger" in called("ledger", "show", "pipe").stderr
    assert (folder / "pipe").is_fifo()
    assert content(folder) == before
    name = os.fsdecode(b"?of=\xff.db")
    assert called("ledger", "copy", "l.db", name).returncode == 0
    assert called("ledger", "copy", "l.db", "notes.txt", "--force").returncode == 0
    assert called(*STATEMENT, name).stdout == called(*STATEMENT, "notes.txt").stdout


@pytest.mark.parametrize("kind", ["file", "link", "hard link"])
@pytest.mark.parametrize(
    "words",
    [(*NEW, "-o", "x"), ("report", "out.csv", "-o", "x"), ("ledger", "export", "l.db", "-o", "x")],
)
def test_a_file_beside_the_output_is_nobody_s_to_take(
    called: Command, folder: Path, kind: str, words: tuple[str, ...]
) -> None:
    """`OUT.part` belongs to whoever made it, and no link is followed."""
    part = folder / "x.part"
    if kind == "file":
        part.write_text("mine\n")
    elif kind == "link":
        part.symlink_to("notes.txt")
    else:
        os.link(folder / "notes.txt", part)
    before = content(folder)
    assert called(*words).returncode == 0
    after = content(folder)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "a note of mine\n",
        lambda text: text + "a note of mine",
        lambda text: text.replace("true", "maybe", 1),
        lambda text: "a note of mine\n" + text,
        lambda text: text[: len(text) // 2],
        lambda text: "",
    ],
    ids=["a line", "a half line", "a cell", "a first line", "cut", "emptied"],
)
@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_an_output_that_a_person_changed_is_kept(
    called: Command, folder: Path, change: Callable[[str], str], ending: str
) -> None:
    """Under another name, which is told; and the run goes on."""
    run = ("run", "in.txt", "-o", f"mine.{ending}", "--ledger", "l.db", *FAST)
    out = folder / f"mine.{ending}"
    assert called(*run).returncode == 0
    changed = change(out.read_text())
    out.write_text(changed)
    done = called(*run)
    assert done.returncode == 0
    kept = out.with_name(f"{out.name}.kept-1")
    assert kept.exists() == bool(changed)  # in an empty file nothing could be lost
    if changed:
        assert kept.read_text() == changed
        assert f"is kept as {kept.name}" in done.stderr
    assert "note of mine" not in out.read_text()
    assert "kept" not in called(*run).stderr
    assert not out.with_name(f"{out.name}.kept-2").exists()


def test_a_changed_parquet_output_is_kept_too(called: Command, folder: Path) -> None:
    """A second one gets the next free name."""
    run = ("run", "in.txt", "-o", "mine.parquet", *FAST)
    assert called(*run).returncode == 0
    out = folder / "mine.parquet"
    whole = out.read_bytes()
    for number in (1, 2):
        out.write_bytes(whole + bytes([number]))
        assert called(*run).returncode == 0
        assert out.with_name(f"mine.parquet.kept-{number}").read_bytes() == whole + bytes([number])
    assert called(*run).returncode == 0
    assert not out.with_name("mine.parquet.kept-3").exists()


def test_an_output_without_a_mark_is_known_by_its_records(called: Command, folder: Path) -> None:
    """Of an older release: replaced where all is ours, kept where something is not."""
    out = folder / "out.csv"
    forget_marks(folder / "out.csv.ledger")
    assert called(*RUN).returncode == 0
    assert not list(folder.glob("*.kept-*"))
    forget_marks(folder / "out.csv.ledger")
    out.write_text(out.read_text() + "my note\n")
    assert called(*RUN).returncode == 0
    assert [path.name for path in folder.glob("*.kept-*")] == ["out.csv.kept-1"]


@pytest.mark.real_time
def test_two_runs_on_one_new_output_through_two_names(
    started: Callable[..., subprocess.Popen[str]],
    called: Command,
    emulator: Emulator,
    tmp_path: Path,
) -> None:
    """The second is refused while the first goes on, and afterwards nothing is left of the lock."""
    give(tmp_path / "in.txt", *range(50))
    give(tmp_path / "other.txt", *range(100, 150))
    (tmp_path / "link.csv").symlink_to("real.csv")
    first = started("run", "-", "-o", "real.csv", "--ledger", "1.db", *FAST)
    assert first.stdin
    first.stdin.write((tmp_path / "in.txt").read_text())
    first.stdin.flush()
    while not (tmp_path / "real.csv").exists():
        assert first.poll() is None
    for name in ("link.csv", "real.csv"):
        done = called("run", "other.txt", "-o", name, "--ledger", f"{name}.2.db", *FAST)
        assert done.returncode == 2
        assert "exists, and the ledger" in done.stderr or "by another run" in done.stderr
    first.stdin.close()
    assert first.wait() == 0
    rows = sorted(row["image"] for row in read_records(tmp_path / "real.csv"))
    assert rows == sorted(f"http://a.example/{number}.jpg" for number in range(50))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("name", ["real.csv", "link.csv", "../{}/real.csv"])
@pytest.mark.real_time
def test_an_output_that_is_about_to_be_written_is_locked(
    started: Callable[..., subprocess.Popen[str]], called: Command, tmp_path: Path, name: str
) -> None:
    """Also before its first row is there; a run that was killed blocks nobody."""
    give(tmp_path / "in.txt", *range(3))
    (tmp_path / "link.csv").symlink_to("real.csv")
    first = started("run", "-", "-o", "real.csv", "--ledger", "1.db", *FAST)
    while not list(tmp_path.glob(".real.csv.*.part")):
        assert first.poll() is None
    second = ("run", "in.txt", "-o", name.format(tmp_path.name), "--ledger", "2.db", *FAST)
    done = called(*second)
    assert done.returncode == 2
    assert "is being written by another run" in done.stderr
    first.kill()
    first.wait()
    assert called(*second).returncode == 0
    assert len((tmp_path / "real.csv").read_text().splitlines()) == 4
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def grown(folder: Path, ending: str) -> int:
    """How long the longest of an output and its new file is."""
    sizes = [0]
    for path in folder.glob(f"*out.{ending}*"):
        with suppress(FileNotFoundError):  # it took its place a moment ago
            if path.name.endswith((ending, ".part")):
                sizes.append(path.stat().st_size)
    return max(sizes)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.real_time
def test_a_killed_run_leaves_nothing_that_looks_like_a_person_s(
    started: Callable[..., subprocess.Popen[str]], called: Command, many: Path, ending: str
) -> None:
    """Killed while its output grows, and while another pass grows beside that."""
    run = ("run", many, "-o", f"out.{ending}", "--rate", "300", "--quiet")
    folder = many.parent
    out = folder / f"out.{ending}"
    for least in (20, 200):
        process = started(*run)
        while grown(folder, ending) < least * 150:
            assert process.poll() is None
            time.sleep(0.01)  # the run needs the processor more
        process.kill()
        process.wait()
    done = called(*run)
    assert "kept" not in done.stderr
    assert len(list(read_records(out))) == 400
    names = [
        path.name for path in folder.iterdir() if not path.name.startswith(f"{out.name}.ledger")
    ]
    assert sorted(names) == sorted([many.name, out.name])


@pytest.mark.parametrize("change", ["written into", "replaced", "moved away"])
@pytest.mark.real_time
def test_an_output_that_is_changed_while_it_is_written_is_left_alone(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, change: str
) -> None:
    """The run ends with exit 2 and says so; the ledger has its answers."""
    first = started("run", "-", "-o", "out.jsonl", *FAST)
    out = tmp_path / "out.jsonl"
    assert first.stdin
    assert first.stderr
    first.stdin.write("http://a.example/1.jpg\n")
    first.stdin.flush()
    while not out.exists():
        assert first.poll() is None
    if change == "written into":
        with out.open("a") as file:
            file.write("my note\n")
    else:
        out.rename(tmp_path / "moved.jsonl")
        if change == "replaced":
            out.write_text("my note\n")
    first.stdin.write("http://a.example/2.jpg\n")
    first.stdin.close()
    told = first.stderr.read()
    assert first.wait() == 2
    assert "takes no more: somebody" in told
    if change == "moved away":
        assert not out.exists()
    else:
        assert out.read_text().endswith("my note\n")


def test_a_folder_leaves_out_the_run_s_own_files(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """By what they are: names without an ending, and links; the open ledger is not opened."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "page").write_text("no image")
    (folder / "link").symlink_to("books")
    words = ("-o", "photos/verdicts", "--ledger", "photos/books", "--summary", "photos/summary")
    for source in ("photos", "photos/*", "photos/**"):
        for _ in range(2):
            assert called("run", source, *words, *FAST).returncode == 1
            rows = map(json.loads, (folder / "verdicts").read_text().splitlines())
            assert [row["image"] for row in rows] == ["photos/page"]
    counts = json.loads(called("estimate", "photos", "--ledger", "photos/books", "--json").stdout)
    assert counts["rows"] == 3  # the outputs are files like others, but the ledger is not looked at


def test_a_list_can_not_name_the_ledger_as_an_image(called: Command, tmp_path: Path) -> None:
    """With `--files`: reading it would drop its locks."""
    (tmp_path / "in.txt").write_text("books\nlink\n")
    (tmp_path / "link").symlink_to("books")
    done = called("run", "in.txt", "-o", "out.jsonl", "--ledger", "books", "--files", *FAST)
    assert done.returncode == 1
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["message"] for row in rows] == ["it is a file of the run itself"] * 2


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_what_is_written_follows_the_umask_and_a_replaced_file_keeps_its_mode(
    called: Command, emulator: Emulator, tmp_path: Path, umask: int
) -> None:
    """Outputs, reports, summaries, events and exports."""
    give(tmp_path / "in.txt", "a")
    names = ("out.csv", "page.html", "summary.json", "events.jsonl", "all.csv", "again.html")
    run = (*RUN, "--report", "page.html", "--summary", "summary.json", "--events", "events.jsonl")
    export = ("ledger", "export", "out.csv.ledger", "-o", "all.csv", "--force")
    report = ("report", "out.csv", "-o", "again.html")

    def modes() -> set[int]:
        before = os.umask(umask)
        try:
            assert [called(*words).returncode for words in (run, export, report)] == [0, 0, 0]
        finally:
            os.umask(before)
        return {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names}

    assert modes() == {0o666 & ~umask}
    for name in names:
        (tmp_path / name).chmod(0o640)
    assert modes() == {0o640}


def test_a_link_to_a_report_stays_one(called: Command, folder: Path) -> None:
    """The file behind it is replaced."""
    (folder / "link.html").symlink_to("page.html")
    old = (folder / "page.html").read_text()
    (folder / "page.html").write_text(f"{old}an older one")
    assert called("report", "out.csv", "-o", "link.html").returncode == 0
    assert (folder / "link.html").is_symlink()
    assert "an older one" not in (folder / "page.html").read_text()


def test_devices_may_be_named_twice(called: Command, folder: Path) -> None:
    """Nothing in them is lost."""
    devices: tuple[Any, ...] = ("--summary", "/dev/null", "--events", "/dev/null")
    assert called(*NEW, "-o", "/dev/null", "--ledger", "n.db", *devices).returncode == 0
