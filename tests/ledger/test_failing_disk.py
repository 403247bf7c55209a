"""The disk fails at any place: the run ends with `LedgerError`, everything is closed, books true.

`benchmarks/attacked.py` has the same disk.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from _attacks.failing_disk import ERRORS, Disk, failing, threads
from s2v_detect import Ledger, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger import _desk

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))


@pytest.mark.parametrize("fault", list(product([1, 12, 10**9], ERRORS)))
async def test_a_fault_of_the_disk_is_a_ledger_error_and_all_is_closed(
    emulator: Emulator, urls: Urls, tmp_path: Path, fault: tuple[int, str]
) -> None:
    """At ten places of a run; what may have been billed is in the books, and nothing twice."""
    emulator.when("*", Pass(latency_s=0.001))
    images = urls(12)
    others = threads()  # of ledgers that other tests have left open
    raised = 0
    for place in range(10):
        path = tmp_path / f"{place}.db"
        before = emulator.billed
        _desk.make(path)
        with failing(Disk(3 + 11 * place, *fault)):
            try:
                async with emulator.client(ledger=path, limiter=FAST, max_in_flight=3) as client:
                    async for _ in client.aiter_check(images):
                        pass
            except LedgerError:  # and nothing else
                raised += 1
        assert threads() <= others
        with Ledger(path) as ledger:
            await ledger.begin("wan2.2-s2v-detect on this machine").end()
            at_most = sum(spend.billed + spend.unknown for spend in ledger.statement())
        assert at_most >= emulator.billed - before
        async with emulator.client(ledger=path, limiter=FAST) as client:
            outcomes = [outcome async for outcome in client.aiter_check(images)]
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
