"""One client's run in the ledger: what its flights write, in the order that keeps it true."""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from s2v_detect._logging import log
from s2v_detect.errors import DetectError, LedgerError
from s2v_detect.ledger import _asked, _claims
from s2v_detect.ledger._attempts import OUTCOMES, Claim, Ended, Reached
from s2v_detect.ledger._claims import Settled
from s2v_detect.ledger._database import Database, process_name
from s2v_detect.ledger._entries import LedgerEntry, utc
from s2v_detect.ledger._writer import LoopWriter, Writer
from s2v_detect.models import Spend, Verdict
from s2v_detect.options import Budget

T = TypeVar("T")


_OPEN_RUNS = """
SELECT open.run, lock, process, coalesce(ended_at, CASE WHEN run.id IS NULL THEN 0 END) FROM (
  SELECT id AS run FROM run WHERE ended_at IS NULL
  UNION SELECT run FROM image WHERE state IN ('asked', 'sent')
  UNION SELECT run FROM attempt WHERE outcome = 'sent'
) AS open LEFT JOIN run ON run.id = open.run WHERE open.run <> ?
"""
_LAST_RUN = """
SELECT coalesce(max(id), 0) FROM (SELECT id FROM run UNION ALL SELECT run FROM attempt) AS known
"""
_LOOK_AGAIN_S = 0.5
"""How often to look whether another process has answered an image that it is asking for."""

_TELL_AFTER_S = 10.0
"""How long an image waits for another run before that is told: two runs side by side wait less."""


@dataclass(frozen=True)
class Opening:
    """What a run begins with."""

    name: str
    model: str
    is_new_start: bool
    is_fresh: Callable[[LedgerEntry], bool]
    """Whether a recorded answer will do."""
    budget: Budget
    is_alone: bool = True
    """Whether no other run of its name may go at the same time."""


