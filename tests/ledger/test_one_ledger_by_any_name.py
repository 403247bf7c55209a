"""Two processes on one ledger are told from each other's death, whatever each calls the file."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from _attacks.names import IMAGES, LOCKS, WAYS, screening
from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass


@pytest.mark.parametrize("locks", LOCKS)
@pytest.mark.parametrize("other", WAYS)
async def test_a_living_run_is_never_taken_for_a_dead_one(
    tmp_path: Path, other: Callable[[Path], Path], locks: str
) -> None:
    """Each image is billed once, and both processes have all answers; also without byte locks."""
    (tmp_path / "other").mkdir()
    async with Emulator(answer=Pass(latency_s=0.2), counting="none") as emulator:
        first = screening(emulator, "l.db", tmp_path, locks)
        while emulator.requests < 8:
            assert first.poll() is None, first.communicate()
            await asyncio.sleep(0.01)
        path = other(tmp_path / "l.db")
        second = screening(emulator, str(path), tmp_path, locks)
        told = [await asyncio.to_thread(process.communicate) for process in (first, second)]
        bills = emulator.billed
    assert [(out.strip(), err) for out, err in told] == [(str(IMAGES), "")] * 2
    assert bills == IMAGES
    with Ledger(path) as ledger:
        assert {entry.state for entry in ledger.all_entries()} == {"answered"}
        assert [spend.billed for spend in ledger.statement()] == [IMAGES]
