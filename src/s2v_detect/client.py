"""The client: its lifetime, and one check from top to bottom."""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Literal, Self

import httpx
from pydantic import SecretStr

from s2v_detect._logging import log
from s2v_detect._service import CREDENTIALS_PER_S, MODEL
from s2v_detect._settings import from_env, keyed, refuse_nonsense, refuse_strangers
from s2v_detect._version import VERSION
from s2v_detect._waiting import AsyncOnly, running_loop, unhurried
from s2v_detect.checks import (
    Books,
    Configuration,
    Flights,
    Items,
    OutcomeStream,
    Patience,
    Watch,
    Window,
    refuse_no_items,
    statistics_of,
)
from s2v_detect.errors import ConfigurationError, ImageSkipped
from s2v_detect.images import Asking, Getter, own_identity
from s2v_detect.ledger import AnyLedger, LedgerRun, begun, ended, ledger_at
from s2v_detect.limiters import Limiter, Sharing, line_of, refuse_no_limiter, shared_line
from s2v_detect.models import Event, Image, ItemT, Spend, Statistics, Verdict
from s2v_detect.options import (
    Amount,
    Budget,
    OnUnknown,
    Preflight,
    RetryPolicy,
    budget_of,
    outage_bound,
    refuse_no_patience,
)
from s2v_detect.wire import Endpoint, standing_headers

# RetryPolicy(), but built at its first use: building it here would take 15 ms of every import.
_RETRY = RetryPolicy.model_construct()


