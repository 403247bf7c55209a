"""A budget of a day or a month is the account's: of all that one ledger's file knows."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.ledgers import Place, ledger_in

from s2v_detect import (
    Budget,
    BudgetSpent,
    DetectClient,
    ImageUnusable,
    Ledger,
    LocalLimiter,
    Outcome,
    OutcomeUnknown,
    check_all,
)
from s2v_detect.emulator import Cut, Emulator, Error, Pass

FAST = LocalLimiter(float("inf"))
DAY_S = 86_400
BEFORE_MIDNIGHT = datetime(2026, 11, 26, 15, 59, 50, tzinfo=UTC).timestamp()
Urls = Callable[[int], list[str]]


class Clock:
    """A wall clock that goes on only when it is told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Seconds since 1970, as `time.time` has them."""
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "screening.db"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Ten seconds before midnight in China Standard Time, until it is told otherwise."""
    clock = Clock(BEFORE_MIDNIGHT)
    monkeypatch.setattr(time, "time", clock)
    return clock


def cny(images: int) -> Decimal:
    """What so many cost."""
    return images * Decimal("0.004")


def a_day(images: int, **more: Any) -> Budget:
    """A budget for so many images a day."""
    return Budget(per_day=cny(images), **more)


async def screened(client: DetectClient, images: Iterable[str]) -> list[Outcome[Any]]:
    """The outcomes of a stream that ends at its budget."""
    outcomes = []
    with pytest.raises(BudgetSpent):
        async for outcome in client.aiter_check(images):
            outcomes.append(outcome)
    return outcomes


@pytest.mark.parametrize("most", [0, 1, 25, 26])
async def test_two_runs_on_one_ledger_never_pass_a_day_together(
    emulator: Emulator, urls: Urls, place: Place, most: int
) -> None:
    """Each with a connection of its own, and other images; lost answers count in full."""
    emulator.when("*", Pass(latency_s=0.01))
    emulator.when("*/7.jpg", Cut(billed=True), Pass())
    emulator.when("*/8.jpg", Cut(billed=False), Pass())

    async def run(name: str) -> int:
        ledger = ledger_in(place, name=name)
        async with emulator.client(ledger=ledger, limiter=FAST, max_cost=a_day(most)) as client:
            await screened(client, [f"{url}?{name}" for url in urls(60)])
        ledger.close()
        return client.spend.billed + client.spend.unknown

    spent = await asyncio.gather(run("one"), run("other"))
    assert sum(spent) == most
    assert emulator.billed <= most
    with ledger_in(place) as ledger:
        assert sum(day.billed + day.unknown for day in ledger.statement()) == most


@pytest.mark.parametrize(
    "budget", [a_day(3), Budget(per_month=cny(3)), a_day(9, per_month="0.012")]
)
async def test_no_restart_and_no_other_name_forgets_what_was_spent(
    emulator: Emulator, urls: Urls, path: Path, budget: Budget
) -> None:
    """Nor does a forgotten image, nor a copy of the ledger."""
    client = emulator.client(ledger=Ledger(path, name="a"), limiter=FAST, max_cost=budget)
    async with client:
        await screened(client, urls(5))
    assert emulator.billed == 3
    with Ledger(path) as ledger:
        ledger.forget(urls(5))
        ledger.copy(path.with_name("copy.db"))
    for books in (Ledger(path, name="b", is_new_start=True), path, path.with_name("copy.db")):
        async with emulator.client(ledger=books, limiter=FAST, max_cost=budget) as client:
            with pytest.raises(BudgetSpent, match=r"CNY 0\.012 is spent or may be"):
                await client.check("https://images.example/more.jpg")
    assert emulator.billed == 3


async def test_what_is_unknown_counts_in_full(emulator: Emulator, place: Place) -> None:
    """An answer that was lost, kept as it is; and the request that asks for it again."""
    emulator.when("*/lost.jpg", Cut(billed=False))
    keep: Any = {"ledger": place, "limiter": FAST, "max_cost": a_day(2)}
    async with emulator.client(on_unknown="keep", **keep) as client:
        with pytest.raises(OutcomeUnknown):
            await client.check("https://images.example/lost.jpg")
    async with emulator.client(**keep) as client:
        with pytest.raises(BudgetSpent) as raised:
            await asyncio.gather(
                client.check("https://images.example/1.jpg"),
                client.check("https://images.example/2.jpg"),
            )
    assert raised.value.begins_anew_at is not None
    assert emulator.billed <= 1


async def test_an_image_whose_answer_was_lost_is_not_asked_again_past_the_budget(
    emulator: Emulator, place: Place
) -> None:
    """And the error says that it may have been billed."""
    emulator.when("*", Cut(billed=True), Pass())
    async with emulator.client(ledger=place, limiter=FAST, max_cost=a_day(1)) as client:
        with pytest.raises(BudgetSpent) as raised:
            await client.check("https://images.example/1.jpg")
    assert raised.value.billed == "unknown"
    assert (emulator.requests, client.spend.unknown) == (1, 1)


async def test_what_comes_back_free_leaves_room(emulator: Emulator, place: Place) -> None:
    """At the limit a request waits for those under way; the stream before it had no bill."""
    emulator.when("*/bad.jpg", Error(400, "InvalidURL", latency_s=0.2))
    async with emulator.client(ledger=place, limiter=FAST, max_cost=a_day(1)) as client:
        bad = asyncio.ensure_future(client.check("https://images.example/bad.jpg"))
        while not emulator.requests:
            await asyncio.sleep(0)
        good = asyncio.ensure_future(client.check("https://images.example/good.jpg"))
        with pytest.raises(ImageUnusable):
            await bad
        assert (await good).check_pass
        with pytest.raises(BudgetSpent):
            await client.check("https://images.example/more.jpg")
    assert (emulator.billed, emulator.requests) == (1, 2)


