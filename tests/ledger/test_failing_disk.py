"""The disk fails at any place: the run ends with `LedgerError`, everything is closed, books true.

`benchmarks/attacked.py` has the same disk.
"""

import resource
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from tests.processes import uncovered

from _attacks.failing_disk import ERRORS, Disk, failing, threads
from s2v_detect import Ledger, LedgerError, LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger._sqlite import _store

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))


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


@pytest.mark.parametrize("fault", list(product([1, 12, 10**9], ERRORS)))
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
    _store.make(new)
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
            env=uncovered() | account,
            preexec_fn=limit,  # no thread is in the way here
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert f"the ledger {out}.ledger can't be used" in done.stderr
        assert "Traceback" not in done.stderr
        with Ledger(f"{out}.ledger") as ledger:
            spends = ledger.statement()
            assert sum(spend.billed + spend.unknown for spend in spends) >= emulator.billed
