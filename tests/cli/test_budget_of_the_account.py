"""`--max-cost-per-day` and `--max-cost-per-month`: all outputs on one ledger together."""

import json
from pathlib import Path

from tests.cli.conftest import Command

from s2v_detect.emulator import Emulator

BOOKS = ("--ledger", "all.db", "--rate", "1000", "--quiet")


def test_two_outputs_on_one_ledger_share_a_day(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Exit code 3 says that it is spent, and when the next day begins; a higher amount goes on."""
    for name in ("a", "b"):
        lines = "".join(f"http://{name}.example/{number}.jpg\n" for number in range(8))
        (tmp_path / f"{name}.txt").write_text(lines)
    day = ("--max-cost-per-day", "0.04")
    assert called("run", "a.txt", "-o", "a.jsonl", *BOOKS, *day).returncode == 0
    estimate = called("estimate", "b.txt", "-o", "b.csv", "--ledger", "all.db", *day, "--json")
    assert json.loads(estimate.stdout)["asked"] == 2
    for _ in range(2):
        done = called("run", "b.txt", "-o", "b.csv", *BOOKS, *day, "--summary", "s.json")
        assert (done.returncode, emulator.billed) == (3, 10)
        assert "might pass the CNY 0.04 a day" in done.stderr.replace("\n", " ")
        [problem] = json.loads((tmp_path / "s.json").read_text())["problems"]
        assert "CNY 0.040 is spent or may be" in problem
        assert "begins at 00:00 China Standard Time, in " in problem
        assert "raise --max-cost-per-day" in problem
    month = ("--max-cost-per-month", "0.048")
    assert called("run", "b.txt", "-o", "b.csv", *BOOKS, *month).returncode == 3
    assert emulator.billed == 12
    total = ("--max-cost-per-day", "9", "--max-cost", "0.02")
    assert called("run", "b.txt", "-o", "b.csv", *BOOKS, *total).returncode == 3
    assert emulator.billed == 13  # five by this output's runs, in all
    assert called("run", "b.txt", "-o", "b.csv", *BOOKS, "--max-cost-per-day", "1").returncode == 0
    assert emulator.billed == 16
