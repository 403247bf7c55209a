"""One image's way: into the line, over the wire, again if need be, and to all who wait for it.

A flight is a plain asyncio task of the client's own: whoever waits for it may be cancelled at any
instant, and the task inside httpx is not (a cancelled request can lose its pool slot for good).
Until a turn is granted leaving is free; from then on the flight is finished and counted, with
nobody waiting too.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from s2v_detect._books import Books, Costs, Watch
from s2v_detect._http import Departure, Endpoint
from s2v_detect._retrying import OnUnknown, is_worth_another, retrying, slows_the_line
from s2v_detect._turns import Lane, Limiter, Turn
from s2v_detect._wire import decode, service_ms
from s2v_detect.errors import Billed, DetectError, NotSent, OutcomeUnknown
from s2v_detect.models import EventKind, RetryPolicy, Verdict


@dataclass(frozen=True)
class Crew:
    """What all flights of a client work with."""

    endpoint: Endpoint
    limiter: Limiter
    retry: RetryPolicy
    on_unknown: OnUnknown
    books: Books
    watch: Watch


@dataclass(frozen=True)
class Landing:
    """How a flight ended, as one of those who waited for it is told."""

    result: Verdict | BaseException
    attempts: int
    told: dict[str, Any]
    """`billed`, `cost` and `cost_at_most` of this share: the first who waited has all of it."""


class Flight:
    """One image on its way, and those who wait for it."""

    def __init__(
        self, image: str, lane: Lane, crew: Crew, on_end: Callable[["Flight"], None]
    ) -> None:
        self.image = image
        self._lane = lane
        self._crew = crew
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._place: Literal["line", "air", "rest"] = "line"
        self._started_at = self._loop.time()
        self._asked_at = self._started_at
        self._line_s = 0.0
        self._attempts = 0
        self._errors: list[DetectError] = []
        self._costs = Costs()
        self._is_lining_up = False
        self._is_moving = False
        self._grounded = ""
        # Whether each of them wants another request made, if this one gives no verdict.
        self._waiters: dict[asyncio.Future[Landing], bool] = {}
        self._tell("queued")
        self.task = asyncio.create_task(self._fly(), name="s2v-detect flight")
        self.task.add_done_callback(self._ended)

    @property
    def is_free(self) -> bool:
        """Whether it may end now at no cost: no request of it has been granted a turn."""
        return self._place != "air" and not self.task.done()

    @property
    def is_in_first_line(self) -> bool:
        """Whether it still waits for its first turn."""
        return self._place == "line" and not self._attempts

    def join(self, lane: Lane) -> asyncio.Future[Landing]:
        """Return what will be told of its end; a better lane takes the whole flight along."""
        if self._waiters:
            self._tell("shared")
        if lane == "interactive" and self._lane == "bulk":
            self._lane = lane
            if self._is_lining_up:
                self._is_moving = self.task.cancel()
        waiter = self._loop.create_future()
        self._waiters[waiter] = True
        return waiter

    def leave(self, waiter: asyncio.Future[Landing]) -> None:
        """Wait no more. A flight nobody waits for ends here, if it may."""
        self._waiters.pop(waiter, None)
        if not self._waiters and self.is_free:
            self.ground("nobody waited for it any more")

    def want_no_more(self, waiter: asyncio.Future[Landing]) -> None:
        """Wait for what is under way, and not for any request after it."""
        self._waiters[waiter] = False

    def tell(self, waiter: asyncio.Future[Landing], error: DetectError) -> None:
        """Tell one of those who wait to go without the rest."""
        if not waiter.done():
            waiter.set_result(Landing(error, 0, Costs().told()))

    def ground(self, why: str) -> None:
        """Make no further request for this image; one that is under way is finished."""
        self._grounded = self._grounded or why
        if self.is_free:
            self._is_moving = False
            self._on_end(self)
            self.task.cancel()

    def so_far(self, why: str) -> DetectError:
        """Return the error for one who gives up now."""
        if self._place == "air":
            return self._about(
                OutcomeUnknown(
                    f"sent, and {why}; it is finished and counted all the same.",
                    do="It may be billed: `spend` says so once its answer is here.",
                    billed="unknown",
                )
            )
        if self._errors:
            return self._errors[-1].copy()
        return self._about(_not_sent(why))

    async def _fly(self) -> None:
        try:
            result: Verdict | BaseException = await self._ask_until_answered()
        except asyncio.CancelledError:
            result = self._last_word()
        except Exception as error:  # noqa: BLE001  # told to all who wait, and raised there
            result = error
        self._land(result)

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
            spent_s=lambda: self._loop.time() - self._started_at - self._line_s,
            sleep=self._rest,
        )
        verdict: Verdict = await rules(attempt)
        return verdict

    async def _attempt(self) -> Verdict:
        with self._in_line():
            turn = await self._turn()
        self._place = "air"
        self._attempts += 1
        self._asked_at = self._loop.time()
        self._tell("turn", wait_s=self._line_s)
        try:
            return await self._ask(Departure(turn, self._late_turn, lambda: self._tell("sent")))
        except DetectError as error:
            self._met(error)
            raise
        finally:
            self._place = "rest"

    async def _ask(self, departure: Departure) -> Verdict:
        try:
            answer = await self._crew.endpoint.post(self.image, departure)
        except DetectError:
            raise
        except asyncio.CancelledError:
            raise _cut_off(left=departure.left) from None
        except BaseException:  # of a transport or a hook that is not ours: it may have been sent
            if departure.left:
                self._count("unknown")
            raise
        verdict = decode(answer)
        self._count(verdict.billed)
        self._tell("answered", wait_s=self._waited_s(), service_ms=service_ms(answer))
        return verdict

    def _met(self, error: DetectError) -> None:
        self._count(error.billed)
        self._errors.append(self._about(error))
        if not isinstance(error, NotSent):
            self._tell("answered", wait_s=self._waited_s(), error=type(error).__name__)
        if slows_the_line(error):
            self._crew.limiter.throttled(getattr(error, "retry_after_s", None))
            self._tell("throttled", error=type(error).__name__)

    @contextmanager
    def _in_line(self) -> Iterator[None]:
        self._place = "line"
        since = self._loop.time()
        try:
            yield
        finally:
            self._line_s += self._loop.time() - since

    async def _turn(self) -> Turn:
        while True:
            self._is_lining_up = True
            try:
                return await self._crew.limiter.turn(self._lane)
            except asyncio.CancelledError:
                if not self._is_moving:
                    raise
                self._is_moving = False
                self.task.uncancel()
            finally:
                self._is_lining_up = False

    async def _late_turn(self) -> Turn:
        """The turn of a connection that took longer than its grace to open."""
        return await self._crew.limiter.turn("open")

    async def _rest(self, wait_s: float) -> None:
        self._tell("retrying", wait_s=wait_s, error=type(self._errors[-1]).__name__)
        await asyncio.sleep(wait_s)

    def _is_wanted(self, error: BaseException) -> bool:
        """Whether to ask again: allowed, and somebody still waits."""
        return (
            isinstance(error, DetectError)
            and any(self._waiters.values())
            and not self._grounded
            and not self.task.cancelling()
            and is_worth_another(error, self._errors[:-1], self._crew.on_unknown)
        )

    def _about(self, error: DetectError) -> DetectError:
        error.image = self.image
        error.attempts = self._attempts
        if self._costs.unknown and error.billed == "no":
            error.billed = "unknown"
            error.do += " An earlier request for it may have been billed."
        return error

    def _last_word(self) -> DetectError:
        return self.so_far(self._grounded or "its event loop was stopped")

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():  # before its first step, so that it could not land by itself
            self._land(self._last_word())

    def _land(self, result: Verdict | BaseException) -> None:
        self._on_end(self)
        self._tell("settled", wait_s=self._loop.time() - self._started_at, **self._costs.told())
        waiters = [waiter for waiter in self._waiters if not waiter.done()]
        for place, waiter in enumerate(waiters):
            waiter.set_result(self._share(result) if place else self._whole(result))

    def _whole(self, result: Verdict | BaseException) -> Landing:
        return Landing(result, self._attempts, self._costs.told())

    def _share(self, result: Verdict | BaseException) -> Landing:
        """Return what one is told whose image another had asked for: the same, at no cost."""
        if isinstance(result, Verdict):
            self._crew.books.count("shared")
            result = result.model_copy(update={"source": "shared", "billed": "no"})
        elif isinstance(result, DetectError):
            result = result.copy()
        return Landing(result, 0, Costs().told())

    def _waited_s(self) -> float:
        return self._loop.time() - self._asked_at

    def _count(self, billed: Billed) -> None:
        self._costs.add(billed)
        self._crew.books.count_request(billed)

    def _tell(self, kind: EventKind, **more: Any) -> None:
        self._crew.watch.tell(kind, self.image, self._lane, attempt=self._attempts, **more)


def _not_sent(why: str) -> NotSent:
    return NotSent(f"not sent, {why}.", do="Check it again; it was not billed.")


def _cut_off(*, left: bool) -> DetectError:
    """Return the error of a request that outlived its client."""
    if not left:
        return _not_sent("the client was closed")
    return OutcomeUnknown(
        "sent, and the client was closed before its answer came.",
        do="It may have been billed: check it again if its verdict is worth CNY 0.004.",
        billed="unknown",
    )
