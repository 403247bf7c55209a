"""Whatever the arguments and files are, the command says what is wrong, and never how it broke."""

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from s2v_detect.emulator import Emulator

Command = Callable[..., subprocess.CompletedProcess[str]]

NUMBERS = (
    "", "x", "nan", "inf", "-inf", "-0", "0", "-1", "5e-324", "1e-300", "1e30", "1e308", "1e400",
    "9" * 400, "0.1", "1_0", "٣",
)  # fmt: skip
NAMES = (
    "", ".", "/", "..", "x\0y", "n" * 300, "n" * 5000, "no/such/folder/x", "/dev/null/x", "a\nb",
    "\udcff", "[", "**", "a[\0", "in.txt/", "~", "loop", "gone", "folder",
)  # fmt: skip
RUN = ("run", "in.txt", "-o", "out.csv", "--quiet")
FAST = ("--rate", "1000")


def lines_with_numbers() -> Iterator[tuple[str, ...]]:
    """Every option that takes a number, with every number."""
    for number in NUMBERS:
        for option in (
            "--rate", "--max-cost", "--max-cost-per-day", "--max-in-flight", "--timeout-s",
            "--max-age-days", "--sample", "--seed",
        ):  # fmt: skip
            # A time-out of no time leaves it unknown what was billed: asked for once.
            yield (*RUN, *FAST, "--on-unknown", "keep", f"{option}={number}")
        yield ("estimate", "in.txt", f"--rate={number}")
        yield ("estimate", "in.txt", "--json", f"--rate={number}")
        yield ("emulator", f"--port={number}", "--folder=no/such/folder", "--rate=0")
        yield ("ledger", "prune", "l.db", f"--older-than={number}")


def lines_with_names() -> Iterator[tuple[str, ...]]:
    """Every argument that is a name of something, with every name."""
    for name in NAMES:
        yield ("run", name, "-o", "out.csv", "--quiet", *FAST)
        yield ("run", "in.txt", f"--out={name}", "--quiet", *FAST)
        for option in ("--ledger", "--summary", "--report", "--events", "--column", "--base-url"):
            yield (*RUN, *FAST, f"{option}={name}")
        yield ("run", "list.csv", "-o", "out.csv", "--quiet", *FAST, "--files")
        yield ("estimate", name)
        yield ("estimate", "in.txt", f"--ledger={name}")
        yield ("report", name, "-o", "page.html")
        yield ("report", "verdicts.jsonl", f"--out={name}")
        yield ("ledger", "show", name)
        yield ("ledger", "export", "l.db", f"--out={name}")
        yield ("ledger", "export", name, "-o", "all.csv", "--force")
        yield ("check", name)


@pytest.mark.real_time
@pytest.mark.parametrize("lines", [lines_with_numbers, lines_with_names])
@pytest.mark.timeout(180)
def test_no_argument_makes_a_traceback(
    called: Command,
    emulator: Emulator,
    tmp_path: Path,
    lines: Callable[[], Iterator[tuple[str, ...]]],
) -> None:
    """It is an exit code of the table, and an exception of none of the command's own."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    (tmp_path / "list.csv").write_text("url\n" + "n" * 5000 + "\n\n~\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    assert called("run", "in.txt", "-o", "verdicts.jsonl", "--ledger", "l.db").returncode == 0
    broken: list[Any] = []
    for words in lines():
        try:
            code = called(*words).returncode
        except Exception as error:  # noqa: BLE001  # any of them is what is looked for
            broken.append((words, repr(error)[:300]))
        else:
            if code not in (0, 1, 2, 3, 4, 5):
                broken.append((words, code))
    assert not broken


def small_parquet() -> bytes:
    """A Parquet file with the address and columns of several types."""
    count = 20
    table = pa.table(
        {
            "url": [f"http://a.example/{number}.jpg" for number in range(count)],
            "age": pa.array([None if number % 3 else number for number in range(count)]),
            "born": pa.array([0] * count, pa.date32()),
            "seen": pa.array([0] * count, pa.timestamp("us", "Asia/Shanghai")),
            "fee": pa.array([1] * count, pa.decimal128(10, 2)),
            "tags": [["a", "b"]] * count,
        }
    )
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


@pytest.mark.timeout(180)
def test_a_flipped_bit_in_a_parquet_file_is_rows_or_exit_2(called: Command, tmp_path: Path) -> None:
    """Every 97th bit: that meets all places in a byte."""
    whole = small_parquet()
    codes = set()
    for bit in range(0, len(whole) * 8, 97):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "in.parquet").write_bytes(flipped)
        done = called("estimate", "in.parquet", "--column", "url")
        codes.add(done.returncode)
        assert done.returncode in (0, 2)
    assert codes == {0, 2}


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_a_damaged_parquet_input_keeps_the_earlier_output(
    called: Command, emulator: Emulator, tmp_path: Path, place: float
) -> None:
    """Exit 2, and it says that the input is damaged."""
    whole = small_parquet()
    run = ("run", "in.parquet", "-o", "out.jsonl", "--quiet", *FAST)
    (tmp_path / "in.parquet").write_bytes(whole)
    assert called(*run).returncode == 0
    before = (tmp_path / "out.jsonl").read_bytes()
    at = int(len(whole) * place)
    (tmp_path / "in.parquet").write_bytes(whole[:at] + b"\xff" * 200 + whole[at + 200 :])
    done = called(*run)
    assert done.returncode == 2
    assert "amaged" in done.stderr
    assert (tmp_path / "out.jsonl").read_bytes() == before


@pytest.mark.real_time
@pytest.mark.parametrize("damage", ["output", "report"])
def test_a_damaged_parquet_output_is_told_of(called: Command, tmp_path: Path, damage: str) -> None:
    """As the source of a report; as the place of a new output it is kept aside."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    run = ("run", "in.txt", "-o", "out.parquet", "--quiet", *FAST)
    assert called(*run).returncode == 0
    whole = (tmp_path / "out.parquet").read_bytes()
    for bit in range(0, len(whole) * 8, 1009):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "out.parquet").write_bytes(flipped)
        if damage == "report":
            assert called("report", "out.parquet", "-o", "page.html").returncode in (0, 2)
        else:
            assert called(*run).returncode == 0
            assert (tmp_path / "out.parquet.kept-1").read_bytes() == flipped
            (tmp_path / "out.parquet.kept-1").unlink()
