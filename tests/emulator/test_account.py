"""The account's rate and bill."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

import httpx
import pytest

from s2v_detect.emulator import Counting, Emulator, Error, Pass, Reject

Ask = Callable[..., Awaitable[httpx.Response]]
IMAGE = "http://a.example/face.jpg"


@pytest.mark.parametrize("counting", ["sliding", "fixed", "bucket"])
async def test_the_sixth_in_a_second_is_throttled(ask: Ask, counting: Counting) -> None:
    """It gets the service's 429, and no bill; a second later the account may ask again."""
    now = [100.0]
    async with Emulator(answer=Pass(), counting=counting, clock=lambda: now[0]) as emulator:
        answers = [await ask(emulator) for _ in range(6)]
        now[0] = 101.0
        answers.append(await ask(emulator))
        assert [answer.status_code for answer in answers] == [200] * 5 + [429, 200]
        assert answers[5].json()["code"] == "Throttling.RateQuota"
        assert (emulator.throttled, emulator.billed) == (1, 6)


async def test_spaced_counting_takes_one_each_200_ms(ask: Ask) -> None:
    """Two at one instant are one too many."""
    now = [100.0]
    async with Emulator(answer=Pass(), counting="spaced", clock=lambda: now[0]) as emulator:
        answers = [await ask(emulator), await ask(emulator)]
        now[0] += 0.2
        answers.append(await ask(emulator))
        assert [answer.status_code for answer in answers] == [200, 429, 200]


async def test_without_counting_there_is_no_limit(ask: Ask) -> None:
    """The class's default: a client of `client()` has no limit either."""
    async with Emulator(answer=Pass(), clock=lambda: 100.0) as emulator:
        assert {(await ask(emulator)).status_code for _ in range(20)} == {200}
        assert emulator.busiest_second == 20


async def test_a_request_that_is_refused_takes_nothing_of_the_rate(ask: Ask) -> None:
    """A wrong key is no request of this account."""
    async with Emulator(answer=Pass(), counting="sliding", clock=lambda: 100.0) as emulator:
        for _ in range(9):
            refused = await ask(emulator, headers={"Authorization": "Bearer sk-other"})
            assert refused.status_code == 401
        assert (await ask(emulator)).status_code == 200


async def test_a_throttled_request_takes_no_answer_of_the_script(ask: Ask) -> None:
    """The rate comes first: what the script says next is still to come."""
    now = [100.0]
    async with Emulator(counting="sliding", rate=1, clock=lambda: now[0]) as emulator:
        emulator.when("*", Pass(), Reject())
        first, throttled = await ask(emulator), await ask(emulator)
        now[0] += 1
        second = await ask(emulator)
        assert throttled.status_code == 429
        assert first.json()["output"]["check_pass"] is True
        assert second.json()["output"]["check_pass"] is False


async def test_every_image_answered_is_billed_and_none_is_known_again(ask: Ask) -> None:
    """Pass and reject cost the same, an error nothing, and the same image twice is two bills."""
    async with Emulator(answer=Pass()) as emulator:
        emulator.when("*/reject.jpg", Reject())
        emulator.when("*/error.jpg", Error(500, "InternalError"))
        reject, error = "http://a.example/reject.jpg", "http://a.example/error.jpg"
        for image in (IMAGE, IMAGE, reject, error):
            await ask(emulator, image)
        assert emulator.bills == {IMAGE: 2, reject: 1}
        assert emulator.cost == Decimal("0.012")


async def test_free_images_are_used_first(ask: Ask) -> None:
    """Three images with two free ones cost the price of one."""
    async with Emulator(answer=Pass(), free_images=2) as emulator:
        costs = []
        for _ in range(3):
            await ask(emulator)
            costs.append(emulator.cost)
        assert costs == [0, 0, Decimal("0.004")]
        assert (emulator.billed, emulator.free_used) == (3, 2)


async def test_the_account_may_stop_when_the_free_images_are_used_up(ask: Ask) -> None:
    """From then on it is 403 `AllocationQuota.FreeTierOnly`, and costs nothing."""
    async with Emulator(answer=Pass(), free_images=1, stop_when_free_used_up=True) as emulator:
        first, second = await ask(emulator), await ask(emulator)
        assert first.status_code == 200
        assert second.status_code == 403
        assert second.json()["code"] == "AllocationQuota.FreeTierOnly"
        assert emulator.cost == 0
