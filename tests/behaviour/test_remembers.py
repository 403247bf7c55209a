"""A ledger: nothing is paid twice without saying so, and no answer is lost, across restarts too."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ledgers import LEASE_S, Place, ledger_in

from s2v_detect import (
    BudgetSpent,
    Checked,
    ConfigurationError,
    DetectClient,
    Event,
    ImageUnusable,
    Ledger,
    LedgerError,
    LocalLimiter,
    NotSent,
    OutcomeUnknown,
    RetryPolicy,
)
from s2v_detect.emulator import (
    Cut,
    Emulator,
    Error,
    Html,
    Pass,
    Reject,
    Silent,
    Throttle,
    Trickle,
)

URL = "https://images.example/1.jpg"
FAST = LocalLimiter(float("inf"))
Urls = Callable[[int], list[str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "screening.db"


async def test_an_answered_image_is_free_the_second_time(emulator: Emulator, place: Place) -> None:
    """In another client, in another spelling; the verdict is the same."""
    emulator.when("*", Reject("InvalidFile.NoHuman"))
    async with emulator.client(ledger=place) as client:
        first = await client.check(URL)
    async with emulator.client(ledger=place) as client:
        again = await client.check("HTTPS://Images.Example:443/1.jpg#face")
        assert (client.spend.known, client.spend.billed) == (1, 0)
    assert (first.source, again.source, again.billed) == ("service", "ledger", "no")
    assert (again.code, again.request_id) == (first.code, first.request_id)
    assert emulator.requests == 1
    with ledger_in(place) as ledger:
        [attempt] = ledger.attempts(URL)
        assert (attempt.outcome, attempt.request_id) == ("billed", first.request_id)
        assert ledger.known([URL, "https://images.example/2.jpg"]) == {URL: again}


@pytest.mark.real_time
async def test_many_rows_with_repeats_are_one_bill_an_image(
    emulator: Emulator, urls: Urls, place: Place
) -> None:
    """Wherever the repeats stand, and however they are spelled."""
    chance = random.Random(3)
    items = urls(700) + [url.replace("https", "HTTPS") for url in chance.choices(urls(700), k=300)]
    chance.shuffle(items)
    async with emulator.client(ledger=place, limiter=FAST) as client:
        outcomes = [outcome async for outcome in client.aiter_check(items)]
        assert client.spend.known + client.spend.shared == 300
    assert sorted(outcome.index for outcome in outcomes) == list(range(1000))
    assert set(emulator.bills.values()) == {1}
    assert emulator.billed == 700


async def test_old_answers_are_asked_for_again_if_wanted(emulator: Emulator, place: Place) -> None:
    """`max_age_s`, and `refresh`; the older answer is kept until the newer one is here."""
    async with emulator.client(ledger=place) as client:
        await client.check(URL)
    async with emulator.client(ledger=ledger_in(place, max_age_s=3600)) as client:
        assert (await client.check(URL)).source == "ledger"
    emulator.when("*", Error(400, "InvalidURL"), Reject("InvalidFile.FacePose"))
    async with emulator.client(ledger=ledger_in(place, refresh=True)) as client:
        with pytest.raises(ImageUnusable, match=r"fetch|URL"):
            await client.check(URL)
        with ledger_in(place) as ledger:
            assert ledger.known([URL])[URL].check_pass
        assert (await client.check(URL)).code == "InvalidFile.FacePose"
        assert (await client.check(URL)).source == "ledger"


async def test_the_older_answer_is_known_while_a_newer_one_is_asked_for(
    emulator: Emulator, place: Place
) -> None:
    """Nobody is told that a paid answer is not there, in the seconds that another one takes."""
    async with emulator.client(ledger=place) as client:
        await client.check(URL)
    emulator.when("*", Trickle(over_s=0.5))
    async with emulator.client(ledger=ledger_in(place, refresh=True)) as client:
        asked = asyncio.create_task(client.check(URL))
        while len(emulator.arrivals) < 2:
            await asyncio.sleep(0.01)
        with ledger_in(place) as ledger:
            assert ledger.entries([URL])[URL].state == "sent"
            assert ledger.known([URL])[URL].check_pass
        await asked


async def test_every_end_is_recorded(emulator: Emulator, place: Place) -> None:
    """Skipped, failed, unknown; each with its requests."""
    emulator.when("*/failed.jpg", Error(400, "InvalidURL"))
    emulator.when("*/lost.jpg", Cut(billed=True))
    items = [f"https://images.example/{name}.jpg" for name in ("failed", "lost", "good")]
    async with emulator.client(ledger=place, on_unknown="keep") as client:
        outcomes = [o async for o in client.aiter_check([*items, "no url"], ordered=True)]
    assert [outcome.kind for outcome in outcomes] == ["failed", "failed", "checked", "skipped"]
    with ledger_in(place) as ledger:
        states = {e.image: (e.state, e.error) for e in ledger.all_entries()}
        lost = ledger.attempts(items[1])
        [spend] = ledger.statement()
    assert states == {
        items[0]: ("failed", "ImageUnusable"),
        items[1]: ("unknown", "OutcomeUnknown"),
        items[2]: ("answered", None),
        "no url": ("skipped", "ImageSkipped"),
    }
    assert [attempt.outcome for attempt in lost] == ["unknown"]
    assert (spend.requests, spend.billed, spend.unknown) == (3, 1, 1)


async def test_an_image_whose_turn_never_came_is_not_sent(emulator: Emulator, place: Place) -> None:
    """Cancelled in line, or no connection: nothing is in doubt."""
    async with emulator.client(ledger=place, limiter=LocalLimiter(1)) as client:
        await client.check(URL)
        waiting = asyncio.ensure_future(client.check("https://images.example/2.jpg"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.wait([waiting])
    once = RetryPolicy(max_attempts=1)
    nowhere = "http://127.0.0.1:9/api/v1"
    async with DetectClient("sk-1", base_url=nowhere, ledger=place, retry=once) as client:
        with pytest.raises(ConfigurationError, match="refuses connections"):
            await client.check("https://images.example/3.jpg")
    with ledger_in(place) as ledger:
        states = {entry.image[-5]: entry.state for entry in ledger.all_entries()}
        outcomes = {a.outcome for n in (2, 3) for a in ledger.attempts(f"{URL[:-5]}{n}.jpg")}
    assert states == {"1": "answered", "2": "not sent", "3": "not sent"}
    assert outcomes <= {"not sent"}


async def test_a_lost_answer_is_asked_for_again_once_across_restarts(
    emulator: Emulator, place: Place
) -> None:
    """Until somebody allows more, or writes it off."""
    emulator.when("*", Cut(billed=True))
    async with emulator.client(ledger=place, on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown):
            await client.check(URL)
    async with emulator.client(ledger=place, on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown, match="not asked again"):
            await client.check(URL)
    assert emulator.requests == 1
    for _ in range(2):
        async with emulator.client(ledger=place) as client:
            with pytest.raises(OutcomeUnknown):
                await client.check(URL)
    assert emulator.requests == 2
    with ledger_in(place) as ledger:
        assert ledger.allow_resend([URL]) == 1
    emulator.when("*", Pass())
    async with emulator.client(ledger=place) as client:
        assert (await client.check(URL)).check_pass
    with ledger_in(place) as ledger:
        assert [a.outcome for a in ledger.attempts(URL)] == ["unknown", "unknown", "billed"]


async def test_unknown_images_can_be_written_off(emulator: Emulator, place: Place) -> None:
    """They are failed from then on; their requests stay perhaps billed."""
    emulator.when("*", Cut(billed=True))
    async with emulator.client(ledger=place, on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown):
            await client.check(URL)
    with ledger_in(place) as ledger:
        assert ledger.write_off() == 1
        assert ledger.entries([URL])[URL].state == "failed"
        assert ledger.statement()[0].unknown == 1


async def test_two_clients_on_one_ledger_never_ask_for_one_image_at_once(
    emulator: Emulator, urls: Urls, place: Place
) -> None:
    """The one that comes second waits for the other's answer."""
    emulator.when("*", Pass(latency_s=0.05))

    async def screen() -> int:
        async with emulator.client(ledger=place, limiter=FAST) as client:
            return len([o async for o in client.aiter_check(urls(60)) if isinstance(o, Checked)])

    assert list(await asyncio.gather(screen(), screen())) == [60, 60]
    assert set(emulator.bills.values()) == {1}


