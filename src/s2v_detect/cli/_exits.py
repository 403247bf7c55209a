"""The exit codes: what a script that ran the command is told."""

from enum import IntEnum

from s2v_detect.bulk import RunSummary


class Exit(IntEnum):
    """The first that fits is the exit code: what ended a run counts before what it met."""

    INTERRUPTED = 130
    ACCOUNT = 4
    USAGE = 2
    UNKNOWN = 5
    INCOMPLETE = 1
    DONE = 0


MEANINGS = {
    Exit.DONE: "every image was answered: passed or rejected",
    Exit.INCOMPLETE: "some images failed or were skipped",
    Exit.USAGE: "the command, its input or its output could not be used",
    Exit.ACCOUNT: "the account: its key, its credit, its workspace or the base URL",
    Exit.UNKNOWN: "for some images it is unknown whether they were billed",
    Exit.INTERRUPTED: "interrupted",
}


def exit_of(summary: RunSummary) -> Exit:
    """Return the exit code of a run."""
    tally = summary.tally
    fits = {
        Exit.INTERRUPTED: summary.interrupted,
        Exit.ACCOUNT: summary.fault is not None,
        Exit.USAGE: bool(summary.input_error or summary.output_error),
        Exit.UNKNOWN: tally.unknown > 0,
        Exit.INCOMPLETE: tally.failed + tally.skipped > 0,
        Exit.DONE: True,
    }
    return next(code for code in Exit if fits[code])
