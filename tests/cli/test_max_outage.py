"""`--max-outage`: how long a run waits, what it says meanwhile, and how it ends."""

import json
import logging
import re
import subprocess
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from s2v_detect import (
    AccessDenied,
    BudgetSpent,
    ConfigurationError,
    DetectError,
    LedgerError,
    NotSent,
    OutcomeUnknown,
    OutOfCredit,
    ServiceUnavailable,
    Spend,
)
from s2v_detect.bulk import RunSummary, Tally
from s2v_detect.cli._account import _outage_s
from s2v_detect.cli._exits import Exit, exit_of, exit_of_fault, incomplete_because
from s2v_detect.cli._terminal import logged_on
from s2v_detect.emulator import Emulator, Error, Html, Pass

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("answer", [Error(503, "ServiceUnavailable"), Html(503)])
@pytest.mark.real_time
def test_a_run_that_waited_long_enough_is_exit_6_and_goes_on(
    called: Command, emulator: Emulator, tmp_path: Path, answer: Error | Html
) -> None:
    """It says what it waited for and how long; the same command does the rest."""
    emulator.when("*", answer)
    (tmp_path / "in.txt").write_text("".join(f"http://a.example/{n}.jpg\n" for n in range(12)))
    run = ("run", "in.txt", "-o", "out.jsonl", "--rate", "1000", "--summary", "told.json")
    done = called(*run, "--max-outage", "0.5s")
    assert done.returncode == 6
    told = json.loads((tmp_path / "told.json").read_text())
    where = f"the service at {emulator.base_url}"
    for part in (
        f"An outage of {where} has begun: ",
        "Streams wait for its end, at most 0:00:0",
        f"The outage of {where} is still on after 0:00:0",
        "and streams wait no longer",
        "The run ended early. http://a.example/",
        f"{where} has been out for 0:00:0",
        "for the end of an outage",
        "Exit 6: stopped before the input's end, by an outage or the clock; the same command goes",
    ):
        assert done.stderr.count(part) == 1, part
    assert (told["exit_code"], told["outages"]) == (6, 1)
    assert told["incomplete_because"] == "outage"
    assert told["outage_s"] >= 0.4
    emulator.when("*", Pass())
    assert called(*run).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == 12
    assert all(row["check_pass"] for row in rows)


@pytest.mark.parametrize(
    ("given", "bound_s"),
    [
        ("30m", 1800.0),
        ("2h", 7200.0),
        ("90", 90.0),
        ("90s", 90.0),
        ("1.5h", 5400.0),
        ("1d", 86_400.0),
        ("0", 0.0),
        (" 2H ", 7200.0),
        ("none", None),
        ("forever", None),
        ("None", None),
    ],
)
def test_a_bound_is_read_as_people_type_it(given: str, bound_s: float | None) -> None:
    """Plain seconds too; both words mean for ever."""
    assert _outage_s(given) == bound_s


@pytest.mark.parametrize("given", ["", "-1", "30 m", "30min", "nan", "inf", "1e3", "٣m", "m"])
def test_what_is_no_time_is_no_bound(given: str) -> None:
    """With what a bound looks like."""
    with pytest.raises(ValueError, match="30m, 2h or 90"):
        _outage_s(given)


def test_a_bound_that_is_none_is_a_mistake_in_the_command(
    called: Command, emulator: Emulator, many: Path
) -> None:
    """Nothing is asked, and the message says what a bound looks like."""
    done = called("run", many, "-o", "out.jsonl", "--max-outage=soon")
    assert done.returncode == 2
    assert "30m, 2h or 90" in " ".join(done.stderr.split())
    assert emulator.requests == 0


