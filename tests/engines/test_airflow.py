"""Airflow, by the example: the DAG run by `dag.test()`, with a database of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engines.conftest import EXAMPLES

from s2v_detect.emulator import Cut, Emulator, Error, Reject


def test_the_dag_runs(s2v_emulator: Emulator, tmp_path: Path) -> None:
    """To its end, in a process of its own; the output and the summary are there."""
    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    dags = tmp_path / "dags"
    dags.mkdir()
    for name in ("airflow_dag.py", "scheduled_run.py"):
        shutil.copy(EXAMPLES / name, dags)
    settings = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
    }
    said = ""
    for command in (["-m", "airflow", "db", "migrate"], [str(dags / "airflow_dag.py")]):
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | settings,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-3000:]
    assert "state=success" in said
    summary = json.loads((tmp_path / "verdicts.jsonl.summary.json").read_text())
    assert (summary["passed"], summary["rejected"]) == (5, 1)
    assert s2v_emulator.billed == 6


def test_the_task_says_what_is_worth_a_retry(
    s2v_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5 is, 4 is not: Airflow tries no task again that raises its own exception."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    from airflow.sdk.exceptions import AirflowFailException

    from airflow_dag import verdicts
    from scheduled_run import StepFailed

    (tmp_path / "urls.txt").write_text("https://images.example/0.jpg")
    s2v_emulator.when("*", Cut(billed=True))
    with pytest.raises(StepFailed, match="exit code 5"):
        verdicts.function()
    (tmp_path / "urls.txt").write_text("https://images.example/1.jpg")
    s2v_emulator.when("*", Error(401, "InvalidApiKey"))
    with pytest.raises(AirflowFailException, match="exit code 4"):
        verdicts.function()
