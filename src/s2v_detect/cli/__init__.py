"""The command `s2v-detect`: environment, terminal and signals are dealt with here, nowhere else.

Data goes to stdout, all else to stderr.
"""

import sys
from collections.abc import Sequence

from s2v_detect._version import missing
from s2v_detect.cli._exits import Exit

__all__ = ["main"]

_EXTRA = ("cyclopts", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; `s2v-detect --help` lists both."""
    try:
        # Here, so that the package can be imported, and say what is missing, without the extra.
        from s2v_detect.cli._app import run_command  # noqa: PLC0415  # see above
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(missing("The command", "cli") + "\n")
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    return run_command(sys.argv[1:] if arguments is None else arguments)
