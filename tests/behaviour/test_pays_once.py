"""Never pays twice without saying so."""

import asyncio
from collections import Counter
from decimal import Decimal

import pytest

from s2v_detect import Checked, Failed, OutcomeUnknown, RetryPolicy, ServiceUnavailable
from s2v_detect.emulator import (
    Answer,
    Cut,
    Emulator,
    Error,
    HalfBody,
    Html,
    Pass,
    Reject,
    Silent,
    Throttle,
)

IMAGE = "https://images.example/face.jpg"
QUICK = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.002)

LOST = [
    pytest.param(Cut(), id="billed, then the line is cut"),
    pytest.param(Cut(after="headers"), id="billed, then cut behind the headers"),
    pytest.param(Silent(), id="billed, then silent"),
    pytest.param(HalfBody(), id="billed, half a body"),
    pytest.param(Html(status=200, billed=True), id="billed, a page of HTML"),
    pytest.param(Error(502, "", billed=True), id="billed, behind a gateway's 502"),
    pytest.param(Error(504, "", billed=True), id="billed, behind a gateway's 504"),
]


@pytest.mark.parametrize("answer", LOST)
async def test_a_lost_answer_is_asked_for_once_more_and_both_are_counted(
    emulator: Emulator, answer: Answer
) -> None:
    """`on_unknown="resend"`: one verdict, two bills, and the books say at most two."""
    emulator.when("*", answer, Pass())
    async with emulator.client(retry=QUICK, timeout_s=0.3) as client:
        verdict = await client.check(IMAGE)
    assert verdict.check_pass
    assert emulator.bills[IMAGE] == 2
    assert (client.spend.billed, client.spend.unknown) == (1, 1)
    assert client.spend.cost == Decimal("0.004")
    assert client.spend.cost_at_most == Decimal("0.008")


@pytest.mark.parametrize("answer", LOST)
async def test_a_lost_answer_is_kept_unknown_when_asked_to(
    emulator: Emulator, answer: Answer
) -> None:
    """`on_unknown="keep"`: one request, one error that says it may have been billed."""
    emulator.when("*", answer)
    async with emulator.client(retry=QUICK, timeout_s=0.3, on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown) as raised:
            await client.check(IMAGE)
    assert raised.value.billed == "unknown"
    assert raised.value.image == IMAGE
    assert raised.value.attempts == 1
    assert emulator.bills[IMAGE] == 1
    assert client.spend.cost == 0
    assert client.spend.cost_at_most == Decimal("0.004")


async def test_an_image_is_resent_once_however_often_its_answer_is_lost(
    emulator: Emulator,
) -> None:
    """The second lost answer is the last: two requests, never three."""
    emulator.when("*", Cut())
    async with emulator.client(retry=QUICK) as client:
        with pytest.raises(OutcomeUnknown) as raised:
            await client.check(IMAGE)
    assert raised.value.attempts == 2
    assert emulator.bills[IMAGE] == 2
    assert client.spend.cost_at_most == Decimal("0.008")


async def test_one_resend_is_all_even_with_other_errors_between(emulator: Emulator) -> None:
    """Lost, throttled, lost again: the throttled one was no resend, the third request was."""
    emulator.when("*", Cut(), Throttle(), Cut(), Pass())
    async with emulator.client(retry=QUICK) as client:
        with pytest.raises(OutcomeUnknown):
            await client.check(IMAGE)
    assert emulator.bills[IMAGE] == 2
    assert client.spend.unknown == 2


async def test_an_error_after_a_lost_answer_says_that_the_image_may_have_been_billed(
    emulator: Emulator,
) -> None:
    """The last error is a 503, free in itself; the request before it may not have been."""
    emulator.when("*", Cut(), Error(503, "ModelUnavailable"))
    async with emulator.client(
        retry=RetryPolicy(max_attempts=3, first_wait_s=0.001, longest_wait_s=0.001)
    ) as client:
        with pytest.raises(ServiceUnavailable) as raised:
            await client.check(IMAGE)
    assert raised.value.billed == "unknown"
    assert "may have been billed" in str(raised.value)


