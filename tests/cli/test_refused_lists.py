"""A list that is refused leaves nothing behind: no ledger, no output."""

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