class DetectClient(AsyncOnly):
    """Checks images with `wan2.2-s2v-detect`, at the account's rate and with true books.

    Args:
        api_key: Beijing region; a str or a pydantic `SecretStr`. Default: `DASHSCOPE_API_KEY`, or
            the key file of the vendor's SDK.
        base_url: `https://HOST`, or what ends in `/api/v1`. Default: `DASHSCOPE_BASE_URL`, or the
            public address.
        workspace: workspace id, for keys that need it. Default: `DASHSCOPE_WORKSPACE`.
        model: the model's name.
        limiter: the line that requests wait in, one of the `…Limiter`s or an object with their
            `turn`, `throttled`, `forecast_s`, `rate` and `per_s`. Default: the one line of 5 a
            second of all clients of this user on this machine with this base URL, model and key.
        retry: how often and how long one image is asked for again.
        timeout_s: seconds from a request's bytes leaving to its whole answer. Connecting has 5 s.
        max_in_flight: bound on a stream's checks in flight and outcomes not yet taken, together.
        on_unknown: what to do when a request was sent and its answer was lost, so that it may have
            been billed: `"resend"` asks once more and counts both at full price in
            `cost_at_most`; `"keep"` leaves it `OutcomeUnknown`.
        ledger: a `Ledger` or `PostgresLedger`, or its place: every request is recorded there first,
            and every answer before it is told, and what was answered before costs nothing.
        max_cost: CNY that may be spent, exact; or a `Budget`, for a day and a month too. What
            is in flight or unknown counts in full; `BudgetSpent` is raised rather than pass it. It
            spans all runs of a `Ledger(path, name="november")`. With no name (a path alone) an
            amount is for this client since it was made; one a day or month is the account's.
        max_outage_s: seconds that a stream waits for the end of an outage of the service or store;
            then it raises the outage's last error. None: for ever. `retry` does not bound it.
        preflight: a `Preflight`: look at each image's first bytes, and skip what the service would
            surely refuse. Default: no look.
        allow_http: use a base URL that is `http` and not of this network, where anybody on the way
            can read the key. Default: only if `S2V_DETECT_ALLOW_HTTP=1` is set.
        http_client: an `httpx.AsyncClient` to send through (proxies, certificates). Never closed
            by us; give it no limit on connections, or checks will wait in its pool.
        on_event: called with an `Event` at every step of every check. Its exceptions are logged.

    Raises:
        ConfigurationError: no key; a base URL, workspace, amount or limiter that can't be used.
        TypeError: an argument that there is not; it says which one may be meant.

    Example:
        >>> async def check(url: str) -> bool:
        ...     async with DetectClient() as client:
        ...         verdict = await client.check(url)
        ...     return verdict.check_pass
    """

    _without_async = "`check_one(image)` or `check_all(images)`"
    _name = "not made"  # until it is: a repr may come before
    _flights: Flights | None = None

    @keyed
    def __init__(
        self,
        api_key: str | SecretStr | None = None,
        *,
        base_url: str | None = None,
        workspace: str | None = None,
        model: str = MODEL,
        limiter: Limiter | None = None,
        retry: RetryPolicy = _RETRY,
        timeout_s: float = 60.0,
        max_in_flight: int = 300,
        on_unknown: OnUnknown = "resend",
        ledger: AnyLedger | str | os.PathLike[str] | None = None,
        max_cost: Budget | Amount | None = None,
        max_outage_s: float | None = 3600.0,
        preflight: Preflight | None = None,
        allow_http: bool = False,
        http_client: httpx.AsyncClient | None = None,
        on_event: Callable[[Event], object] | None = None,
    ) -> None:
        refuse_nonsense(model, timeout_s, max_in_flight, on_unknown, preflight)
        refuse_strangers(retry=retry, ledger=ledger, on_event=on_event)
        refuse_no_limiter(limiter)
        settings = from_env(api_key, base_url, workspace, allow_http=allow_http)
        self._name = f"{model} at {settings.base_url}"
        self._timeout_s = timeout_s
        self._max_in_flight = max_in_flight
        endpoint = Endpoint(
            settings.base_url,
            model,
            standing_headers(settings.workspace, f"s2v-detect/{VERSION}"),
            api_key=settings.api_key,
            timeout_s=timeout_s,
            http_client=http_client,
        )
        account = (settings.base_url, model, settings.api_key)
        self._ledger = ledger_at(ledger) if isinstance(ledger, str | os.PathLike) else ledger
        self._owns_ledger = self._ledger is not ledger
        self._configuration = Configuration(
            endpoint=endpoint,
            model=model,
            limiter=line_of(limiter, *account),
            credential_line=shared_line(*account, rate=CREDENTIALS_PER_S),
            retry=retry,
            on_unknown=on_unknown,
            ledger=self._ledger,
            budget=budget_of(max_cost, has_ledger=ledger is not None),
            max_outage_s=outage_bound(max_outage_s),
            preflight=preflight,
            books=Books(),
            watch=Watch(on_event),
        )

    def __repr__(self) -> str:
        state = "open" if self._flights else "not open"
        return f"<DetectClient {self._name}, {state}>"

    @property
    def spend(self) -> Spend:
        """What this client has paid since it was made; it is kept when the client is closed."""
        return self._configuration.books.spend

    @property
    def allows_private(self) -> bool:
        """Whether addresses of this network are sent: an emulator on this machine reaches them."""
        return self._configuration.allows_private

    async def aopen(self) -> Self:
        """Open the client in this event loop. It may be opened again after closing.

        Raises `LedgerError` where the ledger can't be used.
        """
        if self._flights is not None and not self._flights.session.loop.is_closed():
            raise ConfigurationError(
                "the client is open already.", do="Open it once, and share it between tasks."
            )
        loop, configuration = running_loop(), self._configuration
        run = None
        try:
            if self._ledger:
                run = await begun(self._ledger, configuration.origin, configuration.budget)
            configuration.endpoint.open()
            self._flights = Flights(configuration.session(run, loop))
        except BaseException:
            await unhurried(self._close_ledger(run))
            raise
        return self

    async def aclose(self) -> None:
        """Close the client: what was sent finishes, for at most `timeout_s`; the rest is not sent.

        Checks still in line get `NotSent`. A cancellation of the caller waits until this is done.
        Everything is closed whatever fails. Raises `LedgerError` where the ledger could not be
        finished: what is missing in it is unknown to the next run.
        """
        flights, self._flights = self._flights, None
        if flights is not None:
            await unhurried(self._close(flights))

    async def __aenter__(self) -> Self:
        return await self.aopen()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def check(
        self,
        image: Image,
        *,
        lane: Literal["interactive", "bulk"] = "interactive",
        give_up_after_s: float | None = None,
        max_wait_s: float | None = None,
        identity: str | int | None = None,
    ) -> Verdict:
        """Return the service's verdict on one image.

        Cancelling is free until its turn comes; after that the request is finished and counted in
        `spend`. Two checks of one image at one time are one request (`source == "shared"`).

        Args:
            image: an http, https or oss URL that the service can fetch; a path, or bytes, which
                are looked at and uploaded to the vendor's store, unless they are known.
            lane: `"interactive"` goes before the streams' `"bulk"`.
            give_up_after_s: bound on the whole check, its line and retries included. Given up in
                line: `NotSent`. Given up while the answer was to come: `OutcomeUnknown`, and the
                request is finished and counted all the same.
            max_wait_s: raise `Busy` when the line is longer, `NotSent` when no network lets it out.
            identity: what you know the image by, where its address changes (a signed one): two
                checks of one identity are one, and the ledger goes by it. Default: the address,
                or the content of a file.

        Raises:
            DetectError: one of its kinds; its `billed` says whether the image may have been paid
                for. A reject is no error: it is a verdict with `check_pass` False. In an outage
                nobody waits: the error comes at once, and says when to come (`retry_after_s`).

        Example:
            >>> async def screen(client: DetectClient, url: str) -> str:
            ...     verdict = await client.check(url, give_up_after_s=20)
            ...     return "usable" if verdict.check_pass else verdict.code or "rejected"
        """
        refuse_no_patience(lane, give_up_after_s=give_up_after_s, max_wait_s=max_wait_s)
        flights, now = self._open_flights(), asyncio.get_running_loop().time()
        patience = Patience(image, give_up_after_s, max_wait_s, flights.session, lane, now)
        own = None
        try:
            own = None if identity is None else own_identity(identity, image)
            subject = await flights.session.subjects.subject_within(give_up_after_s, image)
        except ImageSkipped as skipped:
            flights.skip(image, skipped, own, lane)
            raise
        subject = subject.called(own)
        if flights.find(subject) is None:
            patience.refuse_a_long_line()
        ending = await patience.ending(*flights.join(subject, lane))
        if ending.fault:
            log("answer_not_recorded", cause=str(ending.fault))
        if isinstance(ending.result, BaseException):
            raise ending.result
        return ending.result

    def aiter_check(
        self,
        items: Items[ItemT],
        *,
        image: Getter[ItemT] = None,
        identity: Getter[ItemT] = None,
        ordered: bool = False,
    ) -> OutcomeStream[ItemT]:
        """Return a stream of outcomes, one for each item, as they finish.

        At most `max_in_flight` checks are in flight or waiting to be taken, and the input is read
        no further: memory does not grow with it, and a slow consumer slows the sending. Leaving
        stops the sending, by `async with` around the stream or by `break` once nothing refers to
        it; what was already sent is finished and counted in `spend` all the same.

        Args:
            items: any iterable or async iterable, however long. A plain iterable is read in the
                event loop: give an async one where reading waits for a disk or a network.
            image: how to get the image from an item: a key, or a function (for tuples and objects).
                Default: the item is the image. An item without the key, or on which the function
                raises, is skipped; `ConfigurationError` if all of the first `max_in_flight` are so.
            identity: how to get what you know the image by, as with `image`: a text, a whole number
                or a UUID, where addresses change (signed ones) and images don't. The ledger and two
                checks at one time go by it; the address at hand is what is sent. `7`, `7.0` and
                `"7"` are one. Default: images go by their addresses, and files by what they hold.
            ordered: yield in the order of the input; one slow image may then hold the rest back.

        Raises:
            TypeError: `items` is a single image, a mapping, a DataFrame, or can't be iterated;
                `image` or `identity` is neither a key nor a function.
            DetectError: out of the iteration, only what every other image would meet as well:
                `AccessDenied`, `OutOfCredit`, `BudgetSpent`, `ConfigurationError`, `LedgerError`,
                and after `max_outage_s` the outage's last error (`NotSent`, `ServiceUnavailable`
                or `OutcomeUnknown`). Those in flight come first, those never sent get no outcome.
                And what `items` raise.

        Example:
            >>> async def screen(client: DetectClient, rows: list[dict[str, str]]) -> list[str]:
            ...     usable = []
            ...     async with client.aiter_check(rows, image="url") as outcomes:
            ...         async for outcome in outcomes:
            ...             if outcome.kind == "checked" and outcome.verdict.check_pass:
            ...                 usable.append(outcome.item["name"])
            ...     return usable
        """
        flights = self._open_flights()
        refuse_no_items(items, image)
        window = partial(Window, flights, items, asking=Asking(image, identity))
        return OutcomeStream(partial(window, size=self._max_in_flight, ordered=ordered))

    def sharing(self) -> Sharing:
        """Return how many processes share this client's line, and what the account gives it."""
        return Sharing.of(self._configuration.limiter)

    def forecast_s(self, lane: Literal["interactive", "bulk"] = "interactive") -> float:
        """Return the seconds that a check asked for now would stand in line, as far as known.

        All who wait before the check count, in this process and in the others of its line. It may
        be asked from any thread. Raises `ConfigurationError` where the client is not open.

        Example:
            >>> def waiting_room(client: DetectClient) -> str:
            ...     return f"your turn comes in {client.forecast_s():.0f} s"
        """
        refuse_no_patience(lane)
        return self._opened().session.line.forecast_s(lane)

    def statistics(self) -> Statistics:
        """Return this client at one instant: the line, the flights, the outages and the spend.

        It may be asked at any time and from any thread; nothing waits, and nothing changes.

        Example:
            >>> def health(client: DetectClient) -> str:
            ...     return client.statistics().model_dump_json()
        """
        return statistics_of(self._configuration, self._flights)

    def _open_flights(self) -> Flights:
        flights = self._opened()
        if flights.session.loop is not running_loop():
            raise ConfigurationError(
                "the client was opened in another event loop.", do="Open one client in each loop."
            )
        return flights

    def _opened(self) -> Flights:
        flights = self._flights  # read once: another thread may close the client
        if flights is None or flights.session.loop.is_closed():
            raise ConfigurationError(
                "the client is not open.", do="Use it inside `async with DetectClient() as client`."
            )
        return flights

    async def _close(self, flights: Flights) -> None:
        """Close every part, whatever another one raises."""
        async with AsyncExitStack() as parts:  # from its end
            parts.push_async_callback(self._close_ledger, flights.session.run)
            parts.push_async_callback(flights.session.close)
            await flights.close(self._timeout_s)

    async def _close_ledger(self, run: LedgerRun | None) -> None:
        await ended(run, self._ledger if self._owns_ledger else None)