HOLDING = """
import asyncio, sys
from s2v_detect import DetectClient
from s2v_detect.ledger import is_address, ledger_at
async def main():
    lease = {"lease_s": float(sys.argv[5])} if is_address(sys.argv[3]) else {}
    ledger = ledger_at(sys.argv[3], **lease)
    async with DetectClient(sys.argv[2], base_url=sys.argv[1], ledger=ledger) as client:
        print("open", flush=True)
        await client.check(sys.argv[4])
asyncio.run(main())
"""


@pytest.mark.real_time
async def test_a_process_that_died_holding_an_image_blocks_nobody(
    emulator: Emulator, place: Place
) -> None:
    """Neither one that starts nor one that waits for it; what it had sent is unknown."""
    emulator.when("*", Silent(billed=True), Pass())
    account = [emulator.base_url, emulator.api_key]
    words = [sys.executable, "-c", HOLDING, *account, str(place), URL, str(LEASE_S)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)  # noqa: ASYNC220, S603  # our own script
    while not emulator.requests:
        await asyncio.sleep(0.01)
    async with emulator.client(ledger=place) as client:
        waiting = asyncio.ensure_future(client.check(URL))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert emulator.requests == 1
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert (await waiting).check_pass
    with ledger_in(place) as ledger:
        assert [a.outcome for a in ledger.attempts(URL)] == ["unknown", "billed"]
    if isinstance(place, Path):
        assert not list(place.parent.glob("*-run-*"))


