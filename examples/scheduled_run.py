"""A step of a scheduler: `s2v-detect run` as a process of its own, and what its end comes to.

    python examples/scheduled_run.py examples/portraits.txt verdicts.jsonl

`dagster_asset.py` and `airflow_dag.py` are this step in two schedulers. The command keeps a ledger
beside its output, so that a step which is killed and begun again pays for no image twice.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORTH_A_RETRY = {130, 6, 5}
"""Interrupted, an outage, and images that may have been billed: the same command goes on."""
DONE = {0, 1}
"""Every image has its row; with 1 some of them were skipped or failed, and say why."""


class StepFailed(Exception):
    """The run did not come to its end. `may_retry` says whether the same command can mend that."""

    def __init__(self, code: int, summary: dict[str, Any]) -> None:
        problems = " ".join(summary.get("problems", []))
        super().__init__(f"s2v-detect ended with exit code {code}. {problems}")
        self.may_retry = code in WORTH_A_RETRY


def run(
    listed: str, output: str, *, hopeless: Callable[[str], Exception] | None = None
) -> dict[str, Any]:
    """Return the summary of the run.

    Raises `StepFailed`, or what `hopeless` makes of its message where a retry can't mend it: a
    scheduler has an error of its own for that.
    """
    summary = Path(f"{output}.summary.json")
    summary.unlink(missing_ok=True)  # what is read below is this run's own
    command = ["s2v-detect", "run", listed, "-o", output, "--summary", str(summary), "--quiet"]
    with subprocess.Popen(command) as process:  # noqa: S603  # our own words
        try:
            code = process.wait()
        except BaseException:  # the scheduler ends the step: what was sent is finished and recorded
            process.terminate()
            raise
    told: dict[str, Any] = {}
    if summary.exists():  # not where the command could not begin
        told = json.loads(summary.read_text(encoding="utf-8"))
    if code not in DONE:
        failed = StepFailed(code, told)
        raise failed if failed.may_retry or hopeless is None else hopeless(str(failed))
    return told


if __name__ == "__main__":
    done = run(sys.argv[1], sys.argv[2])
    print(f"{done['passed']} passed, CNY {done['spend']['cost']}")
