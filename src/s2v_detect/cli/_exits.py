"""The exit codes: what a script that ran the command is told."""

from enum import IntEnum

from s2v_detect import (
    AccessDenied,
    BudgetSpent,
    DetectError,
    LedgerError,
    NotSent,
    OutcomeUnknown,
    OutOfCredit,
    ServiceUnavailable,
)
from s2v_detect.bulk import RunSummary
from s2v_detect.languages import N_, _


class Exit(IntEnum):
    """The first that fits is the exit code: what ended a run counts before what it met."""

    INTERRUPTED = 130
    ACCOUNT = 4
    BUDGET = 3
    USAGE = 2
    STOPPED = 6
    UNKNOWN = 5
    INCOMPLETE = 1
    DONE = 0


MEANINGS = {
    Exit.DONE: N_("every image was answered: passed or rejected"),
    Exit.INCOMPLETE: N_("some images failed or were skipped"),
    Exit.BUDGET: N_("the budget is spent: one more request might pass --max-cost"),
    Exit.USAGE: N_("the command, its input, its output or its ledger could not be used"),
    Exit.ACCOUNT: N_(
        "the account: its key or credit; or the way there: base URL, proxy, certificates"
    ),
    Exit.STOPPED: N_(
        "stopped before the input's end, by an outage or the clock; the same command goes on"
    ),
    Exit.UNKNOWN: N_("for some images it is unknown whether they were billed"),
    Exit.INTERRUPTED: N_("interrupted"),
}


def codes_in_help(*, has_budget: bool = True) -> str:
    """Return the exit codes with their meanings; without a budget, without its code."""
    codes = [code for code in Exit if has_budget or code is not Exit.BUDGET]
    told = "\n".join(f"  {code.value:>3}  {MEANINGS[code]}" for code in codes)
    return f"Exit codes, the first that fits:\n{told}"


def meaning_of(code: Exit) -> str:
    """Return what an exit code means, as a sentence of its own."""
    words = _(MEANINGS[code])
    return _("{words}.").format(words=words[:1].upper() + words[1:])


def exit_of_fault(fault: DetectError) -> Exit:
    """Return the exit code of what ends a run for every image."""
    if isinstance(fault, BudgetSpent):
        return Exit.BUDGET
    if isinstance(fault, NotSent | ServiceUnavailable | OutcomeUnknown):  # an outage's last
        return Exit.STOPPED
    misses_an_extra = isinstance(fault.__cause__, ModuleNotFoundError)
    return Exit.USAGE if isinstance(fault, LedgerError) or misses_an_extra else Exit.ACCOUNT


def exit_of(summary: RunSummary) -> Exit:
    """Return the exit code of a run."""
    tally = summary.tally
    ended = None if summary.fault is None else exit_of_fault(summary.fault)
    fits = {
        Exit.INTERRUPTED: summary.interrupted,
        Exit.ACCOUNT: ended is Exit.ACCOUNT,
        Exit.BUDGET: ended is Exit.BUDGET,
        Exit.USAGE: ended is Exit.USAGE or bool(summary.input_error or summary.output_error),
        Exit.STOPPED: ended is Exit.STOPPED or summary.ended_by is not None,
        Exit.UNKNOWN: tally.unknown > 0,
        Exit.INCOMPLETE: tally.failed + tally.skipped > 0,
        Exit.DONE: True,
    }
    return next(code for code in Exit if fits[code])


def incomplete_because(summary: RunSummary) -> str | None:
    """Return in a word why not every row has its outcome; None where every one has.

    What counts first is as with the exit codes: what was met, and then what ended the run.
    """
    fault = summary.fault
    fits = {
        "interrupted": summary.interrupted,
        "budget": isinstance(fault, BudgetSpent),
        "credit": isinstance(fault, OutOfCredit),
        "access": isinstance(fault, AccessDenied),
        "ledger": isinstance(fault, LedgerError),
        "input": summary.input_error is not None,
        "output": summary.output_error is not None,
        "outage": fault is not None and exit_of_fault(fault) is Exit.STOPPED,
        "configuration": fault is not None,
        "until": summary.ended_by == "until",
        "max_time": summary.ended_by == "max_time",
    }
    return next((reason for reason, is_so in fits.items() if is_so), None)
