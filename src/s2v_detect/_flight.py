"""One image's flight: the task that asks for it, and all who wait for it.

A flight is a plain asyncio task of the client's own: whoever waits for it may be cancelled at any
instant, and the task inside httpx is not (a cancelled request can lose its pool slot for good).
Until a turn is granted leaving is free; from then on the flight is finished and counted, with
nobody waiting too.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from s2v_detect._asking import Asking
from s2v_detect._books import Costs
from s2v_detect._crew import Crew
from s2v_detect._recording import Recording
from s2v_detect._subjects import Subject
from s2v_detect._tasks import task_of
from s2v_detect._turns import Lane
from s2v_detect.errors import DetectError, ImageSkipped, LedgerError
from s2v_detect.models import Verdict


@dataclass
class _Waiting:
    """One who waits for a flight's end."""

    image: object
    """As it was given here: the same image may have other names."""
    lane: Lane
    wants_more: bool = True
    """Whether another request is to be made, if this one gives no verdict."""


@dataclass(frozen=True)
class Landing:
    """How a flight ended, as one of those who waited for it is told."""

    result: Verdict | BaseException
    attempts: int
    told: dict[str, Any]
    """`billed`, `cost` and `cost_at_most` of this share: the first who waited has all of it."""
    fault: LedgerError | None = None
    """The answer is here, and could not be recorded."""


