"""What all checks of a client work with: its configuration, and what each opening makes of that.

`Configuration` is there from the client's making on, and outlives every opening. `Session` is one
opening, in one event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from s2v_detect.checks._breaker import Breaker
from s2v_detect.checks._line import Line
from s2v_detect.checks._money import Allowance, Books, Watch
from s2v_detect.images import Subjects
from s2v_detect.ledger import UNRECORDED, AnyLedger, Aside, LedgerRun, Recorded, Recording
from s2v_detect.limiters import Limiter, LocalLimiter
from s2v_detect.models import Lane, OutageStatistics
from s2v_detect.options import Budget, OnUnknown, Preflight, RetryPolicy
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

    def outages(self) -> tuple[OutageStatistics, ...]:
        """Return those that are on, of the service and of the store."""
        outages = (self.breaker.outage, self.store_breaker.outage)
        return tuple(outage for outage in outages if outage is not None)

    async def close(self) -> None:
        """Close every part, whatever another one raises; the ledger's run is the client's."""
        async with AsyncExitStack() as parts:  # from its end
            parts.push_async_callback(self.endpoint.close)
            parts.push_async_callback(self.subjects.close)
            parts.push_async_callback(self.store_breaker.close)
            await self.breaker.close()


@dataclass(frozen=True)
class Configuration:
    """What a client was made with, and the books that it keeps from one opening to the next."""

    endpoint: Endpoint
    model: str
    limiter: Limiter
    credential_line: LocalLimiter
    """Where the store's credentials are asked for: a rate of its own."""
    retry: RetryPolicy
    on_unknown: OnUnknown
    ledger: AnyLedger | None
    budget: Budget
    max_outage_s: float
    preflight: Preflight | None
    books: Books
    watch: Watch

    @property
    def allows_private(self) -> bool:
        """Whether addresses of this network are sent: an emulator on this machine reaches them."""
        rules = self.preflight
        return rules.allow_private if rules else bool(self.endpoint.where)

    @property
    def origin(self) -> str:
        """Whose answers a ledger keeps: those of this model, at this address."""
        return f"{self.model}{self.endpoint.where}"

    def session(self, run: LedgerRun | None, loop: asyncio.AbstractEventLoop) -> Session:
        """Return what all checks of one opening work with. `run` is the ledger's, if any."""
        has_name = run and self.ledger and self.ledger.name
        spent = run.spent() if run and has_name else self.books.spend
        total = None if run and run.has_total else self.budget.total  # else the ledger holds it
        subjects = Subjects(
            self.endpoint, self.model, self.credential_line, allow_private=self.allows_private
        )
        return Session(
            endpoint=self.endpoint,
            subjects=subjects,
            limiter=self.limiter,
            retry=self.retry,
            on_unknown=self.on_unknown,
            books=self.books,
            watch=self.watch,
            line=Line(self.limiter),
            breaker=Breaker(
                subjects.is_reached,
                where=f"the service at {self.endpoint.base_url}",
                max_outage_s=self.max_outage_s,
            ),
            store_breaker=Breaker(where="the store for uploads", max_outage_s=self.max_outage_s),
            allowance=Allowance(total, spent=spent.billed + spent.unknown),
            look=_look_by(self.preflight),
            run=run,
            aside=Aside(),
            loop=loop,
        )


def _look_by(rules: Preflight | None) -> Look | None:
    """Return what looks by these rules, or nothing where there is to be no look."""
    if rules is None:
        return None
    from s2v_detect.images import Looker  # noqa: PLC0415  # httpcore: 100 ms of every import

    return Looker(rules).look
