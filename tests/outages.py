"""What the tests of outages share: a loop whose clock jumps, and images without end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from _attacks.jumping import JumpingLoop

HOUR_S = 3600.0


class PatientLoop(JumpingLoop):
    """Such a loop where threads are waited for too."""

    quiet_s = 0.05


def virtually(main: Callable[[], Awaitable[None]], *, has_threads: bool = False) -> None:
    """Run `main()` in a loop whose clock jumps where nothing happens, for a day of it at most."""

    async def awaited() -> None:
        # With threads without: while they alone work, the clock would jump to that end.
        async with asyncio.timeout(None if has_threads else 24 * HOUR_S):
            await main()

    with asyncio.Runner(loop_factory=PatientLoop if has_threads else JumpingLoop) as runner:
        runner.run(awaited())


def images() -> Iterator[str]:
    """Yield images without end."""
    number = 0
    while True:
        number += 1
        yield f"https://images.example/{number}.jpg"
