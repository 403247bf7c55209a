"""What is said of names and lists before anything is made or paid."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator

Command = Callable[..., subprocess.CompletedProcess[str]]

REFUSED: dict[str, bytes] = {
    "nothing.csv": b"",
    "nothing.txt": b"",
    "blank.txt": b"\n\n \n",
    "header.csv": b"image,name\n",
    "header.tsv": b"image\tname\n",
    "empty.json": b"[]",
    "empty.jsonl": b"",
    "text.csv": b"id,name\n1,one\n2,two\n",
}


@pytest.mark.parametrize("options", [(), ("--sample", "2"), ("--ledger", "l.db")])
def test_a_refused_list_leaves_nothing(
    called: Command, tmp_path: Path, emulator: Emulator, options: tuple[str, ...]
) -> None:
    """The list is read before the ledger is made."""
    for name, content in REFUSED.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    for name in (*REFUSED, "folder", "*.nothing"):
        done = called("run", name, "-o", "out.csv", "--quiet", *options)
        assert done.returncode == 2, (name, done.stderr)
        assert sorted(tmp_path.iterdir()) == before, name
    assert emulator.requests == 0


def test_an_ending_that_is_none_of_ours_is_written_as_json_lines_and_told(
    called: Command, tmp_path: Path
) -> None:
    """Who wrote `-o b.doc` expects something else."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    for name in ("b.doc", "b.txt", "b.log", "B.TXT"):
        told = " ".join(called("run", "in.txt", "-o", name, "--quiet").stderr.split())
        assert f"{name} is written as JSON lines; " in told, name
    for name in ("b", "b.jsonl", "b.ndjson", "b.json", "b.csv", "b.JSONL"):
        done = called("run", "in.txt", "-o", name, "--quiet")
        assert done.returncode == 0
        assert "written as" not in done.stderr, name


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("in.csv", "name,photo\nA,http://a.example/1.jpg\n", "name, photo"),
        ("in.tsv", "name\tphoto\nA\thttp://a.example/1.jpg\n", "name, photo"),
        ("in.jsonl", '{"photo": "http://a.example/1.jpg"}\n', "photo"),
    ],
)
def test_a_column_that_is_not_there_is_told_with_those_that_are(
    called: Command, tmp_path: Path, name: str, content: str, names: str
) -> None:
    """With --files too, where the rows of a table come before its header is known."""
    (tmp_path / name).write_text(content)
    for files in ((), ("--files",)):
        done = called("run", name, "-o", "out.csv", "--column", "Photos", *files)
        assert done.returncode == 2
        assert done.stderr == (
            f"s2v-detect: The input has no column 'Photos'. Its columns are {names}.\n"
        )


def test_the_number_of_a_column_of_files_is_one_of_the_table(
    called: Command, tmp_path: Path
) -> None:
    """As its name is."""
    (tmp_path / "in.csv").write_text("name,photo\nA,http://a.example/1.jpg\n")
    assert called("run", "in.csv", "-o", "o.csv", "--column", "2", "--files").returncode == 0


@pytest.mark.parametrize("files", [(), ("--files",)])
def test_of_text_no_column_is_named(
    called: Command, tmp_path: Path, files: tuple[str, ...]
) -> None:
    """It has none; and of an empty list nothing is said to be guessed."""
    (tmp_path / "in.txt").write_text("# a remark\nhttp://a.example/1.jpg\n")
    done = called("run", "in.txt", "-o", "o.csv", "--column", "photo", *files)
    assert done.returncode == 2
    assert "it is text, with an address a line" in done.stderr
    (tmp_path / "empty.csv").write_text("")
    done = called("run", "empty.csv", "-o", "o.csv", *files)
    assert "is read as" not in done.stderr
    assert "The input has no image" in done.stderr
