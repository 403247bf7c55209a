"""Whom a command asks: the account of the environment, or the emulator."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass
from decimal import Decimal, InvalidOperation
from math import inf, isinf
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from s2v_detect import (
    Budget,
    DetectClient,
    Event,
    LocalLimiter,
    Preflight,
)
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.cli._clock import is_max_time, is_moment
from s2v_detect.cli._terminal import STANDARD, seconds_of
from s2v_detect.languages import _, needs_extra
from s2v_detect.ledger import AnyLedger
from s2v_detect.limiters import Limiter, default_limiter

POSITIVE = Number(gt=0)
_FINITE = Number(gt=0, lt=inf)
_LONGEST_OUTAGE_S = 100 * 365 * 86_400
"""Calendars have no more; whoever means that means for ever."""

_FOR_EVER = ("none", "forever")


def _is_file_or_standard(_type: object, name: str | Path | None) -> None:
    if name is not None and str(name).startswith("-") and str(name) != STANDARD:
        told = _("It looks like an option; a file of that name is ./{name}.")
        raise ValueError(told.format(name=name))


def _is_file(_type: object, name: str | Path | None) -> None:
    if str(name) == STANDARD:
        raise ValueError(_("It is the name of no file; stdout is /dev/stdout."))
    _is_file_or_standard(_type, name)


FILE_OR_STANDARD = Parameter(allow_leading_hyphen=True, validator=_is_file_or_standard)
FILE = Parameter(allow_leading_hyphen=True, validator=_is_file)
"""A name that begins with a hyphen is told of as what it is: not as a value that is missing."""


def is_amount(_type: object, amount: str | None) -> None:
    """Raise `ValueError` for what is no amount of money: a mistake in the command, as any other."""
    try:
        is_one = amount is None or 0 <= Decimal(amount) < Decimal("inf")
    except InvalidOperation:  # no number, or none that can be compared
        is_one = False
    if not is_one:
        raise ValueError(_("Give an amount in CNY, such as 12.50."))


_EMULATOR_EXTRA = ("aiohttp", "skimage", "PIL", "numpy")


Answering = Literal["look", "pass"]
"""What the emulator says of an image: what it finds in it, or that it passes."""

_LOOKED_AT_PER_S = 20.0
"""The search for faces takes some 30 ms of a processor: a faster run would wait for it."""


def _outage_s(bound: str) -> float | None:
    """Return the seconds of `--max-outage`; None: for ever."""
    if bound.strip().lower() in _FOR_EVER:
        return None
    seconds = seconds_of(bound)
    if seconds is None or seconds > _LONGEST_OUTAGE_S:
        told = _("Give a time such as 30m, 2h or 90 (seconds), or none: to wait for ever.")
        raise ValueError(told)
    return seconds


def _is_outage_bound(_type: object, bound: str) -> None:
    _outage_s(bound)


class EmulatorMissing(Exception):
    """The extra `emulator` is not installed."""


AMOUNT = Parameter(validator=is_amount)


@dataclass(frozen=True)
class Spending:
    """The options of a run that say what it may cost."""

    _: KW_ONLY
    max_cost: Annotated[str | None, AMOUNT] = None
    """CNY that the runs of this output may spend in all, such as 12.50. Never passed."""
    max_cost_per_day: Annotated[str | None, AMOUNT] = None
    """CNY that all who write this ledger may spend in a day of China Standard Time."""
    max_cost_per_month: Annotated[str | None, AMOUNT] = None
    """CNY that all who write this ledger may spend in a month, as --max-cost-per-day."""

    @property
    def budget(self) -> Budget:
        """What a client may spend."""
        return Budget(
            total=self.max_cost, per_day=self.max_cost_per_day, per_month=self.max_cost_per_month
        )


@Parameter(name="*")
@dataclass(frozen=True)
class Sending:
    """How the images of one run are sent, and told of."""

    _: KW_ONLY
    rate: Annotated[float, Parameter(validator=POSITIVE)] = REQUESTS_PER_S
    """Requests a second: lower where others use the account, higher where it was raised."""
    ordered: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Write in the order of the input; one slow image then holds up those after it."""
    max_in_flight: Annotated[int, Parameter(validator=Number(gte=1))] = 300
    """Images asked for and not yet written, at most."""
    max_outage: Annotated[str, Parameter(validator=_is_outage_bound)] = "1h"
    """How long to wait for the end of an outage: 30m, 2h, 90 (seconds), or none: for ever."""
    until: Annotated[str | None, Parameter(validator=is_moment)] = None
    """Send no more from then on: the next 07:00 of this machine's clock, or 2026-11-27T07:00, with
    +08:00 behind it where another zone is meant. Exit code 6; the same command goes on."""
    max_time: Annotated[str | None, Parameter(validator=is_max_time)] = None
    """Send no more after that time: 2h, 90m, 1h30m, 45 (seconds). As --until."""
    quiet: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """No progress on stderr; the closing summary stays."""


