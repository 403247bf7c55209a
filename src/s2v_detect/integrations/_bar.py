"""A bar of what is done: in a notebook's cell, and on a terminal.

tqdm, which whoever works with frames has, and which draws both. Nothing needs the bar: without
tqdm, and where stderr is a file or a log, there is none. A bar that can't be drawn costs no image.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import Any

_FAULTS = (OSError, ValueError)
"""Of a terminal that is gone, and of a stream that is closed."""

_NOTHING = Decimal(0)


class Bar:
    """Shows how many images are done, and what they cost."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._cost = _NOTHING

    @property
    def is_drawn(self) -> bool:
        """Whether anybody sees it."""
        return self._drawn is not None

    def add(self, count: int, cost: Decimal = _NOTHING) -> None:
        """Show so many more."""
        if self._drawn is None:
            return
        self._cost += cost
        with suppress(*_FAULTS):
            self._drawn.set_postfix_str(f"CNY {self._cost}", refresh=False)
            self._drawn.update(count)

    def fill(self) -> None:
        """Show that all are done: some images, as one that is skipped, are told of by nobody."""
        if self._drawn is not None:
            self.add(self._drawn.total - self._drawn.n)


@contextmanager
def bar_of(total: int, *, is_wanted: bool) -> Iterator[Bar]:
    """Give a bar while the block is open; one that shows nothing where there is nobody to see."""
    drawn = _drawn(total) if is_wanted and (_is_notebook() or _is_terminal()) else None
    try:
        yield Bar(drawn)
    finally:
        if drawn is not None:
            with suppress(*_FAULTS):
                drawn.close()


def _drawn(total: int) -> Any:
    """Return tqdm's bar for this place; None where it can't be drawn, or there is no tqdm."""
    with warnings.catch_warnings(), suppress(ImportError, *_FAULTS):
        warnings.simplefilter("ignore")  # that a notebook lacks widgets: it gets the plain bar
        from tqdm.auto import tqdm  # noqa: PLC0415  # an extra; heavy, and often not wanted

        return tqdm(total=total, unit=" images", desc="s2v-detect", dynamic_ncols=True)
    return None


def _is_terminal() -> bool:
    """Whether stderr is one; a program without a console has no stderr, and a closed one raises."""
    with suppress(AttributeError, ValueError):
        return sys.stderr.isatty()
    return False


def _is_notebook() -> bool:
    """Whether a kernel runs this code: its stderr is no terminal, and is seen all the same."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")
