"""What the end of a run needs, tried before its first request.

A run may be paid for during hours. A name or an extra that is wrong must not be found at its end.
The output tries its own (its extra, its place, its lock) when it is opened, before the first
request too.
"""

import os
import sys
from pathlib import Path
from typing import Any

from s2v_detect.bulk import try_replacing
from s2v_detect.cli._report import report_writer
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import STANDARD, printable
from s2v_detect.languages import _, why


def refuse_unfinishable(
    *, summary: Path | None, report: Path | None, has_records: bool, output: str
) -> None:
    """Raise `Unusable` for what could not be written when the run ends.

    `has_records`: the output is a file, or there is a ledger; a report is made of either.
    """
    for option, path in (("--summary", summary), ("--report", report)):
        if path is not None:
            refuse_unwritable(option, path)
    if report is None:
        return
    report_writer()
    if not has_records:
        told = _(
            "A report can't be made of {name}, which can't be read again. Give a file after -o, or"
            " a --ledger."
        )
        name = "stdout" if output == STANDARD else printable(output)
        raise Unusable(told.format(name=name))


def refuse_unwritable(option: str, path: Path) -> None:
    """Raise `Unusable` where no file can take the place that an option names."""
    try:
        try_replacing(path)
    except (OSError, ValueError) as error:
        raise Unusable(unwritable(path, why(error), option)) from error


def unwritable(path: Path | str, reason: str, option: str) -> str:
    """Return that a file can't be written, and which option names another one."""
    told = _("{name} can't be written: {why}. Give another name after {option}.")
    return told.format(name=printable(str(path)), why=reason, option=option)


def stdin_descriptor() -> int:
    """Return the descriptor of stdin."""
    if sys.stdin is None:
        raise Unusable(_("There is no stdin to read. Give the name of a file."))
    return sys.stdin.fileno()


def stdout_descriptor() -> int:
    """Return the descriptor of stdout. Raises `Unusable` where nobody reads what goes there."""
    if sys.stdout is None:
        told = _("There is no stdout to write to. Leave it open, or give a file after -o.")
        raise Unusable(told)
    descriptor = sys.stdout.fileno()
    if not _is_writable(descriptor):
        raise Unusable(_("Nobody reads stdout any more. Leave it open, or give a file after -o."))
    return descriptor


def _is_writable(descriptor: int) -> bool:
    """Whether a write would get somewhere, as far as can be told without one."""
    if sys.platform == "win32":
        return True
    import fcntl  # noqa: PLC0415  # not on every system
    import select  # noqa: PLC0415  # as above

    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return False
    polled: Any = select.poll()
    polled.register(descriptor, 0)  # a reader that has left is told of in any case
    gone = select.POLLERR | select.POLLHUP | select.POLLNVAL
    return not any(found & gone for _descriptor, found in polled.poll(0))
