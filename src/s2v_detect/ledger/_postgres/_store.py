"""The store on a server: one connection, grouped commits, and runs that live by a lease.

The theory. Transactions that write take turns, by one lock of the database: so the rules can read
first and write after that, as in a file. The server lets go of the lock with the transaction, and
ends the session of a client that leaves a transaction idle: a process that is stopped, or whose
machine is gone, holds up the others for `_IDLE` at most.

A run counts as living until its lease is over, by the server's clock. The writer's thread renews
the lease while the process lives, however idle that is. A run whose lease is over may be taken for
a dead one, by whoever waits for one of its images: what it had sent is unknown from then on. Were
it alive after all, its next request is refused before its bytes leave, and its answers are booked
as what they are: nobody pays twice without a word.

Where the connection is lost, or the server does not answer, the whole transaction is done again
over another one, for `PATIENCE_S` from when it began; meanwhile nothing is sent, for nothing is
durable. Nobody knows of a commit that was cut off whether it was done: every piece of work can be
done twice. While a server is away, or stands still, nobody can renew a lease. So the first who is
back renews those of all who lived when the server was seen last: whoever had lost the connection or
was kept waiting; whoever comes new to a server that has just begun; and whoever is the first to
come to one that took over from another. The last two do so only where nobody else is back. (When a
server took over, it tells nobody, but what it has from the one before it. So the first writes down
by that word that somebody has come, and those who come later wait for no lease that is over.)

Killed on any line: an open transaction is taken back by the server, and a committed one stands.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg

from s2v_detect._logging import log
from s2v_detect.errors import DetectError
from s2v_detect.ledger._database import Database, Job, Work
from s2v_detect.ledger._postgres._connection import (
    ANSWER_S,
    SCHEMA,
    Address,
    Connection,
    Transaction,
)
from s2v_detect.ledger._postgres._faults import as_error, is_passing
from s2v_detect.ledger._postgres._schema import CLOCK, LOCK, VERSION, prepare

PATIENCE_S = 60.0
"""How long a server may be away before its runs end: a failover takes less."""
_TRY_AGAIN_S = 0.25
_IDLE = "15s"
_RENEWALS = 3
"""In the time of a lease."""
_SETTINGS = (
    f"SET LOCAL search_path = {SCHEMA};"
    f" SET LOCAL idle_in_transaction_session_timeout = '{_IDLE}'; SET LOCAL lock_timeout = '20s';"
)
_READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SETTINGS}".encode()
# A commit is told when it is on the disk, whatever the server does for others; more stays more.
_WRITE = f"""BEGIN; {_SETTINGS}
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') IN ('off', 'local');
SELECT pg_advisory_xact_lock({LOCK})""".encode()
_LAST_REPLAYED = "extract(epoch FROM pg_last_xact_replay_timestamp())::text"
"""The last commit that came from the server before this one; NULL: it began by itself. It stays the
same from when the server took over until it is started again, and no two such are the same."""
_COME_NEW = f"""SELECT {CLOCK}, NOT EXISTS (SELECT 1 FROM {SCHEMA}.lease WHERE until > {CLOCK})
AND (coalesce({_LAST_REPLAYED} <>
  coalesce((SELECT value FROM {SCHEMA}.about WHERE key = 'took over'), ''), false)
OR clock_timestamp() - pg_postmaster_start_time() < make_interval(secs => ?))"""  # noqa: S608  # ours
"""The server's time, and whether nobody is back who lived before it began or took over."""
_KEEP_LAST_REPLAYED = f"""INSERT INTO about (key, value) SELECT 'took over', {_LAST_REPLAYED}
WHERE pg_last_xact_replay_timestamp() IS NOT NULL
ON CONFLICT (key) DO UPDATE SET value = excluded.value"""

T = TypeVar("T")


