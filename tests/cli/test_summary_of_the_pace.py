"""What the closing summary says of the pace."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from s2v_detect import Spend
from s2v_detect.bulk import RunSummary, Tally
from s2v_detect.cli._summary import print_summary
from s2v_detect.cli._summary_file import write_summary


def summary(given_per_s: float | None) -> RunSummary:
    """Return the summary of a run of ten images that went well."""
    return RunSummary(
        tally=Tally(passed=10, sent=12, answered=12, throttled=2),
        spend=Spend(),
        spend_in_all=None,
        elapsed_s=4.0,
        interrupted=False,
        processes_met=0,
        given_per_s=given_per_s,
        is_placed=True,
        fault=None,
        input_error=None,
        output_error=None,
    )


@pytest.mark.parametrize(
    ("given_per_s", "said"), [(3.0, "3"), (0.5, "0.5"), (2.4999, "2.5"), (48.0, "48")]
)
def test_an_account_that_gave_less_than_the_rate_is_told(
    tmp_path: Path, given_per_s: float, said: str
) -> None:
    """People read it in a line, programs in the JSON."""
    told = StringIO()
    print_summary(Console(file=told, width=100), summary(given_per_s), output="-", emulated=False)
    (line,) = [line for line in told.getvalue().splitlines() if line.startswith("  given")]
    assert line.split() == f"given {said} a second by the account at the end, no more".split()
    path = tmp_path / "summary.json"
    write_summary(path, summary(given_per_s), output="-")
    assert json.loads(path.read_text(encoding="utf-8"))["given_per_s"] == round(given_per_s, 3)


def test_an_account_that_gave_the_whole_rate_is_no_news() -> None:
    """The line is there only when it says something."""
    told = StringIO()
    print_summary(Console(file=told, width=100), summary(None), output="-", emulated=False)
    assert "given" not in told.getvalue()