async def test_a_turn_that_is_withdrawn_gives_its_room_back(
    emulator: Emulator, place: Place
) -> None:
    """Who leaves the line was reserved for: nobody had the room, and then another has it."""
    slow, budget = LocalLimiter(1, 3600), a_day(2)
    async with (
        emulator.client(ledger=ledger_in(place), limiter=slow, max_cost=budget) as one,
        emulator.client(ledger=ledger_in(place), limiter=FAST, max_cost=budget) as other,
    ):
        await one.check("https://images.example/1.jpg")
        waiting = asyncio.ensure_future(one.check("https://images.example/2.jpg"))
        with ledger_in(place) as ledger:
            while not list(ledger.all_entries("sent")):
                await asyncio.sleep(0.01)
            with pytest.raises(BudgetSpent):  # by another run, which has nothing under way
                await other.check("https://images.example/3.jpg")
            waiting.cancel()
            while list(ledger.all_entries("sent")):
                await asyncio.sleep(0.01)
        assert (await other.check("https://images.example/3.jpg")).check_pass
    assert emulator.billed == 2


@pytest.mark.parametrize(
    ("budget", "ended"),
    [
        (a_day(10), (18, "0.040 a day .* at 00:00")),
        (a_day(10, per_month=cny(15)), (15, "0.060 a month .* on 1 December")),
        (a_day(10, total=cny(12)), (12, "max_cost .CNY 0.048")),
        (Budget(per_month=cny(15)), (15, "a month")),
        (a_day(99, total=cny(5)), (5, "max_cost .CNY 0.020")),
    ],
)
async def test_a_stream_that_crosses_midnight_goes_on_with_the_new_days_amount(
    emulator: Emulator, place: Place, clock: Clock, budget: Budget, ended: tuple[int, str]
) -> None:
    """That of the month and the total stay. Eight images before midnight, the rest after it."""

    async def images() -> AsyncIterator[str]:
        for number in range(30):
            if number == 8:
                clock.now += 11
            yield f"https://images.example/{number}.jpg"

    billed, words = ended
    client = emulator.client(ledger=place, limiter=FAST, max_cost=budget, max_in_flight=1)
    async with client:
        with pytest.raises(BudgetSpent, match=words):
            async for _ in client.aiter_check(images()):
                pass
        assert emulator.billed == billed
        if budget == a_day(10):  # a client that stays open, as in a web application
            clock.now += DAY_S
            assert (await client.check("https://images.example/tomorrow.jpg")).check_pass


async def test_a_clock_that_is_set_back_gives_nothing_back(
    emulator: Emulator, urls: Urls, place: Place, clock: Clock
) -> None:
    """What is recorded for a later time has been spent all the same."""
    clock.now += 3 * DAY_S
    async with emulator.client(ledger=place, limiter=FAST, max_cost=a_day(3)) as client:
        await screened(client, urls(9))
        clock.now -= 3 * DAY_S
        with pytest.raises(BudgetSpent):
            await client.check("https://images.example/more.jpg")
        clock.now += 4 * DAY_S
        assert (await client.check("https://images.example/more.jpg")).check_pass
    assert emulator.billed == 4


RUN = """
import asyncio, sys
from s2v_detect import Budget, BudgetSpent, DetectClient, LocalLimiter

async def main(path, name, key, url):
    options = {"ledger": path, "limiter": LocalLimiter(500), "max_cost": Budget(per_day="0.2")}
    async with DetectClient(key, base_url=url, **options) as client:
        images = (f"https://images.example/{name}-{number}.jpg" for number in range(300))
        print("begun", flush=True)
        try:
            async for outcome in client.aiter_check(images):
                pass
        except BudgetSpent:
            print("spent", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.real_time
def test_processes_that_are_killed_and_started_again_never_pass_a_day(path: Path) -> None:
    """Two at a time, one of them killed in mid-run: what it had sent counts, known or not."""
    with Emulator.run_in_thread(answer=Pass(latency_s=0.05)) as emulator:

        def start(name: str) -> subprocess.Popen[str]:
            words = [
                sys.executable,
                "-c",
                RUN,
                str(path),
                name,
                emulator.api_key,
                emulator.base_url,
            ]
            return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)  # noqa: S603  # our own

        killed, other = start("killed"), start("other")
        while emulator.billed < 10:
            time.sleep(0.001)
        os.kill(killed.pid, signal.SIGKILL)
        again = start("again")
        for process in (killed, other, again):
            told, _ = process.communicate(timeout=30)
            assert "spent" in told or process is killed
        assert emulator.billed <= 50
    with Ledger(path) as ledger:
        assert sum(day.billed + day.unknown for day in ledger.statement()) == 50


@pytest.mark.parametrize(
    ("name", "max_cost", "paid"),
    [
        ("", "0.008", 4),
        ("november", "0.008", 2),
        ("", Budget(per_day="0.008"), 2),
        ("november", Budget(per_day="0.008"), 2),
    ],
)
def test_what_a_second_call_may_spend(name: str, max_cost: Any, paid: int, tmp_path: Path) -> None:
    """An amount is of a ledger's name, else of the one call; one a day is the account's."""
    path = tmp_path / "l.db"
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        for call in range(2):
            with pytest.raises(BudgetSpent):
                check_all(
                    [f"https://a.example/{call}-{number}.jpg" for number in range(8)],
                    ledger=Ledger(path, name=name) if name else path,
                    max_cost=max_cost,
                    limiter=FAST,
                    api_key=emulator.api_key,
                    base_url=emulator.base_url,
                )
        assert emulator.requests == paid
