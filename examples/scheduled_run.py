"""A step of a scheduler: `s2v-detect run` as a process of its own, and what its end comes to.

    python examples/scheduled_run.py examples/portraits.txt verdicts.jsonl

`dagster_asset.py` and `airflow_dag.py` are this step in two schedulers. The command keeps a ledger
beside its output, so that a step which is killed and begun again pays for no image twice.
"""

import json
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORTH_A_RETRY = {130, 6, 5}
"""Interrupted, an outage, and images that may have been billed: the same command goes on."""
MOST_LINES = 5
"""Of the command's last words, where it could not begin."""
DONE = {0, 1}
"""Every image has its row; with 1 some of them were skipped or failed, and say why."""


class StepFailed(Exception):
    """The run did not come to its end. `may_retry` says whether the same command can mend that."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"s2v-detect ended with exit code {code}. {why}")
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
    # The command of this Python's own environment: a scheduler may have another PATH.
    command = [sys.executable, "-m", "s2v_detect", "run", listed, "-o", output]
    command += ["--summary", str(summary), "--quiet"]
    said: deque[str] = deque(maxlen=MOST_LINES)
    with subprocess.Popen(  # noqa: S603  # our own words
        command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as process:
        try:
            for line in process.stderr or ():
                sys.stderr.write(line)  # into the scheduler's log, as it comes
                said.append(line.strip())
            code = process.wait()
        except BaseException:  # the scheduler ends the step: what was sent is finished and recorded
            process.terminate()
            raise
    told: dict[str, Any] = {}
    why = " ".join(said)
    if summary.exists():  # not where the command could not begin: its last words say why
        told = json.loads(summary.read_text(encoding="utf-8"))
        why = " ".join(told["problems"])
    if code not in DONE:
        failed = StepFailed(code, why)
        raise failed if failed.may_retry or hopeless is None else hopeless(str(failed))
    return told


if __name__ == "__main__":
    done = run(sys.argv[1], sys.argv[2])
    print(f"{done['passed']} passed, CNY {done['spend']['cost']}")
