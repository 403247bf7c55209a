"""What goes on beside a run is no part of it: no fault of that costs the run its summary."""

import gc
import inspect
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from s2v_detect.bulk import Input
from s2v_detect.cli import _progress
from s2v_detect.cli._progress import Progress
from s2v_detect.cli._screening import Screening
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.report._chart import Timeline
from s2v_detect.report._live import _State
from s2v_detect.report._serving import Server
from s2v_detect.report._tally import Tally

Command = Callable[..., subprocess.CompletedProcess[str]]


class Fault(NamedTuple):
    """What has a fault, in which run, and how that run ends."""

    of: type
    name: str
    what: str
    options: tuple[str, ...] = ()
    code: int = 0


FAULTS = [
    Fault(Tally, "add", "The live page", ("--live",)),
    Fault(Timeline, "add", "The live page", ("--live",)),
    Fault(_State, "last", "The live page", ("--live",)),
    Fault(Server, "__aexit__", "The live page", ("--live",)),
    Fault(Progress, "sentences", "The live page", ("--live",)),
    Fault(Progress, "line", "The progress"),
    Fault(Screening, "_awaited", "The clock of the run", ("--max-time", "0.05"), 6),
    Fault(Input, "count", "The count of the images"),
]


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A list of 8 addresses."""
    path = tmp_path / "in.txt"
    path.write_text("".join(f"http://a.example/{number}.jpg\n" for number in range(8)))
    return path


def _fault(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("a fault of ours")


async def _awaited_fault(*_: object) -> None:
    _fault()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.of.__name__}.{fault.name}")
def test_a_fault_beside_a_run_is_logged_once_and_the_summary_comes(
    called: Command,
    emulator: Emulator,
    few: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    fault: Fault,
) -> None:
    """Every image has its row; the exit code is that of the same run without the fault."""
    emulator.when("*", Pass(latency_s=0.1))
    monkeypatch.setattr(_progress, "_PLAIN_EVERY_S", 0.03)
    is_async = inspect.iscoroutinefunction(getattr(fault.of, fault.name))
    monkeypatch.setattr(fault.of, fault.name, _awaited_fault if is_async else _fault)
    done = called("run", few, "-o", "out.jsonl", "--rate", "1000", *fault.options)
    gc.collect()  # a task whose fault nobody has taken tells of it when it is gone
    assert done.returncode == fault.code
    assert f"Exit {fault.code}" in done.stderr
    out = Path("out.jsonl")
    assert len(out.read_text().splitlines() if out.exists() else []) == emulator.billed
    (told,) = caplog.records
    assert told.getMessage().startswith(f"{fault.what} has failed, and all else goes on.")
    assert caplog.text.count("ZeroDivisionError: a fault of ours") == 1