class LedgerRun:
    """A client's claim on a ledger, from its opening to its closing."""

    def __init__(self, writer: Writer, opening: Opening) -> None:
        self._writer = writer
        self._store = writer.store
        self._opening = opening
        self._token = secrets.token_hex(8)
        self._loop_writer: LoopWriter | None = None
        self.id = 0
        self.lineage = 0
        self._sent = 0
        self._looked_at = 0.0
        self._waiting: set[str] = set()
        """The images that another run has, and somebody here waits for."""
        self._taken: dict[str, int] = {}
        """Which of them are whose, as it was seen last."""
        self._told: set[int] = set()
        """The runs for which a long wait was told."""
        # Nothing waits for it but another's commit.
        writer.do(partial(self._store.refuse_damage, is_known_enough=True))
        try:
            while not writer.do(self._begin, writes=True):
                time.sleep(_LOOK_AGAIN_S)
        except BaseException:
            self._store.let_go(self.id)
            raise

    @property
    def has_total(self) -> bool:
        """Whether a budget's total is held here, for several runs of its name at a time."""
        return bool(self._opening.name) and not self._opening.is_alone

    async def ask(
        self, claim: Claim, aside: AbstractContextManager[None]
    ) -> tuple[LedgerEntry | None, bool]:
        """Return what is known of an image, and whether that is an answer that will do.

        Unless it is, the image is claimed: from now on no other run asks for it. While another
        live process asks for it this waits, within `aside`; a dead one is succeeded at once.
        """
        entry, is_answer, is_taken = await self._here().do(partial(self._ask, claim=claim))
        if not is_taken:
            return entry, is_answer
        with aside:
            return await self._ask_again(claim)

    async def _ask_again(self, claim: Claim) -> tuple[LedgerEntry | None, bool]:
        began = asyncio.get_running_loop().time()
        self._waiting.add(claim.identity)
        try:
            while True:
                await asyncio.sleep(_LOOK_AGAIN_S)
                now = asyncio.get_running_loop().time()
                if now - self._looked_at >= _LOOK_AGAIN_S:  # one look is enough for all who wait
                    self._looked_at = now
                    self._taken = await self._here().do(self._look)
                run = self._taken.get(claim.identity)
                if run is None:
                    ask = partial(self._ask, claim=claim)
                    entry, is_answer, is_taken = await self._here().do(ask)
                    if not is_taken:
                        return entry, is_answer
                elif run not in self._told and now - began >= _TELL_AFTER_S:
                    self._told.add(run)
                    await self._tell_of(run)
        finally:
            self._waiting.discard(claim.identity)

    def _look(self, db: Database) -> dict[str, int]:
        """Return which of the images that are waited for are asked for by which other run.

        Together: each by itself, hundreds of them would hold up whoever asks for them.
        """
        self._bury(db)
        taken = _claims.taken(db, list(self._waiting))
        return {identity: run for identity, run in taken.items() if run != self.id}

    async def _tell_of(self, run: int) -> None:
        what = await self._here().do(partial(_claims.held_by, run=run))
        log(
            "images_claimed",
            {"are_claimed": _are_claimed(what.images)},
            ledger=self._store.name,
            images=what.images,
            process=what.process,
            since=utc(what.since).isoformat(timespec="seconds"),
        )

    def claim(self, image: str, identity: str) -> Claim:
        """Return a check's place in this run."""
        return Claim(image, identity, self.id, self.lineage, self._store.version)

    async def send(self, claim: Claim) -> Reached | None:
        """Return None when `sent` is durable: the bytes may leave. At a `LedgerError` they may not.

        Nor where the budget of the account's day or month has no room: that is returned then.
        """
        self._sent += 1
        claim.attempt, claim.left_at = self._sent, None
        work = partial(self._send, claim=claim, number=claim.attempt)
        return await self._here().do(work)

    def end_attempt(self, claim: Claim, ended: Ended) -> None:
        """Have a request's end recorded; nobody waits for it."""
        number, claim.attempt = claim.attempt, 0  # it ends once
        self._here().owe(partial(_claims.end_attempt, claim=claim, number=number, ended=ended))

    async def answer(self, claim: Claim, ended: Ended, verdict: Verdict, elapsed_s: float) -> None:
        """Return when the answer is durable. After a `LedgerError` it is tried again by itself."""
        settled = Settled(claim.attempt, ended, elapsed_s)
        work = partial(_claims.answer, claim=claim, settled=settled, verdict=verdict)
        await self._here().do(work, is_owed=True)

    def uploaded(self, claim: Claim, url: str) -> None:
        """Have it recorded where in the store an image is; it may be used again."""
        self._here().owe(partial(_claims.upload, claim=claim, url=url, at=time.time()))

    def give_up(self, claim: Claim, error: DetectError, elapsed_s: float) -> None:
        """Have it recorded that an image ended without an answer; the claim is let go."""
        # Cut off while a request was under way: the error says whether it left.
        ended = Ended("not sent" if error.billed == "no" else "unknown", left_at=claim.left_at)
        settled = Settled(claim.attempt, ended, elapsed_s)
        self._here().owe(partial(_claims.give_up, claim=claim, settled=settled, error=error))

    def skip(self, image: str, identity: str, reason: str) -> None:
        """Have it recorded that an image was not sent, and why."""
        self._here().owe(partial(_claims.skip, claim=self.claim(image, identity), reason=reason))

    async def end(self) -> None:
        """Let go of all claims; whatever is still owed to the ledger is written first.

        Raises `LedgerError` where it can't be: what is missing then is unknown to the next run.
        """
        try:
            await self._here().do(partial(self._release, run=self.id))
        finally:
            self._store.let_go(self.id)

    def spent(self) -> Spend:
        """Return what the lineage has spent, its earlier runs included."""
        return self._writer.do(partial(spent_by, lineage=self.lineage))

    def _here(self) -> LoopWriter:
        # A run is begun in a thread, and then belongs to one event loop.
        if self._loop_writer is None:
            self._loop_writer = LoopWriter(self._writer)
        return self._loop_writer

    def _ask(self, db: Database, claim: Claim) -> tuple[LedgerEntry | None, bool, bool]:
        """Return the entry, whether it answers, and whether another run asks for the image now."""
        entry = _claims.entry_of(db, claim.identity)
        if entry is not None:
            if entry.state in _claims.LIVE_STATES and entry.run != self.id:
                return entry, False, True
            if entry.state == "answered" and self._opening.is_fresh(entry):
                return entry, True, False
        _claims.take(db, claim, entry)
        return entry, False, False

    def _send(self, db: Database, claim: Claim, number: int) -> Reached | None:
        send = partial(_claims.send, db, claim, number, self._opening.budget)
        reached = send(has_total=self.has_total)
        if reached is None or not reached.under_way:
            return reached
        self._bury(db)  # what is under way may be a dead run's
        return send(has_total=self.has_total)

    def _begin(self, db: Database) -> bool:
        """Whether the run has begun; else the one before it may be dead, and has to be waited for.

        A run whose connection was lost as it began may have begun all the same.
        """
        found = db.execute("SELECT id, lineage FROM run WHERE token = ?", (self._token,)).fetchone()
        if found:
            self.id, self.lineage = found
            return True
        self._bury(db)
        opening = self._opening
        self._refuse_another_model(db)
        self._store.enter(db)
        before = _asked.latest_run(db, opening.name)
        if before and before.ended_at is None and opening.is_alone:
            if self._store.is_in_doubt(db, before.id):
                return False
            raise LedgerError(
                f"{opening.name} is being written by a run already (process {before.process}).",
                do="Wait for that run, or give another output.",
            )
        # Never the number of a run that the ledger has lost, and whose requests it still has.
        [last] = db.execute(_LAST_RUN).fetchone()
        self.id = max(last + 1, self._store.first_number())
        self.lineage = before.lineage if before and not opening.is_new_start else self.id
        lock = self._store.hold(db, self.id, self._token)  # before anybody can see the run
        db.execute(
            "INSERT INTO run (id, lineage, name, token, process, started_at, lock, schema)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.id,
                self.lineage,
                opening.name,
                self._token,
                process_name(),
                time.time(),
                lock,
                self._store.version,
            ),
        )
        return True

    def _refuse_another_model(self, db: Database) -> None:
        model = self._opening.model
        db.execute("INSERT INTO about VALUES ('model', ?) ON CONFLICT DO NOTHING", (model,))
        [kept] = db.execute("SELECT value FROM about WHERE key = 'model'").fetchone()
        if kept == model:
            return
        if _asked.is_in_use(db):
            raise LedgerError(
                f"the ledger {self._store.name} holds answers of {_service(kept, model)}, not of"
                f" {_service(model, kept)}.",
                do="Give each of them a ledger of its own.",
            )
        db.execute("UPDATE about SET value = ? WHERE key = 'model'", (model,))
        _asked.forget_uploads(db)  # they lie in the other's store

    def _bury(self, db: Database) -> None:
        """Release what dead processes claimed; what they had sent is unknown.

        What a run has left behind that is over, or that the file does not know, is found by its
        state: nobody must wait for it.
        """
        for run, lock, process, ended_at in db.execute(_OPEN_RUNS, (self.id,)).fetchall():
            if ended_at is not None or not self._store.is_alive(db, run, lock, process):
                self._release(db, run)

    def _release(self, db: Database, run: int) -> None:
        self._store.refuse_damaged_claims(db, run)
        _claims.release(db, run)


def _service(one: str, other: str) -> str:
    """Return what tells this service from the other: its model, or where it is asked."""
    model, local, _ = one.partition(" on this machine")
    if not other.startswith(model):
        return one
    return "an emulator on this machine" if local else "the service itself"


def _are_claimed(images: int) -> str:
    return "1 image is claimed" if images == 1 else f"{images:,} images are claimed"


def spent_by(db: Database, lineage: int) -> Spend:
    """Return what a lineage has spent."""
    counts: dict[str, int] = dict(
        db.execute(
            "SELECT outcome, sum(CASE outcome WHEN 'billed' THEN images ELSE 1 END)"
            " FROM attempt WHERE run IN"
            " (SELECT id FROM run WHERE lineage = ?) GROUP BY outcome",
            (lineage,),
        ).fetchall()
    )
    if not counts.keys() <= OUTCOMES:
        raise LedgerError(
            "the ledger is damaged: a request has an outcome that there is not.",
            do="Restore a copy; what was paid is in the vendor's bill.",
        )
    unknown = counts.get("unknown", 0) + counts.get("sent", 0)
    return Spend(billed=counts.get("billed", 0), unknown=unknown)
