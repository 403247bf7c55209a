"""An asyncio event loop whose time is virtual: it jumps to the next timer instead of waiting.

The code that runs in it is real. Only its clocks are replaced: `loop.time()`, `time.monotonic()`,
`time.time()`, and the names under which one peer imported them. A run of given seeds is the same
every time.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
STEP_S = 5e-6
"""What one step of the loop takes. At no cost at all, a peer that sleeps for less than the clock
can show would do so for ever."""


def run_virtually(main: Callable[[], Awaitable[T]], *, began_at: float) -> T:
    """Return what `main()` returns, awaited in an event loop whose clocks begin at `began_at`."""

    async def awaited() -> T:
        return await main()

    loop = VirtualLoop(began_at)
    with virtual_clocks(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(awaited())


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits, in which work for threads is done at once."""

    def __init__(self, began_at: float) -> None:
        self.now = began_at
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Return the virtual time."""
        return self.now

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002  # asyncio hands it in
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """Return a future that is done: a thread would run in real time."""
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done


class _JumpingSelector(selectors.BaseSelector):
    """Adds the time that it was to wait to the clock. The loop's own pipe is all it ever holds."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("Nothing in this event loop will ever happen again.")
        self._loop.now += max(STEP_S, timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


@contextmanager
def virtual_clocks(loop: VirtualLoop) -> Iterator[None]:
    """Have every clock that the peers read show the loop's time, inside the block."""
    clocks: dict[str, Callable[[], float]] = {
        "time.time": loop.time,
        "time.monotonic": loop.time,
        "pyrate_limiter.limiter.monotonic": loop.time,
        "pyrate_limiter.clocks.monotonic_ns": lambda: round(loop.time() * 1e9),
    }
    with ExitStack() as stack:
        for name, clock in clocks.items():
            stack.enter_context(patch(name, clock))
        yield