@Parameter(name="*", group="Account")
@dataclass(frozen=True)
class Asked:
    """The options of every command that asks the service: whom it asks.

    The key is none of them: a command line can be read by every user of the machine.
    """

    _: KW_ONLY
    emulator: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Ask an emulator on this machine: no key, no cost, and verdicts that are its estimates."""
    answer: Answering | None = None
    """With --emulator: look at each image, or let each pass. Default: look, up to 20 a second."""
    base_url: str | None = None
    """The service's address, instead of DASHSCOPE_BASE_URL."""
    workspace: str | None = None
    """The workspace's id, instead of DASHSCOPE_WORKSPACE."""
    allow_http: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Use an http address outside this network: anybody on the way can read the key."""
    timeout_s: Annotated[float, Parameter(validator=_FINITE)] = 60.0
    """Seconds that one answer may take."""

    @asynccontextmanager
    async def whom(self, folder: Path, rate: float) -> AsyncGenerator["Whom"]:
        """Have whoever is asked: the service, or an emulator that runs as long as that.

        The emulator's account may make as many requests as the run is told to make.
        """
        if not self.emulator:
            yield Whom(None, self.base_url, self.workspace, allow_http=self.allow_http)
            return
        counted = counting_at(rate)
        async with emulator_for(self.answer_at(rate), folder=folder, **counted) as emulator:
            yield Whom(emulator.api_key, emulator.base_url, None, allow_http=False)

    def line(self, rate: float) -> Limiter | None:
        """Return the default line at this rate; an emulator of our own shares none."""
        if self.emulator:
            return LocalLimiter(rate)
        return None if rate == REQUESTS_PER_S else default_limiter(rate)

    def answer_at(self, rate: float) -> Answering:
        """Return what the emulator says at so many requests a second."""
        return self.answer or ("look" if rate <= _LOOKED_AT_PER_S else "pass")


@Parameter(name="*", group="Account")
@dataclass(frozen=True)
class Account(Asked):
    """The options of every command that checks images."""

    _: KW_ONLY
    on_unknown: Literal["resend", "keep"] = "resend"
    """After a lost answer, which may have been billed: ask once more, or keep it as failed."""
    preflight: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """Look at the first bytes of each image, and skip what the service would surely refuse."""
    send_missing: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    """With --preflight: send what its server answers with 404 or 410, too."""

    @asynccontextmanager
    async def client(
        self,
        sending: Sending,
        *,
        folder: Path,
        on_event: Callable[[Event], None],
        ledger: AnyLedger | None = None,
        budget: Budget | None = None,
    ) -> AsyncGenerator[DetectClient]:
        """Open a client; with `--emulator` the photographs of `folder` are its web."""
        async with (
            self.whom(folder, sending.rate) as asked,
            DetectClient(
                asked.api_key,
                base_url=asked.base_url,
                workspace=asked.workspace,
                allow_http=asked.allow_http,
                limiter=self.line(sending.rate),
                max_in_flight=sending.max_in_flight,
                timeout_s=self.timeout_s,
                on_unknown=self.on_unknown,
                preflight=self._rules(),
                ledger=ledger,
                max_cost=budget,
                max_outage_s=_outage_s(sending.max_outage),
                on_event=on_event,
            ) as client,
        ):
            yield client

    def allows_private(self) -> bool:
        """Whether its client sends addresses of this network; no key is needed to say that."""
        return (
            self.emulator
            or DetectClient(
                "sk-none",
                base_url=self.base_url,
                workspace=self.workspace,
                allow_http=self.allow_http,
                preflight=self._rules(),
                limiter=LocalLimiter(),
            ).allows_private
        )

    def _rules(self) -> Preflight | None:
        if not self.preflight:
            return None
        return Preflight(allow_private=self.emulator, skip_missing=not self.send_missing)


@dataclass(frozen=True)
class Whom:
    """Whom a client asks. None: as the environment says."""

    api_key: str | None
    base_url: str | None
    workspace: str | None
    _: KW_ONLY
    allow_http: bool


def emulator_class() -> Any:
    """Return the class `Emulator`; `EmulatorMissing` where its extra is not installed."""
    try:
        from s2v_detect.emulator import Emulator  # noqa: PLC0415  # an extra, only when asked for
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EMULATOR_EXTRA:
            raise
        raise EmulatorMissing(needs_extra(_("The emulator"), "cli", "emulator")) from error
    return Emulator


def emulator_for(answer: Answering, **options: Any) -> Any:
    """Return an emulator that answers so; `EmulatorMissing` as above."""
    emulator = emulator_class()
    from s2v_detect.emulator import Pass  # noqa: PLC0415  # as above

    return emulator(answer=Pass() if answer == "pass" else None, **options)


def counting_at(rate: float) -> dict[str, Any]:
    """Return how an emulator counts that stands in for an account of this rate."""
    return {"counting": "none"} if isinf(rate) else {"counting": "sliding", "rate": rate}
