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
