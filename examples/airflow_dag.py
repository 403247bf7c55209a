"""An Airflow DAG: every night a run of the command over a list of portraits.

Put the file into the folder of DAGs, with `scheduled_run.py` beside it. An outage and an
interruption are retried. A key that is refused, a budget that is spent and a list that can't be
read are not.
"""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

from scheduled_run import StepFailed, run

WAIT = timedelta(seconds=float(os.environ.get("RETRY_AFTER_S", "600")))


@task(retries=3, retry_delay=WAIT, max_active_tis_per_dag=1)
def verdicts() -> dict[str, Any]:
    """Make the table of verdicts. Returns the summary, for the tasks after it."""
    try:
        return run(os.environ["PORTRAITS"], os.environ["VERDICTS"])
    except StepFailed as failed:
        if failed.may_retry:
            raise
        raise AirflowFailException(str(failed)) from failed


@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def portraits() -> None:
    """Screen the portraits."""
    verdicts()


screening = portraits()

if __name__ == "__main__":
    screening.test()