async def test_free_answers_cost_nothing(emulator: Emulator) -> None:
    """Throttles, faults and refusals are free; so is a reject in the shape of an error."""
    emulator.when(
        "*", Throttle(), Error(500, "InternalError"), Reject("InvalidFile.NoHuman", shape="400")
    )
    async with emulator.client(retry=QUICK) as client:
        verdict = await client.check(IMAGE)
    assert not verdict.check_pass
    assert verdict.billed == "no"
    assert client.spend.cost_at_most == 0
    assert emulator.billed == 0


async def test_a_verdict_without_a_count_may_have_been_billed(emulator: Emulator) -> None:
    """`usage.image_count` is what says billed; without it the verdict counts as unknown."""
    emulator.when("*", Pass(usage=False))
    async with emulator.client() as client:
        verdict = await client.check(IMAGE)
    assert verdict.check_pass
    assert verdict.billed == "unknown"
    assert emulator.requests == 1
    assert client.spend.cost_at_most == Decimal("0.004")


async def test_the_lines_delivered_add_up_to_the_spend(emulator: Emulator) -> None:
    """Repeats, skips, lost answers and failures: the outcomes' costs are the client's, exactly."""
    emulator.when("*/cut-*", Cut(), Pass())
    emulator.when("*/lost-*", Cut())
    emulator.when("*/refused-*", Error(400, "DataInspectionFailed"))
    emulator.when("*/slow-*", Pass(latency_s=0.05))
    kinds = ("cut", "lost", "refused", "slow", "plain")
    images = [
        f"https://images.example/{kind}-{number}.jpg" for number in range(8) for kind in kinds
    ]
    items = [*images, "no url", *images[:20]]
    async with emulator.client(retry=QUICK) as client:
        outcomes = [outcome async for outcome in client.aiter_check(items)]
    assert len(outcomes) == len(items)
    spend = client.spend
    assert sum(outcome.cost for outcome in outcomes) == spend.cost
    assert sum(outcome.cost_at_most for outcome in outcomes) == spend.cost_at_most
    assert spend.skipped == 1
    assert spend.billed + spend.unknown == emulator.billed
    assert sum(emulator.bills.values()) == emulator.billed
    kinds_seen = Counter(type(outcome) for outcome in outcomes)
    assert kinds_seen[Checked] + kinds_seen[Failed] == len(items) - 1


async def test_two_checks_of_one_image_at_one_time_are_one_request(emulator: Emulator) -> None:
    """The first has the cost, the others share the answer; spellings of one address are one."""
    emulator.when("*", Pass(latency_s=0.05))
    same = [
        IMAGE,
        "HTTPS://images.EXAMPLE/face.jpg",
        IMAGE + "#top",
        "https://images.example:443/face.jpg",
    ]
    async with emulator.client() as client:
        outcomes = [outcome async for outcome in client.aiter_check(same, ordered=True)]
    assert emulator.requests == 1
    verdicts = [outcome.verdict for outcome in outcomes if isinstance(outcome, Checked)]
    assert [verdict.source for verdict in verdicts] == ["service", "shared", "shared", "shared"]
    assert [verdict.billed for verdict in verdicts] == ["yes", "no", "no", "no"]
    assert client.spend.shared == 3
    assert client.spend.saved == Decimal("0.012")


async def test_a_shared_image_is_asked_for_no_oftener_than_the_policy_says(
    emulator: Emulator,
) -> None:
    """Its answer is lost: neither the check nor the stream's share makes another request."""
    url = "https://images.example/lost.jpg"
    emulator.when("*", Cut(latency_s=0.1), Pass())
    async with emulator.client(retry=RetryPolicy(max_attempts=1)) as client:
        stream = client.aiter_check([url])
        reading = asyncio.ensure_future(anext(stream))
        while not emulator.requests:
            await asyncio.sleep(0)
        with pytest.raises(OutcomeUnknown):
            await client.check(url)
        outcome = await reading
        assert (outcome.kind, outcome.billed) == ("failed", "unknown")
        assert client.spend.unknown == 1
    assert emulator.requests == 1
