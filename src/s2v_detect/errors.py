"""Every way a check can end without a verdict, and what was paid for it.

DetectError                     image, billed ("no" | "yes" | "unknown"), attempts, retry_after_s
├─ ConfigurationError           no key, bad base URL, not open, a proxy or certificate that is none
├─ ImageSkipped                 reason: the service would not take it; it was not sent
├─ ServiceError                 status, code, message, request_id
│  ├─ AccessDenied              401, 403 and 404 kinds: stops a run
│  ├─ OutOfCredit               overdue, free tier spent, bill unpaid: stops a run
│  ├─ ImageUnusable             the service could not fetch or open it, or moderation refused it
│  ├─ BadRequest                any other 4xx
│  ├─ RateLimited               still throttled when the retries ran out
│  └─ ServiceUnavailable        still 5xx when the retries ran out
├─ NotSent                      no connection, closed, or given up in line; nothing left
├─ OutcomeUnknown               sent, and no whole answer came: it may have been billed
├─ Busy                         max_wait_s: the line is longer than that
├─ BudgetSpent                  max_cost would be passed: stops a run
└─ LedgerError                  the ledger can't be read or written: stops a run

A message is two sentences: what happened to which image, and what to do. Keys, signed addresses'
queries and bodies are in none of them.
"""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from s2v_detect._redaction import redacted, shown
from s2v_detect._service import ANY_FORMAT, LONGEST_PX, PRICE_CNY, SHORTEST_PX, Meaning

Billed = Literal["no", "yes", "unknown"]


class DetectError(Exception):
    """A check that gave no verdict.

    `image` is what was to be checked, `billed` whether it may have been paid for (by any of its
    `attempts`, the requests that were made for it). Errors pickle with all their fields.
    """

    retry_after_s: float | None = None
    """Seconds after which another check may fare better: what the service or a gateway asked for,
    how long the line is, or when a service that can't be reached is tried again. None: unknown."""

    stops_run = False
    """Whether every other image would end the same way, so that a stream raises it: as its class
    says, or where an outage lasted longer than a stream may wait."""

    is_unsent = False
    """Whether the service was not asked: nothing left this machine, or nobody could read it."""

    do_in_command = ""
    """What to do in the words of the command (its options), where those are not Python's."""

    outcomes: tuple[Any, ...] = ()
    """What a run had brought by then, where `check_all` raises the run's fault."""

    def __init__(
        self,
        what: str,
        *,
        do: str,
        image: object = None,
        billed: Billed = "no",
        attempts: int = 0,
    ) -> None:
        self.what = redacted(what)
        super().__init__(self.what)
        self.do = redacted(do)
        self.image: object = image
        """What was to be checked."""
        self.billed: Billed = billed
        """Whether it may have been paid for: by any of its requests."""
        self.attempts: int = attempts
        """How many requests were made for it."""

    def __str__(self) -> str:
        return self._told(self.do)

    def in_command(self) -> str:
        """Return the message in the words of the command."""
        return self._told(self.do_in_command or self.do)

    def _told(self, do: str) -> str:
        of = "" if self.image is None else f"{shown(self.image)}: "
        return f"{of}{self.what} {do}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args, self.__dict__)

    def copy(self) -> Self:
        """Return the same error without a traceback, for another caller to raise."""
        twin: Self = _rebuilt(type(self), self.args, self.__dict__)
        twin.__cause__ = self.__cause__
        return twin


def _rebuilt(kind: type[Any], args: tuple[Any, ...], fields: dict[str, Any]) -> Any:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(fields)
    return error


class ConfigurationError(DetectError):
    """The client can't ask at all as it is set up. Nothing was billed; a stream stops.

    So is what no waiting mends while the service has not answered since the client was opened: a
    proxy that asks for a password, a certificate, a name, a port. The next check tries anew.
    """

    stops_run = True


class ImageSkipped(DetectError):
    """The service would not take this image, so it was not sent. Never billed.

    `saves` says what it would have been: `"bill"` (the service would have examined and refused it,
    and a reject is paid for), `"call"` (it could not have fetched it), or `"nothing"`, where it is
    no image at all. `"identity"`: it may be one, and the identity that was given with it is none.
    """

    def __init__(
        self,
        reason: str,
        *,
        image: object = None,
        saves: Literal["bill", "call", "nothing", "identity"] = "nothing",
    ) -> None:
        super().__init__(f"skipped, {reason}.", do=_INSTEAD[saves], image=image)
        self.reason = reason
        self.saves = saves


_INSTEAD = {
    "bill": f"Give a {ANY_FORMAT} image of {SHORTEST_PX} to {LONGEST_PX} pixels a side.",
    "call": "Put it where the service can fetch it, or give the file itself.",
    "nothing": "Give the http, https or oss URL of an image, a file as a pathlib.Path, or bytes.",
    "identity": "Give each image a text or a whole number of its own, or go by the addresses.",
}


