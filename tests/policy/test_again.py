"""What follows an error: the whole table; how long after, and when no more."""

import pytest
from tenacity import RetryCallState
from tenacity.stop import stop_after_attempt, stop_never
from tenacity.wait import wait_fixed

from s2v_detect import (
    AccessDenied,
    BudgetSpent,
    ConfigurationError,
    DetectError,
    ImageSkipped,
    LedgerError,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    RetryPolicy,
)
from s2v_detect._service import Meaning
from s2v_detect.checks._again import Rests, Seen, Step, after, slows_the_line
from s2v_detect.errors import BadRequest, ImageUnusable, ServiceUnavailable


def throttled(retry_after_s: float | None = None) -> RateLimited:
    """Return a 429."""
    return RateLimited(
        "t", do="d", status=429, meaning=Meaning.THROTTLED, retry_after_s=retry_after_s
    )


class Attempts:
    """An image that meets these errors, one after another, on a clock of its own."""

    def __init__(self, *errors: DetectError, takes_s: float = 0.0) -> None:
        self.waits: list[float] = []
        self.made = 0
        self._errors = errors
        self._takes_s = takes_s

    def finish(self, policy: RetryPolicy) -> str:
        """Let the policy run, without waiting; the error that it ends with is raised."""
        rests = Rests(policy)
        for error in self._errors:
            self.made += 1
            rest_s = rests.rest_s(error, self.made * self._takes_s + sum(self.waits))
            if rest_s is None:
                raise error
            self.waits.append(rest_s)
        self.made += 1
        return "answered"


def test_waits_are_full_jitter_within_doubling_bounds() -> None:
    """Uniform from nothing to 1, 2, 4, 8, 8, … seconds."""
    policy = RetryPolicy(max_attempts=8, first_wait_s=1, longest_wait_s=8, give_up_after_s=1000)
    longest = [0.0] * 7
    shortest = [99.0] * 7
    for _ in range(200):
        attempts = Attempts(*[throttled()] * 7)
        assert attempts.finish(policy) == "answered"
        longest = [max(pair) for pair in zip(longest, attempts.waits, strict=True)]
        shortest = [min(pair) for pair in zip(shortest, attempts.waits, strict=True)]
    bounds = [1, 2, 4, 8, 8, 8, 8]
    for low, high, bound in zip(shortest, longest, bounds, strict=True):
        assert low < 0.1 * bound
        assert 0.9 * bound < high <= bound


def test_the_service_is_given_the_time_it_asks_for() -> None:
    """A `Retry-After` is the least that is waited."""
    attempts = Attempts(throttled(30.0))
    attempts.finish(RetryPolicy())
    assert attempts.waits == [30.0]


def test_attempts_are_bounded() -> None:
    """The last error is raised as itself."""
    attempts = Attempts(*[throttled()] * 9)
    with pytest.raises(RateLimited):
        attempts.finish(RetryPolicy(max_attempts=3))
    assert attempts.made == 3


def test_the_budget_is_kept_with_the_wait_that_would_pass_it() -> None:
    """A wait that ends after the budget is not begun."""
    attempts = Attempts(*[throttled()] * 99, takes_s=4.0)
    policy = RetryPolicy(max_attempts=99, give_up_after_s=20)
    with pytest.raises(RateLimited):
        attempts.finish(policy)
    assert 4.0 * attempts.made + sum(attempts.waits) <= 20 + 4.0


def test_a_wish_longer_than_the_budget_ends_the_retries_at_once() -> None:
    """Nobody sits through an hour for one image."""
    attempts = Attempts(throttled(3600))
    with pytest.raises(RateLimited):
        attempts.finish(RetryPolicy())
    assert attempts.waits == []


def test_the_default_budget_outlasts_the_minute_of_recovery() -> None:
    """Throttled all the time, an image is still being asked for after a minute.

    The waits are drawn: one image in a thousand has so short ones that it is not.
    """
    waited_s = []
    for _ in range(200):
        attempts = Attempts(*[throttled()] * 99)
        with pytest.raises(RateLimited):
            attempts.finish(RetryPolicy())
        waited_s.append(sum(attempts.waits))
    assert sum(each > 60 for each in waited_s) >= 195


