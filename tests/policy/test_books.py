"""What a client tells of its money, and how a watcher is kept away from the checks."""

import logging
from decimal import Decimal

import pytest

from s2v_detect import Event
from s2v_detect.checks._money import Books, Costs, Watch
from s2v_detect.errors import Billed

URL = "https://a.example/x.jpg?Signature=S3CR3T"


@pytest.mark.parametrize(
    ("requests", "billed", "cost", "at_most"),
    [
        ([], "no", "0", "0"),
        (["no", "no"], "no", "0", "0"),
        (["yes"], "yes", "0.004", "0.004"),
        (["unknown"], "unknown", "0", "0.004"),
        (["unknown", "no"], "unknown", "0", "0.004"),
        (["unknown", "yes"], "yes", "0.004", "0.008"),
        (["unknown", "unknown"], "unknown", "0", "0.008"),
    ],
)
def test_the_requests_of_one_image_add_up(
    requests: list[Billed], billed: Billed, cost: str, at_most: str
) -> None:
    """One that is billed for certain decides the word; one that is unknown stays in the sum."""
    costs = Costs()
    for each in requests:
        costs.add(each)
    assert costs.bill == (billed, Decimal(cost), Decimal(at_most))


def test_the_spend_and_the_costs_of_its_images_agree() -> None:
    """Every request is in both, and free ones are in neither."""
    books, images = Books(), [Costs(), Costs()]
    of_each: list[tuple[Billed, ...]] = [("no", "unknown", "yes"), ("yes", "no")]
    for costs, requests in zip(images, of_each, strict=True):
        for billed in requests:
            books.count_request(billed)
            costs.add(billed)
    bills = [costs.bill for costs in images]
    assert (books.spend.billed, books.spend.unknown) == (2, 1)
    assert books.spend.cost == sum(bill.cost for bill in bills)
    assert books.spend.cost_at_most == sum(bill.cost_at_most for bill in bills)


def test_a_spend_that_was_taken_does_not_change() -> None:
    """It is the state of that instant."""
    books = Books()
    before = books.spend
    books.count("shared")
    books.count("skipped")
    assert (before.shared, before.skipped) == (0, 0)
    assert (books.spend.shared, books.spend.skipped) == (1, 1)
    assert books.spend.cost == 0


def test_a_watcher_gets_every_event() -> None:
    """With the image as it is, and the time in UTC."""
    events: list[Event] = []
    watch = Watch(events.append)
    watch.tell("queued", URL, "bulk")
    watch.tell("retrying", URL, "bulk", attempt=1, wait_s=2.5, error="RateLimited")
    assert [event.kind for event in events] == ["queued", "retrying"]
    assert (events[1].image, events[1].wait_s, events[1].error) == (URL, 2.5, "RateLimited")
    assert str(events[0].at.tzinfo) == "UTC"


def test_a_watcher_that_raises_is_logged_and_goes_no_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The check may be paid for already; the log does not show what signs its address."""

    def broken(event: Event) -> None:
        raise ZeroDivisionError("of the watcher")

    with caplog.at_level(logging.ERROR, logger="s2v_detect"):
        Watch(broken).tell("sent", URL, "interactive", attempt=1)
    assert "on_event raised on sent" in caplog.text
    assert "ZeroDivisionError: of the watcher" in caplog.text
    assert "S3CR3T" not in caplog.text


def test_a_watcher_may_stop_the_program() -> None:
    """What is no `Exception` is not a watcher's fault."""

    def leaving(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Watch(leaving).tell("sent", URL, "interactive")
