"""Counts from events."""

from datetime import UTC, datetime, timedelta

import pytest

from s2v_detect import Event
from s2v_detect.bulk import Tally

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(*kinds: str, error: str | None = None, gap_s: float = 0.5) -> Tally:
    """A tally that watched these, one after another; the error is that of the last."""
    tally = Tally()
    for place, kind in enumerate(kinds):
        fields = {"kind": kind, "at": NOON + timedelta(seconds=gap_s * place), "lane": "bulk"}
        is_last = place == len(kinds) - 1
        event = {**fields, "image": "x", "error": error if is_last else None}
        tally.watch(Event.model_validate(event))
    return tally


@pytest.mark.parametrize(
    ("kinds", "error", "awaited"),
    [
        (("queued", "turn"), None, 0),
        (("queued", "turn", "sent"), None, 1),
        (("sent", "sent", "answered"), None, 1),
        (("sent", "answered", "settled"), "OutcomeUnknown", 0),
        (("sent", "answered", "sent", "answered"), "RateLimited", 0),
        (("sent", "answered"), "NotSent", 0),
    ],
)
def test_awaited_is_what_was_sent_and_has_not_ended(
    kinds: tuple[str, ...], error: str | None, awaited: int
) -> None:
    """A request that was not sent owes no answer."""
    assert after(*kinds, error=error).awaited == awaited


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (None, 2),
        ("OutcomeUnknown", 2),
        ("ServiceUnavailable", 2),
        ("NotSent", 1),
        ("ConfigurationError", 1),
    ],
)
def test_what_never_came_to_the_service_is_no_request(error: str | None, sent: int) -> None:
    """A proxy that refuses, or asks for a password, has had it alone."""
    tally = after("sent", "answered", "sent", "answered", error=error)
    assert (tally.sent, tally.answered) == (sent, sent)
    assert after("sent", "answered", error=error).sent_per_s == 0


@pytest.mark.parametrize(
    ("sent", "rate"),
    [(0, 0.0), (1, 0.0), (2, 2.0), (11, 2.0)],
)
def test_the_rate_is_counted_over_the_gaps(sent: int, rate: float) -> None:
    """Eleven requests half a second apart are two a second, not 2.2."""
    assert after(*["sent"] * sent).sent_per_s == rate


def test_throttles_are_counted() -> None:
    """As often as the service asked."""
    assert after("sent", "throttled", "sent", "throttled").throttled == 2


@pytest.mark.parametrize(
    ("steps", "outages", "outage_s", "is_out"),
    [
        ("", 0, 0, False),
        ("o", 1, 0, True),
        ("o.", 1, 1, True),
        ("o.r", 1, 2, False),
        ("o.r...", 1, 2, False),
        ("o.r.o..", 2, 4, True),
        ("o.o.r", 2, 4, False),  # it was given up, and begun again
        ("os.rS", 2, 6, False),  # the store too: each has its own time
        ("r", 0, 0, False),
    ],
)
def test_the_time_of_outages_is_added_up(
    steps: str, outages: int, outage_s: float, *, is_out: bool
) -> None:
    """Of those that are still on until the last event; a step a second."""
    tally = Tally()
    kinds = {".": "queued", "o": "outage", "s": "outage", "r": "restored", "S": "restored"}
    for place, step in enumerate(steps):
        tally.watch(
            Event.model_validate(
                {
                    "kind": kinds[step],
                    "at": NOON + timedelta(seconds=place),
                    "lane": "bulk",
                    "image": "x",
                    "where": "the store" if step in "sS" else "the service",
                }
            )
        )
    assert (tally.outages, tally.outage_s, bool(tally.out)) == (outages, outage_s, is_out)
