"""The stream for code that is not async."""

import asyncio
from functools import partial
from typing import Any

from s2v_detect._settings import sealed
from s2v_detect.checks import Getter, Items
from s2v_detect.client import DetectClient
from s2v_detect.errors import DetectError
from s2v_detect.models import Outcome


def check_all(
    items: Items,
    *,
    image: Getter = None,
    identity: Getter = None,
    ordered: bool = True,
    **options: Any,
) -> list[Outcome]:
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
    asked = {"image": image, "identity": identity, "ordered": ordered}
    gather = partial(_gather, DetectClient(**options), items, asked)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(gather())
    # A loop runs here: use another thread.
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415  # 10 ms of every import

    with start_blocking_portal("asyncio") as portal:
        return portal.call(gather)


async def _gather(client: DetectClient, items: Items, asked: dict[str, Any]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    async with client, client.aiter_check(items, **asked) as stream:
        try:
            async for outcome in stream:
                outcomes.append(outcome)  # noqa: PERF401  # what has come must survive a fault
        except DetectError as fault:
            fault.outcomes = tuple(outcomes)
            raise
    return outcomes
