"""Tasks of our own, whatever the event loop makes of other people's.

A loop may have a task factory. That of `asyncio.eager_task_factory` (3.12) runs a task's first
steps inside the call that makes the task: a flight could then land before anybody waits for it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from s2v_detect.errors import ConfigurationError

T = TypeVar("T")


def task_of(work: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
    """Return a plain task of the running loop, whose first step is yet to come."""
    return asyncio.Task(work, loop=asyncio.get_running_loop(), name=name)


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop of asyncio. Raises `ConfigurationError` where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConfigurationError(
            "no event loop of asyncio runs here.",
            do="Run it by `asyncio.run`; trio has loops of its own, which can't be used.",
        ) from error