UNREACHED = ImageUnusable("u", do="d", status=400, meaning=Meaning.UNREACHED)
UNFOUND = ImageUnusable(
    "u", do="d", status=400, meaning=Meaning.UNUSABLE, code="InvalidURL.ConnectionRefused"
)
UNUSABLE = ImageUnusable("u", do="d", status=400, meaning=Meaning.UNUSABLE)
FAULT = ServiceUnavailable("f", do="d", status=500, meaning=Meaning.FAULT)
CAPACITY = ServiceUnavailable("c", do="d", status=503, meaning=Meaning.CAPACITY)
LOST = OutcomeUnknown("l", do="d", billed="unknown")
BILLED = OutcomeUnknown("b", do="d", billed="yes")
UNBILLED = OutcomeUnknown("b", do="d", billed="no")
UNSENT = NotSent("n", do="d")
BAD = BadRequest("b", do="d", status=400)
DENIED = AccessDenied("a", do="d", status=401)
SPENT = BudgetSpent("s", do="d")
BROKEN = LedgerError("l", do="d")
SKIPPED = ImageSkipped("it is a GIF")
TOLD_TO = BadRequest("b", do="d", status=400, should_retry=True)
TOLD_NOT_TO = ServiceUnavailable("f", do="d", status=500, should_retry=False)
DENIED_AND_TOLD_TO = AccessDenied("a", do="d", status=401, should_retry=True)
PAID_FAULT = ServiceUnavailable("f", do="d", status=500, meaning=Meaning.FAULT)
PAID_FAULT.billed = "yes"
PAID_UNREACHED = ImageUnusable("u", do="d", status=400, meaning=Meaning.UNREACHED)
PAID_UNREACHED.billed = "yes"
END, RENEW, HOLD, REST = Step.END, Step.RENEW, Step.HOLD, Step.REST
STREAM = Seen(is_bulk=True)
OUT = Seen(is_bulk=True, is_out=True)
LOCAL = Seen(may_renew=True)

TABLE = [
    # What never left, what was throttled, a fault of the service: again, however often before.
    (UNSENT, Seen(), REST),
    (UNSENT, Seen(attempts=9), REST),
    (UNSENT, Seen(lost=1), REST),
    (throttled(), Seen(), REST),
    (throttled(), Seen(lost=1), REST),
    (FAULT, Seen(), REST),
    (FAULT, Seen(lost=1), REST),
    (CAPACITY, STREAM, REST),
    # What may have been billed: once, with leave.
    (LOST, Seen(), REST),
    (LOST, Seen(attempts=3), REST),
    (LOST, Seen(lost=1), END),
    (LOST, Seen(lost=2), END),
    (LOST, Seen(on_unknown="keep"), END),
    (BILLED, Seen(), END),
    (UNBILLED, Seen(), END),
    (PAID_FAULT, Seen(), END),
    # What the service could not fetch: once. What it can't use: never.
    (UNREACHED, Seen(), REST),
    (UNREACHED, Seen(attempts=2), REST),
    (UNREACHED, Seen(was_unreached=True), END),
    (UNFOUND, Seen(), END),
    (UNUSABLE, Seen(), END),
    (PAID_UNREACHED, Seen(), END),
    (BAD, Seen(), END),
    # What every image would meet, and what was never to be sent.
    (DENIED, Seen(), END),
    (SPENT, Seen(), END),
    (BROKEN, Seen(), END),
    (SKIPPED, Seen(), END),
    # The service's own word on it goes before, but for what stops a run.
    (TOLD_TO, Seen(), REST),
    (TOLD_NOT_TO, Seen(), END),
    (DENIED_AND_TOLD_TO, Seen(), END),
    # Nobody waits for more.
    (UNSENT, Seen(is_wanted=False), END),
    (UNREACHED, Seen(is_wanted=False, may_renew=True), END),
    (FAULT, Seen(is_wanted=False, is_bulk=True, is_out=True), END),
    # The breaker or the upload has refused it, after retries of its own.
    (UNSENT, Seen(attempts=0), END),
    (UNSENT, Seen(is_ready=False), END),
    (UNSENT, Seen(is_ready=False, is_bulk=True, is_out=True), END),
    # An upload that may be gone is made anew, once; also where nothing else would follow.
    (UNREACHED, LOCAL, RENEW),
    (UNFOUND, LOCAL, RENEW),
    (UNREACHED, Seen(may_renew=True, was_unreached=True), RENEW),
    (UNUSABLE, LOCAL, END),
    (PAID_UNREACHED, LOCAL, END),
    (LOST, LOCAL, REST),
    # In an outage a stream's image waits at the breaker, and loses no retry; a check has its own.
    (UNSENT, OUT, HOLD),
    (FAULT, OUT, HOLD),
    (LOST, OUT, HOLD),
    (LOST, Seen(is_bulk=True, is_out=True, lost=1), END),
    (LOST, Seen(is_bulk=True, is_out=True, on_unknown="keep"), END),
    (throttled(), OUT, REST),
    (UNREACHED, OUT, REST),
    (FAULT, Seen(is_out=True), END),
    (UNSENT, Seen(is_out=True), END),
    (LOST, Seen(is_out=True), END),
    (throttled(), Seen(is_out=True), REST),
    (UNREACHED, Seen(is_out=True), REST),
    (FAULT, STREAM, REST),
    (UNREACHED, Seen(may_renew=True, is_bulk=True, is_out=True), RENEW),
]