async def test_one_name_is_one_run_at_a_time(emulator: Emulator, place: Place) -> None:
    """Two would write one output, and share one budget unseen."""
    async with emulator.client(ledger=ledger_in(place, name="out")):
        with pytest.raises(LedgerError, match="already"):
            async with emulator.client(ledger=ledger_in(place, name="out")):
                pass
    async with emulator.client(ledger=ledger_in(place, name="out")):
        pass


async def test_a_ledger_is_of_one_model(emulator: Emulator, place: Place) -> None:
    """Its answers would be taken for another's; before the first request it is of none."""
    async with emulator.client(ledger=place, model="a third"):
        pass
    async with emulator.client(ledger=place) as client:
        await client.check("http://a.example/1.jpg")
    with pytest.raises(LedgerError, match="another"):
        async with emulator.client(ledger=place, model="another"):
            pass


@pytest.mark.parametrize("max_in_flight", [1, 300])
async def test_the_budget_is_never_passed(
    emulator: Emulator, urls: Urls, place: Place, max_in_flight: int
) -> None:
    """In flight and unknown ones count in full, the runs of one name together."""
    emulator.when("*", Pass(latency_s=0.01))
    emulator.when("*/7.jpg", Cut(billed=True), Pass())
    for max_cost, most in (("0.0999", 24), (0.2, 50)):
        ledger = ledger_in(place, name="out")
        client = emulator.client(
            ledger=ledger, limiter=FAST, max_cost=max_cost, max_in_flight=max_in_flight
        )
        async with client:
            outcomes = []
            with pytest.raises(BudgetSpent):
                async for outcome in client.aiter_check(urls(100)):
                    outcomes.append(outcome)
            with pytest.raises(BudgetSpent):
                await client.check("https://images.example/more.jpg")
        assert emulator.billed == most
        spend = ledger.spend()
        assert spend.billed + spend.unknown == most
        ledger.close()


async def test_a_budget_without_a_ledger_is_the_clients_own(emulator: Emulator) -> None:
    """Free errors do not count."""
    emulator.when("*/bad.jpg", Error(400, "InvalidURL"))
    async with emulator.client(max_cost="0.004") as client:
        with pytest.raises(ImageUnusable, match=r"fetch|URL"):
            await client.check("https://images.example/bad.jpg")
        await client.check(URL)
        with pytest.raises(BudgetSpent):
            await client.check("https://images.example/2.jpg")


