"""A ledger on a server that dies, stands still, or is succeeded by its standby."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import psycopg
import pytest

from _postgres_server import PostgresServer, postgres_server
from s2v_detect import LedgerError, LocalLimiter, OutcomeUnknown, PostgresLedger
from s2v_detect.emulator import Cut, Emulator, Pass
from s2v_detect.ledger._postgres import _store
from s2v_detect.ledger._postgres._connection import Connection

Urls = Callable[[int], list[str]]
MODEL = "wan2.2-s2v-detect on this machine"
FAST = LocalLimiter(float("inf"))


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    """A server that a test may stop; the next one finds it running, with no standby to wait for."""
    with postgres_server("-c fsync=off") as server:
        yield server


@pytest.fixture(autouse=True)
def _runs_again(primary: PostgresServer) -> Iterator[None]:
    yield
    if not primary.is_running:
        primary.start()
    primary.set("synchronous_standby_names", "")


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Its standby, which has all of it so far."""
    with postgres_server("-c fsync=off", copied=primary) as server:
        yield server


def dsn_of(primary: PostgresServer, standby: PostgresServer, database: str) -> str:
    """The address of whichever of the two may be written to."""
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    return f"postgresql://books@{hosts}/{database.rpartition('/')[2]}?connect_timeout=2"


def is_behind(primary: PostgresServer, where: str) -> bool:
    """Whether a standby is connected of which that is true."""
    with psycopg.connect(f"{primary.url}/postgres") as admin:
        found = admin.execute(f"SELECT 1 FROM pg_stat_replication WHERE {where}".encode())  # noqa: S608  # our own words
        return found.fetchone() is not None


async def quiet(emulator: Emulator) -> None:
    """Return when nothing is sent any more: what was recorded before may still leave."""
    before = -1
    while emulator.in_flight or emulator.requests != before:
        before = emulator.requests
        await asyncio.sleep(0.3)


@pytest.mark.real_time
@pytest.mark.parametrize("end", ["crashed", "frozen"])
async def test_a_synchronous_standby_takes_over_and_nothing_is_lost(
    emulator: Emulator,
    urls: Urls,
    primary: PostgresServer,
    standby: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    end: str,
) -> None:
    """The run goes on there, also where the old server is not gone but stands still."""
    monkeypatch.setattr(Connection, "longest_s", 1.0)
    dsn = dsn_of(primary, standby, primary.database())
    primary.set("synchronous_standby_names", "*")
    emulator.when("*", Pass(latency_s=0.05))
    async with emulator.client(ledger=dsn, limiter=LocalLimiter(40)) as client:
        async with client.aiter_check(urls(60)) as stream:
            kinds = [(await anext(stream)).kind for _ in range(20)]
            with primary.frozen() if end == "frozen" else nullcontext():
                if end == "crashed":
                    await asyncio.to_thread(primary.stop, "immediate")
                await quiet(emulator)
                assert emulator.requests < 60
                await asyncio.to_thread(standby.promote)
                kinds += [outcome.kind async for outcome in stream]
    assert kinds == ["checked"] * 60
    assert set(emulator.bills.values()) == {1}
    with PostgresLedger(dsn.replace(f"127.0.0.1:{primary.port},", "")) as ledger:
        [spend] = ledger.statement()
    assert (spend.requests, spend.billed, spend.unknown) == (60, 60, 0)


@pytest.mark.real_time
async def test_what_an_asynchronous_standby_lacks_is_what_had_ended_before_it_took_over(
    emulator: Emulator, urls: Urls, primary: PostgresServer, standby: PostgresServer
) -> None:
    """What ends after that is written, whatever of it the standby lacks: claim, request or image.

    That is: an answer, a request whose answer is lost, and an image that was not sent yet.
    """
    dsn, images = dsn_of(primary, standby, primary.database()), urls(6)
    limiter = LocalLimiter(100)
    async with emulator.client(ledger=dsn, limiter=limiter, on_unknown="keep") as client:
        await client.check(images[0])
        while not is_behind(primary, "replay_lsn = pg_current_wal_lsn()"):
            await asyncio.sleep(0.01)
        standby.set("primary_conninfo", "")
        while is_behind(primary, "true"):
            await asyncio.sleep(0.01)
        await client.check(images[1])  # this one is lost
        emulator.when("*", Pass(latency_s=1.5))
        emulator.when(images[3], Cut(latency_s=1.5))
        under_way = [asyncio.ensure_future(client.check(image)) for image in images[2:4]]
        while emulator.in_flight < 2:
            await asyncio.sleep(0.01)
        limiter.throttled(2.0)
        in_line = asyncio.ensure_future(client.check(images[4]))
        with PostgresLedger(dsn) as ledger:
            while len(await asyncio.to_thread(list, ledger.all_entries())) < 5:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(primary.stop, "immediate")
        await asyncio.to_thread(standby.promote)
        assert (await under_way[0]).check_pass
        with pytest.raises(OutcomeUnknown):
            await under_way[1]
        emulator.when("*", Pass())
        assert (await in_line).check_pass
        assert (await client.check(images[5])).check_pass
    assert emulator.requests == 6
    with PostgresLedger(dsn) as ledger:
        [spend] = ledger.statement()
        known = ledger.known(images)
        [unknown] = ledger.all_entries("unknown")
        attempts = {entry.image: entry.attempts for entry in ledger.all_entries()}
    assert set(known) == {images[0], images[2], images[4], images[5]}
    assert unknown.image == images[3]
    assert (spend.requests, spend.billed, spend.unknown) == (5, 4, 1)
    assert set(attempts.values()) == {1}


