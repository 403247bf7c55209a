"""Faults of the disk, at any write, sync or opening, for a while or for good."""

import tempfile
from pathlib import Path

from _attacks.failing_disk import ERRORS, Disk, failing, threads
from _attacks.found import Found, Try
from s2v_detect import Ledger, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger._sqlite import _store

IMAGES = 12
LAST = (1, 12, 10**9)  # calls that fail
CALLS = 130  # that such a run makes, about


def attack(found: Found, tries: int) -> None:
    """Screen images on a disk that fails, then the same on one that works."""
    with (
        tempfile.TemporaryDirectory() as name,
        Emulator.run_in_thread(answer=Pass(latency_s=0.001)) as emulator,
    ):
        watched = ("twice", "lost", "as whole", "traceback", "over cost", "hung")
        for one in found.tries(tries, *watched):
            error, lasts = ERRORS[one.number % 3], LAST[one.number // 3 % 3]
            one.attack = f"{error}, {'for good' if lasts > 12 else f'{lasts} times'}"
            path = Path(name) / f"{one.number}.db"
            images = [f"https://images.example/{one.number}-{n}.jpg" for n in range(IMAGES)]
            disk = Disk(one.chance.randrange(3, CALLS), lasts, error)
            before = emulator.billed
            _store.make(path)
            with failing(disk):
                one.run(_whole(one, emulator, path, images), LedgerError)
            _closed(one, path)
            one.run(_ended(path))
            _even(one, path, emulator.billed - before)
            one.run(_whole(one, emulator, path, images))
            bills = emulator.billed - before
            unknown = _even(one, path, bills)
            one.counts.update(images=IMAGES, bills=bills, unknown=unknown)
            if bills - IMAGES > unknown:
                one.breaks("twice", f"{bills} bills, {unknown} of them told as unknown")
            with Ledger(path) as ledger:
                states = [entry.state for entry in ledger.all_entries()]
            if states != ["answered"] * IMAGES:
                one.breaks("lost", f"the states after a second run: {states}")


async def _whole(one: Try, emulator: Emulator, path: Path, images: list[str]) -> None:
    line = LocalLimiter(float("inf"))
    async with emulator.client(ledger=path, limiter=line, max_in_flight=3) as client:
        kinds = [outcome.kind async for outcome in client.aiter_check(images)]
    if kinds != ["checked"] * len(images):
        one.breaks("as whole", f"it ended without an error: {kinds}")


async def _ended(path: Path) -> None:
    """Have what a run left over told as what it is."""
    with Ledger(path) as ledger:
        await ledger.begin("wan2.2-s2v-detect on this machine").end()


def _closed(one: Try, path: Path) -> None:
    if threads():
        one.breaks("hung", f"{threads()} threads are left")
    open_files = Path("/proc/self/fd")
    names = [_name(each) for each in open_files.iterdir()] if open_files.exists() else []
    left = [name for name in names if name.startswith(str(path))]
    if left:
        one.breaks("hung", f"files are open: {left}")


def _name(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:  # the one by which the folder was read
        return ""


def _even(one: Try, path: Path, bills: int) -> int:
    """Compare the books with the bills; return how many requests are unknown."""
    with Ledger(path) as ledger:
        spends = ledger.statement()
    at_most = sum(spend.billed + spend.unknown for spend in spends)
    if at_most < bills:
        one.breaks("over cost", f"{bills} bills, {at_most} in the books", bills - at_most)
    return sum(spend.unknown for spend in spends)
