"""A ledger that this process found sound a short time ago is not read whole for each client."""

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import Ledger, LedgerError, LocalLimiter, Verdict, check_one
from s2v_detect.emulator import Emulator
from s2v_detect.ledger._sqlite import _sound, _store

URL = "https://images.example/face-of-ada.jpg"
Check = Callable[..., Verdict]


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reads a file whole, each time."""
    said: list[str] = []
    configure = _store.configure

    def watched(connection: sqlite3.Connection, path: Path, *, creates: bool) -> None:
        configure(connection, path, creates=creates)
        connection.set_trace_callback(
            lambda sql: said.append(sql) if "integrity_check" in sql else None
        )

    monkeypatch.setattr(_store, "configure", watched)
    return said


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "l.db"


@pytest.fixture
def check(s2v_emulator: Emulator, path: Path) -> Check:
    """A client for one image, as `check_one` makes it."""
    account: Any = {"api_key": s2v_emulator.api_key, "base_url": s2v_emulator.base_url}
    fast = LocalLimiter(float("inf"))
    return lambda image=URL: check_one(image, ledger=path, limiter=fast, **account)


def changed_by_others(path: Path) -> None:
    """Let the times differ from those of our last commit: a file's clock ticks in milliseconds."""
    os.utime(path, ns=(1, 1))


def test_a_client_for_each_image_reads_it_once(check: Check, readings: list[str]) -> None:
    """Whatever was written in between."""
    for number in range(4):
        check(f"https://images.example/{number}.jpg")
    assert check("https://images.example/0.jpg").source == "ledger"
    assert len(readings) == 1


def test_clients_in_threads_leave_it_known(check: Check, readings: list[str]) -> None:
    """No commit of one is taken for a stranger's by another."""
    check()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(check, [f"https://images.example/{n}.jpg" for n in range(24)]))
    readings.clear()
    check()
    assert readings == []


@pytest.mark.parametrize("hit", [0, 1])
def test_a_change_by_others_is_seen(
    check: Check, path: Path, s2v_emulator: Emulator, hit: int
) -> None:
    """One letter of an image's identity, in its row or in the index by which the row is found."""
    check()
    whole = path.read_bytes()
    places = [at for at in range(len(whole)) if whole.startswith(URL.encode(), at)]
    at = places[hit]
    with path.open("r+b") as file:
        file.seek(at + len(URL) - 6)
        file.write(b"X")
    changed_by_others(path)
    with pytest.raises(LedgerError, match="is damaged"):
        check()
    assert s2v_emulator.billed == 1


def test_another_one_s_commit_has_it_read_again(
    check: Check, path: Path, readings: list[str]
) -> None:
    """As that of another process; once."""
    check()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE theirs (x)")
    changed_by_others(path)
    check()
    check()
    assert len(readings) == 2


def test_a_file_in_its_place_is_read(check: Check, path: Path, readings: list[str]) -> None:
    """A copy that was restored."""
    check()
    copy = path.read_bytes()
    path.unlink()
    path.write_bytes(copy)
    changed_by_others(path)
    assert check().source == "ledger"
    assert len(readings) == 2


def test_damage_that_is_met_has_it_read_again(
    check: Check, path: Path, readings: list[str], s2v_emulator: Emulator
) -> None:
    """A row that is not as it was written is no damage to SQLite; whoever meets it doubts all."""
    check()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE image SET check_pass = 0")
    changed_by_others(path)
    for expected in (2, 3):
        with pytest.raises(LedgerError, match="is damaged"):
            check()
        assert len(readings) == expected
    assert s2v_emulator.billed == 1


def test_after_some_minutes_it_is_read_again(
    check: Check, readings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here after none."""
    monkeypatch.setattr(_sound, "_KNOWN_FOR_S", 0.0)
    check()
    check()
    assert len(readings) == 2


def test_who_asks_whether_it_is_sound_has_it_read(
    check: Check, path: Path, readings: list[str]
) -> None:
    """The doctor does."""
    check()
    with Ledger(path) as ledger:
        ledger.refuse_unusable()
        ledger.refuse_unusable()
    assert len(readings) == 3
