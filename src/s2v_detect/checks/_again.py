"""When an image is asked for again, and after how long: tenacity's rules, as values.

Asked again: what never left, what was throttled, a fault of the service, and once what the service
could not fetch. What may have been billed is asked again once, and only with `on_unknown="resend"`.
Never: a verdict, a bad request, a key or a bill. Waits are full jitter, so that images which
failed together do not come back together.
"""

from collections.abc import Awaitable, Callable, Sequence

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_random_exponential

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
from s2v_detect.options import OnUnknown, RetryPolicy


def is_worth_another(
    error: DetectError,
    earlier: Sequence[DetectError],
    on_unknown: OnUnknown,
    *,
    doubts: int = 0,
) -> bool:
    """Whether asking again may help and is allowed.

    `earlier` are this check's errors before, `doubts` the answers of this image that were lost
    before this check.
    """
    if error.billed == "yes":
        return False  # paid for, whatever came of it: asking again would pay twice
    if isinstance(error, OutcomeUnknown):
        lost = doubts + 1 + sum(isinstance(past, OutcomeUnknown) for past in earlier)
        return error.billed == "unknown" and may_resend(lost, on_unknown)
    if isinstance(error, ServiceError) and error.should_retry is not None:
        return error.should_retry and not error.stops_run
    if isinstance(error, ImageUnusable):
        asked_once = any(isinstance(past, ImageUnusable) for past in earlier)
        return error.meaning is Meaning.UNREACHED and not asked_once
    return isinstance(error, NotSent | RateLimited | ServiceUnavailable)


def may_resend(lost: int, on_unknown: OnUnknown) -> bool:
    """Whether to ask once more for an image of which so many answers were lost: once, ever."""
    return on_unknown == "resend" and lost <= 1


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


class _WaitAsTold(wait_base):
    """Full jitter, and never less than the service asked for."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._jitter = wait_random_exponential(
            multiplier=policy.first_wait_s, max=policy.longest_wait_s
        )

    def __call__(self, retry_state: RetryCallState) -> float:
        told_s = getattr(_error(retry_state), "retry_after_s", None) or 0.0
        return max(self._jitter(retry_state), told_s)


class _StopWhenSpent(stop_base):
    """Out of attempts, or the next wait would pass the budget."""

    def __init__(self, policy: RetryPolicy, spent_s: Callable[[], float]) -> None:
        self._policy = policy
        self._spent_s = spent_s

    def __call__(self, retry_state: RetryCallState) -> bool:
        if retry_state.attempt_number >= self._policy.max_attempts:
            return True
        return self._spent_s() + retry_state.upcoming_sleep > self._policy.give_up_after_s


def _error(retry_state: RetryCallState) -> BaseException | None:
    return retry_state.outcome.exception() if retry_state.outcome else None


def retrying(
    policy: RetryPolicy,
    *,
    is_wanted: Callable[[BaseException], bool],
    spent_s: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncRetrying:
    """Return the loop for one image, to be called with its attempt; the last error is raised.

    `spent_s()` is the time its attempts and waits took, without the line.
    """
    return AsyncRetrying(
        retry=retry_if_exception(is_wanted),
        stop=_StopWhenSpent(policy, spent_s),
        wait=_WaitAsTold(policy),
        sleep=sleep,
        reraise=True,
    )
