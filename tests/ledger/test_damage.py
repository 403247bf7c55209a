"""A damaged ledger: said, or answered as it was; never paid again, and never a wrong verdict."""

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from _damaging import damage
from s2v_detect import Checked, Ledger, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator, Pass, Reject
from s2v_detect.ledger._entries import checksum

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
IMAGES = 150
LEDGERS = int(os.environ.get("DAMAGED_LEDGERS", "90"))


async def verdicts(emulator: Emulator, path: Path, images: list[str]) -> dict[str, bool]:
    """What a client says of the images. Raises `LedgerError`."""
    async with emulator.client(ledger=path, limiter=FAST, max_in_flight=40) as client:
        outcomes = [outcome async for outcome in client.aiter_check(images)]
    return {o.image: o.verdict.check_pass for o in outcomes if isinstance(o, Checked)}


@pytest.mark.real_time
async def test_no_damage_is_paid_for_and_none_changes_a_verdict(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """Bits, bytes, pages and ends, by chance; the ledger says so, or nothing had been lost."""
    images = urls(IMAGES)
    emulator.when("*", Pass())
    emulator.when("*3.jpg", Reject("InvalidFile.NoHuman"))
    sound = tmp_path / "sound.db"
    expected = await verdicts(emulator, sound, images)
    bills = emulator.billed
    found: Counter[str] = Counter()
    for number in range(LEDGERS):
        path = tmp_path / f"{number}.db"
        kind = damage(sound, path, number)
        try:
            told = await verdicts(emulator, path, images)
        except LedgerError:
            found["said"] += 1
        else:
            assert told == expected, (number, kind)
            found["sound"] += 1
        assert emulator.billed == bills, (number, kind)
    assert found["said"] > LEDGERS / 2
    assert found["sound"]


CHANGES = {
    "state": "'failed'",
    "paid": "7",
    "check_pass": "NOT check_pass",
    "code": "'InvalidFile.FacePose'",
    "identity": "'https://images.example/other.jpg'",
    "answered_at": "answered_at + 1e9",
    "upload": "'https://images.example/other.jpg'",
    "checksum": "checksum + 1",
}


@pytest.mark.parametrize("column", CHANGES)
async def test_every_field_that_an_answer_rests_on_is_watched(
    emulator: Emulator, urls: Urls, tmp_path: Path, column: str
) -> None:
    """Read, claimed, settled or released: a changed row is said, and stays as it is."""
    path, images = tmp_path / "l.db", urls(3)
    await verdicts(emulator, path, images)
    db = sqlite3.connect(path)
    with db:
        db.execute(f"UPDATE image SET {column} = {CHANGES[column]} WHERE id = 2")  # noqa: S608  # our own
    before = db.execute("SELECT * FROM image WHERE id = 2").fetchone()
    with pytest.raises(LedgerError, match="is damaged"), Ledger(path) as ledger:
        list(ledger.all_entries())
    with db:  # as if it were still to be settled
        db.execute("UPDATE attempt SET outcome = 'sent' WHERE image = 2")
    with pytest.raises(LedgerError, match="damaged"):
        await verdicts(emulator, path, images)
    assert db.execute("SELECT * FROM image WHERE id = 2").fetchone() == before
    db.close()
    assert emulator.billed == 3


async def test_a_damaged_image_can_be_forgotten_and_paid_anew(
    emulator: Emulator, urls: Urls, tmp_path: Path
) -> None:
    """By a person's word; the others stay answered."""
    path, images = tmp_path / "l.db", urls(3)
    await verdicts(emulator, path, images)
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE image SET check_pass = 0 WHERE id = 2")
    db.close()
    with pytest.raises(LedgerError, match=r"https://images.example/1.jpg.*forget"):
        await verdicts(emulator, path, images)
    with Ledger(path) as ledger:
        assert ledger.forget([images[1]]) == 1
    assert await verdicts(emulator, path, images) == dict.fromkeys(images, True)
    assert emulator.billed == 4


async def test_the_command_says_so(emulator: Emulator, urls: Urls, tmp_path: Path) -> None:
    """Exit 2 and a sentence."""
    path = tmp_path / "l.db"
    await verdicts(emulator, path, urls(3))
    path.write_bytes(path.read_bytes()[:5000])
    words = [sys.executable, "-m", "s2v_detect.cli", "ledger", "statement", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: ASYNC221, S603  # our own
    assert done.returncode == 2
    assert done.stderr.startswith(f"s2v-detect: the ledger {path} can't be used, it is damaged")


def test_a_checksum_is_the_same_on_every_python() -> None:
    """It stays in the file for years: these bytes must never change."""
    fields = (1, "https://images.example/\xe9.jpg", None, -3, 2**40, 0.25, 1e300, "", "\U0001f600")
    assert checksum(*fields) == 1919728001
