"""A run beside one that is stopped (Ctrl-Z): it says for whom it waits, and the rest goes on."""

import asyncio
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from s2v_detect import LocalLimiter
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.ledger import _run

Urls = Callable[[int], list[str]]
FAST = LocalLimiter(float("inf"))
SCREENING = """
import asyncio, sys
from s2v_detect import DetectClient, LocalLimiter

async def main(base_url, key, path):
    urls = [f"https://images.example/{n}.jpg" for n in range(12)]
    async with DetectClient(key, base_url=base_url, ledger=path, limiter=LocalLimiter(1)) as client:
        outcomes = [outcome async for outcome in client.aiter_check(urls)]
        print(sum(outcome.kind == "checked" for outcome in outcomes))

asyncio.run(main(*sys.argv[1:]))
"""


async def stopped_between_commits(process: "subprocess.Popen[str]", path: Path) -> None:
    """Stop a process while it holds no lock of SQLite's: else nobody could write at all."""
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(process.pid, signal.SIGCONT)
                await asyncio.sleep(0.01)
            else:
                db.execute("ROLLBACK")
                return


@pytest.mark.real_time
async def test_the_rest_goes_on_and_the_wait_is_told_once(
    tmp_path: Path,
    urls: Urls,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With a window that the stopped one's images fill: all others come, then those too."""
    monkeypatch.setattr(_run, "_TELL_AFTER_S", 0.0)
    path, images = tmp_path / "l.db", urls(60)
    async with Emulator(answer=Pass(), counting="none") as emulator:
        words = [sys.executable, "-c", SCREENING, emulator.base_url, emulator.api_key, str(path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603  # our own script
        while not emulator.requests:
            await asyncio.sleep(0.01)
        await stopped_between_commits(process, path)
        before = emulator.requests
        client = emulator.client(ledger=path, limiter=FAST, max_in_flight=8)
        async with client, client.aiter_check(images) as stream:
            with caplog.at_level(logging.WARNING):
                first = [await anext(stream) for _ in range(48)]
                while not caplog.records:
                    await asyncio.sleep(0.05)
            assert not {outcome.image for outcome in first} & set(images[before:12])
            os.kill(process.pid, signal.SIGCONT)
            rest = [outcome async for outcome in stream]
        out, _ = await asyncio.to_thread(process.communicate)
        assert out == "12\n"
        assert {outcome.kind for outcome in first + rest} == {"checked"}
        assert len(first + rest) == 60
        assert emulator.billed == 60
    [record] = caplog.records
    message = record.getMessage()
    assert f"(process {process.pid} on " in message
    assert f" images are claimed in the ledger {path} by another run" in message
