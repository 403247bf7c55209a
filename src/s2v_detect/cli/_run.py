"""`s2v-detect run`: a file of URLs into a file of verdicts."""

import asyncio
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from s2v_detect.bulk import Input, JsonLines, RunSummary
from s2v_detect.cli._account import Account
from s2v_detect.cli._exits import Exit, exit_of
from s2v_detect.cli._screening import Screening, Unusable
from s2v_detect.cli._summary import print_summary
from s2v_detect.cli._terminal import printable, stderr_console

STANDARD = "-"


def screen_file(source: str, out: str, account: Account, **options: Any) -> Exit:
    """Screen an input into an output, print the summary and return the exit code."""
    console = stderr_console()
    with closing(opened_input(source)) as lines:
        output = opened_output(out)
        is_complete = False
        try:
            screening = Screening(
                source=lines,
                output=output,
                account=account,
                console=console,
                folder=Path() if source == STANDARD else Path(source).parent,
                **options,
            )
            summary = asyncio.run(_counted(lines, screening))
            is_complete = summary.is_complete
        finally:
            output.close(keep_empty=is_complete)
    name = "stdout" if out == STANDARD else out
    print_summary(console, summary, output=name, emulated=account.emulator)
    return exit_of(summary)


def opened_input(name: str) -> Input:
    """Return the input of that name, `-` for stdin."""
    if name == STANDARD:
        if sys.stdin is None:
            raise Unusable("There is no stdin to read. Give the name of a file.")
        return Input(sys.stdin.fileno())
    try:
        return Input.open(Path(name))
    except OSError as error:
        raise Unusable(
            f"{printable(name)} can't be read: {error.strerror}. Give a file of URLs, one a line."
        ) from error


def opened_output(name: str) -> JsonLines:
    """Return a new output of that name, `-` for stdout."""
    if name == STANDARD:
        return stdout_lines()
    try:
        return JsonLines.create(Path(name))
    except FileExistsError as error:
        raise Unusable(
            f"{printable(name)} exists and is not overwritten. Give another name after -o, or"
            " move the file away."
        ) from error
    except OSError as error:
        raise Unusable(
            f"{printable(name)} can't be written: {error.strerror}. Give another name after -o."
        ) from error


def stdout_lines() -> JsonLines:
    """Return an output that goes to stdout."""
    if sys.stdout is None:
        raise Unusable("There is no stdout to write to. Give the name of a file after -o.")
    return JsonLines(os.dup(sys.stdout.fileno()))


async def _counted(lines: Input, screening: Screening) -> RunSummary:
    """Run, with the input's length counted beside the first requests."""
    counting = asyncio.create_task(lines.count())
    try:
        return await screening.run()
    finally:
        counting.cancel()
