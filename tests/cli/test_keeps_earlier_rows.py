"""An output of an earlier run is replaced by one that has its rows, and kept aside by any other."""

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from s2v_detect.tables import read_records

Command = Callable[..., subprocess.CompletedProcess[str]]

FAST = ("--quiet", "--rate", "500", "--ledger", "l.db")
ENDINGS = ("csv", "tsv", "jsonl", "xlsx", "parquet")
FIRST = range(4)

OTHERS: dict[str, tuple[Iterable[int], tuple[str, ...]]] = {
    "another list": (range(10, 14), ()),
    "a longer other list": (range(10, 30), ()),
    "a shorter list": (range(3), ()),
    "one row": ([2], ()),
    "one image in another's place": ([0, 1, 2, 9], ()),
    "one image lost, others came": ([0, 1, 3, 7, 8, 9], ()),
    "a sample": (FIRST, ("--sample", "2")),
    "half the list, fresh": (range(2), ("--fresh",)),
}
SAME: dict[str, tuple[Iterable[int], tuple[str, ...]]] = {
    "the same list": (FIRST, ()),
    "in the input's order": (FIRST, ("--ordered",)),
    "backwards": (FIRST[::-1], ()),
    "grown at its end": (range(9), ()),
    "grown at its top": ([8, 9, *FIRST], ()),
    "with a repeat": ([0, *FIRST], ()),
    "paid for again": (FIRST, ("--refresh",)),
    "a new start": (FIRST, ("--fresh",)),
    "a whole sample": (FIRST, ("--sample", "4")),
}

FEW = {"another list", "a shorter list", "the same list", "grown at its top"}
"""What every format is tried with; CSV with all."""


def give(path: Path, numbers: Iterable[int]) -> None:
    """Write a list of these images, with a cell of two lines in each row."""
    rows = (f'http://a.example/{number}.jpg,"=one\ntwo 李"\n' for number in numbers)
    path.write_text("image,note\n" + "".join(rows), encoding="utf-8")


def images(path: Path) -> set[str]:
    """The images of an output."""
    return {str(record["image"]) for record in read_records(path)}


def kept(folder: Path) -> list[str]:
    """What was kept aside."""
    return sorted(path.name for path in folder.glob("*.kept-*"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_rows_that_a_new_output_lacks_are_kept_aside(
    called: Command, tmp_path: Path, ending: str
) -> None:
    """Each under a name of its own, and one line says so."""
    for name in OTHERS.keys() & (FEW if ending != "csv" else OTHERS.keys()):
        numbers, options = OTHERS[name]
        out = tmp_path / f"{name}.{ending}"
        give(tmp_path / "in.csv", FIRST)
        assert called("run", "in.csv", "-o", out.name, *FAST).returncode == 0
        earlier = out.read_bytes()
        give(tmp_path / "in.csv", numbers)
        done = called("run", "in.csv", "-o", out.name, *options, *FAST)
        assert done.returncode == 0, name
        [aside] = tmp_path.glob(f"{name}.{ending}.kept-*")
        assert aside.read_bytes() == earlier, name
        told = " ".join(done.stderr.split())
        assert f"this run has not, and is kept as {aside.name}." in told, name
        again = called("run", "in.csv", "-o", out.name, *options, *FAST)
        assert again.returncode == 0, name
        assert "is kept as" not in " ".join(again.stderr.split()), name


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_resume_and_a_grown_list_keep_nothing_aside(
    called: Command, tmp_path: Path, ending: str
) -> None:
    """All that was there is in the new output."""
    for name in SAME.keys() & (FEW if ending != "csv" else SAME.keys()):
        numbers, options = SAME[name]
        out = tmp_path / f"{name}.{ending}"
        give(tmp_path / "in.csv", FIRST)
        assert called("run", "in.csv", "-o", out.name, *FAST).returncode == 0
        before = images(out)
        give(tmp_path / "in.csv", numbers)
        assert called("run", "in.csv", "-o", out.name, *options, *FAST).returncode == 0
        assert kept(tmp_path) == [], name
        assert images(out) >= before, name


@pytest.mark.parametrize(
    ("ending", "column"),
    [("csv", "id"), ("csv", "image"), ("csv", "1"), ("jsonl", "id"), ("parquet", "id")],
)
def test_signed_addresses_keep_nothing_aside(
    called: Command, tmp_path: Path, ending: str, column: str
) -> None:
    """Images are known by the user's own column: their addresses change from day to day."""
    name = "id" if column == "1" else column
    for day in range(2):
        rows = (f"a{number},http://a.example/{number}.jpg?sig={day}\n" for number in FIRST)
        (tmp_path / "in.csv").write_text(f"{name},url\n" + "".join(rows))
        words = ("--identity-column", column, "--column", "url", *FAST)
        assert called("run", "in.csv", "-o", f"out.{ending}", *words).returncode == 0
    assert kept(tmp_path) == []


@pytest.mark.parametrize(("numbers", "options"), [(range(10, 16), ()), (FIRST, ("--refresh",))])
@pytest.mark.parametrize(
    "told",
    [
        ("en", "out.csv still has the rows of an earlier run. The outcomes of this one are in the"),
        ("zh", "out.csv 里仍是以前运行的行；这次的结果已记在账本里。再次运行同一条命令直到结束，"),
    ],
)
def test_a_run_that_ends_early_says_where_its_outcomes_are(
    called: Command,
    tmp_path: Path,
    numbers: Iterable[int],
    options: tuple[str, ...],
    told: tuple[str, str],
) -> None:
    """The output is the earlier one to the byte; the same command, run to its end, replaces it."""
    language, words = told
    out = tmp_path / "out.csv"
    give(tmp_path / "in.csv", FIRST)
    assert called("run", "in.csv", "-o", "out.csv", *FAST).returncode == 0
    earlier = out.read_bytes()
    give(tmp_path / "in.csv", numbers)
    same = ("run", "in.csv", "-o", "out.csv", *options, *FAST, "--lang", language, "--max-cost")
    ended = called(*same, "0.024")
    assert ended.returncode == 3
    assert words in ended.stderr
    assert out.read_bytes() == earlier
    assert called(*same, "1").returncode == 0
    assert out.read_bytes() != earlier
    assert images(out) == {f"http://a.example/{number}.jpg" for number in numbers}