@pytest.mark.parametrize(
    "answer",
    [
        Throttle(retry_after_s=30),
        Error(500, "InternalError"),
        Error(500, "InternalError", latency_s=0.2),
        Error(400, "InvalidURL.Timeout"),
    ],
)
@pytest.mark.parametrize("leave", ["stop", "close", "cancel"])
async def test_what_was_left_before_its_retry_has_not_failed(
    emulator: Emulator, place: Place, answer: Throttle | Error, leave: str
) -> None:
    """Stopped, closed or left while it rested, or was answered: a run that goes on asks for it."""
    emulator.when("*", answer)
    url = "https://images.example/1.jpg"
    slow = RetryPolicy(first_wait_s=20, longest_wait_s=20)
    async with emulator.client(ledger=place, retry=slow) as client:
        stream = client.aiter_check([url])
        asked = client.check(url) if leave == "cancel" else anext(stream)
        waiting = asyncio.ensure_future(asked)
        while not emulator.requests:
            await asyncio.sleep(0)
        if not answer.latency_s:
            while emulator.in_flight:
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)  # its answer is on the way
        if leave == "stop":
            stream.stop()
        elif leave == "cancel":
            waiting.cancel()
        else:
            await client.aclose()
        await asyncio.wait([waiting])
        if not waiting.cancelled():
            waiting.exception()
    with ledger_in(place) as ledger:
        [entry] = ledger.all_entries()
    assert (entry.state, entry.attempts) == ("not sent", 1)


@pytest.mark.real_time
async def test_an_outage_costs_no_image_its_retries(emulator: Emulator, urls: Urls) -> None:
    """Few requests while it lasts, none failed for it; a new check is told so at once."""
    kinds: list[str] = []

    def watch(event: Event) -> None:
        kinds.append(event.kind)

    emulator.when("*", Error(503, "ServiceUnavailable"))
    policy = RetryPolicy(max_attempts=3, give_up_after_s=2, first_wait_s=0.01, longest_wait_s=0.01)
    async with emulator.client(limiter=FAST, retry=policy, on_event=watch) as client:
        stream = client.aiter_check(urls(20))
        first = asyncio.ensure_future(anext(stream))
        while "outage" not in kinds:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        during = emulator.requests
        assert during <= 3 * 20
        await asyncio.sleep(0.3)
        assert emulator.requests == during
        with pytest.raises(NotSent, match=r"out for \d+ s \(ServiceUnavailable\)"):
            await client.check("https://images.example/now.jpg")
        emulator.when("*", Pass())
        outcomes = [await first, *[outcome async for outcome in stream]]
        assert (await client.check("https://images.example/now.jpg")).check_pass
    assert {outcome.kind for outcome in outcomes} == {"checked"}
    assert "restored" in kinds


@pytest.mark.real_time
async def test_an_outage_is_tried_with_one_image_at_a_time(emulator: Emulator, urls: Urls) -> None:
    """Until it answers: one request, and seconds later another."""
    out = asyncio.Event()

    def watch(event: Event) -> None:
        if event.kind == "outage":
            out.set()

    emulator.when("*", Error(503, "ServiceUnavailable"))
    async with emulator.client(limiter=LocalLimiter(100), on_event=watch) as client:
        stream = client.aiter_check(urls(30))
        first = asyncio.ensure_future(anext(stream))
        await out.wait()
        await asyncio.sleep(0.5)
        before = emulator.requests
        started = time.monotonic()
        while emulator.requests == before and time.monotonic() - started < 10:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert emulator.requests == before + 1
        emulator.when("*", Pass())
        outcomes = [await first, *[outcome async for outcome in stream]]
    assert [outcome.kind for outcome in outcomes] == ["checked"] * 30


@pytest.mark.parametrize("remembers", [False, True])
@pytest.mark.real_time
async def test_those_in_line_when_an_outage_begins_are_held_too(
    emulator: Emulator, urls: Urls, place: Place, *, remembers: bool
) -> None:
    """A long line does not go on to knock at a dead service; nothing is lost or in doubt."""
    out = asyncio.Event()

    def watch(event: Event) -> None:
        if event.kind == "outage":
            out.set()

    emulator.when("*", Error(503, "ServiceUnavailable"))
    ledger = place if remembers else None
    async with emulator.client(limiter=LocalLimiter(50), on_event=watch, ledger=ledger) as client:
        stream = client.aiter_check(urls(200))
        first = asyncio.ensure_future(anext(stream))
        await out.wait()
        await asyncio.sleep(1)
        assert emulator.requests <= 20
        emulator.when("*", Pass())
        outcomes = [await first, *[outcome async for outcome in stream]]
    assert [outcome.kind for outcome in outcomes] == ["checked"] * 200
    assert client.spend.billed == emulator.billed == 200


