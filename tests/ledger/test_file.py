"""The file of a ledger: known by what it is, its locks kept, made for its owner alone."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError
from s2v_detect.ledger import is_open_ledger


def told(script: str, path: Path) -> str:
    """What a script of its own process says."""
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_only_open_ledgers_are_open_ledgers(tmp_path: Path) -> None:
    """By what a file is: the ledger and its journal, from opening to closing."""
    path = tmp_path / "l.db"

    def is_open(name: str) -> bool:
        found = (tmp_path / name).stat()
        return is_open_ledger(found.st_dev, found.st_ino)

    (tmp_path / "strange").write_text("no ledger")
    with Ledger(path) as ledger:
        ledger.begin("a model")
        os.link(path, tmp_path / "link")
        assert is_open("l.db")
        assert is_open("link")
        assert is_open("l.db-journal")
        assert not is_open("strange")
        with Ledger(tmp_path / "link") as other:
            other.names()
        assert is_open("l.db")
    assert not is_open("l.db")
    assert not is_open("l.db-journal")


def test_a_second_look_at_the_file_drops_no_lock(tmp_path: Path) -> None:
    """One object is closed while another has a transaction open: the lock stays."""
    path = tmp_path / "l.db"
    script = """
        import sqlite3, sys
        db = sqlite3.connect(sys.argv[1], timeout=0)
        try:
            db.execute("BEGIN IMMEDIATE")
            print("free")
        except sqlite3.OperationalError:
            print("locked")
    """
    first, second = Ledger(path), Ledger(path)
    run = first.begin("a model")
    second.names()
    found: list[str] = []

    def look(_: object) -> None:
        second.close()
        found.append(told(script, path))

    run._writer.do(look, writes=True)  # noqa: SLF001  # a transaction that is open for a while
    first.close()
    assert found == ["locked"]
    assert told(script, path) == "free"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_ledger_is_for_its_owner_alone(tmp_path: Path, umask: int) -> None:
    """It and its journal; the mode of one that is there is kept."""
    path = tmp_path / "l.db"
    before = os.umask(umask)
    try:
        with Ledger(path) as ledger:
            ledger.begin("a model")
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
        path.chmod(0o640)
        with Ledger(path) as ledger:
            ledger.begin("a model")
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_an_empty_file_is_no_new_ledger(tmp_path: Path) -> None:
    """A ledger that was cut off to nothing would be paid for again without a word."""
    path = tmp_path / "l.db"
    path.touch()
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="empty"):
        ledger.begin("a model")
