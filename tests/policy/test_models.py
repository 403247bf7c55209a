"""The values a user holds."""

import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from s2v_detect import (
    Checked,
    ConfigurationError,
    Event,
    Failed,
    NotSent,
    Outcome,
    RateLimited,
    RetryPolicy,
    Skipped,
    Spend,
    Verdict,
)

KEYS = (
    *("index", "image", "kind", "check_pass", "humanoid", "code", "message", "request_id"),
    *("error", "source", "billed", "cost", "cost_at_most", "attempts", "elapsed_s", "at"),
)
COST = Decimal("0.004")
OUTCOMES: list[Any] = [
    Checked(
        index=1,
        image="https://a.example/1.jpg?s=1",
        verdict=Verdict(check_pass=False, code="InvalidFile.NoHuman", request_id="r"),
        billed="yes",
        cost=COST,
        cost_at_most=COST,
    ),
    Skipped(index=2, image=None, reason="it is no URL"),
    Failed(index=3, image="x", error=NotSent("not sent.", do="Try again."), attempts=2),
]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_is_a_flat_line_of_json_with_the_same_keys(outcome: Outcome) -> None:
    """In one order, whatever its kind, so that a table of them has the same columns."""
    line = json.loads(outcome.model_dump_json())
    assert tuple(line) == KEYS
    assert line["kind"] == outcome.kind
    assert all(not isinstance(value, dict | list) for value in line.values())


def test_a_line_says_what_came_of_the_image() -> None:
    """The verdict's words, the reason, or the error's name; money as numbers."""
    checked, skipped, failed = (json.loads(outcome.model_dump_json()) for outcome in OUTCOMES)
    assert (checked["check_pass"], checked["code"]) == (False, "InvalidFile.NoHuman")
    assert (checked["cost"], checked["source"]) == (0.004, "service")
    assert (skipped["error"], skipped["message"]) == ("ImageSkipped", "it is no URL")
    assert (failed["error"], failed["attempts"]) == ("NotSent", 2)


def test_an_address_that_is_no_unicode_text_is_a_line_all_the_same() -> None:
    """One bad row must not be the end of a run's output."""
    line = json.loads(Skipped(index=0, image="https://a/\ud800", reason="r").model_dump_json())
    assert line["image"] == "https://a/\\ud800"


def test_a_line_of_an_error_of_the_service_has_its_code() -> None:
    """Code, message and request id, as the service gave them."""
    error = RateLimited("t", do="d", status=429, code="Throttling", message="slow", request_id="q")
    line = json.loads(Failed(index=0, image="x", error=error).model_dump_json())
    assert (line["code"], line["message"], line["request_id"]) == ("Throttling", "slow", "q")


@pytest.mark.parametrize("value", [*OUTCOMES, Spend(), RetryPolicy(), Verdict(check_pass=True)])
def test_values_are_frozen(value: Any) -> None:
    """What was told stays told."""
    with pytest.raises(ValidationError):
        value.index = 9


def test_outcome_is_the_three_kinds() -> None:
    """For `isinstance` and for annotations."""
    assert all(isinstance(outcome, Outcome) for outcome in OUTCOMES)


@pytest.mark.parametrize("what", [dict[str, int], "Row", int | None, object, Any, list[Any]])
def test_what_an_item_is_is_said_to_type_checkers_alone(what: Any) -> None:
    """In an annotation and a call alike: the item is the very object, and not a copy."""
    item = {"age": "7"}
    checked = Checked[what](index=0, item=item, image="x", verdict=Verdict(check_pass=True))
    for outcome in (checked, Skipped[what](index=1, item=item, image="x", reason="r")):
        assert outcome.item is item
        assert isinstance(outcome, Outcome[what])  # type: ignore[misc]  # as a type checker has it not
    assert Checked[what] is Checked
    assert get_args(list[Outcome[what]]) == (Outcome,)


def test_a_model_of_the_user_s_own_holds_outcomes() -> None:
    """With the item's type and without, and as JSON they are the flat lines."""

    class Page(BaseModel):
        outcome: Outcome[dict[str, str]]
        outcomes: list[Outcome]
        first: Checked[dict[str, str]] | Failed

    item = {"age": "7"}
    skipped = Skipped(index=0, item=item, image="x", reason="r")
    checked = Checked(index=0, item=item, image="x", verdict=Verdict(check_pass=True))
    page = Page(outcome=skipped, outcomes=[skipped, checked], first=checked)
    assert page.outcome.item == item
    told = json.loads(page.model_dump_json())
    assert told["outcomes"] == [json.loads(each.model_dump_json()) for each in (skipped, checked)]
    assert (told["outcome"]["kind"], told["first"]["kind"]) == ("skipped", "checked")


def test_the_spend_is_exact() -> None:
    """A thousand and three are 4.012, not 4.0120000000000005."""
    spend = Spend(billed=1003, unknown=2, shared=5, known=1)
    assert (spend.cost, spend.cost_at_most) == (Decimal("4.012"), Decimal("4.020"))
    assert spend.saved == Decimal("0.024")
    assert json.loads(spend.model_dump_json())["cost"] == "4.012"


def test_a_repr_leaves_out_the_item() -> None:
    """A row may hold anything."""
    assert "secret" not in repr(Skipped(index=0, item={"secret": 1}, image="x", reason="r"))


@pytest.mark.parametrize(
    "nonsense",
    [
        {"max_attempts": 0},
        {"give_up_after_s": -1},
        {"first_wait_s": 0},
        {"first_wait_s": 30, "longest_wait_s": 20},
        {"max_retries": 3},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(nonsense: dict[str, Any]) -> None:
    """A misspelled option as well."""
    with pytest.raises(ConfigurationError, match="RetryPolicy"):
        RetryPolicy(**nonsense)


def test_an_event_shows_no_signature() -> None:
    """Watchers log them."""
    event = Event(
        kind="sent",
        at="2026-11-23T10:00:00Z",
        image="https://a.example/?s=1",
        lane="bulk",
    )
    assert "s=1" not in repr(event)
