"""The rules that a user gives to a client: how it asks, how it looks, what it spends."""

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeGuard

from pydantic import (
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from tenacity import RetryCallState

from s2v_detect._service import BILLING_ZONE, PRICE_CNY
from s2v_detect.errors import ConfigurationError
from s2v_detect.models import Value

OnUnknown = Literal["resend", "keep"]
"""What follows a request that was sent and whose answer was lost."""

_FOREVER_S = 10 * 365 * 86_400.0
"""So long that nobody sees its end, and that no calendar holds much more."""


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number that arithmetic bears: no bool, no text, no NaN, none beyond floats.

    Example:
        >>> is_number(2.5), is_number("5"), is_number(True), is_number(float("nan"))
        (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:
        return False


def refuse_no_patience(lane: object, **bounds: object) -> None:
    """Raise `ConfigurationError` for a lane or a bound of one check that means nothing."""
    refuse_no_lane(lane)
    for name, bound_s in bounds.items():
        if bound_s is not None and not (is_number(bound_s) and bound_s >= 0):
            do = "Give seconds, 0 or more; None is no bound."
            raise ConfigurationError(f"{name} is {bound_s!r}.", do=do)


def refuse_no_lane(lane: object, lanes: Sequence[str] = ("interactive", "bulk")) -> None:
    """Raise `ConfigurationError` for a lane that there is not."""
    if lane not in lanes:
        raise ConfigurationError(f"lane is {lane!r}.", do=f"Give one of {str(lanes)[1:-1]}.")


def outage_bound(max_outage_s: float | None) -> float:
    """Return the seconds that a stream waits for the end of an outage; infinite ones for None."""
    if max_outage_s is None:
        return math.inf
    if not is_number(max_outage_s) or max_outage_s < 0:
        raise ConfigurationError(
            f"max_outage_s is {max_outage_s!r}.",
            do="Give the seconds that a stream waits for the end of an outage; None is for ever.",
        )
    return float(max_outage_s) if max_outage_s < _FOREVER_S else math.inf


Amount = Decimal | float | str
"""CNY; 0.1 is meant as a tenth."""

_MOST_CNY = Decimal(10) ** 15
"""More than anybody has: a higher amount is as good, and this one's requests can be counted."""


def amount_of(name: str, value: object) -> Decimal | None:
    """Return an amount in CNY as it was meant; None is none. Raises `ConfigurationError`."""
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(
            f"{name} is {value!r}.", do="Give an amount in CNY, such as 12.50."
        )
    return amount


def requests_within(amount: Decimal) -> int:
    """Return how many images an amount pays for.

    Example:
        >>> requests_within(Decimal("0.0079")), requests_within(Decimal(1))
        (1, 250)
    """
    return int(min(amount, _MOST_CNY) // PRICE_CNY)


def may_resend(lost: int, on_unknown: OnUnknown) -> bool:
    """Whether to ask once more for an image of which so many answers were lost: once, ever.

    Example:
        >>> may_resend(1, "resend"), may_resend(2, "resend"), may_resend(1, "keep")
        (True, False, False)
    """
    return on_unknown == "resend" and lost <= 1


class _Rules(Value):
    """Rules whose faults are told as those of a client's other arguments are."""

    if not TYPE_CHECKING:  # checkers take them by name alone

        def __init__(self, *unnamed, **given) -> None:  # noqa: ANN002, ANN003  # as above
            if unnamed:
                kind, name = type(self).__name__, next(iter(type(self).model_fields))
                raise TypeError(
                    f"{kind} takes its values by name. Give {kind}({name}={unnamed[0]!r}), say."
                )
            super().__init__(**given)

    @model_validator(mode="wrap")
    @classmethod
    def _told(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        for name, field in cls.model_fields.items():
            value = given.get(name, field.default) if isinstance(given, dict) else field.default
            # pydantic would take a text and a bool for a number.
            if field.annotation in (int, float) and not is_number(value):
                raise _misgiven(cls.__name__, name, value, "Give a number", field.default)
        try:
            return handler(given)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
        name = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            known = ", ".join(cls.model_fields)
            near = get_close_matches(name, cls.model_fields, n=1)
            raise ConfigurationError(
                f"{cls.__name__} has no {name!r}.",
                do=f"Give {near[0]}, if that is meant." if near else f"It has {known}.",
            )
        default = cls.model_fields[name.partition(".")[0]].default if name else cls()
        raise _misgiven(cls.__name__, name or "values", fault["input"], fault["msg"], default)


def _senseless(rules: _Rules, must: str) -> ConfigurationError:
    # Not a ValueError: pydantic would make one of its own of it, with the address of its manual.
    return ConfigurationError(
        f"these values of {type(rules).__name__} make no sense.", do=f"Give others: {must}."
    )


def _misgiven(of: str, name: str, value: object, do: str, default: object) -> ConfigurationError:
    return ConfigurationError(f"{of}.{name} is {value!r}.", do=f"{do}; {default!r} is the default.")


class Preflight(_Rules):
    """A look at each image's first bytes before its check is paid for.

    What the service would surely refuse (another format than JPEG, PNG, BMP and WEBP by its
    content, a side outside 400 to 7000 pixels, an address that it can't reach, a 404) is skipped.
    What only this machine could not reach or read is sent all the same, with its `doubt` noted.
    The look runs ahead of the line. It visits public addresses alone, follows at most five
    redirects, and sends no cookie, no referrer, no key, through no proxy.

    Example:
        >>> Preflight(timeout_s=5).skip_missing
        True
    """

    timeout_s: float = 10.0
    """Seconds for the whole look, redirects included."""
    max_header_bytes: int = 2**20
    """Bytes of an image to read at most; nearly all say their size in the first 512."""
    max_at_once: int = 64
    """Looks at one time, for each lane."""
    skip_missing: bool = True
    """Whether to skip what its server answers with 404 or 410; else it is sent."""
    ports: tuple[int, ...] = (80, 443)
    """Ports that are visited; an address with another is sent unseen."""
    allow_private: bool = False
    """Visit any address and any port: for tests, and for intranets that the service reaches."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not 0 < self.timeout_s < math.inf:
            raise _senseless(self, "timeout_s must be over 0 seconds")
        if self.max_header_bytes < 1 or self.max_at_once < 1:
            raise _senseless(self, "max_header_bytes and max_at_once must be 1 or more")
        if not all(0 < port < 2**16 for port in self.ports):
            raise _senseless(self, "ports must be from 1 to 65535")
        return self


class RetryPolicy(_Rules):
    """How often and how long one image is asked for again.

    What was not sent, throttled or met a fault of the service is asked again after a random wait
    (exponential, full jitter), each time through the line. The budget outlasts the minute that
    the service usually needs to recover. `RetryPolicy(max_attempts=1)` never asks again.

    Example:
        >>> RetryPolicy(max_attempts=3, give_up_after_s=10).max_attempts
        3
    """

    max_attempts: int = 16
    """Requests for one image, the first included. An upload that is gone is made anew once, with
    one request more."""
    give_up_after_s: float = 90.0
    """Seconds one image may spend on attempts and waits; its time in line does not count."""
    first_wait_s: float = 1.0
    """Upper end of the first random wait; it doubles with every attempt."""
    longest_wait_s: float = 20.0
    """Upper end of any random wait. A `Retry-After` of the service may be longer."""
    stop: Callable[[RetryCallState], bool] | None = None
    """A tenacity `stop`, or a function of its `RetryCallState`: true ends the retries. The bounds
    above hold beside it."""
    wait: Callable[[RetryCallState], float] | None = None
    """A tenacity `wait`, or such a function: the seconds to wait, in place of the random ones. A
    `Retry-After` of the service may be longer."""

    def __eq__(self, other: object) -> bool:
        """Whether two policies say the same; one with objects of its own is like no other."""
        if self.stop is None and self.wait is None:
            return super().__eq__(other)
        return self is other

    def __hash__(self) -> int:
        return hash(
            (self.max_attempts, self.give_up_after_s, self.first_wait_s, self.longest_wait_s)
        )

    @field_serializer("stop", "wait", when_used="unless-none")
    def _as_text(self, _: object) -> str:
        raise ValueError("a policy with a stop or a wait of its own can't be dumped")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        # By hand: constraints of pydantic's would load its types, 15 ms of every import.
        if self.max_attempts < 1:
            raise _senseless(self, "max_attempts must be 1 or more")
        if not self.give_up_after_s >= 0:
            raise _senseless(self, "give_up_after_s must be 0 or more seconds")
        if not 0 < self.first_wait_s <= self.longest_wait_s < math.inf:
            raise _senseless(self, "0 < first_wait_s <= longest_wait_s must hold, in seconds")
        return self


Period = Literal["day", "month"]


class Cap(NamedTuple):
    """What the account may spend in one day or month, as it is at a moment."""

    period: Period
    amount: Decimal
    """CNY."""
    since: date
    """The first day of the period; a day is one of China Standard Time."""
    until: datetime
    """When the next one begins."""

    @property
    def requests(self) -> int:
        """How many images it pays for."""
        return requests_within(self.amount)


class Budget(_Rules):
    """What may be spent, in CNY: in all, and by the account in a day or a month.

    `DetectClient(max_cost=…)` takes one; an amount alone is its `total`. None of the amounts is
    ever passed: what is in flight or unknown counts in full, and `BudgetSpent` ends a stream.

    A day's and a month's amount are of the *account*, as the ledger knows it: all that any process
    and any run has spent and recorded in the ledger's file counts, and is reserved there before a
    request leaves. So they need a ledger, and hold for those who share it. Days and months are
    those of China Standard Time (UTC+8), as in the vendor's bills, by the clock of the machine.
    What is recorded for a later time than now (a clock was set back) counts too.

    Example:
        >>> budget = Budget(total="12.50", per_day=2)
        >>> budget.per_day, budget.per_month
        (Decimal('2'), None)
    """

    total: Decimal | None = None
    """In all: by the runs of a ledger's name, or by the client since it was made."""
    per_day: Decimal | None = None
    """By the account, as the ledger knows it, in one day."""
    per_month: Decimal | None = None
    """By the account, as the ledger knows it, in one month of the calendar."""

    if TYPE_CHECKING:  # an amount may be written in several ways, and is kept in one

        def __init__(
            self,
            *,
            total: Amount | None = None,
            per_day: Amount | None = None,
            per_month: Amount | None = None,
        ) -> None: ...

    @field_validator("total", "per_day", "per_month", mode="before")
    @classmethod
    def _is_amount(cls, value: object, info: ValidationInfo) -> Decimal | None:
        return amount_of(f"{cls.__name__}.{info.field_name}", value)

    def caps_at(self, now: float) -> list[Cap]:
        """Return what the account may spend in the day and the month of a time (POSIX seconds)."""
        today = datetime.fromtimestamp(now // 1, BILLING_ZONE).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        first = today.replace(day=1)
        next_month = (first + timedelta(days=31)).replace(day=1)
        periods: list[tuple[Period, Decimal | None, datetime, datetime]] = [
            ("day", self.per_day, today, today + timedelta(days=1)),
            ("month", self.per_month, first, next_month),
        ]
        return [
            Cap(period, amount, since.date(), until)
            for period, amount, since, until in periods
            if amount is not None
        ]


NO_BUDGET = Budget.model_construct()
"""`Budget()`, not built before its first use: as the client's other rules."""


def budget_of(max_cost: object, *, has_ledger: bool) -> Budget:
    """Return what a client may spend. Raises `ConfigurationError` for what can't be held."""
    if max_cost is None:
        return NO_BUDGET
    if not isinstance(max_cost, Budget):
        return Budget(total=amount_of("max_cost", max_cost))
    if not has_ledger and not (max_cost.per_day is None and max_cost.per_month is None):
        raise ConfigurationError(
            "max_cost has an amount a day or a month, and there is no ledger: a restart would"
            " forget what was spent.",
            do='Give ledger="screening.db", one file for all that spend from this account.',
        )
    return max_cost