async def test_a_commit_that_the_standby_may_lack_is_not_taken_for_one(
    emulator: Emulator, primary: PostgresServer
) -> None:
    """Somebody cancels the wait for the standby: the server says COMMIT all the same, and warns."""
    dsn = primary.database()
    async with emulator.client(ledger=dsn) as client:
        primary.set("synchronous_standby_names", "nobody")
        asked = asyncio.ensure_future(client.check("https://images.example/1.jpg"))
        for _ in range(2):
            await asyncio.to_thread(cancel_the_wait, primary)
            await asyncio.sleep(0.4)
            assert (asked.done(), emulator.requests) == (False, 0)
        primary.set("synchronous_standby_names", "")
        assert (await asked).check_pass
    assert emulator.billed == 1


def cancel_the_wait(server: PostgresServer) -> None:
    """Cancel what waits for a standby, once something does."""
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with psycopg.connect(f"{server.url}/postgres", autocommit=True) as admin:
        while admin.execute(cancel.encode()).fetchone() is None:
            time.sleep(0.01)


@pytest.mark.real_time
async def test_a_server_that_stands_still_longer_than_a_lease_ends_no_run(
    emulator: Emulator, urls: Urls, primary: PostgresServer
) -> None:
    """Nobody could renew his lease; whoever is first to be heard again takes nobody for dead.

    Neither those who were kept waiting do, nor does one who comes new.
    """
    dsn = primary.database()
    ledgers = [PostgresLedger(dsn, name="autumn", lease_s=0.9) for _ in range(6)]
    runs = [ledger.begin(MODEL) for ledger in ledgers]
    image = "https://images.example/1.jpg"
    claim = runs[0].claim(image, image)
    await runs[0].ask(claim, nullcontext())
    asking = [
        asyncio.ensure_future(run.ask(run.claim(image, image), nullcontext())) for run in runs[1:]
    ]
    async with emulator.client(ledger=PostgresLedger(dsn), limiter=LocalLimiter(20)) as client:
        async with client.aiter_check(urls(30)[10:]) as stream:
            kinds = [(await anext(stream)).kind for _ in range(5)]
            with primary.frozen():
                await quiet(emulator)
                await asyncio.sleep(1.7)
                assert emulator.requests < 20
            kinds += [outcome.kind async for outcome in stream]
    assert kinds == ["checked"] * 20
    assert not any(each.done() for each in asking)
    await runs[0].send(claim)  # it lives: the ledger says so too
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    for ledger in ledgers:
        ledger.close()


async def test_who_comes_new_to_a_server_that_has_just_begun_takes_nobody_for_dead(
    primary: PostgresServer,
) -> None:
    """It was away for longer than a lease, and the run that lives is not back yet."""
    dsn, image = primary.database(), "https://images.example/1.jpg"
    first = PostgresLedger(dsn, lease_s=1.0)
    run = first.begin(MODEL)
    claim = run.claim(image, image)
    await run.ask(claim, nullcontext())
    primary.stop()
    await asyncio.sleep(1.1)
    primary.start()
    with PostgresLedger(dsn, lease_s=1.0) as second:
        second.begin(MODEL)
        await run.send(claim)
    first.close()


@pytest.mark.real_time
async def test_who_comes_later_to_a_server_that_took_over_waits_for_no_dead_run(
    primary: PostgresServer, standby: PostgresServer
) -> None:
    """The first who comes gives those who may live a lease; until a restart each one did."""
    dsn, image = dsn_of(primary, standby, primary.database()), "https://images.example/1.jpg"
    with PostgresLedger(dsn) as ledger:
        dead = ledger.begin(MODEL)
    await asyncio.to_thread(primary.stop, "fast")
    await asyncio.to_thread(standby.promote)
    is_given_a_lease: list[bool] = []
    with psycopg.connect(f"{dsn}&options=-csearch_path%3Ds2v_detect", autocommit=True) as admin:
        for _ in range(3):
            admin.execute("UPDATE run SET ended_at = NULL WHERE id = %s", (dead.id,))
            admin.execute("DELETE FROM lease")
            over = "INSERT INTO lease VALUES (%s, extract(epoch FROM now()) - 9)"
            admin.execute(over, (dead.id,))
            with PostgresLedger(dsn, name="another", lease_s=0.5) as ledger:
                run = ledger.begin(MODEL)
                await run.ask(run.claim(image, image), nullcontext())
                lives = "SELECT 1 FROM lease WHERE run = %s AND until > extract(epoch FROM now())"
                is_given_a_lease.append(bool(admin.execute(lives, (dead.id,)).fetchone()))
    assert is_given_a_lease == [True, False, False]


async def test_a_server_that_goes_on_to_stand_still_ends_a_run(
    emulator: Emulator, primary: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel says that the connection is well; nothing is sent."""
    monkeypatch.setattr(Connection, "longest_s", 0.4)
    monkeypatch.setattr(_store, "PATIENCE_S", 0.3)
    dsn = primary.database()
    async with emulator.client(ledger=dsn) as client:
        with primary.frozen():
            with pytest.raises(LedgerError, match="has not answered for"):
                await client.check("https://images.example/1.jpg")
            assert emulator.requests == 0
        assert (await client.check("https://images.example/2.jpg")).check_pass
