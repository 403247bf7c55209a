"""What a run says at its end, made from values."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from s2v_detect import Spend
from s2v_detect.bulk import RunSummary, Tally
from s2v_detect.cli._summary import print_summary, write_summary

SUMMARY = RunSummary(
    tally=Tally(),
    spend=Spend(),
    spend_in_all=None,
    elapsed_s=1.0,
    interrupted=False,
    processes_met=0,
    share=1.0,
    is_placed=True,
    fault=None,
    input_error=None,
    output_error=None,
)


def told(summary: RunSummary) -> str:
    """Return what stands on the terminal."""
    shown = io.StringIO()
    console = Console(file=shown, width=120)
    print_summary(console, summary, output="out.csv", emulated=False)
    return shown.getvalue()


@pytest.mark.parametrize(("share", "says"), [(1.0, ""), (0.424, "42%"), (0.08, "8%")])
def test_an_account_that_gives_less_than_its_rate_is_told(
    tmp_path: Path, share: float, says: str
) -> None:
    """Others outside our sight use it, or its model is being retired."""
    summary = replace(SUMMARY, share=share)
    assert ("given" in told(summary)) is bool(says)
    assert says in told(summary)
    path = tmp_path / "s.json"
    write_summary(path, summary, output="out.csv")
    assert json.loads(path.read_text())["share_of_rate"] == share
