"""A ledger on a PostgreSQL server: leases, lost connections, many openers, nothing shown."""

import asyncio
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.ledgers import LEASE_S

from _postgres_server import PostgresServer, postgres_server
from s2v_detect import (
    BudgetSpent,
    ConfigurationError,
    Ledger,
    LedgerError,
    LocalLimiter,
    PostgresLedger,
    Verdict,
)
from s2v_detect._redaction import text_of
from s2v_detect.emulator import Emulator, Error, Pass
from s2v_detect.ledger import Ended
from s2v_detect.ledger._postgres import _schema, _store
from s2v_detect.ledger._postgres._connection import Address, given_text, kept_text

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
MODEL = "wan2.2-s2v-detect on this machine"
URL = "https://images.example/1.jpg"


@pytest.fixture
def dsn(postgres: PostgresServer) -> str:
    """The address of a database with nothing in it."""
    return postgres.database()


@pytest.fixture(scope="module")
def crashing() -> Iterator[PostgresServer]:
    """A server that a test may stop and start; none leaves the server stopped."""
    with postgres_server("-c fsync=off") as server:
        yield server


# --- connections that are lost -----------------------------------------------------------------


class Line:
    """What stands between a client and the server: it is cut at one of the statements."""

    def __init__(self, cut_at: int, *, is_after: bool) -> None:
        self.cut_at = cut_at
        self.is_after = is_after
        self.statements = 0
        self.cuts = 0


class Cut:
    """A connection over such a line."""

    def __init__(self, real: Any, line: Line) -> None:
        self._real = real
        self._line = line

    def execute(self, *words: Any) -> Any:
        """Execute, unless the line is cut; the server may have heard of it all the same."""
        self._line.statements += 1
        if self._line.statements != self._line.cut_at:
            return self._real.execute(*words)
        self._line.cuts += 1
        if self._line.is_after:
            self._real.execute(*words)
        self._real.close()
        raise psycopg.OperationalError("the connection is lost")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


async def screened(emulator: Emulator, dsn: str, images: list[str]) -> list[str]:
    """A whole run, three images at a time; the kinds of its outcomes."""
    client = emulator.client(ledger=dsn, limiter=FAST, max_in_flight=3)
    async with client, client.aiter_check(images) as stream:
        return [outcome.kind async for outcome in stream]


@pytest.mark.real_time
@pytest.mark.parametrize("is_after", [False, True], ids=["unheard", "heard"])
async def test_a_connection_lost_at_any_statement_loses_nothing_and_counts_nothing_twice(
    emulator: Emulator,
    urls: Urls,
    dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    is_after: bool,
) -> None:
    """Also in a commit, of which nobody knows whether it was done: each image is one bill."""
    monkeypatch.setattr(_store, "_TRY_AGAIN_S", 0.0)
    real, images, lines = Address.connected, urls(80), []
    PostgresLedger(dsn).begin(MODEL)
    for number, cut_at in enumerate(range(5, 45, 2)):
        lines.append(Line(cut_at, is_after=is_after))
        line = lines[-1]
        monkeypatch.setattr(Address, "connected", lambda self, line=line: Cut(real(self), line))
        mine = images[4 * number : 4 * number + 4]
        assert await screened(emulator, dsn, mine) == ["checked"] * 4
    assert sum(line.cuts for line in lines) >= 18
    monkeypatch.undo()
    assert emulator.billed == 80
    with PostgresLedger(dsn) as ledger:
        [spend] = ledger.statement()
        entries = list(ledger.all_entries())
    assert (spend.requests, spend.billed, spend.unknown) == (80, 80, 0)
    assert {(e.state, e.paid, e.unsure, e.attempts) for e in entries} == {("answered", 1, 0, 1)}
    assert {record.levelname for record in caplog.records} == {"WARNING"}


@pytest.mark.real_time
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_in_mid_run_is_waited_out(
    emulator: Emulator, urls: Urls, crashing: PostgresServer, mode: str
) -> None:
    """As an administrator does it, and as a crash does; nothing leaves while the server is away."""
    dsn = crashing.database()
    emulator.when("*", Pass(latency_s=0.05))
    async with emulator.client(ledger=dsn, limiter=LocalLimiter(40)) as client:
        async with client.aiter_check(urls(120)) as stream:
            kinds = [(await anext(stream)).kind for _ in range(20)]
            await asyncio.to_thread(crashing.stop, mode)
            while emulator.in_flight:
                await asyncio.sleep(0.01)
            before = emulator.requests
            await asyncio.sleep(0.5)
            assert emulator.requests == before
            await asyncio.to_thread(crashing.start)
            kinds += [outcome.kind async for outcome in stream]
    assert kinds == ["checked"] * 120
    assert set(emulator.bills.values()) == {1}
    with PostgresLedger(dsn) as ledger:
        [spend] = ledger.statement()
    assert (spend.requests, spend.billed, spend.unknown) == (120, 120, 0)


