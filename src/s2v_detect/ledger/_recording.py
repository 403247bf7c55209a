"""What one flight has recorded of itself: in the ledger, or nowhere."""

import asyncio
import time
import weakref
from contextlib import suppress
from typing import Protocol

from s2v_detect._waiting import task_of, unhurried
from s2v_detect.errors import DetectError, LedgerError
from s2v_detect.ledger._attempts import Claim, Ended
from s2v_detect.ledger._entries import LedgerEntry
from s2v_detect.ledger._ledger import AnyLedger
from s2v_detect.ledger._run import LedgerRun
from s2v_detect.models import Verdict
from s2v_detect.options import Budget

_LOOK_AGAIN_S = 0.1
"""How often to look at a limit whether there is room: for the time of an answer at most."""

_OUTCOMES = {"yes": "billed", "no": "free", "unknown": "unknown"}


async def begun(ledger: AnyLedger, model: str, budget: Budget) -> LedgerRun:
    """Return a run of the ledger; one that nobody waits for any more is ended at once.

    In a thread: the file may be another process's for a moment, and what died is succeeded.
    """
    beginning = task_of(asyncio.to_thread(ledger.begin, model, budget), "s2v-detect opening")
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:  # the thread goes on

        async def end() -> None:
            with suppress(LedgerError):
                await (await beginning).end()

        await unhurried(end())
        raise


async def ended(run: LedgerRun | None, ledger: AnyLedger | None) -> None:
    """End a run, and then let go of the ledger, whatever the first raises."""
    try:
        if run:
            await run.end()
    finally:
        if ledger:
            await asyncio.to_thread(ledger.close)


class Aside:
    """How many flights of a client wait for another process's claim, and whom that leaves room.

    Those must not hold up the others: a window that they fill would stand still for as long as the
    other process is stopped.
    """

    def __init__(self) -> None:
        self.count = 0
        self.rooms: weakref.WeakSet[asyncio.Event] = weakref.WeakSet()
        """Set when one more waits: a window looks then whether it has room."""

    def __enter__(self) -> None:
        self.count += 1
        for room in self.rooms:
            room.set()

    def __exit__(self, *_: object) -> None:
        self.count -= 1


class Recording(Protocol):
    """The steps of a flight that are written down, in their order."""

    is_kept: bool
    """Whether anything is written, so that there is anything to wait for."""

    async def ask(self) -> tuple[LedgerEntry | None, bool]:
        """Return what is known of the image, and whether it answers; else it is claimed."""

    async def send(self) -> None:
        """Return when it is durable that the bytes may leave.

        That reserves them in the budget of the account's day and month, for all processes. Raises
        `BudgetSpent` where there is no room, and nothing of this client's under way that may leave
        some.
        """

    def uploaded(self, url: str) -> None:
        """Record where in the store the image is now."""

    def left(self) -> None:
        """Note that the bytes leave at this instant."""

    def withdraw(self) -> None:
        """Take `send` back: no bytes left."""

    def fail_attempt(self, error: DetectError, images: int) -> None:
        """Record what a request ended with; it was billed as so many images, if it was."""

    async def answer(
        self, verdict: Verdict, *, images: int, service_ms: int | None, elapsed_s: float
    ) -> None:
        """Return when the answer is durable; it was billed as so many images, if it was."""

    def give_up(self, error: DetectError, *, elapsed_s: float) -> None:
        """Record that the flight ended without an answer."""


class Unrecorded:
    """The recording of a client without a ledger."""

    is_kept = False

    async def ask(self) -> tuple[LedgerEntry | None, bool]:
        return None, False

    async def send(self) -> None:
        """Nothing to write."""

    def uploaded(self, url: str) -> None:
        """Nothing to write."""

    def left(self) -> None:
        """Nothing to note."""

    def withdraw(self) -> None:
        """Nothing to take back."""

    def fail_attempt(self, error: DetectError, images: int) -> None:
        """Nothing to write."""

    async def answer(
        self, verdict: Verdict, *, images: int, service_ms: int | None, elapsed_s: float
    ) -> None:
        """Nothing to write."""

    def give_up(self, error: DetectError, *, elapsed_s: float) -> None:
        """Nothing to write."""


class Recorded:
    """The recording of a flight in the ledger."""

    is_kept = True

    def __init__(self, run: LedgerRun, image: str, identity: str, aside: Aside) -> None:
        self._run = run
        self._aside = aside
        self._claim: Claim = run.claim(image, identity)

    async def ask(self) -> tuple[LedgerEntry | None, bool]:
        return await self._run.ask(self._claim, self._aside)

    async def send(self) -> None:
        # At the limit of a day or a month: what this client has under way may leave room.
        while (reached := await self._run.send(self._claim)) is not None:
            if not reached.under_way:
                raise reached.as_error(time.time())
            await asyncio.sleep(_LOOK_AGAIN_S)

    def uploaded(self, url: str) -> None:
        self._run.uploaded(self._claim, url)

    def left(self) -> None:
        self._claim.left_at = time.time()

    def withdraw(self) -> None:
        self._run.end_attempt(self._claim, Ended("not sent"))

    def fail_attempt(self, error: DetectError, images: int) -> None:
        ended = Ended(
            "not sent" if error.is_unsent else _OUTCOMES[error.billed],  # type: ignore[arg-type]  # the table holds nothing else
            error=type(error).__name__,
            code=getattr(error, "code", None),
            request_id=getattr(error, "request_id", None),
            left_at=self._claim.left_at,
            images=images,
        )
        self._run.end_attempt(self._claim, ended)

    async def answer(
        self, verdict: Verdict, *, images: int, service_ms: int | None, elapsed_s: float
    ) -> None:
        ended = Ended(
            _OUTCOMES[verdict.billed],  # type: ignore[arg-type]  # as above
            code=verdict.code,
            request_id=verdict.request_id,
            service_ms=service_ms,
            left_at=self._claim.left_at,
            images=images,
        )
        await self._run.answer(self._claim, ended, verdict, elapsed_s)

    def give_up(self, error: DetectError, *, elapsed_s: float) -> None:
        self._run.give_up(self._claim, error, elapsed_s)


UNRECORDED = Unrecorded()
