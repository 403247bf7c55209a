"""What all checks of one opening of the client work with, made when the client opens."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from s2v_detect.checks._breaker import Breaker
from s2v_detect.checks._line import Line
from s2v_detect.checks._money import Allowance, Books, Watch
from s2v_detect.images import Subjects
from s2v_detect.ledger import UNRECORDED, Aside, LedgerRun, Recorded, Recording
from s2v_detect.limiters import Limiter
from s2v_detect.models import Lane
from s2v_detect.options import OnUnknown, Preflight, RetryPolicy
from s2v_detect.wire import Endpoint

Look = Callable[[str, Lane], Awaitable[str]]
"""Returns what it could not tell of an image; raises `ImageSkipped`."""


@dataclass(frozen=True)
class Session:
    """All that is shared by the checks of a client, in one event loop."""

    endpoint: Endpoint
    subjects: Subjects
    limiter: Limiter
    retry: RetryPolicy
    on_unknown: OnUnknown
    books: Books
    watch: Watch
    line: Line
    breaker: Breaker
    """Open while the service does not answer."""
    store_breaker: Breaker
    """Open while nothing can be uploaded."""
    allowance: Allowance
    look: Look | None
    run: LedgerRun | None
    """The ledger's, where there is one."""
    aside: Aside
    """How many wait for another process's claim."""
    loop: asyncio.AbstractEventLoop

    def recording(self, name: str, identity: str) -> Recording:
        """Return what one check has recorded of itself: in the ledger, or nowhere."""
        return Recorded(self.run, name, identity, self.aside) if self.run else UNRECORDED

    async def close(self) -> None:
        """Close every part, whatever another one raises; the ledger's run is the client's."""
        async with AsyncExitStack() as parts:  # from its end
            parts.push_async_callback(self.endpoint.close)
            parts.push_async_callback(self.subjects.close)
            parts.push_async_callback(self.store_breaker.close)
            await self.breaker.close()


def look_by(rules: Preflight | None) -> Look | None:
    """Return what looks by these rules, or nothing where there is to be no look."""
    if rules is None:
        return None
    from s2v_detect.images import Looker  # noqa: PLC0415  # httpcore: 100 ms of every import

    return Looker(rules).look
