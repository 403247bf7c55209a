"""When an image is asked for again, how long after, and when no more."""

import pytest

from s2v_detect import DetectError, NotSent, OutcomeUnknown, RateLimited, RetryPolicy
from s2v_detect._service import Meaning
from s2v_detect.checks._again import is_worth_another, retrying, slows_the_line
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

    async def __call__(self) -> str:
        """Make one attempt."""
        self.made += 1
        if self.made <= len(self._errors):
            raise self._errors[self.made - 1]
        return "answered"

    async def finish(self, policy: RetryPolicy) -> str:
        """Let the rules run, without waiting."""

        async def sleep(wait_s: float) -> None:
            self.waits.append(wait_s)

        rules = retrying(
            policy,
            is_wanted=lambda error: isinstance(error, DetectError),
            spent_s=lambda: self.made * self._takes_s + sum(self.waits),
            sleep=sleep,
        )
        answer: str = await rules(self)
        return answer


async def test_waits_are_full_jitter_within_doubling_bounds() -> None:
    """Uniform from nothing to 1, 2, 4, 8, 8, … seconds."""
    policy = RetryPolicy(max_attempts=8, first_wait_s=1, longest_wait_s=8, give_up_after_s=1000)
    longest = [0.0] * 7
    shortest = [99.0] * 7
    for _ in range(200):
        attempts = Attempts(*[throttled()] * 7)
        assert await attempts.finish(policy) == "answered"
        longest = [max(pair) for pair in zip(longest, attempts.waits, strict=True)]
        shortest = [min(pair) for pair in zip(shortest, attempts.waits, strict=True)]
    bounds = [1, 2, 4, 8, 8, 8, 8]
    for low, high, bound in zip(shortest, longest, bounds, strict=True):
        assert low < 0.1 * bound
        assert 0.9 * bound < high <= bound


async def test_the_service_is_given_the_time_it_asks_for() -> None:
    """A `Retry-After` is the least that is waited."""
    attempts = Attempts(throttled(30.0))
    await attempts.finish(RetryPolicy())
    assert attempts.waits == [30.0]


async def test_attempts_are_bounded() -> None:
    """The last error is raised as itself."""
    attempts = Attempts(*[throttled()] * 9)
    with pytest.raises(RateLimited):
        await attempts.finish(RetryPolicy(max_attempts=3))
    assert attempts.made == 3


async def test_the_budget_is_kept_with_the_wait_that_would_pass_it() -> None:
    """A wait that ends after the budget is not begun."""
    attempts = Attempts(*[throttled()] * 99, takes_s=4.0)
    policy = RetryPolicy(max_attempts=99, give_up_after_s=20)
    with pytest.raises(RateLimited):
        await attempts.finish(policy)
    assert 4.0 * attempts.made + sum(attempts.waits) <= 20 + 4.0


async def test_a_wish_longer_than_the_budget_ends_the_retries_at_once() -> None:
    """Nobody sits through an hour for one image."""
    attempts = Attempts(throttled(3600))
    with pytest.raises(RateLimited):
        await attempts.finish(RetryPolicy())
    assert attempts.waits == []


async def test_the_default_budget_outlasts_the_minute_of_recovery() -> None:
    """Throttled all the time, an image is still being asked for after a minute."""
    for _ in range(50):
        attempts = Attempts(*[throttled()] * 99)
        with pytest.raises(RateLimited):
            await attempts.finish(RetryPolicy())
        assert sum(attempts.waits) > 60


UNREACHED = ImageUnusable("u", do="d", status=400, meaning=Meaning.UNREACHED)
UNUSABLE = ImageUnusable("u", do="d", status=400, meaning=Meaning.UNUSABLE)
FAULT = ServiceUnavailable("f", do="d", status=500, meaning=Meaning.FAULT)
CAPACITY = ServiceUnavailable("c", do="d", status=503, meaning=Meaning.CAPACITY)
LOST = OutcomeUnknown("l", do="d", billed="unknown")
UNSENT = NotSent("n", do="d")
BAD = BadRequest("b", do="d", status=400)


@pytest.mark.parametrize(
    ("error", "earlier", "again"),
    [
        (UNSENT, [UNSENT] * 5, True),
        (throttled(), [throttled()] * 5, True),
        (FAULT, [LOST, FAULT], True),
        (LOST, [], True),
        (LOST, [throttled()], True),
        (LOST, [LOST], False),
        (LOST, [LOST, throttled()], False),
        (UNREACHED, [], True),
        (UNREACHED, [throttled()], True),
        (UNREACHED, [UNREACHED], False),
        (UNUSABLE, [], False),
        (BAD, [], False),
    ],
)
def test_what_is_asked_again(error: DetectError, earlier: list[DetectError], again: bool) -> None:  # noqa: FBT001  # a column of the table
    """What may have been billed, and what could not be fetched: once. What was free: again."""
    assert is_worth_another(error, earlier, "resend") is again


def test_a_lost_answer_is_kept_when_asked_to() -> None:
    """`on_unknown="keep"`."""
    assert not is_worth_another(LOST, [], "keep")


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
