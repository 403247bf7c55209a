"""What a user calls: `check_all` and `check_one`."""

import math
from typing import Any, Literal, Unpack, cast

from s2v_detect._arguments import ClientOptions
from s2v_detect._redaction import seal
from s2v_detect._settings import refuse_unknown
from s2v_detect.blocking._call import Call
from s2v_detect.blocking._works import All, One
from s2v_detect.checks import Items, refuse_no_items
from s2v_detect.client import DetectClient
from s2v_detect.images import Getter
from s2v_detect.models import Image, ItemT, Outcome, Verdict
from s2v_detect.options import RetryPolicy, is_number, refuse_no_patience


def check_all(
    items: Items[ItemT],
    *,
    image: Getter[ItemT] = None,
    identity: Getter[ItemT] = None,
    ordered: bool = True,
    give_up_after_s: float | None = None,
    max_time_s: float | None = None,
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
        give_up_after_s: seconds after which one image is not asked for again, and an outage is not
            waited out. Time in line does not count: the images of a list stand in line behind each
            other.
        max_time_s: seconds for the whole call. After that nothing more is sent, and what was sent
            is waited for, for at most `timeout_s`. An input that blocks is not interrupted.
        options: as for `DetectClient`. An amount of `max_cost` is for this call, unless the ledger
            has a name: `Ledger("screening.db", name="november")`.

    Raises:
        TypeError: `items` are none, or an argument is unknown; see there too.
        NotSent: `max_time_s` was over before all items had an outcome. Those without one were not
            sent and not billed. `outcomes` has the others.
        DetectError: a fault of the whole run, as for `aiter_check`; its `outcomes` are those that
            had come by then, so that no answer is lost.
        BaseException: what interrupts it: `KeyboardInterrupt`, what a signal's handler raises (that
            of SIGTERM, or of a time limit), or what `items` raise. No more is sent, what was sent
            is waited for, and the exception has the `outcomes` too. The second interrupt does not
            wait.

    Example:
        >>> def usable(urls: list[str]) -> list[str]:
        ...     return [
        ...         outcome.image
        ...         for outcome in check_all(urls)
        ...         if outcome.kind == "checked" and outcome.verdict.check_pass
        ...     ]
    """
    own = ["items", "image", "identity", "ordered", "give_up_after_s", "max_time_s"]
    refuse_no_patience("bulk", give_up_after_s=give_up_after_s, max_time_s=max_time_s)
    client = _client_of("check_all", own, options, give_up_after_s)
    refuse_no_items(items, image)  # before anything is opened
    asked = {"image": image, "identity": identity, "ordered": ordered}
    return Call(All(client, items, asked, max_time_s)).result()


def check_one(
    image: Image,
    *,
    lane: Literal["interactive", "bulk"] = "interactive",
    give_up_after_s: float | None = None,
    max_wait_s: float | None = None,
    identity: str | int | None = None,
    **options: Unpack[ClientOptions],
) -> Verdict:
    """Return the service's verdict on one image, for code that is not async.

    Works in a notebook too. Opens a client for this one check: for many images use `check_all`, or
    keep one `DetectClient` open.

    Args:
        image: as for `DetectClient.check`.
        lane: as for `DetectClient.check`. The many calls of a job take `"bulk"`: a visitor's check
            goes before them.
        give_up_after_s: seconds for the check, its line and retries included. After that nothing
            more is sent, and what was sent is waited for, for at most `timeout_s`.
        max_wait_s: as for `DetectClient.check`.
        identity: as for `DetectClient.check`.
        options: as for `DetectClient`.

    Raises:
        DetectError: as `DetectClient.check` does; `NotSent` where it was given up in line.
        BaseException: what interrupts it, as for `check_all`. A verdict that had been paid for is
            its `verdict`.

    Example:
        >>> def is_usable(url: str) -> bool:
        ...     return check_one(url, give_up_after_s=30).check_pass
    """
    own = ["image", "lane", "give_up_after_s", "max_wait_s", "identity"]
    client = _client_of("check_one", own, options)
    refuse_no_patience(lane, give_up_after_s=give_up_after_s, max_wait_s=max_wait_s)
    asked = {"lane": lane, "max_wait_s": max_wait_s, "identity": identity}
    return Call(One(client, image, asked, give_up_after_s)).result()


def _client_of(
    of: str, own: list[str], options: ClientOptions, give_up_after_s: float | None = None
) -> DetectClient:
    seal(options)
    known = [*own, *ClientOptions.__annotations__]
    refuse_unknown(of, cast("dict[str, Any]", options), known)
    if give_up_after_s is not None:
        _bound(options, give_up_after_s)
    return DetectClient(**options)


def _bound(options: ClientOptions, give_up_after_s: float) -> None:
    """Let no image be asked for any longer, nor wait for the end of an outage."""
    retry: object = options.get("retry", RetryPolicy())
    if isinstance(retry, RetryPolicy):  # what is none is told of by the client
        bound_s = min(give_up_after_s, retry.give_up_after_s)
        options["retry"] = retry.model_copy(update={"give_up_after_s": bound_s})
    outage_s: object = options.get("max_outage_s")
    if outage_s is None or is_number(outage_s):  # as above
        options["max_outage_s"] = min(give_up_after_s, math.inf if outage_s is None else outage_s)
