"""ONE image: known already? else made ready, through the line, over the wire, and again if need be.

The theory. A check runs in its flight's task, which the client owns: nobody who waits is inside
httpx. Until a turn is granted (`place.stage` is not `"sent"`) the task may be cancelled at no cost:
no bytes have left, and a `sent` that was written is taken back. From the turn on it is finished and
recorded, whoever has left.

One loop: each round makes the image ready, makes one request, and returns its verdict. An error of
a round is met by `_goes_on`, which asks the pure `after` what follows and does that; where nothing
follows, the error is raised, and the flight tells it. Nothing else decides whether an image is
asked for again.

What the loop waits for: the ledger's claim, the look or the upload, the budget, the breaker, the
line (all free to leave); then the answer and its record (not). The ledger has `sent` before the
bytes leave and the answer before anybody hears of it: killed on any line, the books know.
"""

import asyncio
from functools import partial
from typing import Any

from s2v_detect.checks._again import (
    Rests,
    Seen,
    Step,
    after,
    is_outage,
    may_follow,
    slows_the_line,
)
from s2v_detect.checks._breaker import Passage
from s2v_detect.checks._money import Costs, next_flight
from s2v_detect.checks._preparing import Preparing
from s2v_detect.checks._session import Session
from s2v_detect.checks._waiters import Place, Waiters
from s2v_detect.errors import (
    Billed,
    DetectError,
    ImageSkipped,
    ImageUnusable,
    LedgerError,
    NotSent,
    OutcomeUnknown,
    cut_off,
    cut_short,
    left_unknown,
    lost_before_resend,
    not_sent,
)
from s2v_detect.images import Subject
from s2v_detect.limiters import Turn
from s2v_detect.models import EventKind, Lane, Verdict
from s2v_detect.options import may_resend
from s2v_detect.wire import Answer, Departure, decode, images_billed, service_ms


