"""Airflow, by the example: the DAG run by `dag.test()`, with a database of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engines.conftest import EXAMPLES

from s2v_detect.emulator import Emulator, Error, Reject


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Airflow's own, with its database."""
    home = tmp_path_factory.mktemp("airflow")
    command = [str(Path(sys.executable).parent / "airflow"), "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | settings(home))
    return home


def settings(home: Path) -> dict[str, str]:
    """Return what Airflow reads."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
    }


def tested(home: Path) -> str:
    """Return what `dag.test()` says, in a process of its own."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "airflow_dag.py"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | settings(home),
    )
    return done.stdout + done.stderr


def test_the_dag_runs(s2v_emulator: Emulator, home: Path, tmp_path: Path) -> None:
    """To its end; the output and the summary are there."""
    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    told = tested(home)
    assert "state=success" in told, told[-3000:]
    summary = json.loads((tmp_path / "verdicts.jsonl.summary.json").read_text())
    assert (summary["passed"], summary["rejected"]) == (5, 1)
    assert s2v_emulator.billed == 6


def test_a_refused_key_is_not_retried(s2v_emulator: Emulator, home: Path) -> None:
    """Exit code 4: the same command can't mend it."""
    s2v_emulator.when("*", Error(401, "InvalidApiKey"))
    told = tested(home)
    assert "state=failed" in told, told[-3000:]
    assert "exit code 4" in told
