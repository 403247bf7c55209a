"""An input that can't be read to its end is exit 2, and an earlier output that holds more stays."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator

Command = Callable[..., subprocess.CompletedProcess[str]]

RUN = ("run", "in.txt.gz", "-o", "out.jsonl", "--rate", "500", "--quiet")
SKIPPED = "no address\n" * 300


def address(number: int) -> str:
    """An address that gzip can't make short, so that the damage lies behind many rows."""
    return f"http://a.example/{hash((number, 'x')) % 10**18}/{number}.jpg\n"


def packed(rows: str, *, damage: str = "") -> bytes:
    """The rows as gzip, whole, cut, or with bytes that are wrong near its end."""
    whole = gzip.compress(rows.encode(), mtime=0)
    if damage == "cut":
        return whole[:-20]
    return whole[:-20] + b"\xff" * 12 + whole[-8:] if damage else whole


@pytest.mark.parametrize("damage", ["cut", "wrong bytes"])
@pytest.mark.parametrize(
    "rows",
    [SKIPPED, SKIPPED + address(1), address(1) + SKIPPED, "# nothing\n" * 600],
    ids=["skipped", "one asked", "one known", "none"],
)
def test_a_damaged_list_is_exit_2_and_the_earlier_output_stays(
    called: Command, emulator: Emulator, tmp_path: Path, rows: str, damage: str
) -> None:
    """Every time; also where all that could be read was skipped, and nothing was sent."""
    path, out = tmp_path / "in.txt.gz", tmp_path / "out.jsonl"
    path.write_bytes(packed(SKIPPED * 2 + address(1)))
    assert called(*RUN).returncode == 1
    before = out.read_bytes()
    path.write_bytes(packed(rows, damage=damage))
    for _ in range(2):
        done = called(*RUN, "--summary", "summary.json")
        assert done.returncode == 2
        assert "The input could not be read to its end: its gzip data" in done.stderr
        assert "still has the rows of an earlier run." in done.stderr
        assert out.read_bytes() == before
        assert '"is_complete": false' in (tmp_path / "summary.json").read_text()


def test_a_first_run_keeps_what_could_be_read(called: Command, tmp_path: Path) -> None:
    """There is nothing better, and the exit code says that it is not all."""
    (tmp_path / "in.txt.gz").write_bytes(packed(SKIPPED * 40, damage="cut"))
    done = called(*RUN)
    assert done.returncode == 2
    assert "could not be read to its end" in done.stderr
    assert "of an earlier run" not in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) > 1000
