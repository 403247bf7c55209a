"""What type checkers say of this library; mypy and pyright read this file, and nothing runs it.

Each line with an `ignore` is one that they must refuse: an `ignore` that nothing needs is an error
in its turn.
"""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any, TypedDict, Unpack, assert_never, assert_type

from s2v_detect import (
    Budget,
    Checked,
    ClientOptions,
    DetectClient,
    DetectError,
    Failed,
    Ledger,
    LocalLimiter,
    Outcome,
    OutcomeStream,
    RetryPolicy,
    Skipped,
    Verdict,
    check_all,
    check_one,
)


class Row(TypedDict):
    """A row of somebody's list."""

    name: str
    url: str


async def a_stream_says_what_its_items_are(client: DetectClient, rows: list[Row]) -> None:
    """By key, by function, and of any kind of iterable."""
    stream = client.aiter_check(rows, image="url", identity=lambda row: row["name"])
    assert_type(stream, OutcomeStream[Row])
    async for outcome in stream:
        assert_type(outcome.item, Row)
        assert_type(outcome.item["name"], str)
        outcome.item["nmae"]  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
        assert outcome.kind != "cheked"  # type: ignore[comparison-overlap]
    async with client.aiter_check(rows, image=lambda row: row["url"]) as by_function:
        assert_type(by_function, OutcomeStream[Row])
    client.aiter_check(rows, image=lambda row: row["nope"])  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownLambdaType]


async def every_iterable_has_its_items(
    client: DetectClient, some: AsyncIterator[bytes], others: Iterator[tuple[int, str]], any_: Any
) -> None:
    """Also an untyped one."""
    assert_type(client.aiter_check(some), OutcomeStream[bytes])
    assert_type(client.aiter_check(others, image=second), OutcomeStream[tuple[int, str]])
    assert_type(
        [outcome.item async for outcome in client.aiter_check(others)], list[tuple[int, str]]
    )
    async for outcome in client.aiter_check(any_):
        assert_type(outcome.item, Any)
    client.aiter_check(some, image=second)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def second(pair: tuple[int, str]) -> str:
    """Return the image of a pair."""
    return pair[1]


def a_match_is_complete(outcome: Outcome[Row]) -> str:
    """Over the three kinds, each with the item's type."""
    match outcome:
        case Checked(item=item, verdict=verdict):
            assert_type(item, Row)
            assert_type(verdict, Verdict)
        case Skipped(item=item, reason=reason):
            assert_type(item, Row)
            return reason
        case Failed(item=item, error=error):
            assert_type(item, Row)
            assert_type(error, DetectError)
        case _:
            assert_never(outcome)
    return item["name"]


def a_bare_name_is_a_type(outcome: Outcome, checked: Checked) -> list[Outcome]:
    """As in code that was written before items had types."""
    assert_type(outcome.item, Any)
    assert_type(checked.item, Any)
    kept: list[Outcome] = [outcome, checked]
    return kept


def check_all_says_it_too(rows: list[Row]) -> list[Checked[Row]]:
    """And keeps the type through a comprehension."""
    outcomes = check_all(rows, image="url")
    assert_type(outcomes, list[Outcome[Row]])
    return [outcome for outcome in outcomes if outcome.kind == "checked"]


def check_all_knows_its_options(urls: list[str], options: ClientOptions) -> None:
    """They are those of the client."""
    check_all(urls, **options)
    check_all(urls, max_cost=Decimal("12.50"), timeout_s=30)
    check_all(images=urls)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check_all(urls, images=urls)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check_all(urls, max_in_fligth=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check_all(urls, timeout_s="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_all(urls, on_unknown="resnd")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_all(urls, limiter=2.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_all(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_all(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_one_says_what_it_returns(url: str, options: ClientOptions) -> None:
    """And has the same options."""
    assert_type(check_one(url, give_up_after_s=20, **options), Verdict)
    check_one(url, max_cost=Decimal("12.50"), timeout_s=30)
    check_one(url, lane="bulk")
    check_one(url, lane="urgent")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_one([url])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_one(url, give_up_after=20)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check_all([url], max_time_s="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_client_knows_its_arguments(client: DetectClient, rows: list[Row]) -> None:
    """And takes no other."""
    DetectClient(timeout_s=30, max_cost="12.50")
    DetectClient(ledger="a.db", max_cost=Budget(per_day="12.50", per_month=Decimal(90), total=0.1))
    assert_type(Budget(per_day=2).per_day, Decimal | None)
    with client:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    DetectClient(ratee=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    DetectClient("sk-x", "https://a.example")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check_all(rows, retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    check_all(rows, image=0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.aiter_check(rows, image="url", identity="name")
    client.aiter_check([(7, "url")], image=lambda row: row[1], identity=lambda row: row[0])
    client.aiter_check(rows, identity=["name"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def rules_and_lines_know_their_values() -> None:
    """As a client does."""
    RetryPolicy(max_attempts=3, give_up_after_s=10)
    RetryPolicy(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RetryPolicy(max_attempts="3")  # pyright: ignore[reportArgumentType]
    RetryPolicy(max_retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    LocalLimiter("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Ledger("l.db", refresh="no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def options_are_handed_on(**options: Unpack[ClientOptions]) -> DetectClient:
    """By whoever makes clients."""
    return DetectClient(**options)