class ServerStore:
    """The rows of a ledger on a server."""

    version = VERSION

    def __init__(self, address: Address, *, creates: bool, lease_s: float) -> None:
        self._address = address
        self._creates = creates
        self._lease_s = lease_s
        self._connection: Connection | None = None
        self._runs: dict[str, int] = {}
        """Those that this process holds, by their tokens."""
        self._renewed_at = 0.0
        self._seen_s = 0.0
        """The server's time, when it was seen last."""
        self._lost_at: float | None = None
        """Since when it can't be reached."""
        self._was_away = False
        """Whether nobody may have been able to renew a lease."""
        self._lived_s = 0.0
        """Whose lease was not over at this time of the server's may live."""
        self._until: dict[int, float] = {}
        """The leases of runs in doubt, as they were seen first."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._address.shown

    @property
    def keep_alive_s(self) -> float:
        """How often a lease is renewed."""
        return self._lease_s / _RENEWALS

    def open(self) -> None:
        """Have a connection, and the tables."""
        self._connect()

    def commit(self, jobs: Sequence[Job], *, writes: bool) -> None:
        """Have all of them done in one transaction. Raises where that fails: nothing is done."""
        self._patiently(lambda: self._try_to_commit(jobs, writes=writes))

    def alone(self, work: Work) -> Any:
        """Return what work brings that makes its own transactions."""
        return self._patiently(lambda: self._done_alone(work))

    def keep_alive(self) -> None:
        """Renew the leases, unless a write has done so; where that fails, the next time may not."""
        if not self._runs or not self._is_due:
            return
        began = time.monotonic()
        try:
            self._try_to_commit([], writes=True)
        except psycopg.Error as error:
            self._lose(error, began)
        else:
            self._tell_found()

    def close(self, *, is_whole: bool) -> None:
        """Let go of the connection."""
        del is_whole
        self._disconnect()

    def as_error(self, error: BaseException) -> DetectError:
        """Return what a user is told."""
        return as_error(error, self._address)

    def refuse_damage(self, db: Database, *, is_known_enough: bool = False) -> None:
        """Nothing: the server looks after its pages."""

    def refuse_damaged_claims(self, db: Database, run: int) -> None:
        """Nothing, as above."""

    def first_number(self) -> int:
        """Return the least number that a new run may have: the second of the server's clock.

        A server that took over without the latest runs never gives their numbers to others.
        """
        return int(self._seen_s)

    def enter(self, db: Database) -> None:
        """Leave no lease of runs that are over."""
        db.execute(
            "DELETE FROM lease WHERE NOT EXISTS"
            " (SELECT 1 FROM run WHERE id = lease.run AND ended_at IS NULL)"
        )

    def hold(self, db: Database, run: int, token: str) -> str:
        """Have the run live by a lease."""
        self._runs[token] = run
        db.execute(
            f"INSERT INTO lease (run, until) VALUES (?, {CLOCK} + ?)"  # noqa: S608  # our own words
            " ON CONFLICT (run) DO UPDATE SET until = excluded.until",
            (run, self._lease_s),
        )
        return "lease"

    def let_go(self, run: int) -> None:
        """Renew the run's lease no more."""
        self._runs = {token: each for token, each in self._runs.items() if each != run}

    def is_alive(self, db: Database, run: int, _: str | None, __: str) -> bool:
        """Whether the run's lease is not over; one of this process lives."""
        if run in self._runs.values():
            return True
        # The time at which the transaction began: it may have been kept waiting, and the run too.
        began = "extract(epoch FROM transaction_timestamp())"
        found = db.execute(f"SELECT until > {began} FROM lease WHERE run = ?", (run,)).fetchone()  # noqa: S608  # our own words
        return bool(found and found[0])

    def is_in_doubt(self, db: Database, run: int) -> bool:
        """Whether nobody was seen yet to renew the run's lease."""
        if run in self._runs.values():
            return False
        found = db.execute("SELECT until FROM lease WHERE run = ?", (run,)).fetchone()
        return found is not None and self._until.setdefault(run, found[0]) == found[0]

    def _patiently(self, work: Callable[[], T]) -> T:
        """Return what work brings; where the connection is lost, it is done again for a while."""
        while True:
            began = time.monotonic()
            try:
                result = work()
            except psycopg.Error as error:
                if not is_passing(error):
                    self._take_back()
                    raise
                if self._lose(error, began) > PATIENCE_S:
                    raise
                time.sleep(_TRY_AGAIN_S)
            except BaseException:
                self._take_back()
                raise
            else:
                self._tell_found()
                return result

    def _tell_found(self) -> None:
        if self._lost_at is not None:
            waited_s, self._lost_at = time.monotonic() - self._lost_at, None
            log("ledger_back", ledger=self.name, waited_s=waited_s)

    def _lose(self, error: psycopg.Error, began: float) -> float:
        """Give the connection up, and return for how many seconds the server was away."""
        self._disconnect()
        self._was_away = True
        if self._lost_at is None:
            self._lost_at = began
            cause = str(self.as_error(error))
            log("ledger_waits", ledger=self.name, cause=cause, max_wait_s=PATIENCE_S)
        return time.monotonic() - self._lost_at

    def _done_alone(self, work: Work) -> Any:
        connection = self._connection or self._connect()
        connection.longest_s = None  # it may write all rows anew
        try:
            return work(Transaction(connection))
        finally:
            connection.longest_s = ANSWER_S

    def _try_to_commit(self, jobs: Sequence[Job], *, writes: bool) -> None:
        connection = self._connection or self._connect()
        left = list(jobs)
        while (refused := self._done(connection, left, writes=writes)) is not None:
            left.remove(refused)

    def _done(self, connection: Connection, jobs: Sequence[Job], *, writes: bool) -> Job | None:
        """Return None when all is committed; else the job that the server refuses by itself."""
        began = time.monotonic()
        connection.execute(_WRITE if writes else _READ)
        self._look_how_long(began)
        began = time.monotonic()
        db = Transaction(connection)
        is_due = writes and self._is_due
        seen_s = self._renew(db) if is_due else self._seen_s
        for job in jobs:
            try:
                job.result, job.fault = job.work(db), None
            except (psycopg.IntegrityError, psycopg.DataError) as error:  # what this job alone met
                job.fault = self.as_error(error)
                connection.execute("ROLLBACK")
                return job
            except psycopg.Error:
                raise
            except Exception as error:  # noqa: BLE001  # its own fault, such as a bad argument
                job.fault = error
        connection.commit_surely()
        if is_due:
            self._seen_s = self._lived_s = seen_s
            self._renewed_at, self._was_away = began, False
        self._look_how_long(began)
        return None

    def _look_how_long(self, began: float) -> None:
        """Have it noted where the server, or whoever holds its lock, has kept this one waiting."""
        self._was_away |= time.monotonic() - began >= self._lease_s / _RENEWALS

    @property
    def _is_due(self) -> bool:
        """Whether the leases are to be renewed; always after the server was away."""
        is_late = time.monotonic() - self._renewed_at >= self._lease_s / _RENEWALS
        return self._was_away or (bool(self._runs) and is_late)

    def _renew(self, db: Database) -> float:
        """Renew this process' leases, and return the server's time.

        After the server was away: those of all who lived when the server was seen last.
        """
        if self._was_away:
            db.execute(
                f"UPDATE lease SET until = greatest(until, {CLOCK} + ?) WHERE until > ?",  # noqa: S608  # our own words
                (self._lease_s, self._lived_s),
            )
            db.execute(_KEEP_LAST_REPLAYED)
        for run in self._runs.values():
            db.execute(
                f"UPDATE lease SET until = {CLOCK} + ? WHERE run = ?",  # noqa: S608  # as above
                (self._lease_s, run),
            )
        return _now(db)

    def _connect(self) -> Connection:
        connection = self._connection = self._address.connected()
        try:
            prepare(connection, creates=self._creates)
            if not self._seen_s:
                self._come_new(Transaction(connection))
        except BaseException:
            self._disconnect()
            raise
        return connection

    def _come_new(self, db: Database) -> None:
        """Look at the server's time, and whether it was away just now, as all others saw."""
        self._seen_s, self._was_away = db.execute(_COME_NEW, (self._lease_s,)).fetchone()
        self._lived_s = 0.0 if self._was_away else self._seen_s

    def _take_back(self) -> None:
        """Leave no transaction open; a connection that can't do that is given up."""
        connection = self._connection
        if connection is None or connection.closed:
            return
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _now(db: Database) -> float:
    return float(db.execute(f"SELECT {CLOCK}").fetchone()[0])
