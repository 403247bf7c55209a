"""The disk fails at any place: the run ends with `LedgerError`, everything is closed, books true.

apsw's SQLite writes through a file system that fails when it is told to; the ledger is spoken to as
with the standard library's, whose errors it raises.
"""

import itertools
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import httpx
import pytest

from s2v_detect import Ledger, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger import _writer as _desk

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
_names = itertools.count()
_ERRORS = {"IOERR": apsw.IOError, "FULL": apsw.FullError, "READONLY": apsw.ReadOnlyError}


class Disk:
    """Fails from its so-many-th call on, for a while or for good."""

    def __init__(self, fails_at: int, lasts: int, error: str) -> None:
        self.fails_at = fails_at
        self.lasts = lasts
        self.error = error
        self.calls = 0

    def work(self) -> None:
        """One call that reaches the disk."""
        self.calls += 1
        if self.fails_at <= self.calls < self.fails_at + self.lasts:
            raise _ERRORS[self.error]("injected")


class FailingFile(apsw.VFSFile):
    """A file on such a disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # apsw's name
        """Write."""
        self._disk.work()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # apsw's name
        """Truncate."""
        self._disk.work()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # apsw's name
        """Sync."""
        self._disk.work()
        super().xSync(flags)


class FailingFiles(apsw.VFS):
    """A file system of such files."""

    def __init__(self, disk: Disk) -> None:
        self.name = f"failing-{next(_names)}"
        self._disk = disk
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: list[int]) -> FailingFile:  # noqa: N802  # apsw's name
        """Open one."""
        self._disk.work()
        return FailingFile(self._disk, name, flags)


class Cursor:
    """What the ledger asks of a cursor of the standard library."""

    def __init__(self, connection: apsw.Connection, rows: list[Any]) -> None:
        self._rows = iter(rows)
        self.rowcount = connection.changes()
        self.lastrowid = connection.last_insert_rowid()

    def fetchone(self) -> Any:
        """The next row."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """The rest."""
        return list(self._rows)

    def __iter__(self) -> Any:
        return self._rows


class Connection:
    """What the ledger asks of a connection of the standard library."""

    def __init__(self, path: Path, vfs: str) -> None:
        self._real = apsw.Connection(str(path), vfs=vfs)

    @property
    def in_transaction(self) -> bool:
        """Whether one is open."""
        return bool(self._real.in_transaction)

    def create_function(self, name: str, count: int, function: Any, **flags: bool) -> None:
        """Let SQL call a function."""
        self._real.create_scalar_function(name, function, count, **flags)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        """Execute, with the errors of the standard library."""
        try:
            return Cursor(self._real, list(self._real.execute(sql, parameters)))
        except apsw.Error as error:
            told = sqlite3.OperationalError(str(error))
            told.sqlite_errorname = f"SQLITE_{type(error).__name__.removesuffix('Error').upper()}"
            if isinstance(error, apsw.IOError):
                told.sqlite_errorname = "SQLITE_IOERR"
            raise told from error

    def close(self) -> None:
        """Close."""
        self._real.close()


@contextmanager
def failing(disk: Disk) -> Iterator[None]:
    """That disk is under all ledgers that are opened in the block."""
    vfs = FailingFiles(disk)

    def connected(path: Path, *, creates: bool) -> Any:
        connection: Any = Connection(path, vfs.name)
        try:
            _desk.configure(connection, path, creates=creates)
        except BaseException:
            connection.close()
            raise
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_desk, "connected", connected)
        yield


def threads() -> int:
    """How many of ours there are."""
    return sum(thread.name == "s2v-detect ledger" for thread in threading.enumerate())


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of memory, where there is one: the disk that fails is ours."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of its own in it
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
async def connections() -> AsyncIterator[httpx.AsyncClient]:
    """One pool for all clients of a test: each pool of their own loads certificates for 80 ms."""
    async with httpx.AsyncClient() as http_client:
        yield http_client


@pytest.mark.parametrize("fault", list(itertools.product([1, 12, 10**9], _ERRORS)))
async def test_a_fault_of_the_disk_is_a_ledger_error_and_all_is_closed(
    emulator: Emulator,
    urls: Urls,
    in_memory: Path,
    connections: httpx.AsyncClient,
    fault: tuple[int, str],
) -> None:
    """At ten places of a run; what may have been billed is in the books, and nothing twice."""
    emulator.when("*", Pass(latency_s=0.001))
    images = urls(12)
    others = threads()  # of ledgers that other tests have left open
    raised = 0
    new = in_memory / "new.db"
    _desk.make(new)
    client = partial(emulator.client, limiter=FAST, http_client=connections)
    for place in range(10):
        path = shutil.copy(new, in_memory / f"{place}.db")
        before = emulator.billed
        with failing(Disk(3 + 11 * place, *fault)):
            try:
                async with client(ledger=path, max_in_flight=3) as opened:
                    async for _ in opened.aiter_check(images):
                        pass
            except LedgerError:  # and nothing else
                raised += 1
        assert threads() <= others
        with Ledger(path) as ledger:
            await ledger.begin("wan2.2-s2v-detect on this machine").end()
            at_most = sum(spend.billed + spend.unknown for spend in ledger.statement())
        assert at_most >= emulator.billed - before
        async with client(ledger=path) as opened:
            outcomes = [outcome async for outcome in opened.aiter_check(images)]
        assert {outcome.kind for outcome in outcomes} == {"checked"}
        with Ledger(path) as ledger:
            spends = ledger.statement()
        assert sum(spend.billed + spend.unknown for spend in spends) >= emulator.billed - before
        assert sum(spend.unknown for spend in spends) >= emulator.billed - before - len(images)
    assert raised >= 4


def test_the_command_ends_with_2_on_a_full_disk(tmp_path: Path, urls: Urls) -> None:
    """A real one: no file may grow beyond some pages. No traceback."""
    source = tmp_path / "in.txt"
    source.write_text("\n".join(urls(2000)))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (90_000, 90_000))

    with Emulator.run_in_thread(answer=Pass()) as emulator:
        account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
        words = [sys.executable, "-m", "s2v_detect.cli", "run", str(source), "--quiet", "-o"]
        out = str(tmp_path / "out.jsonl")
        done = subprocess.run(  # noqa: S603  # our own command
            [*words, out, "--rate", "100000"],
            env=os.environ | account,
            preexec_fn=limit,  # no thread is in the way here
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "the ledger out.jsonl.ledger can't be used" in done.stderr
        assert "Traceback" not in done.stderr
        with Ledger(f"{out}.ledger") as ledger:
            spends = ledger.statement()
            assert sum(spend.billed + spend.unknown for spend in spends) >= emulator.billed
