"""The stream for code that is not async."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Unpack

import sniffio

from s2v_detect._settings import sealed
from s2v_detect.checks import Getter, Items, refuse_no_items
from s2v_detect.client import ClientOptions, DetectClient
from s2v_detect.errors import DetectError
from s2v_detect.models import ItemT, Outcome


def check_all(
    items: Items[ItemT],
    *,
    image: Getter[ItemT] = None,
    identity: Getter[ItemT] = None,
    ordered: bool = True,
    **options: Unpack[ClientOptions],
) -> list[Outcome[ItemT]]:
    """Return the outcomes of all items, in their order, for code that is not async.

    Works in a notebook too, where an event loop runs already. The whole list is held in memory:
    stream long inputs with `DetectClient.aiter_check`.

    Args:
        items: as for `aiter_check`.
        image: as for `aiter_check`.
        identity: as for `aiter_check`.
        ordered: in the order of the input; else as they finish.
        options: as for `DetectClient`.

    Raises:
        DetectError: a fault of the whole run, as for `aiter_check`; its `outcomes` are those that
            had come by then, so that no answer is lost.

    Example:
        >>> def usable(urls: list[str]) -> list[str]:
        ...     return [
        ...         outcome.image
        ...         for outcome in check_all(urls)
        ...         if outcome.kind == "checked" and outcome.verdict.check_pass
        ...     ]
    """
    if "api_key" in options:
        options["api_key"] = sealed(options["api_key"])  # as the client does, and why
    refuse_no_items(items, image)  # before anything is opened
    asked = {"image": image, "identity": identity, "ordered": ordered}
    gather = partial(_gather, DetectClient(**options), items, asked)
    if not _is_in_a_loop():
        return asyncio.run(gather())
    # Use another thread.
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415  # 10 ms of every import

    with start_blocking_portal("asyncio") as portal:
        return portal.call(gather)


def _is_in_a_loop() -> bool:
    """Whether a loop of asyncio or of trio runs here: httpcore would take ours for a trio's too."""
    for current in (asyncio.get_running_loop, sniffio.current_async_library):
        with suppress(RuntimeError):  # none
            current()
            return True
    return False


async def _gather(
    client: DetectClient, items: Items[ItemT], asked: dict[str, Any]
) -> list[Outcome[ItemT]]:
    outcomes: list[Outcome[ItemT]] = []
    async with client, client.aiter_check(items, **asked) as stream:
        try:
            async for outcome in stream:
                outcomes.append(outcome)  # noqa: PERF401  # what has come must survive a fault
        except DetectError as fault:
            fault.outcomes = tuple(outcomes)
            raise
    return outcomes
