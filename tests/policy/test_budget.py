"""What may be spent: the amounts, the days and months they are of, and the words at their end."""

import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from s2v_detect import Budget, ConfigurationError, DetectClient, LocalLimiter
from s2v_detect.ledger._attempts import Reached
from s2v_detect.options import requests_within

AMOUNTS: list[tuple[Any, Decimal, int]] = [
    (0, Decimal(0), 0),
    (2, Decimal(2), 500),
    ("12.5", Decimal("12.5"), 3125),
    (" 12.50 ", Decimal("12.50"), 3125),
    (0.1, Decimal("0.1"), 25),
    (0.3, Decimal("0.3"), 75),
    (Decimal("0.0079"), Decimal("0.0079"), 1),
    ("0.0039", Decimal("0.0039"), 0),
    (1e300, Decimal("1e300"), 250_000_000_000_000_000),
    ("1e999999", Decimal("1e999999"), 250_000_000_000_000_000),
    ("1e-999999", Decimal("1e-999999"), 0),
    ("-0", Decimal(0), 0),
]
NO_AMOUNTS: list[Any] = [
    *(-1, "-0.01", "nan", float("nan"), "inf", float("inf"), "-inf", "sNaN", "12,50", "CNY 2", ""),
    *(True, [2], b"2", {}, 1j),
]
NAMES = ("total", "per_day", "per_month")


@pytest.mark.parametrize(("given", "kept", "requests"), AMOUNTS)
@pytest.mark.parametrize("name", NAMES)
def test_an_amount_is_kept_as_it_was_meant(
    name: str, given: Any, kept: Decimal, requests: int
) -> None:
    """Exact, however it is written; what is beyond all money is counted too."""
    budget = Budget(**{name: given})
    found = getattr(budget, name)
    assert isinstance(found, Decimal)
    assert found == kept
    assert requests_within(found) == requests
    assert [cap.requests for cap in budget.caps_at(0)] == [requests] * (name != "total")


