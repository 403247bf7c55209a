"""Single flight: one image's task, and all who wait for it.

The theory. A flight is a plain asyncio task of the client's own: whoever waits for it may be
cancelled at any instant, and the task inside httpx is not (a cancelled request can lose its pool
slot for good). While no turn is granted the flight is free: when the last who waits leaves, it
ends, and nothing was paid. From the turn on it runs to its answer and is counted, with nobody
waiting too.

A flight ends once, by `_tell_all`: in the task's own `finally`, or, where the task was cancelled
before its first step, in its callback. Then everybody who waits is told: the first has the whole
bill, the others the same answer for nothing.
"""

import asyncio

from s2v_detect._waiting import task_of
from s2v_detect.checks._check import Check
from s2v_detect.checks._session import Session
from s2v_detect.checks._waiters import Ending, Waiters
from s2v_detect.errors import DetectError, ImageSkipped
from s2v_detect.images import Subject
from s2v_detect.models import Lane, Verdict


class Flight:
    """One image on its way, and those who wait for it."""

    def __init__(self, subject: Subject, lane: Lane, session: Session) -> None:
        self._books = session.books
        self._waiters = Waiters()
        self._check = Check(subject, lane, session, self._waiters)
        self._check.tell("queued")
        self.is_over = False
        """Whether it takes no more on: it has ended, or is about to."""
        self.task = task_of(self._run(), "s2v-detect flight")
        self.task.add_done_callback(self._ended)

    @property
    def is_free(self) -> bool:
        """Whether it may end now at no cost: no request of it has been granted a turn."""
        return not self._check.is_sent and not self.task.done()

    @property
    def may_have_cost(self) -> bool:
        """Whether a request of it was billed, perhaps."""
        return self._check.costs.at_most > 0

    @property
    def first_line_s(self) -> float | None:
        """Seconds it has waited for its first turn: 0 before it is in that line, None after."""
        return self._check.first_line_s

    def join(self, subject: Subject, lane: Lane) -> asyncio.Future[Ending]:
        """Return what will be told of its end; a better lane takes the whole flight along."""
        if self._waiters:
            self._check.tell("shared")
            self._check.preparing.add(subject)
        if lane == "interactive":
            self._check.place.move_up()
        return self._waiters.join(subject.image, lane)

    def leave(self, waiter: asyncio.Future[Ending]) -> None:
        """Wait no more. A flight nobody waits for ends here, if it may."""
        self._waiters.leave(waiter)
        if not self._waiters and self.is_free:
            self.end("nobody waited for it any more")
        elif self._waiters.are_streams:
            self._check.place.move_down()

    def want_no_more(self, waiter: asyncio.Future[Ending]) -> None:
        """Wait for what is under way, and not for any request after it.

        Where nothing is under way and nobody else wants more, it ends here: what it may have cost
        is told.
        """
        self._waiters.want_no_more(waiter)
        if self.is_free and not self._waiters.want_more:
            self.end("no more was to be sent")

    def tell(self, waiter: asyncio.Future[Ending], error: DetectError) -> None:
        """Tell one of those who wait to go without the rest."""
        self._waiters.tell(waiter, Ending(error))

    def end(self, why: str) -> None:
        """Make no further request for this image; one that is under way is finished."""
        self._waiters.ended_by = self._waiters.ended_by or why
        if self.is_free:
            self._check.place.stay()
            self.is_over = True
            self.task.cancel()

    def so_far(self, why: str) -> DetectError:
        """Return the error for one who gives up now."""
        return self._check.so_far(why)

    async def _run(self) -> None:
        result: Verdict | BaseException | None = None
        try:
            result = await self._check.run()
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
                self._check.give_up(result)
        finally:
            self._tell_all(result)

    def _last_word(self) -> DetectError:
        return self.so_far(self._waiters.ended_by or "its event loop was stopped")

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():  # before its first step, so that it could not tell of it by itself
            self._check.place.arrive()
            self._tell_all(self._last_word())
        # All who waited were told, and perhaps nobody did; but not of a GeneratorExit, which most
        # often is the end of the loop. The loop lives, so it is an error of somebody's.
        elif isinstance(error := task.exception(), GeneratorExit):
            self._settle(error)

    def _tell_all(self, result: Verdict | BaseException) -> None:
        self.is_over = True
        check = self._check
        for place, waiter in enumerate(self._waiters.untold()):
            self._waiters.tell(waiter, self._share(result) if place else self._whole(result))
        told = check.costs.bill._asdict()
        if isinstance(result, Verdict):
            told["check_pass"] = result.check_pass
        else:
            told |= {"error": type(result).__name__, "message": self._waiters.ended_by}
        check.tell("settled", wait_s=check.elapsed_s, **told)

    def _whole(self, result: Verdict | BaseException) -> Ending:
        check = self._check
        if _is_known(result):
            self._books.count("known")
            check.tell("known")
        self._count_skipped(result)
        return Ending(result, check.attempts, check.costs.bill, check.preparing.doubt, check.fault)

    def _share(self, result: Verdict | BaseException) -> Ending:
        """Return what one is told whose image another had asked for: the same, at no cost."""
        if _is_known(result):
            self._books.count("known")
        elif isinstance(result, Verdict):
            self._books.count("shared")
            result = result.model_copy(update={"source": "shared", "billed": "no"})
        elif isinstance(result, DetectError):
            self._count_skipped(result)
            result = result.copy()
        return Ending(result, doubt=self._check.preparing.doubt)

    def _count_skipped(self, result: Verdict | BaseException) -> None:
        """Count one that was looked at and not sent, each who asked for it by itself."""
        if isinstance(result, ImageSkipped):
            self._books.count_skipped(result)


def _is_known(result: Verdict | BaseException) -> bool:
    return isinstance(result, Verdict) and result.source == "ledger"
