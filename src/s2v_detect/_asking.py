"""The asking for one image: known already? else into the line, over the wire, and again if need be.

It runs in its flight's task. What it remembers is what anybody could want to know of the image so
far: its requests, their errors, what they cost, and where it is.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from s2v_detect._books import Costs
from s2v_detect._crew import Crew
from s2v_detect._departure import Departure
from s2v_detect._endings import cut_off, cut_short, left_unknown, lost_before_resend, not_sent
from s2v_detect._gate import EndPassage
from s2v_detect._place import Place
from s2v_detect._preparing import Preparing
from s2v_detect._recording import Recording
from s2v_detect._retrying import (
    is_outage,
    is_worth_another,
    may_resend,
    retrying,
    slows_the_line,
)
from s2v_detect._subjects import Subject
from s2v_detect._turns import Lane, Turn
from s2v_detect._wire import decode, images_billed, service_ms
from s2v_detect.errors import (
    Billed,
    DetectError,
    ImageSkipped,
    LedgerError,
    NotSent,
    OutcomeUnknown,
)
from s2v_detect.ledger import LedgerEntry
from s2v_detect.models import EventKind, Verdict


class Asking:
    """One image's way to its answer."""

    def __init__(
        self,
        subject: Subject,
        lane: Lane,
        crew: Crew,
        recording: Recording,
        *,
        is_wanted: Callable[[], bool],
        gives_way: Callable[[DetectError], bool],
    ) -> None:
        self.image = subject.image
        self.preparing = Preparing(subject, crew, recording)
        self.attempts = 0
        self.costs = Costs()
        self.fault: LedgerError | None = None
        """The answer is here, and could not be recorded."""
        self.place = Place(lane, crew.line.coming)
        self._crew = crew
        self._recording = recording
        self._is_wanted_by_anyone = is_wanted
        self._gives_way = gives_way
        self._loop = asyncio.get_running_loop()
        self._started_at = self._asked_at = self._loop.time()
        self._errors: list[DetectError] = []
        self._images = 1  # that the latest answer was billed as, if it was
        self._doubts = 0  # answers of this image that were lost before this check
        self._task: asyncio.Task[Any] | None = None

    @property
    def is_in_air(self) -> bool:
        """Whether a request of it has been granted its turn, and has not ended."""
        return self.place.stage == "air"

    @property
    def first_line_s(self) -> float | None:
        """Seconds it has waited for its first turn: 0 before it is in that line, None after."""
        if self.attempts:
            return None
        return self.place.waited_s

    @property
    def doubt(self) -> str:
        """What a look could not tell of it."""
        return self.preparing.doubt

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was asked for."""
        return self._loop.time() - self._started_at

    @property
    def _spent_s(self) -> float:
        """Seconds that its attempts and waits took, without the line."""
        return self.elapsed_s - self.place.line_s

    def tell(self, kind: EventKind, **more: Any) -> None:
        """Tell the watcher of a step."""
        self._crew.watch.tell(kind, self.image, self.place.lane, attempt=self.attempts, **more)

    def so_far(self, why: str) -> DetectError:
        """Return the error for one who gives up now."""
        if self.is_in_air:
            return self._about(
                OutcomeUnknown(
                    f"sent, and {why}; it is finished and counted all the same.",
                    do="It may be billed: `spend` says so once its answer is here.",
                    billed="unknown",
                )
            )
        if self._errors:
            return self._errors[-1].copy()
        return self._about(not_sent(why))

    async def find_out(self) -> Verdict:
        """Return the verdict: from the ledger, else from the service."""
        try:
            return await self._found_out()
        finally:
            self.place.arrive()

    async def _found_out(self) -> Verdict:
        self._task = asyncio.current_task()
        with self.place.waiting_in("ground"):
            entry, is_answer = await self._recording.ask()
        if entry is not None:
            if is_answer and (verdict := entry.verdict):
                return verdict
            self._doubts = entry.doubts
            if self._doubts and not may_resend(self._doubts, self._crew.on_unknown):
                raise self._about(left_unknown())
        is_ready = False
        while True:
            try:
                if not is_ready:
                    await self._prepare(entry)
                    is_ready = True
                return await self._ask_until_answered()
            except DetectError as error:
                crew = self._crew
                is_held = is_outage(error) and (crew.gate.is_shut or crew.store_gate.is_shut)
                if not (is_held and self._may_follow(error) and self._gives_way(error)):
                    raise

    def give_up(self, error: BaseException) -> None:
        """Record that it ended without an answer."""
        told = error if isinstance(error, DetectError) else cut_off(left=self.attempts > 0)
        is_final = self._is_wanted_by_anyone() or isinstance(told, NotSent | OutcomeUnknown)
        if not is_final and self._may_follow(told):
            told = cut_short(told)
        self._recording.give_up(told, elapsed_s=self.elapsed_s)

    async def _prepare(self, entry: LedgerEntry | None = None) -> None:
        """Return when the service can be asked: in no hurry, before the line."""
        preparing = self.preparing
        try:
            with self.place.waiting_in("ground"):
                await self.place.wait(lambda lane: preparing.make_ready(entry, lane, self.tell))
        except DetectError as error:
            if preparing.is_by_look:
                self.tell("looked", error=type(error).__name__)
            if isinstance(error, ImageSkipped) and self.attempts:  # skipped is: never sent
                raise self._about(lost_before_resend(error)) from error
            raise self._about(error) from error.__cause__
        if preparing.is_by_look:
            self.tell("looked", doubt=self.doubt)

    async def _ask_until_answered(self) -> Verdict:
        try:
            return await self._attempt()
        except DetectError as error:
            if not self._is_wanted(error):
                raise
            met = [error]

        # tenacity is asked from the first error on: it costs 50 µs, and most images need no more.
        async def attempt() -> Verdict:
            if met:
                raise met.pop()
            return await self._attempt()

        rules = retrying(
            self._crew.retry,
            is_wanted=self._is_wanted,
            spent_s=lambda: self._spent_s,
            sleep=self._rest,
        )
        verdict: Verdict = await rules(attempt)
        return verdict

    async def _attempt(self) -> Verdict:
        while True:
            try:
                return await self._request()
            except DetectError as error:
                if self._is_wanted_still() and self.preparing.loses(error):
                    await self._prepare()
                    continue
                # In an outage a stream's image waits at the gate instead, and loses no retry.
                is_held = self._crew.gate.is_shut and self.place.lane == "bulk" and is_outage(error)
                if not is_held or not self._is_wanted(error):
                    raise

    async def _request(self) -> Verdict:
        """Make one request, through the gate, within the budget, and through the line."""
        unknown, at_most = self.costs.unknown, self.costs.at_most
        with self.place.waiting_in("line"):
            turn, end_passage = await self.place.wait(self._turn)
        try:
            return await self._fly(turn)
        finally:
            self.place.stage = "rest"
            end_passage(in_doubt=self.costs.unknown > unknown)
            self._crew.budget.settle(paid=self.costs.at_most - at_most)

    async def _turn(self, lane: Lane) -> tuple[Turn, EndPassage]:
        crew = self._crew
        try:
            return await crew.line.turn_through(
                crew.gate,
                crew.budget,
                lane,
                self._recording,
                passage=lambda: self._passage(lane),
            )
        # The budget's, the gate's, or the ledger's: what can't be recorded stays.
        except DetectError as error:
            raise self._about(error) from error.__cause__

    async def _passage(self, lane: Lane) -> EndPassage:
        if lane == "bulk":
            return await self._crew.gate.passage()
        last = self._errors[-1] if self._errors else None
        patience_s = self._crew.retry.give_up_after_s - self._spent_s
        with self.place.waiting_for_an_outage():
            return await self._crew.gate.passage_of_check(last, patience_s)

    async def _fly(self, turn: Turn) -> Verdict:
        self.place.stage = "air"
        self.attempts += 1
        self._asked_at = self._loop.time()
        self.tell("turn", wait_s=self.place.line_s)
        try:
            # A connection that took longer than its grace to open has a new turn.
            retake = partial(self._crew.limiter.turn, "open")
            return await self._ask(Departure(turn, retake, self._left))
        except DetectError as error:
            self._met(error)
            raise

    def _left(self) -> None:
        self._recording.left()
        self.tell("sent")

    async def _ask(self, departure: Departure) -> Verdict:
        try:
            answer = await self._crew.endpoint.post(self.preparing.url, departure)
        except DetectError:
            raise
        except asyncio.CancelledError:
            raise cut_off(left=departure.left) from None
        except BaseException:  # of a transport or a hook that is not ours: it may have been sent
            if departure.left:
                self._count("unknown")
            raise
        self._images = images_billed(answer) or 1
        verdict = decode(answer)
        self._count(verdict.billed)
        took_ms = service_ms(answer)
        await self._record(verdict, took_ms)
        self.tell("answered", wait_s=self._waited_s(), service_ms=took_ms)
        self._tell_the_gate(None)
        return verdict

    async def _record(self, verdict: Verdict, took_ms: int | None) -> None:
        """Have the answer in the ledger; one that can't be recorded is not lost for that."""
        try:
            await self._recording.answer(
                verdict, images=self._images, service_ms=took_ms, elapsed_s=self.elapsed_s
            )
        except LedgerError as fault:
            self.fault = fault
        except asyncio.CancelledError:
            pass  # the answer is here, and the ledger has been handed it

    def _met(self, error: DetectError) -> None:
        self._recording.fail_attempt(error, self._images)
        self._count(error.billed)
        self._errors.append(self._about(error))
        if not isinstance(error, NotSent):
            self.tell("answered", wait_s=self._waited_s(), error=type(error).__name__)
        if slows_the_line(error):
            self._crew.limiter.throttled(getattr(error, "retry_after_s", None))
            self.tell("throttled", error=type(error).__name__)
        self._tell_the_gate(error)

    def _tell_the_gate(self, error: DetectError | None) -> None:
        gate = self._crew.gate
        if error is None or not is_outage(error):
            if gate.answered():
                self.tell("restored")
        elif not (self._task and self._task.cancelling()) and gate.failed(error):
            self.tell("outage", error=type(error).__name__)

    async def _rest(self, wait_s: float) -> None:
        self.tell("retrying", wait_s=wait_s, error=type(self._errors[-1]).__name__)
        await asyncio.sleep(wait_s)

    def _is_wanted(self, error: BaseException) -> bool:
        """Whether to ask again: allowed, and somebody still waits."""
        return (
            isinstance(error, DetectError)
            and self._is_wanted_still()
            and self.attempts > 0  # else the gate has refused it
            and bool(self.preparing.url)  # an upload has had its own retries
            and self._may_follow(error)
        )

    def _may_follow(self, error: DetectError) -> bool:
        """Whether another request may be made after this error."""
        earlier, on_unknown = self._errors[:-1], self._crew.on_unknown
        return is_worth_another(error, earlier, on_unknown, doubts=self._doubts)

    def _is_wanted_still(self) -> bool:
        return self._is_wanted_by_anyone() and not (self._task and self._task.cancelling())

    def _about(self, error: DetectError) -> DetectError:
        error.image = self.image
        error.attempts = self.attempts
        if self.costs.unknown and error.billed == "no":
            error.billed = "unknown"
            error.do += " An earlier request for it may have been billed."
        return error

    def _waited_s(self) -> float:
        return self._loop.time() - self._asked_at

    def _count(self, billed: Billed) -> None:
        self.costs.add(billed, self._images)
        self._crew.books.count_request(billed, self._images)