@pytest.mark.parametrize("given", NO_AMOUNTS, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_amount_is_told_at_once(name: str, given: Any) -> None:
    """By its name, and with what to give."""
    with pytest.raises(ConfigurationError, match=rf"Budget.{name} is .*Give an amount in CNY"):
        Budget(**{name: given})


@pytest.mark.parametrize(
    ("arguments", "words", "error"),
    [
        ({"per_dya": 2}, "Give per_day", ConfigurationError),
        ({"daily": 2}, "It has total, per_day, per_month", ConfigurationError),
        (2, r"Give Budget\(total=2\)", TypeError),
    ],
)
def test_an_amount_of_something_else_is_told_by_what_there_is(
    arguments: Any, words: str, error: type[Exception]
) -> None:
    """As of every other set of rules."""
    make: Any = Budget
    with pytest.raises(error, match=words):
        make(**arguments) if isinstance(arguments, dict) else make(arguments)


def test_a_budget_is_a_value() -> None:
    """Frozen, equal by its amounts, and it travels."""
    budget = Budget(total=3, per_day="0.5")
    assert budget == Budget(total="3", per_day=0.5)
    assert hash(budget) == hash(Budget(total="3", per_day=0.5))
    assert pickle.loads(pickle.dumps(budget)) == budget  # noqa: S301  # our own
    assert budget.caps_at(0)[0].amount == Decimal("0.5")
    assert Budget() == Budget(total=None)
    assert Budget().caps_at(1e9) == []
    with pytest.raises(ValueError, match="frozen"):
        setattr(budget, "per_day", 7)  # noqa: B010  # a checker of types refuses it, too


# 16:00 UTC is midnight in China Standard Time, all the year.
PERIODS = [
    ("2026-11-26T07:00:00", "2026-11-26", "2026-11-27", "2026-11-01", "2026-12-01"),
    ("2026-11-26T15:59:59.999999", "2026-11-26", "2026-11-27", "2026-11-01", "2026-12-01"),
    ("2026-11-26T16:00:00", "2026-11-27", "2026-11-28", "2026-11-01", "2026-12-01"),
    ("2026-11-26T23:59:59", "2026-11-27", "2026-11-28", "2026-11-01", "2026-12-01"),
    ("2026-11-30T15:59:59", "2026-11-30", "2026-12-01", "2026-11-01", "2026-12-01"),
    ("2026-11-30T16:00:00", "2026-12-01", "2026-12-02", "2026-12-01", "2027-01-01"),
    ("2026-12-31T15:59:59", "2026-12-31", "2027-01-01", "2026-12-01", "2027-01-01"),
    ("2026-12-31T16:00:00", "2027-01-01", "2027-01-02", "2027-01-01", "2027-02-01"),
    ("2027-01-31T12:00:00", "2027-01-31", "2027-02-01", "2027-01-01", "2027-02-01"),
    ("2028-02-28T16:00:00", "2028-02-29", "2028-03-01", "2028-02-01", "2028-03-01"),
    ("2028-02-29T16:00:00", "2028-03-01", "2028-03-02", "2028-03-01", "2028-04-01"),
    ("2027-02-28T16:00:00", "2027-03-01", "2027-03-02", "2027-03-01", "2027-04-01"),
    ("1970-01-01T00:00:00", "1970-01-01", "1970-01-02", "1970-01-01", "1970-02-01"),
]


@pytest.mark.parametrize(("at", "day", "next_day", "month", "next_month"), PERIODS)
def test_days_and_months_are_those_of_china_standard_time(
    at: str, day: str, next_day: str, month: str, next_month: str
) -> None:
    """Their first day, and the moment at which the next one begins."""
    now = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
    caps = Budget(per_day=1, per_month=2).caps_at(now)
    assert [cap.period for cap in caps] == ["day", "month"]
    assert [cap.since for cap in caps] == [date.fromisoformat(day), date.fromisoformat(month)]
    assert [cap.until.isoformat() for cap in caps] == [
        f"{next_day}T00:00:00+08:00",
        f"{next_month}T00:00:00+08:00",
    ]


NOW = datetime(2026, 11, 26, 7, 0, tzinfo=UTC).timestamp()
TIMES = [
    (0.0, "in 9 h 00 min"),
    (5 * 3600 + 48 * 60, "in 3 h 12 min"),
    (8 * 3600 + 30, "in 1 h 00 min"),
    (8 * 3600 + 61, "in 59 min"),
    (9 * 3600 - 60, "in 1 min"),
    (9 * 3600 - 0.5, "in 1 min"),
]


@pytest.mark.parametrize(("later_s", "words"), TIMES)
def test_a_days_end_says_what_was_reached_and_when_it_begins_anew(
    later_s: float, words: str
) -> None:
    """Rounded up: who comes back then is not too early. In the words of the command as well."""
    [cap] = Budget(per_day="2.00").caps_at(NOW)
    error = Reached(cap, 499, 0).as_error(NOW + later_s)
    assert "the CNY 2.00 a day of max_cost, of which CNY 1.996 is spent" in error.what
    assert f"The next day begins at 00:00 China Standard Time, {words}: go on then" in error.do
    assert "raise max_cost's per_day" in error.do
    assert "raise --max-cost-per-day" in error.in_command()
    assert error.begins_anew_at == datetime(2026, 11, 26, 16, 0, tzinfo=UTC)
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (str(twin), twin.begins_anew_at) == (str(error), error.begins_anew_at)


def test_a_months_end_says_the_day_on_which_the_next_begins() -> None:
    """With the days until then."""
    [cap] = Budget(per_month=40).caps_at(NOW)
    error = Reached(cap, 10_000, 0).as_error(NOW)
    assert "on 1 December at 00:00 China Standard Time, in 4 d 9 h" in error.do
    assert "raise --max-cost-per-month" in error.in_command()


@pytest.mark.parametrize("budget", [Budget(per_day=2), Budget(total=1, per_month=0)])
def test_a_day_without_a_ledger_is_refused(budget: Budget) -> None:
    """A restart would forget it; the total is the client's own."""
    with pytest.raises(ConfigurationError, match=r"no ledger.* Give ledger="):
        DetectClient("sk-x", max_cost=budget, limiter=LocalLimiter())
    DetectClient("sk-x", max_cost=budget, ledger="a.db", limiter=LocalLimiter())
    for free in (Budget(), Budget(total=2)):
        DetectClient("sk-x", max_cost=free, limiter=LocalLimiter())
