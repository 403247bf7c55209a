"""Celery: a task that checks one portrait, on one client for each worker process.

    celery -A celery_tasks worker --pool prefork --concurrency 4

All processes of the machine share one line of five a second and one ledger by themselves. A worker
that is killed has lost nothing that was answered, and its task is done again for nothing.
"""

import os
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from s2v_detect import DetectClient, NotSent, RateLimited, ServiceUnavailable, Verdict

app = Celery("portraits")
_process = ExitStack()
_opened: dict[str, Any] = {}


@worker_process_init.connect
def open_client(**_: object) -> None:
    """Open a client in a thread of this process, after the fork: a client does not survive one."""
    portal = _process.enter_context(start_blocking_portal())
    client = DetectClient(ledger=os.environ.get("LEDGER", "screening.db"))
    _opened["client"] = _process.enter_context(portal.wrap_async_context_manager(client))
    _opened["portal"] = portal


@worker_process_shutdown.connect
def close_client(**_: object) -> None:
    """Let what was sent finish, and record it."""
    _process.close()


@app.task(
    acks_late=True,  # a task of a worker that died is done again, and the ledger answers it
    reject_on_worker_lost=True,
    autoretry_for=(NotSent, RateLimited, ServiceUnavailable),  # what was not billed, and may pass
    retry_backoff=True,
    max_retries=5,
)
def check(url: str) -> dict[str, object]:
    """Return the verdict on one portrait, as JSON."""
    portal: BlockingPortal = _opened["portal"]
    client: DetectClient = _opened["client"]
    # In the streams' lane: a visitor's check of the web application goes before it.
    checking: Future[Verdict] = portal.start_task_soon(_check, client, url)
    return checking.result().model_dump(mode="json")


async def _check(client: DetectClient, url: str) -> Verdict:
    return await client.check(url, lane="bulk")
