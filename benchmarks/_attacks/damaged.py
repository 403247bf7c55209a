"""Damaged ledgers: by bits, bytes, pages and ends; asked by a client, and by the command."""

import json
import tempfile
from pathlib import Path

from _attacks.command import FAST, account, called
from _attacks.found import Found, Try
from _damaging import damage
from s2v_detect import Checked, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator, Pass, Reject

IMAGES = [f"https://images.example/{number}.jpg" for number in range(150)]
Told = dict[str, bool]


def attack(found: Found, tries: int) -> None:
    """Ask for the same images over damaged copies of their ledger."""
    with (
        tempfile.TemporaryDirectory() as name,
        Emulator.run_in_thread(answer=Pass()) as emulator,
        account(emulator, Path(name)),
    ):
        folder = Path(name)
        emulator.when("*3.jpg", Reject("InvalidFile.NoHuman"))
        (folder / "in.txt").write_text("\n".join(IMAGES))
        assert _run(folder, "sound.db") == 0
        expected = _written(folder)
        assert len(expected) == len(IMAGES) == emulator.billed
        for one in found.tries(tries, "twice", "lost", "wrong", "as whole", "traceback", "hung"):
            before, path = emulator.billed, folder / "l.db"
            seed = one.chance.randrange(2**30) // 18 * 18 + one.number % 18  # the kinds take turns
            kind = damage(folder / "sound.db", path, seed)
            told: Told = {}
            if one.number // 9 % 2:
                one.attack = f"{kind}, the command"
                told = _by_command(one, folder)
            else:
                one.attack = f"{kind}, a client"
                one.run(_by_client(emulator, path, told), LedgerError)
            one.counts["images"] += len(IMAGES)
            _judge(one, told, expected)
            bills = emulator.billed - before
            one.counts["bills"] += bills
            if bills:  # also where it is said: what is damaged is not paid again by itself
                one.breaks("twice", f"{bills} bills over a damaged ledger", bills)
            for left in folder.glob("l.db*"):
                left.unlink()


def _judge(one: Try, told: Told, expected: Told) -> None:
    wrong = [image for image, check_pass in told.items() if expected[image] != check_pass]
    if wrong:
        one.breaks("wrong", f"the verdicts of {wrong}", len(wrong))
    missing = len(expected) - len(told)
    if missing and not one.counts["said"] and not one.broken:
        one.breaks("as whole", f"{missing} images are missing, and nothing is said")


async def _by_client(emulator: Emulator, path: Path, told: Told) -> None:
    line = LocalLimiter(float("inf"))
    async with emulator.client(ledger=path, limiter=line, max_in_flight=40) as client:
        async for outcome in client.aiter_check(IMAGES):
            if isinstance(outcome, Checked):
                told[outcome.image] = outcome.verdict.check_pass


def _by_command(one: Try, folder: Path) -> Told:
    with one.ends_with():
        code = _run(folder, "l.db")
        one.counts["said"] += code != 0
        if code not in (0, 2):
            one.breaks("traceback", f"exit code {code}")
    return _written(folder)


def _run(folder: Path, ledger: str) -> int:
    for old in folder.glob("out.jsonl*"):
        old.unlink()
    return called(folder, "run", "in.txt", "-o", "out.jsonl", "--ledger", ledger, *FAST).code


def _written(folder: Path) -> Told:
    out = folder / "out.jsonl"
    rows = map(json.loads, out.read_text().splitlines()) if out.exists() else []
    return {row["image"]: row["check_pass"] for row in rows if row["kind"] == "checked"}
