"""What the rules of a ledger are written over: a database's rows, and the store that has them.

The rules (`_claims`, `_attempts`, `_asked`, `_run`) stand once, in the SQL that SQLite and
PostgreSQL share. They ask nothing but these two of whoever keeps the rows:

* `Database`, one transaction. Nobody else writes while one is open that writes: a file has one
  writer, and a server's transactions take turns. So a rule may read first, and write after that.
* `Store`, one process' way to the rows. It opens transactions, knows which runs live, and puts
  into words what goes wrong. What it is handed is done whole or not at all; after a connection
  that was lost in a commit nobody knows which, so that all work can be done twice.
"""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from s2v_detect.errors import DetectError


class Rows(Protocol):
    """What a statement has brought."""

    @property
    def rowcount(self) -> int:
        """How many rows it has changed."""

    def fetchone(self) -> Any:
        """Return the next row; None: there is no more."""

    def fetchall(self) -> list[Any]:
        """Return the rest."""

    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """The rows, in one transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Do one statement, with `?` where a parameter stands."""


Work = Callable[[Database], Any]
"""Something to do with the rows. Done twice, it counts nothing twice."""


class Job:
    """A piece of work, and then what came of it."""

    __slots__ = ("fault", "is_alone", "is_owed", "result", "work")

    def __init__(self, work: Work, *, is_owed: bool = False, is_alone: bool = False) -> None:
        self.work = work
        self.is_alone = is_alone
        """It makes its own transactions, after that of the batch."""
        self.is_owed = is_owed
        """It records what has happened already: what fails is tried again before all else."""
        self.result: Any = None
        self.fault: BaseException | None = None


class Store(Protocol):
    """One process' way to a ledger's rows. The writer's thread alone calls what takes no rows."""

    @property
    def version(self) -> int:
        """Of its tables."""

    @property
    def keep_alive_s(self) -> float | None:
        """How often `keep_alive` is to be called at least; None: never."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def open(self) -> None:
        """Have a connection. Whatever it raises, `as_error` has words for it."""

    def commit(self, jobs: Sequence[Job], *, writes: bool) -> None:
        """Have all of them done, durably, in one transaction; those that fail by themselves alone.

        Raises where the transaction fails: then nothing is done.
        """

    def alone(self, work: Work) -> Any:
        """Return what work brings that makes its own transactions."""

    def keep_alive(self) -> None:
        """Have others see that the runs of this process live."""

    def close(self, *, is_whole: bool) -> None:
        """Let go of the rows. `is_whole`: nothing is left that could not be written."""

    def as_error(self, error: BaseException) -> DetectError:
        """Return what a user is told."""

    def refuse_damage(self, db: Database, *, is_known_enough: bool = False) -> None:
        """Raise where the rows are not as they were written; before a run begins.

        `is_known_enough`: what this process has found a short time ago counts, if nobody else has
        changed the rows since.
        """

    def refuse_damaged_claims(self, db: Database, run: int) -> None:
        """Raise where what a run has claimed is not as it was written."""

    def first_number(self) -> int:
        """Return the least number that a new run may have."""

    def enter(self, db: Database) -> None:
        """Write what others must know before a run of this process begins."""

    def hold(self, db: Database, run: int, token: str) -> str:
        """Have a run of this process count as living; return what its row says of the lock."""

    def let_go(self, run: int) -> None:
        """Have a run of this process count as living no more."""

    def is_alive(self, db: Database, run: int, lock: str | None, process: str) -> bool:
        """Whether some process holds a run; its row says by which lock, and of which process."""

    def is_in_doubt(self, db: Database, run: int) -> bool:
        """Whether a run that counts as living may be dead, as a little time will show."""


class NewerLedger(Exception):
    """The rows are of a newer release; their version is the argument."""


class OlderRelease(Exception):
    """A run of an older release is under way; its process is the argument."""


def words_of_release(error: NewerLedger | OlderRelease, version: int, rows: str) -> tuple[str, str]:
    """Return what is wrong with the release of rows (a file, tables), and what to do."""
    [found] = error.args
    if isinstance(error, NewerLedger):
        return (
            f"a newer release wrote it (version {found}, this one reads {version})",
            "Install a newer s2v-detect",
        )
    return (
        f"an older release is at work with it (process {found})",
        f"Let that run end, then start again: this release brings the {rows} up to date",
    )


def process_name() -> str:
    """Return what people know a process by."""
    return f"{os.getpid()} on {socket.gethostname()}"
