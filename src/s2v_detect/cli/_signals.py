"""Ctrl-C, SIGTERM and a lost terminal: first a request to stop, then an order."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # not every system has the last


@contextmanager
def heeding_signals(first: Callable[[], None], again: Callable[[], None]) -> Iterator[None]:
    """Call `first` in the loop at the first signal, `again` at each that follows.

    A signal that was ignored when the command started (nohup, a script's background job) stays so.
    """
    loop = asyncio.get_running_loop()
    calls = chain([first], repeat(again))

    def heed(*_: object) -> None:
        loop.call_soon_threadsafe(next(calls))

    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    heeded = [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, heed) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