@pytest.mark.parametrize(("error", "seen", "step"), TABLE)
def test_what_follows_an_error(error: DetectError, seen: Seen, step: Step) -> None:
    """One row of the table."""
    assert after(error, seen) is step


def test_a_policy_takes_a_stop_of_the_users_own() -> None:
    """Tenacity's object or a function: it ends the retries, and so do our bounds."""
    for stop in (stop_after_attempt(2), lambda state: state.attempt_number >= 2):
        attempts = Attempts(*[throttled()] * 9)
        with pytest.raises(RateLimited):
            attempts.finish(RetryPolicy(stop=stop))
        assert attempts.made == 2
    attempts = Attempts(*[throttled()] * 9)
    with pytest.raises(RateLimited):
        attempts.finish(RetryPolicy(max_attempts=3, stop=stop_never))
    assert attempts.made == 3


def test_a_policy_takes_a_wait_of_the_users_own() -> None:
    """In place of the jitter, and never below what the service asked for."""
    for wait in (wait_fixed(2), lambda state: 2.0):
        attempts = Attempts(throttled(), throttled(5.0), throttled(1.0))
        attempts.finish(RetryPolicy(wait=wait))
        assert attempts.waits == [2.0, 5.0, 2.0]


def test_a_wait_of_the_users_own_sees_the_attempts_and_the_error() -> None:
    """As tenacity's state has them: the number counts from 1, and the outcome is the error."""
    seen: list[tuple[int, str]] = []

    def wait(state: RetryCallState) -> float:
        assert state.outcome is not None
        seen.append((state.attempt_number, type(state.outcome.exception()).__name__))
        return 0.5

    Attempts(throttled(), FAULT, UNSENT).finish(RetryPolicy(wait=wait))
    assert seen == [(1, "RateLimited"), (2, "ServiceUnavailable"), (3, "NotSent")]


def test_a_policy_with_objects_of_its_own_is_like_no_other() -> None:
    """Two functions can't be compared, and have no JSON."""
    plain, own = RetryPolicy(), RetryPolicy(wait=wait_fixed(1))
    assert plain == RetryPolicy()
    assert hash(plain) == hash(RetryPolicy())
    assert own == own  # noqa: PLR0124  # by identity
    assert own != RetryPolicy(wait=own.wait)
    assert plain.model_validate_json(plain.model_dump_json()) == plain
    with pytest.raises(ValueError, match="can't be dumped"):
        own.model_dump_json()
    with pytest.raises(ConfigurationError, match="callable"):
        RetryPolicy.model_validate({"stop": 3})


@pytest.mark.parametrize(
    ("error", "slows"),
    [(throttled(), True), (CAPACITY, True), (FAULT, False), (UNSENT, False), (LOST, False)],
)
def test_what_slows_the_line(error: DetectError, slows: bool) -> None:  # noqa: FBT001  # a column of the table
    """A throttle, also one dressed as a fault; not a fault, nor a broken connection."""
    assert slows_the_line(error) is slows


def test_a_wish_to_wait_slows_the_line_whatever_it_came_with() -> None:
    """A 503 with a `Retry-After` is about the service, not about one image."""
    asked = ServiceUnavailable("f", do="d", status=503, meaning=Meaning.FAULT, retry_after_s=3)
    assert slows_the_line(asked)
