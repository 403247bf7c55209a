"""Say yourself how often one image is asked for again, and how long each wait is.

    python examples/own_retries.py https://example.com/face.jpg tenacity
    python examples/own_retries.py https://example.com/face.jpg functions

`stop` and `wait` take tenacity's objects, or plain functions of tenacity's `RetryCallState`. The
bounds of the policy (`max_attempts`, `give_up_after_s`) hold beside a `stop`. A wait is never
shorter than a `Retry-After` of the service.
"""

import asyncio
import sys

from tenacity import RetryCallState, stop_before_delay, wait_random_exponential

from s2v_detect import DetectClient, DetectError, RateLimited, RetryPolicy, ServiceUnavailable


def error_of(state: RetryCallState) -> BaseException | None:
    """Return the error that was met last."""
    return state.outcome.exception() if state.outcome else None


def stop_at_the_second_fault(state: RetryCallState) -> bool:
    """Give a fault of the service one retry; other errors have the retries of the policy."""
    return isinstance(error_of(state), ServiceUnavailable) and state.attempt_number > 1


def wait_by_error(state: RetryCallState) -> float:
    """Return the seconds to wait: a throttled account rests longer."""
    return 1.0 if isinstance(error_of(state), RateLimited) else 0.2


POLICIES = {
    "tenacity": RetryPolicy(
        max_attempts=5,
        stop=stop_before_delay(20),
        wait=wait_random_exponential(0.1, max=4),
    ),
    "functions": RetryPolicy(stop=stop_at_the_second_fault, wait=wait_by_error),
}


async def main(url: str, policy: RetryPolicy) -> None:
    """Check one image, and print its verdict or its error."""
    async with DetectClient(retry=policy) as client:
        try:
            verdict = await client.check(url)
        except DetectError as error:
            print(f"{type(error).__name__} after {error.attempts} requests: {error}")
        else:
            print("passed" if verdict.check_pass else "rejected")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], POLICIES[sys.argv[2]]))
