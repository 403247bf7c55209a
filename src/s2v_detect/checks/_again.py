"""What follows an error of one image, and after how long. Nothing here awaits or has a clock.

`after` decides, from the error and from what was seen of the image until then. Asked again: what
never left, what was throttled, a fault of the service, and once what the service could not fetch.
What may have been billed is asked again once, and only with `on_unknown="resend"`. Never: a
verdict, a bad request, a key or a bill. In an outage a stream's image is held, and a check ends.

`Rests` says how often and how long, by tenacity's `stop` and `wait` objects. Waits are full jitter,
so that images which failed together do not come back together.
"""

from enum import Enum
from typing import NamedTuple

from tenacity import RetryCallState, Retrying
from tenacity.stop import stop_after_attempt
from tenacity.wait import wait_random_exponential

from s2v_detect._service import Meaning
from s2v_detect.errors import (
    DetectError,
    ImageUnusable,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
)
from s2v_detect.options import OnUnknown, RetryPolicy, may_resend


class Step(Enum):
    """What follows an error."""

    END = "it is told"
    RENEW = "the upload is made anew, and the image asked for again"
    HOLD = "the image waits at the circuit breaker, and loses no retry"
    REST = "the image rests as long as its policy says, and is asked for again"


class Seen(NamedTuple):
    """What was seen of one image when an error has come."""

    on_unknown: OnUnknown = "resend"
    attempts: int = 1
    """Requests of this check; 0: the breaker or the upload has refused it."""
    lost: int = 0
    """Answers of this image that were lost before this error, in earlier runs too."""
    was_unreached: bool = False
    """Whether the service had said before that it could not fetch or open the image."""
    is_wanted: bool = True
    """Whether anybody waits for more than what is under way."""
    is_ready: bool = True
    """Whether the service was given an address; an upload that failed has had its own retries."""
    may_renew: bool = False
    """Whether the image is a local one, whose upload was not made anew yet."""
    is_bulk: bool = False
    """Whether streams alone wait for it."""
    is_out: bool = False
    """Whether the circuit breaker is open."""


def after(error: DetectError, seen: Seen) -> Step:
    """Return what follows an error."""
    if not seen.is_wanted or error.stops_run:
        return Step.END
    if seen.may_renew and is_unreached(error):
        return Step.RENEW
    if not seen.attempts or not seen.is_ready or not may_follow(error, seen):
        return Step.END
    if seen.is_out and is_outage(error):
        return Step.HOLD if seen.is_bulk else Step.END  # somebody waits for a check
    return Step.REST


def may_follow(error: DetectError, seen: Seen) -> bool:
    """Whether another request may help, and is allowed."""
    if error.billed == "yes":
        return False  # paid for, whatever came of it: asking again would pay twice
    if isinstance(error, OutcomeUnknown):
        return error.billed == "unknown" and may_resend(seen.lost + 1, seen.on_unknown)
    if isinstance(error, ServiceError) and error.should_retry is not None:
        return error.should_retry and not error.stops_run
    if isinstance(error, ImageUnusable):
        return error.meaning is Meaning.UNREACHED and not seen.was_unreached
    return isinstance(error, NotSent | RateLimited | ServiceUnavailable)


def is_unreached(error: DetectError) -> bool:
    """Whether an error, itself not paid for, says that the service could not fetch the image."""
    return (
        isinstance(error, ImageUnusable)
        and error.billed != "yes"
        and (error.meaning is Meaning.UNREACHED or error.code.startswith("InvalidURL"))
    )


def is_outage(error: DetectError) -> bool:
    """Whether an error, many times in a row, says that the service is out, or the way to it."""
    return isinstance(error, NotSent | OutcomeUnknown | ServiceUnavailable)


def slows_the_line(error: DetectError) -> bool:
    """Whether an error says that the account or the service is over its rate."""
    if not isinstance(error, ServiceError | OutcomeUnknown):
        return False
    meaning = getattr(error, "meaning", None)
    return meaning in (Meaning.THROTTLED, Meaning.CAPACITY) or error.retry_after_s is not None


class Rests:
    """How often and how long one image rests between its requests, by one policy."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        most = stop_after_attempt(policy.max_attempts)
        self._stops = (most,) if policy.stop is None else (most, policy.stop)
        self._wait = policy.wait or wait_random_exponential(
            multiplier=policy.first_wait_s, max=policy.longest_wait_s
        )
        self._state = RetryCallState(Retrying(), None, (), {})

    def rest_s(self, error: DetectError, spent_s: float) -> float | None:
        """Return how long to rest after an error; None where the policy has no more requests.

        Never less than the service asked for. `spent_s` is the time that the image's requests and
        rests took, without the line.
        """
        state = self._state
        state.set_exception((type(error), error, None))
        told_s = error.retry_after_s or 0.0
        state.upcoming_sleep = max(float(self._wait(state)), told_s)
        is_late = spent_s + state.upcoming_sleep > self._policy.give_up_after_s
        if is_late or any(stop(state) for stop in self._stops):
            return None
        state.idle_for += state.upcoming_sleep
        state.attempt_number += 1
        return state.upcoming_sleep