class ServiceError(DetectError):
    """The service answered with an error. The answer itself is never billed.

    `code`, `message` and `request_id` are the service's own words (`""` and None when it said
    none); `meaning` is what they come to; `retry_after_s` and `should_retry` are what it asked
    for, if it did.
    """

    def __init__(
        self,
        what: str,
        *,
        do: str,
        status: int,
        meaning: Meaning = Meaning.BAD_REQUEST,
        code: str = "",
        message: str = "",
        request_id: str | None = None,
        retry_after_s: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(what, do=do)
        self.status = status
        self.meaning = meaning
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry


class AccessDenied(ServiceError):
    """The key, or what it may use, is refused: the same for every image, so a stream stops."""

    stops_run = True


class OutOfCredit(ServiceError):
    """The account is overdue or its free images are spent: a stream stops."""

    stops_run = True


class ImageUnusable(ServiceError):
    """The service could not fetch or open this image, or moderation refused it."""


class BadRequest(ServiceError):
    """The service does not take this request."""


class RateLimited(ServiceError):
    """Still over the rate when the retries ran out."""


class ServiceUnavailable(ServiceError):
    """Still a fault of the service when the retries ran out."""


class NotSent(DetectError):
    """Nothing left this machine: no connection, closed, or given up in line. Never billed."""

    is_unsent = True


class OutcomeUnknown(DetectError):
    """The request was sent and no whole answer came: the image may have been billed."""


class Busy(DetectError):
    """The line is longer than `max_wait_s`. Never sent or billed; try after `retry_after_s`."""

    def __init__(self, what: str, *, do: str, image: object, retry_after_s: float) -> None:
        super().__init__(what, do=do, image=image)
        self.retry_after_s: float | None = _to_milliseconds(retry_after_s)
        """How long the line is."""


class BudgetSpent(DetectError):
    """One more request might pass `max_cost`. Not sent or billed; a stream stops.

    `begins_anew_at` is when the next day or month begins (China Standard Time), where it is the
    amount of one that is reached.
    """

    stops_run = True
    begins_anew_at: datetime | None = None


class LedgerError(DetectError):
    """The ledger can't be read or written, so nothing more is sent or billed; a run stops."""

    stops_run = True


MAYBE_BILLED = f"It may have been billed: check it again if its verdict is worth CNY {PRICE_CNY}."
"""What to do about an answer that was lost."""

"""The errors of a check that ends with no answer of its own, in words for whoever waits."""


def left_unknown() -> OutcomeUnknown:
    """Return the error of an image that is not asked for again: it might be paid for once more."""
    return OutcomeUnknown(
        "not asked again, an earlier request for it was sent and no answer was recorded.",
        do="`Ledger.allow_resend` lets it be asked for once more, `Ledger.write_off` gives it up;"
        " `s2v-detect ledger reconcile` does both.",
        billed="unknown",
    )


def unreached(what: str, do: str, *, lasts: bool) -> "ConfigurationError | NotSent":
    """Return the error of a request that did not reach its host.

    A fault of the set-up `lasts`: no waiting mends it, for this image or any other.
    """
    kind = ConfigurationError if lasts else NotSent
    error = kind(f"{what}.", do=f"{do}; nothing was billed.")
    error.is_unsent = True
    return error


def not_sent(why: str, image: object = None) -> NotSent:
    """Return the error of an image that no request was made for."""
    return NotSent(f"not sent, {why}.", do="Check it again; it was not billed.", image=image)


def out_of_time(max_time_s: float) -> NotSent:
    """Return the error of a call that had to end before each image had its outcome."""
    error = NotSent(
        f"not all images were sent, max_time_s is {max_time_s:g} s.",
        do="`outcomes` of this error has what came. Check the other images again; they were not"
        " billed.",
    )
    error.stops_run = True
    return error


def cut_short(error: DetectError) -> NotSent:
    """Return the error of an image that would have been asked for again, had anybody waited."""
    left = NotSent(f"left before it was asked for again, {error.what}", do=error.do)
    left.billed = error.billed
    return left


def lost_before_resend(skipped: ImageSkipped) -> NotSent:
    """Return the error of an image that was sent, and can't be sent again."""
    return NotSent(
        f"not asked again, {skipped.reason}.",
        do="Make the file what it was, and check it again.",
    )


def busy(image: object, forecast_s: float, max_wait_s: float) -> Busy:
    """Return the error of a check that found the line too long."""
    return Busy(
        f"not sent, the line is {forecast_s:.1f} s long and {max_wait_s:g} s was the most.",
        do="Check it again later; it was not billed.",
        image=image,
        retry_after_s=forecast_s,
    )


def _to_milliseconds(wait_s: float) -> float:
    return round(wait_s, 3)  # a sum of floats: in whole seconds its noise would be one more


def out(since_s: float, fault: str, again_s: float) -> NotSent:
    """Return the error of a check that came in an outage; `fault` is the class of its error."""
    error = NotSent(
        f"not sent, the service has been out for {since_s:.0f} s ({fault}).",
        do=f"Check it again in {again_s:.0f} s or later; it was not billed.",
    )
    error.retry_after_s = _to_milliseconds(again_s)
    return error


def given_up(last: DetectError, where: str, lasted: timedelta) -> DetectError:
    """Return the last error of an outage as the end of a run that has waited for long enough."""
    error = last.copy()
    error.what = redacted(f"left, {where} has been out for {lasted}: {last.what}")
    error.args = (error.what,)
    error.do = "Start it again later: with a ledger it goes on. max_outage_s bounds the waiting."
    error.do_in_command = "Start it again later: it goes on. --max-outage bounds the waiting."
    error.stops_run = True
    error.billed = "no"  # that of the last request is another image's
    return error


def budget_spent(what: str, do: str) -> BudgetSpent:
    """Return the error of a check that the budget has no room for. `do` has no full stop."""
    spent = BudgetSpent(
        f"not sent, one more request might pass {what}.",
        do=f"{do}; what was answered is kept (by check_all: in this error's .outcomes).",
    )
    do_in_command = do.replace("max_cost", "--max-cost").replace("'s per_", "-per-")
    spent.do_in_command = f"{do_in_command}; what was answered is in the output."
    return spent


def cut_off(*, left: bool) -> DetectError:
    """Return the error of a request that outlived its client."""
    if not left:
        return not_sent("the client was closed")
    return OutcomeUnknown(
        "sent, and the client was closed before its answer came.",
        do=MAYBE_BILLED,
        billed="unknown",
    )