async def test_a_gateways_page_is_unknown_in_the_ledger_too(
    emulator: Emulator, place: Place
) -> None:
    """502 may follow a billed call."""
    emulator.when("*", Html(502, billed=True))
    async with emulator.client(ledger=place, on_unknown="keep") as client:
        with pytest.raises(OutcomeUnknown):
            await client.check(URL)
    with ledger_in(place) as ledger:
        assert ledger.entries([URL])[URL].unsure == 1


def spoilt(path: Path, how: str) -> Path:
    """Something that can be no ledger of ours."""
    if how == "text":
        path.write_text("my own notes\n" * 100)
    elif how == "folder":
        path.mkdir()
    elif how == "missing folder":
        return path.parent / "missing" / "ledger.db"
    else:
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99" if how == "newer" else "CREATE TABLE mine (a)")
        db.close()
    return path


@pytest.mark.parametrize("spoil", ["text", "database", "newer", "folder", "missing folder"])
async def test_what_is_no_ledger_is_left_alone_and_nothing_is_sent(
    emulator: Emulator, path: Path, spoil: str
) -> None:
    """A clear error in two sentences."""
    if spoil == "newer":
        async with emulator.client(ledger=path):
            pass
    path = spoilt(path, spoil)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(LedgerError) as caught:
        async with emulator.client(ledger=path) as client:
            await client.check(URL)
    assert str(caught.value).count(". ") >= 1
    assert emulator.requests == 0
    assert not path.is_file() or path.read_bytes() == before


@pytest.mark.real_time
async def test_an_answer_that_can_not_be_recorded_is_told_all_the_same(
    emulator: Emulator, urls: Urls, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails while requests are under way: outcomes come, then the error."""
    from s2v_detect.ledger._sqlite import _store  # noqa: PLC0415  # its disk is what is replaced

    class Disk:
        """A connection whose commits fail when told to."""

        def __init__(self, path: Path, *, creates: bool) -> None:
            self._real = connected(path, creates=creates)
            self.in_transaction = False

        def execute(self, sql: str, *parameters: Any) -> object:
            if fails and sql == "COMMIT":
                self._real.execute("ROLLBACK")
                raise sqlite3.OperationalError("disk I/O error")
            return self._real.execute(sql, *parameters)

        def close(self) -> None:
            self._real.close()

    connected, fails = _store.connected, []
    monkeypatch.setattr(_store, "connected", Disk)
    emulator.when("*", Pass(latency_s=0.3))
    outcomes = []
    async with emulator.client(ledger=path, limiter=FAST) as client:
        with pytest.raises(LedgerError):
            async for outcome in client.aiter_check(urls(500)):
                outcomes.append(outcome)
                fails.append(True)
        asked = emulator.requests
        with pytest.raises(LedgerError):
            await client.check("https://images.example/more.jpg")
        assert emulator.requests == asked
        assert len(outcomes) == emulator.billed == client.spend.billed
        fails.clear()  # the disk is well again: what is owed is written before anything else
        await client.check("https://images.example/more.jpg")
    with Ledger(path) as ledger:
        assert len(ledger.known(urls(500))) == len(outcomes)


def test_a_ledger_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    """A mistyped name must not look like an empty ledger."""
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="there is no ledger"):
        ledger.known([URL])
    assert not path.exists()


def test_what_is_no_amount_is_refused() -> None:
    """Before anything is asked."""
    for amount in ("much", -1, float("nan"), "inf"):
        with pytest.raises(ConfigurationError, match="max_cost"):
            DetectClient("sk-1", max_cost=amount)


def test_the_ledger_is_as_durable_as_the_disk(path: Path) -> None:
    """Every commit synced, and no write-ahead log."""
    from s2v_detect.ledger._sqlite import _store  # noqa: PLC0415  # its connection is what is looked at

    db = _store.connected(path, creates=True)
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    db.close()


@pytest.mark.real_time
def test_a_run_killed_at_random_instants_accounts_for_every_bill() -> None:
    """The benchmark's own looks, on a few kills; its figure in the README is from a hundred."""
    script = Path(__file__).parents[2] / "benchmarks" / "killed.py"
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, str(script), "--kills", "6", "--images", "150"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.split()[3]) == 6