class Check:
    """One image's way to its answer, and all that anybody may want to know of it."""

    def __init__(self, subject: Subject, lane: Lane, session: Session, waiters: Waiters) -> None:
        self.image = subject.image
        self.number = next_flight()
        self.attempts = 0
        self.costs = Costs()
        self.fault: LedgerError | None = None
        """The answer is here, and could not be recorded."""
        self.place = Place(lane, session.line.coming)
        self._session = session
        self._waiters = waiters
        self._recording = session.recording(subject.name, subject.identity)
        self.preparing = Preparing(subject, session, self._recording)
        self._loop = session.loop
        self._started_at = self._asked_at = self._loop.time()
        self._errors: list[DetectError] = []
        self._is_told = False  # that its latest request was sent
        self._status: int | None = None  # of the latest answer
        self._images = 1  # that the latest answer was billed as, if it was
        self._doubts = 0  # answers of this image that were lost before this check
        self._held_since: float | None = None  # by an outage, or by what may become one
        self._tried_s = 0.0  # that requests took which were made to try an outage
        self._rests: Rests | None = None
        self._task: asyncio.Task[Any] | None = None

    @property
    def is_sent(self) -> bool:
        """Whether a request of it has been granted its turn, and has not ended."""
        return self.place.stage == "sent"

    @property
    def unsent_s(self) -> float | None:
        """Seconds since it was first in line; None as soon as a request of it has left.

        0 while nobody may go: it is not in line yet, or a request is about to leave.
        """
        if (self.is_sent and self._is_told) or not all(each.is_unsent for each in self._errors):
            return None
        return self.place.waited_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was asked for."""
        return self._loop.time() - self._started_at

    def tell(self, kind: EventKind, **more: Any) -> None:
        """Tell the watcher of a step."""
        at = {"flight": self.number, "attempt": self.attempts}
        self._session.watch.tell(kind, self.image, self.place.lane, **at, **more)

    def so_far(self, why: str) -> DetectError:
        """Return the error for one who gives up now."""
        if self.is_sent:
            return self._about(
                OutcomeUnknown(
                    f"sent, and {why}; it is finished and counted all the same.",
                    do="It may be billed: `spend` says so once its answer is here.",
                    billed="unknown",
                )
            )
        return self.last_error() or self._about(not_sent(why))

    def last_error(self) -> DetectError | None:
        """Return the error of its latest request, if it had one, for one who gives up now."""
        if not self._errors:
            return None
        error = self._errors[-1].copy()
        self._say_when(error)
        return error

    async def run(self) -> Verdict:
        """Return the verdict: from the ledger, else from the service. Raises `DetectError`."""
        self._task = asyncio.current_task()
        try:
            known = await self._look_up()
            while known is None:
                try:
                    if not self.preparing.is_ready:
                        await self._prepare()
                    return await self._request()
                except DetectError as error:
                    if not await self._goes_on(error):
                        raise
            return known
        finally:
            self.place.arrive()

    def give_up(self, error: BaseException) -> None:
        """Record that it ended without an answer."""
        told = error if isinstance(error, DetectError) else cut_off(left=self.attempts > 0)
        is_final = self._waiters.want_more or isinstance(told, NotSent | OutcomeUnknown)
        if not is_final and may_follow(told, self._seen()):
            told = cut_short(told)
        self._recording.give_up(told, elapsed_s=self.elapsed_s)

    async def _look_up(self) -> Verdict | None:
        """Return the ledger's answer; else the image is claimed, and no other run asks for it."""
        with self.place.waiting_in("before"):
            entry, is_answer = await self._recording.ask()
        if entry is None:
            return None
        if is_answer and (verdict := entry.verdict):
            return verdict
        self._doubts = entry.doubts
        if self._doubts and not may_resend(self._doubts, self._session.on_unknown):
            raise self._about(left_unknown())
        self.preparing.entry = entry
        return None

    async def _prepare(self) -> None:
        """Return when the service can be asked: in no hurry, before the line."""
        preparing = self.preparing
        try:
            if self.place.lane != "bulk":
                self._session.breaker.refuse_a_check()
            with self.place.waiting_in("before"):
                await self.place.wait(lambda lane: preparing.make_ready(lane, self.tell))
        except DetectError as error:
            if preparing.is_by_look:
                self.tell("looked", error=type(error).__name__)
            if isinstance(error, ImageSkipped) and self.attempts:  # skipped is: never sent
                raise self._about(lost_before_resend(error)) from error
            raise self._about(error) from error.__cause__
        if preparing.is_by_look:
            self.tell("looked", doubt=preparing.doubt)

    async def _request(self) -> Verdict:
        """Make one request, through the breaker, within the budget, and through the line."""
        session, costs = self._session, self.costs
        unknown, at_most = costs.unknown, costs.at_most
        with self.place.waiting_in("line"):
            turn, passage = await self.place.wait(self._turn)
        # Up to here leaving is free. From here it is finished and recorded.
        departure = self._depart(turn)
        try:
            answer = await session.endpoint.post(self.preparing.address, departure)
            verdict = self._decoded(answer)
            await self._record(verdict, answer)
        except BaseException as error:  # whatever it is, the books must hear of it
            self._met(error, departure)
            if isinstance(error, asyncio.CancelledError):
                raise self._errors[-1] from None
            raise
        finally:
            self.place.stage = "rest"
            session.breaker.end(passage, in_doubt=costs.unknown > unknown)
            session.allowance.settle(paid=costs.at_most - at_most)
        return verdict

    async def _turn(self, lane: Lane) -> tuple[Turn, Passage]:
        """Return a turn within the budget, with a passage of the breaker that holds when it comes.

        The budget is held in line, and not by those whom an outage holds: a check that is refused
        in it would wait for them.
        """
        session = self._session
        while True:
            try:
                session.allowance.refuse_if_spent()
                passage = await self._passage(lane)
                try:
                    turn = await self._paid_turn(lane)
                except BaseException:  # whatever ended the waiting, a trial is another's
                    session.breaker.give_back(passage)
                    raise
            except DetectError as error:  # of the budget, the breaker or the ledger
                raise self._about(error) from error.__cause__
            if not session.breaker.holds(passage):
                return turn, passage
            turn.withdrawn()  # the outage began while it stood in line
            self._recording.withdraw()
            session.allowance.settle(paid=0)

    async def _paid_turn(self, lane: Lane) -> Turn:
        session = self._session
        await session.allowance.hold()
        try:
            return await session.line.turn(lane, self._recording)
        except BaseException:  # as above
            session.allowance.settle(paid=0)
            raise

    async def _passage(self, lane: Lane) -> Passage:
        breaker = self._session.breaker
        self._held_since = since = breaker.held_since(self._held_since)
        if lane == "bulk":
            return await breaker.passage(since)
        return breaker.passage_of_check(next(filter(is_outage, self._errors[-1:]), None))

    def _depart(self, turn: Turn) -> Departure:
        self.place.stage = "sent"
        self.attempts += 1
        self._asked_at = self._loop.time()
        self._is_told = False
        self._status = None
        line, endpoint = self._session.line, self._session.endpoint.url
        self.tell("turn", wait_s=self.place.line_s, endpoint=endpoint, margin=line.margin())
        line.log_what_it_learnt()
        if (lost := line.told_anew()) is not None:
            self.tell("line", message=lost)
        # A connection that took longer than its grace to open has a new turn.
        return Departure(turn, partial(self._session.limiter.turn, "open"), self._left)

    def _left(self) -> None:
        self._recording.left()
        self._is_told = True
        self.tell("sent")

    def _decoded(self, answer: Answer) -> Verdict:
        self._status = answer.status
        answer = self.preparing.concealed(answer)
        self._images = images_billed(answer) or 1
        verdict = decode(answer)
        self._count(verdict.billed)
        return verdict

    async def _record(self, verdict: Verdict, answer: Answer) -> None:
        """Have the answer in the ledger; one that can't be recorded is not lost for that."""
        took_ms = service_ms(answer)
        try:
            await self._recording.answer(
                verdict, images=self._images, service_ms=took_ms, elapsed_s=self.elapsed_s
            )
        except LedgerError as fault:
            self.fault = fault
        except asyncio.CancelledError:
            pass  # the answer is here, and the ledger has been handed it
        self._tell_of_the_end("answered", service_ms=took_ms)
        self._tell_the_breaker(None)

    def _met(self, error: BaseException, departure: Departure) -> None:
        """Count, record and tell of what a request ended with."""
        if isinstance(error, asyncio.CancelledError):
            error = cut_off(left=departure.left)
        if not isinstance(error, DetectError):  # of a transport or a hook that is not ours
            if departure.left:
                self._count("unknown")
            return
        self._recording.fail_attempt(error, self._images)
        self._count(error.billed)
        self._errors.append(self._about(error))
        kind: EventKind = "answered" if self._is_told else "unsent"
        self._tell_of_the_end(kind, error=type(error).__name__)
        if slows_the_line(error):
            self._session.line.throttled(error.retry_after_s)
            self.tell("throttled", error=type(error).__name__)
        self._tell_the_breaker(error)

    def _tell_the_breaker(self, error: DetectError | None) -> None:
        breaker = self._session.breaker
        if error is not None and error.is_unsent and not is_outage(error):
            return  # a fault of the set-up: the service has said nothing
        if error is None or not is_outage(error):
            if breaker.answered():
                self.tell("restored", where=breaker.where)
            return
        if self._held_since is None:
            self._held_since = self._asked_at
        if not self._is_cancelled and (outage := breaker.failed(error)):
            self.tell("outage", **outage.model_dump(exclude={"since"}))

    async def _goes_on(self, error: DetectError) -> bool:
        """Do what follows an error. Return whether the image is asked for again."""
        seen = self._seen()
        step = after(error, seen)
        if step is Step.RENEW:
            self.preparing.renew()
            return True
        if step is Step.HOLD:
            self._tried_s += self._waited_s()
            return True
        if step is Step.REST:
            # tenacity is asked from the first error on: most images need no more than a request.
            self._rests = self._rests or Rests(self._session.retry)
            rest_s = self._rests.rest_s(error, self._spent_s)
            if rest_s is not None:
                self.tell("retrying", wait_s=rest_s, error=type(error).__name__)
                await asyncio.sleep(rest_s)
                return True
        self._say_when(error)
        return self._goes_on_for_streams(error, seen)

    def _say_when(self, error: DetectError) -> None:
        """Have the error of a service that can't be reached, or is out, say when to come again."""
        breaker, store = self._session.breaker, self._session.store_breaker
        breaker = store if store.is_open and not breaker.is_open else breaker
        if error.is_unsent or (breaker.is_open and is_outage(error)):
            error.retry_after_s = max(error.retry_after_s or 0.0, breaker.again_s)

    def _goes_on_for_streams(self, error: DetectError, seen: Seen) -> bool:
        """Whether streams wait an outage out: the checks beside them were told of the error."""
        is_out = self._session.breaker.is_open or self._session.store_breaker.is_open
        if not is_out or not is_outage(error) or not may_follow(error, seen):
            return False
        if not self._waiters.tell_checks(error, was_for_checks=self.place.waited_in != "bulk"):
            return False
        self.place.move_down()
        self._rests = None
        return True

    def _seen(self) -> Seen:
        """Return what was seen until the latest error, which is not counted."""
        before = self._errors[:-1]
        return Seen(
            on_unknown=self._session.on_unknown,
            attempts=self.attempts,
            lost=self._doubts + sum(isinstance(each, OutcomeUnknown) for each in before),
            was_unreached=any(isinstance(each, ImageUnusable) for each in before),
            is_wanted=self._waiters.want_more and not self._is_cancelled,
            is_ready=self.preparing.is_ready,
            may_renew=self.preparing.may_renew,
            is_bulk=self.place.lane == "bulk",
            is_out=self._session.breaker.is_open,
        )

    @property
    def _is_cancelled(self) -> bool:
        return self._task is not None and self._task.cancelling() > 0

    @property
    def _spent_s(self) -> float:
        """Seconds that its requests and rests took, without the line and without an outage."""
        return self.elapsed_s - self.place.line_s - self._tried_s

    def _about(self, error: DetectError) -> DetectError:
        error.image = self.image
        error.attempts = self.attempts
        if self.costs.unknown and error.billed == "no":
            error.billed = "unknown"
            error.do += " An earlier request for it may have been billed."
        return error

    def _tell_of_the_end(self, kind: EventKind, **more: Any) -> None:
        """Tell the watcher of the end of a request."""
        self.tell(kind, wait_s=self._waited_s(), status=self._status, **more)

    def _waited_s(self) -> float:
        return self._loop.time() - self._asked_at

    def _count(self, billed: Billed) -> None:
        self.costs.add(billed, self._images)
        self._session.books.count_request(billed, self._images)