async def test_a_server_that_stays_away_is_told_and_what_is_owed_is_kept(
    emulator: Emulator, urls: Urls, crashing: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers that were on the way are told; later they are written before anything else."""
    monkeypatch.setattr(_store, "PATIENCE_S", 0.3)
    dsn = crashing.database()
    emulator.when("*", Pass(latency_s=0.3))
    outcomes: list[object] = []
    async with emulator.client(ledger=dsn, limiter=FAST) as client:
        with pytest.raises(LedgerError, match="nothing is sent that can't be recorded"):
            async for outcome in client.aiter_check(urls(200)):
                if not outcomes:
                    await asyncio.to_thread(crashing.stop)
                outcomes.append(outcome)
        asked = emulator.requests
        with pytest.raises(LedgerError):
            await client.check(URL)
        assert emulator.requests == asked == len(outcomes) == client.spend.billed
        await asyncio.to_thread(crashing.start)
        await client.check("https://images.example/more.jpg")
    with PostgresLedger(dsn) as ledger:
        assert len(ledger.known(urls(200))) == len(outcomes)


async def test_a_server_that_may_only_be_read_is_waited_out(
    emulator: Emulator, dsn: str, postgres: PostgresServer
) -> None:
    """As after a failover, of which this process has not heard yet."""
    name = dsn.rpartition("/")[2]
    async with emulator.client(ledger=dsn) as client:
        await client.check(URL)
        read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as admin:
            admin.execute(read_only.format(sql.Identifier(name), sql.Literal("on")))
            cut_all(admin, name)
            asked = asyncio.ensure_future(client.check("https://images.example/2.jpg"))
            await asyncio.sleep(0.5)
            assert (asked.done(), emulator.requests) == (False, 1)
            admin.execute(read_only.format(sql.Identifier(name), sql.Literal("off")))
            cut_all(admin, name)
        assert (await asked).check_pass


def cut_all(admin: "psycopg.Connection[Any]", database: str) -> None:
    """Have the server end all sessions of a database."""
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
    )


# --- leases ------------------------------------------------------------------------------------


async def test_a_run_that_lives_keeps_its_images_however_idle_it_is(dsn: str) -> None:
    """The lease is renewed; its image is nobody else's after many times that."""
    first, second = (PostgresLedger(dsn, lease_s=0.6) for _ in range(2))
    old, new = first.begin(MODEL), second.begin(MODEL)
    claim = old.claim(URL, URL)
    await old.ask(claim, nullcontext())
    asking = asyncio.ensure_future(new.ask(new.claim(URL, URL), nullcontext()))
    await asyncio.sleep(2.5)
    assert not asking.done()
    await old.send(claim)
    await old.answer(claim, Ended("billed"), Verdict(check_pass=True), 0.1)
    entry, is_answer = await asking
    assert entry is not None
    assert is_answer
    first.close()
    second.close()


async def test_a_run_that_is_silent_is_succeeded_and_can_send_no_more(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped, say. What it had sent is unknown to the other; its answer is booked."""
    first, second = (PostgresLedger(dsn, lease_s=0.6) for _ in range(2))
    old = first.begin(MODEL)
    claim, later = old.claim(URL, URL), old.claim("https://a.example/2", "https://a.example/2")
    await old.ask(claim, nullcontext())
    await old.send(claim)
    await old.ask(later, nullcontext())
    monkeypatch.setattr(_store.ServerStore, "keep_alive", lambda self: None)
    new = second.begin(MODEL)
    entry, is_answer = await asyncio.wait_for(new.ask(new.claim(URL, URL), nullcontext()), 10)
    assert entry is not None
    assert (is_answer, entry.state, entry.unsure, entry.doubts) == (False, "unknown", 1, 1)
    with pytest.raises(LedgerError, match="this run is over"):
        await old.send(later)
    await old.answer(claim, Ended("billed"), Verdict(check_pass=True), 0.1)
    [spend] = second.statement()
    assert (spend.requests, spend.billed, spend.unknown) == (1, 1, 0)
    first.close()
    second.close()


async def test_the_first_who_is_back_renews_the_leases_of_all(
    crashing: PostgresServer,
) -> None:
    """A server that was away for longer than a lease: nobody could renew his own."""
    dsn = crashing.database()
    first, second = (PostgresLedger(dsn, lease_s=1.0) for _ in range(2))
    old = first.begin(MODEL)
    claim = old.claim(URL, URL)
    await old.ask(claim, nullcontext())
    # No word of the first any more: what would be its own renewal is the second's.
    store: Any = first._writer.store  # type: ignore[union-attr]  # noqa: SLF001  # no other way
    store._runs = {}  # noqa: SLF001  # as above
    new = second.begin(MODEL)
    crashing.stop()
    await asyncio.sleep(1.5)
    crashing.start()
    asking = asyncio.ensure_future(new.ask(new.claim(URL, URL), nullcontext()))
    await asyncio.sleep(0.7)
    assert not asking.done()
    assert await asyncio.wait_for(asking, 10)  # it was dead after all
    first.close()
    second.close()


def test_a_restart_of_an_exclusive_name_waits_for_the_lease_of_the_dead_one(dsn: str) -> None:
    """And one that lives is told of as soon as it is seen to."""
    dead = PostgresLedger(dsn, name="out", lease_s=1.0, is_exclusive=True)
    before = dead.begin(MODEL)
    store: Any = dead._writer.store  # type: ignore[union-attr]  # noqa: SLF001  # no other way
    store._runs = {}  # noqa: SLF001  # as a process that died
    with PostgresLedger(dsn, name="out", lease_s=1.0, is_exclusive=True) as ledger:
        run = ledger.begin(MODEL)
        assert run.lineage == before.lineage != run.id
        other = PostgresLedger(dsn, name="out", lease_s=1.0, is_exclusive=True)
        began = time.monotonic()
        with pytest.raises(LedgerError, match="being written by a run already"):
            other.begin(MODEL)
        assert time.monotonic() - began < 5
    dead.close()


def test_processes_of_one_name_are_one_lineage_at_the_same_time(dsn: str) -> None:
    """Unless their name is exclusive: many workers share what they spend."""
    ledgers = [PostgresLedger(dsn, name="autumn") for _ in range(3)]
    runs = [ledger.begin(MODEL) for ledger in ledgers]
    assert len({run.id for run in runs}) == 3
    assert len({run.lineage for run in runs}) == 1
    for ledger in ledgers:
        ledger.close()


@pytest.mark.parametrize("answer", [Pass(latency_s=0.02), Error(400, "InvalidURL", latency_s=0.02)])
async def test_the_total_of_a_name_is_one_number_for_all_its_processes(
    emulator: Emulator, urls: Urls, dsn: str, answer: Any
) -> None:
    """At the same time: the last room is one's alone, and what comes back free leaves room."""
    emulator.when("*", answer)

    async def screen(number: int) -> list[str]:
        ledger = PostgresLedger(dsn, name="autumn")
        kinds: list[str] = []
        async with emulator.client(ledger=ledger, limiter=FAST, max_cost="0.04") as client:
            with suppress(BudgetSpent):
                async for outcome in client.aiter_check(urls(60)[20 * number : 20 * number + 20]):
                    kinds.append(outcome.kind)
        ledger.close()
        return kinds

    kinds = [kind for each in await asyncio.gather(*map(screen, range(3))) for kind in each]
    is_free = isinstance(answer, Error)
    assert len(kinds) == emulator.requests == (60 if is_free else 10)
    assert emulator.billed == (0 if is_free else 10)
    with PostgresLedger(dsn, name="autumn") as ledger:
        assert ledger.spend().billed == emulator.billed


async def test_what_a_dead_process_had_under_way_holds_nobody_up_at_the_limit(
    emulator: Emulator, dsn: str
) -> None:
    """It is unknown when its lease is over, and counts in full."""
    dead = PostgresLedger(dsn, name="autumn", lease_s=1.0)
    run = dead.begin(MODEL)
    claim = run.claim(URL, URL)
    await run.ask(claim, nullcontext())
    await run.send(claim)
    store: Any = dead._writer.store  # type: ignore[union-attr]  # noqa: SLF001  # no other way
    store._runs = {}  # noqa: SLF001  # as a process that died
    ledger = PostgresLedger(dsn, name="autumn", lease_s=1.0)
    async with emulator.client(ledger=ledger, max_cost="0.004") as client:
        with pytest.raises(BudgetSpent):
            await client.check("https://images.example/2.jpg")
    assert emulator.requests == 0
    assert ledger.spend().unknown == 1
    ledger.close()
    dead.close()


# --- its tables --------------------------------------------------------------------------------


def test_many_may_open_a_new_ledger_at_once(dsn: str) -> None:
    """One of them makes the tables."""
    faults: list[BaseException] = []

    def open_one() -> None:
        try:
            with PostgresLedger(dsn) as ledger:
                ledger.begin(MODEL)
        except BaseException as error:  # noqa: BLE001  # looked at below
            faults.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_older_tables_are_brought_up_to_date_once_no_older_run_lives(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the older release, with its connection open, can begin no run any more."""
    older = PostgresLedger(dsn, lease_s=LEASE_S)
    run = older.begin(MODEL)
    monkeypatch.setattr(_schema, "VERSION", _schema.VERSION + 1)
    steps = {_schema.VERSION: "ALTER TABLE run ADD COLUMN later text"}
    monkeypatch.setattr(_schema, "_MIGRATIONS", steps)
    monkeypatch.setattr(_store.ServerStore, "version", _schema.VERSION)
    newer = PostgresLedger(dsn)
    with pytest.raises(LedgerError, match="an older release is at work"):
        newer.begin(MODEL)
    asyncio.run(run.end())
    newer.begin(MODEL)
    store: Any = older._writer.store  # type: ignore[union-attr]  # noqa: SLF001  # no other way
    store.version = _schema.VERSION - 1
    with pytest.raises(LedgerError, match="start again with that"):
        older.begin(MODEL)
    newer.close()
    older.close()
    monkeypatch.undo()
    with PostgresLedger(dsn) as ledger, pytest.raises(LedgerError, match="a newer release wrote"):
        ledger.names()


def test_a_database_without_a_ledger_is_left_so_by_reading(dsn: str) -> None:
    """A mistyped database must not look like an empty ledger."""
    with PostgresLedger(dsn) as ledger:
        assert not ledger.exists()
        with pytest.raises(LedgerError, match="there is no ledger in its database"):
            ledger.known([URL])
        assert not ledger.exists()
        assert ledger.output_mark() is None
        ledger.begin(MODEL)
        assert ledger.exists()


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "\0",
        "half \ud83d",
        "\udc80\udfff",
        "\x1a",
        "\x1a0000",
        "\x1a\0\x1a",
        "%s ? %",
        "é",
    ],
)
def test_every_text_is_read_as_it_was_written(dsn: str, tmp_path: Path, text: str) -> None:
    """PostgreSQL takes neither a NUL nor half a character."""
    assert given_text(kept_text(text)) == text
    with PostgresLedger(dsn, name=text) as ledger:
        ledger.begin(MODEL)
        ledger.mark_output(text)
        ledger.keep_identity(text)
    with PostgresLedger(dsn, name=text) as ledger:
        assert ledger.names() == [text]
        assert ledger.output_mark() == text
        ledger.copy(tmp_path / "copy.db")
    with Ledger(tmp_path / "copy.db") as copy:
        assert copy.names() == [text_of(text)]


async def test_what_is_forgotten_is_in_no_file_of_its_tables(
    emulator: Emulator, urls: Urls, postgres: PostgresServer
) -> None:
    """Beside the server's log of writes, which it keeps for as long as it needs."""
    dsn, images = postgres.database(), urls(30)
    async with emulator.client(ledger=dsn, limiter=FAST) as client:
        assert [o.kind async for o in client.aiter_check(images)] == ["checked"] * 30
    with PostgresLedger(dsn) as ledger:
        assert ledger.forget(images[:20]) == 20
        assert set(ledger.known(images)) == set(images[20:])
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    content = b"".join(postgres.files_of(dsn.rpartition("/")[2]))
    assert images[25].encode() in content
    assert not any(f"{image}".encode() in content for image in images[2:20])


async def test_a_copy_is_a_ledger_in_a_file(
    emulator: Emulator, urls: Urls, dsn: str, tmp_path: Any
) -> None:
    """As it is at that moment: a run that goes on with the file pays for nothing anew."""
    images, target = urls(20), tmp_path / "copy.db"
    async with emulator.client(ledger=PostgresLedger(dsn, name="out"), limiter=FAST) as client:
        assert [o.kind async for o in client.aiter_check(images)] == ["checked"] * 20
        with PostgresLedger(dsn) as ledger:
            claim = ledger.begin(MODEL).claim(URL, URL)
            await asyncio.to_thread(ledger.copy, target)
            with pytest.raises(LedgerError, match="exists already"):
                ledger.copy(target)
            ledger.copy(target, replaces=True)
            told = (ledger.statement(), ledger.attempts(images[0]), claim.identity)
    with Ledger(target, name="out") as copy:
        assert (copy.statement(), copy.attempts(images[0]), URL) == told
        run = copy.begin(MODEL)
        assert run.spent().billed == 20
        assert set(copy.known(images)) == set(images)


# --- who may not, and what is not shown --------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("books_", "no_such_"), 'database "no_such_.*" does not exist. Make the database'),
        (("books@", "nobody@"), 'role "nobody" does not exist. Give a user'),
        (("books@", "guarded:wrong-secret@"), "password authentication failed.*PGPASSWORD"),
        (("books@", "guarded@"), "no password supplied. Give the password in PGPASSWORD"),
        (("127.0.0.1:", "nowhere.invalid:"), "Give the right host"),
        (("books@", "lacking@"), "lacks a right.*own it"),
    ],
)
def test_a_server_that_refuses_is_told_in_two_sentences(
    dsn: str, postgres: PostgresServer, change: tuple[str, str], told: str
) -> None:
    """At once, and without a password in it."""
    with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as admin:
        for role in ("guarded", "lacking"):
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                name = sql.Identifier(role)
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'right-secret'").format(name))
    ledger = PostgresLedger(dsn.replace(*change))
    with pytest.raises(LedgerError, match=told) as caught:
        ledger.begin(MODEL)
    text = f"{caught.value} {caught.value.__cause__!r} {ledger!r} {ledger.where}"
    assert "secret" not in text
    assert "secret" not in repr(pickle.loads(pickle.dumps(caught.value)))  # noqa: S301  # our own


async def test_a_password_of_the_environment_is_enough(
    emulator: Emulator, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the help recommends."""
    with psycopg.connect(f"{postgres.url}/postgres", autocommit=True) as admin:
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'guarded'").fetchone():
            admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'right-secret'")
        dsn = postgres.database()
        admin.execute(f"ALTER DATABASE {dsn.rpartition('/')[2]} OWNER TO guarded".encode())
    monkeypatch.setenv("PGPASSWORD", "right-secret")
    async with emulator.client(ledger=dsn.replace("books@", "guarded@")) as client:
        assert (await client.check(URL)).check_pass


def test_a_log_of_a_lost_server_has_no_password(
    crashing: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor has the error at the end."""
    dsn = crashing.database().replace("books@", "books:a-secret@")
    with PostgresLedger(dsn, lease_s=0.3) as ledger, caplog.at_level(logging.WARNING):
        ledger.begin(MODEL)
        crashing.stop()
        while not caplog.records:
            time.sleep(0.01)
        crashing.start()
        ledger.mark_output("a mark")
    assert "can't be used" in caplog.text
    assert "can be used again" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("postgresql://u:a-secret@[h/d",), "the ledger's address can't be read"),
        (("postgresql://u:a-secret@h/d?nothing=1",), "the ledger's address can't be read"),
        ((7,), "the ledger's address is of int"),
        (("",), "the ledger's place is an empty text"),
        (("postgresql+psycopg://u:a-secret@h/d",), "names a driver"),
        (("mysql://u:a-secret@h/d",), "no address of a PostgreSQL"),
        (("host=h dbname=postgresql://u:a-secret@h/d",), "the ledger's address can't be read"),
        (("a-secret.db",), "the ledger's address can't be read"),
    ],
)
def test_what_is_no_address_is_refused_without_a_word_of_it(words: Any, told: str) -> None:
    """A password may be anywhere in it."""
    with pytest.raises(ConfigurationError, match=told) as caught:
        PostgresLedger(*words)
    assert "secret" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


@pytest.mark.parametrize(
    "option", [{"lease_s": 0}, {"lease_s": "1"}, {"is_exclusive": "no"}, {"name": 3}]
)
def test_what_means_nothing_is_refused(option: dict[str, Any]) -> None:
    """Before any connection."""
    with pytest.raises(ConfigurationError):
        PostgresLedger("postgresql://nowhere.invalid/x", **option)


def test_a_child_of_a_fork_opens_anew(dsn: str) -> None:
    """The parent's connection is its own: the child neither uses nor closes it."""
    ledger = PostgresLedger(dsn)
    ledger.begin(MODEL)
    child = os.fork()
    if not child:
        code = 1
        try:
            ledger.begin(MODEL)
            ledger.mark_output("of the child")
            ledger.close()
            code = 7
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    ledger.mark_output("of the parent")
    ledger.close()
