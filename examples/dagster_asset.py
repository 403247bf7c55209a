"""A Dagster asset: the verdicts on a list of portraits, made by a run of the command.

    dagster dev -f examples/dagster_asset.py

The asset's metadata say what came of the run and what it cost. An outage and an interruption are
retried. A key that is refused, a budget that is spent and a list that can't be read are not.
"""

import os

from dagster import Failure, MaterializeResult, RetryRequested, asset

from scheduled_run import StepFailed, run


@asset
def verdicts() -> MaterializeResult:
    """Make the table of verdicts."""
    try:
        summary = run(os.environ["PORTRAITS"], os.environ["VERDICTS"])
    except StepFailed as failed:
        if failed.may_retry:
            wait_s = float(os.environ.get("RETRY_AFTER_S", "600"))
            raise RetryRequested(max_retries=3, seconds_to_wait=wait_s) from failed
        raise Failure(str(failed), allow_retries=False) from failed
    counts = {name: summary[name] for name in ("passed", "rejected", "skipped", "failed")}
    return MaterializeResult(metadata=counts | {"cost_cny": float(summary["spend"]["cost"])})
