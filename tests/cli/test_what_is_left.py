"""A run that ends early says how many images are left, and whether the same command goes on."""

import json
from collections.abc import Mapping
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.cli.conftest import Command, Started

from s2v_detect import AccessDenied, NotSent, Spend
from s2v_detect.bulk import RunSummary, Tally
from s2v_detect.cli._summary import print_summary
from s2v_detect.cli._summary_file import write_summary
from s2v_detect.emulator import Emulator, Error

ANEW = "The same command begins anew, for it has no ledger."
GOES_ON = "The same command goes on."
KEY = AccessDenied("refused.", do="Give a key.", status=401)
MENDED = "When that is mended, the same command goes on."
OUTAGE = NotSent("out.", do="Start it again later: it goes on.")


def ended(**changed: Any) -> RunSummary:
    """Return the summary of a run that has 25 outcomes."""
    fields: dict[str, Any] = {
        "tally": Tally(passed=20, rejected=5, sent=25, answered=25),
        "spend": Spend(billed=25),
        "spend_in_all": None,
        "elapsed_s": 5.0,
        "interrupted": False,
        "processes_met": 0,
        "given_per_s": None,
        "is_placed": True,
        "fault": None,
        "input_error": None,
        "output_error": None,
        "has_ledger": True,
        "total": 40,
    }
    return RunSummary(**(fields | changed))


@pytest.mark.parametrize(
    ("changed", "said", "left"),
    [
        ({"interrupted": True}, [f"15 of 40 images are left. {GOES_ON}"], 15),
        ({"interrupted": True, "total": 26}, [f"1 of 26 images is left. {GOES_ON}"], 1),
        ({"interrupted": True, "total": None}, [GOES_ON], None),
        ({"interrupted": True, "has_ledger": False}, [f"15 of 40 images are left. {ANEW}"], 15),
        ({"interrupted": True, "total": 25}, [], 0),  # the signal came with the last outcome
        ({"interrupted": True, "total": 20}, [], 0),  # the input has grown since it was counted
        ({"ended_by": "until"}, ["15 of 40 images are left."], 15),
        ({"ended_by": "max_time", "total": None}, [], None),
        ({"fault": OUTAGE}, ["15 of 40 images are left."], 15),
        ({"fault": KEY}, [f"15 of 40 images are left. {MENDED}"], 15),
        ({"fault": KEY, "total": None}, [MENDED], None),
        ({"input_error": OSError(5, "Input/output error")}, ["15 of 40 images are left."], 15),
        ({"total": None}, [], 0),
        ({"total": 40}, [], 0),  # lines that hold no image were counted too
    ],
)
def test_the_summary_says_how_many_images_are_left(
    tmp_path: Path, changed: Mapping[str, Any], said: list[str], left: int | None
) -> None:
    """In a line of its own and as a number; no number where the input was not counted."""
    summary, told = ended(**changed), StringIO()
    print_summary(Console(file=told, width=200), summary, output="stdout", emulated=False)
    lines = told.getvalue().splitlines()
    assert [line for line in lines if " left" in line or line in (GOES_ON, MENDED, ANEW)] == said
    write_summary(tmp_path / "told.json", summary, output="stdout")
    assert json.loads((tmp_path / "told.json").read_text())["rows_left"] == left


def test_a_spent_budget_and_a_refused_key_leave_the_rest(
    called: Command, emulator: Emulator, tmp_path: Path
) -> None:
    """Of a file, whose lines were counted."""
    (tmp_path / "in.txt").write_text("".join(f"http://a.example/{n}.jpg\n" for n in range(40)))
    run = ("run", "in.txt", "-o", "out.jsonl", "--quiet", "--summary", "told.json")
    done = called(*run, "--rate", "1000", "--max-cost", str(3 * Decimal("0.004")))
    assert done.returncode == 3
    assert "37 of 40 images are left." in done.stderr
    emulator.when("*", Error(401, "InvalidApiKey", "Invalid API-key provided."))
    done = called(*run, "--rate", "5")
    assert done.returncode == 4
    assert f"37 of 40 images are left. {MENDED}" in done.stderr
    assert json.loads((tmp_path / "told.json").read_text())["rows_left"] == 37


def test_of_a_pipe_no_number_is_said(started: Started) -> None:
    """How many images are to come nobody knows."""
    process = started("run", "-", "-o", "out.jsonl", "--max-time", "1", "--summary", "told.json")
    assert process.stdin
    assert process.stderr
    process.stdin.write("http://a.example/1.jpg\n")
    process.stdin.flush()
    assert process.wait(20) == 6
    told = process.stderr.read()
    assert "The same command goes on." in told
    assert " left." not in told
