"""The exit codes: what a script that ran the command is told."""

from enum import IntEnum

from s2v_detect import (
    BudgetSpent,
    DetectError,
    LedgerError,
    NotSent,
    OutcomeUnknown,
    ServiceUnavailable,
)
from s2v_detect.bulk import RunSummary


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
    Exit.DONE: "every image was answered: passed or rejected",
    Exit.INCOMPLETE: "some images failed or were skipped",
    Exit.BUDGET: "the budget is spent: one more request might pass --max-cost",
    Exit.USAGE: "the command, its input, its output or its ledger could not be used",
    Exit.ACCOUNT: "the account: its key or credit; or the way there: base URL, proxy, certificates",
    Exit.STOPPED: "stopped before the input's end, by an outage; the same command goes on",
    Exit.UNKNOWN: "for some images it is unknown whether they were billed",
    Exit.INTERRUPTED: "interrupted",
}


def exit_of_fault(fault: DetectError) -> Exit:
    """Return the exit code of what ends a run for every image."""
    if isinstance(fault, BudgetSpent):
        return Exit.BUDGET
    if isinstance(fault, NotSent | ServiceUnavailable | OutcomeUnknown):  # an outage's last
        return Exit.STOPPED
    return Exit.USAGE if isinstance(fault, LedgerError) else Exit.ACCOUNT


def exit_of(summary: RunSummary) -> Exit:
    """Return the exit code of a run."""
    tally = summary.tally
    ended = None if summary.fault is None else exit_of_fault(summary.fault)
    fits = {
        Exit.INTERRUPTED: summary.interrupted,
        Exit.ACCOUNT: ended is Exit.ACCOUNT,
        Exit.BUDGET: ended is Exit.BUDGET,
        Exit.USAGE: ended is Exit.USAGE or bool(summary.input_error or summary.output_error),
        Exit.STOPPED: ended is Exit.STOPPED,
        Exit.UNKNOWN: tally.unknown > 0,
        Exit.INCOMPLETE: tally.failed + tally.skipped > 0,
        Exit.DONE: True,
    }
    return next(code for code in Exit if fits[code])
