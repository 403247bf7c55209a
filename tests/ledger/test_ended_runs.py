"""A run that is over in the books, though it lives: it stops, and its answers are kept."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.ledgers import Place, ledger_in

from s2v_detect import Ledger, LedgerError, LocalLimiter, Verdict
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.ledger import Ended

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
MODEL = "wan2.2-s2v-detect on this machine"


def buried(place: Place, run: int) -> None:
    """Another run takes that one for dead, as it did where lock files were tidied up."""
    with ledger_in(place) as ledger:
        other = ledger.begin(MODEL)
        other._writer.do(lambda db: other._release(db, run), writes=True)  # noqa: SLF001  # no other way


@pytest.mark.parametrize("answer", ["pass", "error"])
async def test_an_answer_that_comes_after_the_burial_is_kept(
    emulator: Emulator, urls: Urls, place: Place, answer: str
) -> None:
    """The run ends with `LedgerError`; counts and spend are what they would have been."""
    images = urls(30)
    last = Pass(latency_s=0.4) if answer == "pass" else Error(400, "InvalidURL", latency_s=0.4)
    emulator.when("*", last)
    ledger = ledger_in(place)
    async with emulator.client(ledger=ledger, limiter=LocalLimiter(25)) as client:
        outcomes: list[object] = []
        with pytest.raises(LedgerError, match="this run is over"):
            async for outcome in client.aiter_check(images):
                if not outcomes:
                    await asyncio.to_thread(buried, place, ledger.run)
                outcomes.append(outcome)
        spend = client.spend
    requests = emulator.requests
    assert 1 < requests < 30
    assert len(outcomes) == requests
    entries = {entry.image: entry for entry in ledger.all_entries()}
    asked = [entry for entry in entries.values() if entry.attempts]
    expected = ("answered", 1, 0, 0) if answer == "pass" else ("failed", 0, 0, 0)
    assert {(e.state, e.paid, e.unsure, e.doubts) for e in asked} == {expected}
    assert len(asked) == requests
    [booked] = ledger.statement()
    assert (booked.billed, booked.unknown) == (spend.billed, 0) == (emulator.billed, 0)
    ledger.close()
    emulator.when("*", Pass())
    async with emulator.client(ledger=place, limiter=FAST) as client:
        rest = [outcome async for outcome in client.aiter_check(images)]
    assert {outcome.kind for outcome in rest} == {"checked"}
    assert set(emulator.bills.values()) == {1}


async def test_an_answer_for_an_image_that_another_run_has_now_is_kept_beside_it(
    place: Place,
) -> None:
    """The other run goes on with the image; were it to die, the answer would stand."""
    image = "https://images.example/1.jpg"
    first, second = ledger_in(place), ledger_in(place)
    old = first.begin(MODEL)
    page = old.claim(image, image)
    await old.ask(page, nullcontext())
    await old.send(page)
    buried(place, old.id)
    new = second.begin(MODEL)
    later = new.claim(image, image)
    assert (await new.ask(later, nullcontext()))[1] is False
    await new.send(later)
    await old.answer(page, Ended("billed"), Verdict(check_pass=True), 0.1)
    [entry] = first.all_entries()
    assert (entry.state, entry.check_pass, entry.run) == ("sent", 1, new.id)
    await new.answer(later, Ended("billed"), Verdict(check_pass=True), 0.1)
    [entry] = first.all_entries()
    assert (entry.state, entry.paid, entry.unsure, entry.doubts) == ("answered", 1, 0, 0)
    assert [attempt.outcome for attempt in first.attempts(image)] == ["billed", "billed"]
    first.close()
    second.close()


async def test_an_answer_is_written_into_a_file_that_knows_nothing_of_it(tmp_path: Path) -> None:
    """Somebody put an older copy into the ledger's place while its image was asked for."""
    path, image = tmp_path / "l.db", "https://images.example/1.jpg"
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
    older = path.read_bytes()
    with Ledger(path) as ledger:
        run = ledger.begin(MODEL)
        page = run.claim(image, image)
        await run.ask(page, nullcontext())
        await run.send(page)
        path.write_bytes(older)  # in a test
        await run.answer(page, Ended("billed"), Verdict(check_pass=True), 0.1)
        with pytest.raises(LedgerError, match="this run is over"):
            await run.ask(run.claim("https://images.example/2.jpg", "2"), nullcontext())
    with Ledger(path) as ledger:
        assert ledger.known([image])[image].check_pass
        assert [attempt.outcome for attempt in ledger.attempts(image)] == ["billed"]
        [spend] = ledger.statement()
        assert (spend.requests, spend.billed) == (1, 1)


@pytest.mark.parametrize("run", ["ended", "missing"])
async def test_what_no_living_run_claims_is_found_by_its_state(
    emulator: Emulator, tmp_path: Path, run: str
) -> None:
    """Left `sent` by a run that is over, or that the file does not know: nobody waits for it."""
    path, image = tmp_path / "l.db", "https://images.example/1.jpg"
    with Ledger(path) as ledger:
        first = ledger.begin(MODEL)
        page = first.claim(image, image)
        await first.ask(page, nullcontext())
        await first.send(page)
        ledger._writer = None  # noqa: SLF001  # as a process that died
    db = sqlite3.connect(path)
    with db:
        if run == "ended":
            db.execute("UPDATE run SET ended_at = ?", (time.time(),))
        else:
            db.execute("DELETE FROM run")
    db.close()
    async with emulator.client(ledger=path) as client:
        assert (await asyncio.wait_for(client.check(image), 10)).check_pass
    with Ledger(path) as ledger:
        assert [attempt.outcome for attempt in ledger.attempts(image)] == ["unknown", "billed"]


async def test_an_opening_that_nobody_waits_for_leaves_no_run_open(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Cancelled while another process held the file: the run is ended as soon as it has begun."""
    path = tmp_path / "l.db"
    with Ledger(path) as ledger:
        await ledger.begin(MODEL).end()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    ledger = Ledger(path, name="out")
    opening = asyncio.ensure_future(emulator.client(ledger=ledger).aopen())
    await asyncio.sleep(0.2)
    opening.cancel()
    await asyncio.sleep(0.1)
    db.execute("COMMIT")
    db.close()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with emulator.client(ledger=Ledger(path, name="out")):
        pass
    ledger.close()


async def test_a_request_whose_number_is_taken_is_not_said_to_be_another_runs(place: Place) -> None:
    """The run has its claim; nothing of the image is sent, and the message blames nobody."""
    first, second = "https://images.example/1.jpg", "https://images.example/2.jpg"
    with ledger_in(place) as ledger:
        run = ledger.begin(MODEL)
        claims = [run.claim(image, image) for image in (first, second)]
        for claim in claims:
            await run.ask(claim, nullcontext())
        await run.send(claims[0])
        vars(run)["_sent"] = 0  # as where two processes were given one run, by a copy of the server
        with pytest.raises(LedgerError, match="its number is taken") as raised:
            await run.send(claims[1])
        assert "another run" not in str(raised.value)
        assert not ledger.attempts(second)
