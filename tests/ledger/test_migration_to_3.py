"""A ledger of version 2 gets its checksums in one transaction, never beside an older release."""

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from tests.ledgers import version_of

from s2v_detect import Ledger, LedgerError
from s2v_detect.ledger._sqlite import _schema

ROWS = int(os.environ.get("MIGRATED_ROWS", "100000"))
KILLS = 8
MODEL = "wan2.2-s2v-detect on this machine"
OPENING = "import sys; from s2v_detect import Ledger; Ledger(sys.argv[1]).names()"


def version_2(path: Path, rows: int, *, process: str = "1 on a machine") -> None:
    """A ledger as the release before made it, with a run that has not ended."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    for script in (_schema._TABLES, _schema._MIGRATIONS[2]):  # noqa: SLF001  # as it was made
        for statement in _schema._statements(script):  # noqa: SLF001  # as above
            db.execute(statement)
    db.execute("INSERT INTO about VALUES ('model', ?)", (MODEL,))
    db.execute("INSERT INTO run VALUES (1, 1, '', 'token', ?, 1.0, NULL)", (process,))
    db.executemany(
        "INSERT INTO image (identity, state, at, run, lineage, paid, attempts, answered_at,"
        " check_pass, request_id) VALUES (?, 'answered', 1e9, 1, 1, 1, 1, 1e9, 1, ?)",
        (
            (f"https://images.example/{number}.jpg", f"9f1c{number:032}")
            for number in range(1, rows + 1)
        ),
    )
    db.executemany(
        "INSERT INTO attempt (run, number, image, sent_at, ended_at, outcome)"
        " VALUES (1, ?, ?, 1e9, 1e9, 'billed')",
        ((number, number) for number in range(1, rows + 1)),
    )
    db.execute(f"PRAGMA application_id = {_schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 2")
    db.execute("COMMIT")
    db.close()


@pytest.mark.real_time
@pytest.mark.timeout(600)
def test_a_migration_that_is_killed_is_begun_again(tmp_path: Path) -> None:
    """`kill -9` at many places of it: the file is of the one version or of the other, and whole."""
    path, chance = tmp_path / "l.db", random.Random(2)
    version_2(path, ROWS)
    started = time.perf_counter()
    trial = tmp_path / "trial.db"
    trial.write_bytes(path.read_bytes())
    words = [sys.executable, "-c", OPENING]
    subprocess.run([*words, str(trial)], check=True)  # noqa: S603  # our own script
    whole_s = time.perf_counter() - started
    for _ in range(KILLS):
        process = subprocess.Popen([*words, str(path)])  # noqa: S603  # as above
        try:
            process.wait(chance.uniform(0.2, 0.9) * whole_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert version_of(path) in (2, _schema.VERSION)
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
        entries = sum(entry.verdict is not None for entry in ledger.all_entries())
        [spend] = ledger.statement()
    assert (entries, spend.billed) == (ROWS, ROWS)
    assert version_of(path) == _schema.VERSION


def test_an_older_release_at_work_is_named_and_not_disturbed(tmp_path: Path) -> None:
    """By its lock file, beside the name or beside what the name is a link to."""
    path, link = tmp_path / "l.db", tmp_path / "link.db"
    version_2(path, 3, process="123 on another-machine")
    link.symlink_to(path)
    for name in (path, link):
        lock = FileLock(name.with_name(f"{name.name}-run-token"))
        with lock, Ledger(link) as ledger, pytest.raises(LedgerError, match="123 on another"):
            ledger.begin(MODEL)
        assert version_of(path) == 2
        Path(lock.lock_file).unlink(missing_ok=True)
    with Ledger(link) as ledger:
        assert ledger.begin(MODEL).id == 2
    assert version_of(path) == _schema.VERSION


def test_an_older_release_whose_lock_file_is_gone_is_known_by_its_process(tmp_path: Path) -> None:
    """While that is on this machine; the test's own parent stands for it."""
    path = tmp_path / "l.db"
    version_2(path, 3, process=f"{os.getppid()} on {socket.gethostname()}")
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="an older release is at work"):
        ledger.names()


def test_an_older_release_that_comes_later_is_told_why_not(tmp_path: Path) -> None:
    """It had the file open before: it begins no run in what it does not know."""
    path = tmp_path / "l.db"
    with Ledger(path) as ledger:
        ledger.begin(MODEL)
    db = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="a newer s2v-detect"):
        db.execute("INSERT INTO run (name, token, process, started_at) VALUES ('', 't', 'p', 1)")
    db.close()
