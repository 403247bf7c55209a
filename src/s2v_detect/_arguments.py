"""The arguments of the client as a type, for every function that hands them on."""

import os
from collections.abc import Callable
from typing import TypedDict

import httpx
from pydantic import SecretStr

from s2v_detect.ledger import AnyLedger
from s2v_detect.limiters import Limiter
from s2v_detect.models import Event
from s2v_detect.options import Amount, Budget, OnUnknown, Preflight, RetryPolicy


class ClientOptions(TypedDict, total=False):
    """The arguments of `DetectClient`, for a function that hands them on as `**options`.

    Example:
        >>> from typing import Unpack
        >>> from s2v_detect import DetectClient
        >>> def client_of_the_shop(**options: Unpack[ClientOptions]) -> DetectClient:
        ...     options.setdefault("ledger", "shop.db")
        ...     return DetectClient(**options)
    """

    api_key: str | SecretStr | None
    base_url: str | None
    workspace: str | None
    model: str
    limiter: Limiter | None
    retry: RetryPolicy
    timeout_s: float
    max_in_flight: int
    on_unknown: OnUnknown
    ledger: AnyLedger | str | os.PathLike[str] | None
    max_cost: Budget | Amount | None
    max_outage_s: float | None
    preflight: Preflight | None
    allow_http: bool
    http_client: httpx.AsyncClient | None
    on_event: Callable[[Event], object] | None
