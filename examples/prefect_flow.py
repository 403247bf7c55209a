"""A Prefect flow: a task for each portrait, with retries for what may pass.

    python examples/prefect_flow.py examples/portraits.txt

`check_one` needs no `await`, and works in the threads in which Prefect runs its tasks. They share
one line and one ledger: a task that is run again pays for nothing that was answered. They wait in
the streams' lane: a visitor's check of a web application goes before them. A Temporal activity is
the same function under `@activity.defn`, with `lane="bulk"` too, in a worker with
`max_concurrent_activities=20`.
"""

import os
import sys
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

from s2v_detect import DetectError, check_one

RETRY_AFTER_S = float(os.environ.get("RETRY_AFTER_S", "60"))


def is_worth_a_retry(_task: object, _run: object, state: Any) -> bool:
    """Whether a task may be run again: not for a refused key, a spent budget or a bad image."""
    try:
        state.result()
    except DetectError as error:
        return error.billed == "no" and type(error).__name__ in {
            "NotSent",
            "RateLimited",
            "ServiceUnavailable",
        }
    except Exception:  # noqa: BLE001  # of the machine: the ledger makes it safe
        return True
    return False


@task(retries=3, retry_delay_seconds=RETRY_AFTER_S, retry_condition_fn=is_worth_a_retry)
def verdict(url: str) -> bool:
    """Return whether a portrait passes."""
    ledger = os.environ.get("LEDGER", "screening.db")
    # Without `give_up_after_s`: it counts the time in line too, and the images of a flow wait there
    # for each other. Retries end without it, and an outage is an error at once.
    return check_one(url, lane="bulk", ledger=ledger).check_pass


# Prefect would start a thread for each portrait at once, and each has a client with open files. The
# account allows five requests a second: twenty threads are enough.
@flow(task_runner=ThreadPoolTaskRunner(max_workers=20))
def screen(urls: list[str]) -> dict[str, bool]:
    """Return the portraits with their verdicts."""
    return dict(zip(urls, verdict.map(urls).result(), strict=True))


if __name__ == "__main__":
    listed = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    for url, passes in screen(listed).items():
        print(url, passes)
