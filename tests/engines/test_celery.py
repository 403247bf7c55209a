"""Celery, by the example: a prefork worker of two processes, of which one is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines.conftest import EXAMPLES, URLS

from s2v_detect import Ledger
from s2v_detect.emulator import Emulator, Pass, Reject

CONFIG = """
broker_url = "filesystem://"
broker_transport_options = {{
    "data_folder_in": "{0}/queue", "data_folder_out": "{0}/queue", "control_folder": "{0}/control",
}}
result_backend = "file://{0}/results"
worker_prefetch_multiplier = 1
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of two processes, whose queue is a folder: no broker is needed."""
    for name in ("queue", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "celeryconfig.py").write_text(CONFIG.format(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{EXAMPLES}")
    command = ["-m", "celery", "-A", "celery_tasks", "--config", "celeryconfig", "worker"]
    words = ["--pool", "prefork", "--concurrency", "2", "--loglevel", "WARNING"]
    with subprocess.Popen([sys.executable, *command, *words], cwd=tmp_path) as process:
        yield process
        process.send_signal(signal.SIGTERM)  # a warm shutdown
        process.wait(timeout=60)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_process_that_is_killed_pays_for_nothing_twice(
    s2v_emulator: Emulator, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """All tasks have their verdict; only what was in flight may be paid for once more."""
    import celeryconfig

    from celery_tasks import app, check

    app.config_from_object(celeryconfig)
    s2v_emulator.when("*", Pass(latency_s=0.5))
    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    asked = [check.delay(url) for url in URLS * 2]
    while s2v_emulator.requests < 3:
        assert worker.poll() is None
        time.sleep(0.01)
    os.kill(children(worker.pid)[0], signal.SIGKILL)
    told = [each.get(timeout=100)["check_pass"] for each in asked]
    assert told == [not url.endswith("/1.jpg") for url in URLS * 2]
    assert len(URLS) <= s2v_emulator.billed <= len(URLS) + 1
    with Ledger(tmp_path / "screening.db") as ledger:
        assert len(ledger.known(URLS)) == len(URLS)
