"""The file of a ledger: known by what it is, its locks kept, made for its owner alone."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from s2v_detect import Ledger, LedgerError
from s2v_detect.emulator import Emulator
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
    assert not (tmp_path / "l.db-journal").exists()


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


def asked_names(ledger: Ledger) -> object:
    """Ask as `ledger show` does."""
    return (ledger.names(), ledger.statement(), list(ledger.all_entries()))


@pytest.mark.parametrize(
    "first",
    [
        asked_names,
        lambda ledger: ledger.known(["http://a.example/1.jpg"]),
        Ledger.output_mark,
        Ledger.forget_uploads,
        Ledger.allow_resend,
        lambda ledger: ledger.prune(60),
        lambda ledger: ledger.copy(ledger.path.with_name("copy")),
    ],
)
@pytest.mark.parametrize("made_by", ["touch", "link"])
async def test_an_empty_file_is_begun_whatever_is_asked_first(
    tmp_path: Path, emulator: Emulator, first: Callable[[Ledger], object], made_by: str
) -> None:
    """As by `touch`, `mktemp` or the mount of a container; the file stays the one that it was."""
    path = tmp_path / "books.db"
    path.touch()
    if made_by == "link":
        path = tmp_path / "link"
        path.symlink_to("books.db")
    inode = path.stat().st_ino
    with Ledger(path) as ledger:
        first(ledger)
    async with emulator.client(ledger=path) as client:
        await client.check("http://a.example/1.jpg")
        await client.check("http://a.example/1.jpg")
    assert (emulator.requests, path.stat().st_ino) == (1, inode)


async def test_a_ledger_that_was_cut_to_nothing_is_not_begun_anew(
    tmp_path: Path, emulator: Emulator
) -> None:
    """Its journal says that there was something: the client does not pay for all of it again."""
    path = tmp_path / "books.db"
    path.touch()
    (tmp_path / "books.db-journal").write_bytes(b"\xd9\xd5\x05\xf9 \xa1c\xd7" + bytes(504))
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="it is empty, and a journal"):
        ledger.names()
    with pytest.raises(LedgerError, match="it is empty, and a journal"):
        async with emulator.client(ledger=path):
            pass
    assert path.stat().st_size == 0


def test_no_journal_is_left_beside_a_ledger_that_was_closed(tmp_path: Path) -> None:
    """Nor after it was only asked, or by two. What another file has there stays."""
    path = tmp_path / "books.db"

    def names() -> list[str]:
        return sorted(each.name for each in tmp_path.iterdir())

    with Ledger(path) as first, Ledger(path) as second:
        first.begin("model")
        second.begin("model")
        second.close()
        first.forget_uploads()
        assert first.names() == [""]
    assert names() == ["books.db"]
    with Ledger(path) as ledger:
        assert ledger.names() == [""]
    assert names() == ["books.db"]
    with Ledger(path) as ledger:
        ledger.forget_uploads()
        path.rename(tmp_path / "moved.db")
        path.write_bytes(b"another database")
        (tmp_path / "books.db-journal").write_bytes(b"what makes that one whole")
    assert (tmp_path / "books.db-journal").read_bytes() == b"what makes that one whole"
