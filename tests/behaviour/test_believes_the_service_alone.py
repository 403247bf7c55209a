"""Only the service's own word is "not billed"; what it counts is what is paid."""

import asyncio
import json
import re
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import (
    BudgetSpent,
    Checked,
    DetectClient,
    DetectError,
    Event,
    Ledger,
    LocalLimiter,
    OutcomeUnknown,
    RetryPolicy,
)
from s2v_detect.emulator import Emulator, Error, Html, Pass, Raw

IMAGE = "https://images.example/face.jpg"
QUICK = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.002)
TWO = '{"output": {"check_pass": true}, "usage": {"image_count": 2}}'


@pytest.mark.parametrize("status", [302, 408, 499, 500, 503, 520, 522, 524, 598])
async def test_a_gateways_page_is_asked_again_once_and_counted(
    emulator: Emulator, status: int
) -> None:
    """The model may have run behind the page: two requests, two bills, and both are in the sum."""
    emulator.when("*", Html(status, billed=True))
    async with emulator.client(retry=QUICK) as client:
        with pytest.raises(OutcomeUnknown) as raised:
            await client.check(IMAGE)
    assert (raised.value.attempts, raised.value.billed) == (2, "unknown")
    assert emulator.bills[IMAGE] == 2
    assert client.spend.cost_at_most == Decimal("0.008")


@pytest.mark.parametrize("status", [500, 503, 520, 524, 408, 302])
async def test_max_cost_holds_behind_a_gateway(emulator: Emulator, status: int) -> None:
    """A budget for two images: two bills, where there were sixteen."""
    emulator.when("*", Html(status, billed=True))
    images = [f"https://images.example/{number}.jpg" for number in range(20)]
    async with emulator.client(retry=QUICK, max_cost="0.008") as client:
        with pytest.raises(BudgetSpent):
            async for _ in client.aiter_check(images):
                pass
    assert emulator.billed == 2
    assert client.spend.cost_at_most == Decimal("0.008")


async def test_an_answer_that_counts_two_images_costs_two(emulator: Emulator) -> None:
    """In its outcome, in the spend and in the budget."""
    emulator.when("*/two-*", Raw(200, TWO, billed=True))
    emulator.when("*/one-*", Pass())
    images = [f"https://images.example/{kind}-{n}.jpg" for n in range(3) for kind in ("one", "two")]
    outcomes: list[Any] = []
    async with emulator.client(max_cost="0.036") as client:
        async for outcome in client.aiter_check(images):
            outcomes.append(outcome)
        with pytest.raises(BudgetSpent):
            await client.check(IMAGE)
    assert all(isinstance(outcome, Checked) for outcome in outcomes)
    costs = {outcome.image: outcome.cost for outcome in outcomes}
    assert {url: cost / Decimal("0.004") for url, cost in costs.items()} == {
        url: 2 if "two" in url else 1 for url in images
    }
    assert client.spend.cost == client.spend.cost_at_most == sum(costs.values())


async def test_an_answer_that_counts_two_images_costs_two_in_every_later_run(
    emulator: Emulator, tmp_path: Path
) -> None:
    """In the ledger's entry, its statement, and what is left of the budget of its name."""
    emulator.when("*/two-*", Raw(200, TWO, billed=True))
    images = [f"https://images.example/two-{n}.jpg" for n in range(3)]
    path = tmp_path / "books.db"
    async with emulator.client(ledger=Ledger(path, name="out"), max_cost="0.024") as client:
        assert len([outcome async for outcome in client.aiter_check(images)]) == 3
    with Ledger(path, name="out") as ledger:
        assert [entry.paid for entry in ledger.entries(images).values()] == [2] * 3
        assert sum(spend.cost for spend in ledger.statement()) == Decimal("0.024")
        async with emulator.client(ledger=ledger, max_cost="0.024") as client:
            with pytest.raises(BudgetSpent):
                await client.check(IMAGE)
            assert ledger.spend().cost == Decimal("0.024")


async def test_an_error_that_counts_two_images_costs_two(emulator: Emulator) -> None:
    """The count is the oracle beside an error too."""
    body = '{"code": "InternalError", "usage": {"image_count": 2}}'
    emulator.when("*", Raw(500, body, billed=True))
    async with emulator.client(retry=QUICK) as client:
        with pytest.raises(DetectError) as raised:
            await client.check(IMAGE)
    assert raised.value.billed == "yes"
    assert client.spend.cost == Decimal("0.008")
    assert emulator.requests == 1


async def test_an_answer_that_was_here_before_its_request_is_no_answer() -> None:
    """A gateway that sends two at once: the second would be told as another image's verdict."""
    verdicts = [
        json.dumps({"output": {"check_pass": is_good}, "usage": {"image_count": 1}}).encode()
        for is_good in (True, False)
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(re.findall(rb"(?i)content-length: (\d+)", head)[0]))
                for body in verdicts:
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                    )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    client = DetectClient("sk-x", base_url=base_url, limiter=LocalLimiter(1000), retry=QUICK)
    async with server, client:
        for number in range(10):
            verdict = await client.check(f"https://images.example/{number}.jpg")
            assert verdict.check_pass
        assert (client.spend.billed, client.spend.unknown) == (10, 9)


@pytest.mark.parametrize("message", ["Failed to download multimodal content", "It is too small"])
async def test_a_row_of_refused_images_is_no_outage(emulator: Emulator, message: str) -> None:
    """A 400 is about its image, whatever its code is called: the images behind it are not held."""
    events: list[Event] = []
    emulator.when("*/bad*", Error(400, "InternalError.Algo.InvalidParameter", message))
    images = [f"https://a.example/{name}{n}.jpg" for name in ("bad", "good") for n in range(8)]
    watch = events.append
    async with emulator.client(retry=QUICK, limiter=LocalLimiter(100), on_event=watch) as client:
        kinds = [o.kind async for o in client.aiter_check(images, ordered=True)]
    assert kinds == ["failed"] * 8 + ["checked"] * 8
    assert not [event for event in events if event.kind == "outage"]
    assert emulator.requests <= 8 * 2 + 8
    assert emulator.billed == client.spend.billed == 8