def service_error(kind: type[DetectError]) -> DetectError:
    """Return an error of a kind that has a status."""
    return kind("no.", do="Wait.", status=503)  # type: ignore[call-arg]  # its class has one


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (NotSent("no.", do="Wait."), Exit.STOPPED),
        (OutcomeUnknown("no.", do="Wait."), Exit.STOPPED),
        (service_error(ServiceUnavailable), Exit.STOPPED),
        (service_error(AccessDenied), Exit.ACCOUNT),
        (service_error(OutOfCredit), Exit.ACCOUNT),
        (ConfigurationError("no.", do="Wait."), Exit.ACCOUNT),
        (BudgetSpent("no.", do="Wait."), Exit.BUDGET),
        (LedgerError("no.", do="Wait."), Exit.USAGE),
    ],
)
def test_the_exit_code_follows_what_ended_the_run(fault: DetectError, code: Exit) -> None:
    """An outage's end is no fault of the account: the same command goes on."""
    assert exit_of_fault(fault) is code


def of_a_run(**how: Any) -> RunSummary:
    """Return how a run ended."""
    usual: dict[str, Any] = dict.fromkeys(("fault", "input_error", "output_error"))
    usual |= {"tally": Tally(), "spend": Spend(), "spend_in_all": None, "elapsed_s": 1.0}
    usual |= {"interrupted": False, "processes_met": 0, "given_per_s": None, "is_placed": True}
    return RunSummary(**(usual | how))


REASONS: list[tuple[dict[str, Any], str | None, Exit]] = [
    ({}, None, Exit.DONE),
    ({"interrupted": True}, "interrupted", Exit.INTERRUPTED),
    ({"interrupted": True, "ended_by": "until"}, "interrupted", Exit.INTERRUPTED),
    ({"ended_by": "until"}, "until", Exit.STOPPED),
    ({"ended_by": "max_time"}, "max_time", Exit.STOPPED),
    ({"ended_by": "until", "fault": BudgetSpent("no.", do="Wait.")}, "budget", Exit.BUDGET),
    ({"fault": NotSent("no.", do="Wait.")}, "outage", Exit.STOPPED),
    ({"fault": OutcomeUnknown("no.", do="Wait.")}, "outage", Exit.STOPPED),
    ({"fault": service_error(ServiceUnavailable)}, "outage", Exit.STOPPED),
    ({"fault": service_error(AccessDenied)}, "access", Exit.ACCOUNT),
    ({"fault": service_error(OutOfCredit)}, "credit", Exit.ACCOUNT),
    ({"fault": ConfigurationError("no.", do="Wait.")}, "configuration", Exit.ACCOUNT),
    ({"fault": LedgerError("no.", do="Wait.")}, "ledger", Exit.USAGE),
    ({"input_error": OSError()}, "input", Exit.USAGE),
    ({"output_error": OSError()}, "output", Exit.USAGE),
]


@pytest.mark.parametrize(("how", "reason", "code"), REASONS)
def test_why_a_run_is_not_complete_is_one_word(
    how: dict[str, Any], reason: str | None, code: Exit
) -> None:
    """As stable as the exit codes, and finer; none where every row has its outcome."""
    summary = of_a_run(**how)
    assert (incomplete_because(summary), exit_of(summary)) == (reason, code)
    assert (reason is None) == summary.is_complete


def test_the_guide_has_every_reason() -> None:
    """In the table of the words, and no other."""
    guide = Path(__file__).parents[2] / "examples" / "README.md"
    _, _, text = guide.read_text(encoding="utf-8").partition("| `incomplete_because` |")
    table, _, _ = text.partition("\n\n")
    words = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(words) == sorted({reason for _, reason, _ in REASONS if reason})


def test_the_exit_codes_have_their_order() -> None:
    """What ended a run counts before what it met."""
    assert [int(code) for code in Exit] == [130, 4, 3, 2, 6, 5, 1, 0]


def test_what_is_logged_goes_through_the_console() -> None:
    """Without keys and without what steers a terminal, and only while the command runs."""
    file = StringIO()
    log = logging.getLogger("s2v_detect")
    with logged_on(Console(file=file, soft_wrap=True)):
        log.warning(
            "[bold]out[/bold] for sk-0123456789 at https://a.example/x?Signature=s3cr3t\x1b[2J"
        )
        log.info("not shown")
    log.warning("afterwards")
    told = file.getvalue()
    assert told.startswith("[bold]out[/bold] for sk-")
    assert told.count("\n") == 1
    for secret in ("0123", "s3cr3t", "\x1b", "afterwards"):
        assert secret not in told