class Flight:
    """One image on its way, and those who wait for it."""

    def __init__(
        self,
        subject: Subject,
        lane: Lane,
        crew: Crew,
        recording: Recording,
        on_end: Callable[["Flight"], None],
    ) -> None:
        self._books = crew.books
        self._on_end = on_end
        self._grounded = ""
        self._waiters: dict[asyncio.Future[Landing], _Waiting] = {}
        self._asking = Asking(
            subject, lane, crew, recording, is_wanted=self._is_wanted, gives_way=self._gives_way
        )
        self._asking.tell("queued")
        self.task = task_of(self._fly(), "s2v-detect flight")
        self.task.add_done_callback(self._ended)

    @property
    def is_free(self) -> bool:
        """Whether it may end now at no cost: no request of it has been granted a turn."""
        return not self._asking.is_in_air and not self.task.done()

    @property
    def may_have_cost(self) -> bool:
        """Whether a request of it was billed, perhaps."""
        return self._asking.costs.at_most > 0

    @property
    def first_line_s(self) -> float | None:
        """Seconds it has waited for its first turn: 0 before it is in that line, None after."""
        return self._asking.first_line_s

    def join(self, subject: Subject, lane: Lane) -> asyncio.Future[Landing]:
        """Return what will be told of its end; a better lane takes the whole flight along."""
        if self._waiters:
            self._asking.tell("shared")
            self._asking.preparing.add(subject)
        if lane == "interactive":
            self._asking.place.move_up()
        waiter: asyncio.Future[Landing] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = _Waiting(subject.image, lane)
        return waiter

    def leave(self, waiter: asyncio.Future[Landing]) -> None:
        """Wait no more. A flight nobody waits for ends here, if it may."""
        self._waiters.pop(waiter, None)
        if not self._waiters and self.is_free:
            self.ground("nobody waited for it any more")
        elif all(each.lane == "bulk" for each in self._waiters.values()):
            self._asking.place.move_down()

    def want_no_more(self, waiter: asyncio.Future[Landing]) -> None:
        """Wait for what is under way, and not for any request after it.

        Where nothing is under way and nobody else wants more, it ends here: what it may have cost
        is told.
        """
        self._waiters[waiter].wants_more = False
        if self.is_free and not self._is_wanted():
            self.ground("no more was to be sent")

    def tell(self, waiter: asyncio.Future[Landing], error: DetectError) -> None:
        """Tell one of those who wait to go without the rest."""
        if not waiter.done():
            error.image = self._waiters[waiter].image
            waiter.set_result(Landing(error, 0, Costs().told()))

    def ground(self, why: str) -> None:
        """Make no further request for this image; one that is under way is finished."""
        self._grounded = self._grounded or why
        if self.is_free:
            self._asking.place.stay()
            self._on_end(self)
            self.task.cancel()

    def so_far(self, why: str) -> DetectError:
        """Return the error for one who gives up now."""
        return self._asking.so_far(why)

    async def _fly(self) -> None:
        result: Verdict | BaseException | None = None
        try:
            result = await self._asking.find_out()
        except asyncio.CancelledError:
            result = self._last_word()
        except GeneratorExit:  # the loop is gone, and all who waited in it
            raise
        except Exception as error:  # noqa: BLE001  # told to all who wait, and raised there
            result = error
        except BaseException as error:  # an interrupt, or pytest's own: told too, and raised on
            result = error
            raise
        finally:
            if result is not None:
                self._settle(result)

    def _settle(self, result: Verdict | BaseException) -> None:
        """Record the end and tell of it. Whatever fails, all who wait are told."""
        try:
            if isinstance(result, BaseException):
                self._asking.give_up(result)
        finally:
            self._land(result)

    def _is_wanted(self) -> bool:
        return any(each.wants_more for each in self._waiters.values()) and not self._grounded

    def _gives_way(self, error: DetectError) -> bool:
        """Whether a stream's share goes on: a check ends with this error, a stream waits it out."""
        waiting = [(waiter, each) for waiter, each in self._waiters.items() if not waiter.done()]
        checks = [waiter for waiter, each in waiting if each.lane != "bulk"]
        goes_on = any(each.lane == "bulk" and each.wants_more for _, each in waiting)
        if not checks or not goes_on or self._grounded:
            return False
        for waiter in checks:
            self.tell(waiter, error.copy())
        self._asking.place.move_down()
        return True

    def _last_word(self) -> DetectError:
        return self.so_far(self._grounded or "its event loop was stopped")

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():  # before its first step, so that it could not land by itself
            self._land(self._last_word())
        # All who waited were told, and perhaps nobody did; but not of a GeneratorExit, which most
        # often is the end of the loop. The loop lives, so it is an error of somebody's.
        elif isinstance(error := task.exception(), GeneratorExit):
            self._settle(error)

    def _land(self, result: Verdict | BaseException) -> None:
        self._on_end(self)
        asking = self._asking
        waiters = [waiter for waiter in self._waiters if not waiter.done()]
        for place, waiter in enumerate(waiters):
            landing = self._share(result) if place else self._whole(result)
            if isinstance(landing.result, DetectError):
                landing.result.image = self._waiters[waiter].image
            waiter.set_result(landing)
        error = None if isinstance(result, Verdict) else type(result).__name__
        asking.tell("settled", wait_s=asking.elapsed_s, error=error, **asking.costs.told())

    def _whole(self, result: Verdict | BaseException) -> Landing:
        asking = self._asking
        if _is_known(result):
            self._books.count("known")
            asking.tell("known")
        self._count_skipped(result)
        told = asking.costs.told() | {"doubt": asking.doubt}
        return Landing(result, asking.attempts, told, asking.fault)

    def _share(self, result: Verdict | BaseException) -> Landing:
        """Return what one is told whose image another had asked for: the same, at no cost."""
        if _is_known(result):
            self._books.count("known")
        elif isinstance(result, Verdict):
            self._books.count("shared")
            result = result.model_copy(update={"source": "shared", "billed": "no"})
        elif isinstance(result, DetectError):
            self._count_skipped(result)
            result = result.copy()
        return Landing(result, 0, Costs().told() | {"doubt": self._asking.doubt})

    def _count_skipped(self, result: Verdict | BaseException) -> None:
        """Count one that was looked at and not sent, each who asked for it by itself."""
        if isinstance(result, ImageSkipped):
            self._books.count_skipped(result)


def _is_known(result: Verdict | BaseException) -> bool:
    return isinstance(result, Verdict) and result.source == "ledger"
