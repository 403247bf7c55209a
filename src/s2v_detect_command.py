"""The program `s2v-detect`: Ctrl-C ends it at any instant, also while it is still being loaded.

Loading the package, httpx, pydantic and the command line takes half a second. Nothing is begun in
that time, so Ctrl-C may end the process on the spot; as an exception it would come out of whichever
import was going on. This module stands beside the package, because importing anything in the
package loads the package first. From then on `s2v_detect.cli` decides.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_INTERRUPTED = 130


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        with _leaving_at_once():
            from s2v_detect.cli import main as run  # noqa: PLC0415  # see above

            with suppress(ModuleNotFoundError):  # an extra: `run` says which
                import s2v_detect.cli._app  # noqa: PLC0415, F401  # loaded while nothing is begun
        return run()
    except KeyboardInterrupt:  # in a step between these
        return _INTERRUPTED


@contextmanager
def _leaving_at_once() -> Iterator[None]:
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, by nohup say
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
