"""A gateway that answers with a page of its own while the model has run and billed behind it.

The clock jumps over the waits of an outage.
"""

import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

from _attacks.found import Found, Try
from _attacks.jumping import JumpingLoop
from s2v_detect import (
    BudgetSpent,
    DetectClient,
    Ledger,
    LocalLimiter,
    Outcome,
    RetryPolicy,
)
from s2v_detect.emulator import Emulator, Html, Pass, Reject

STATUSES = (302, 408, 499, 500, 503, 520, 522, 524, 598)
IMAGES = 30
RUNS = 2  # with one budget
PRICE = Decimal("0.004")


class Patient(JumpingLoop):
    """A jump while the disk is waited for would be a connection's time-out."""

    quiet_s = 0.2


def attack(found: Found, tries: int) -> None:
    """Screen images behind such a gateway, with a budget, over and over again."""
    with tempfile.TemporaryDirectory() as name:
        watched = ("twice", "lost", "wrong", "as whole", "traceback", "over cost", "hung")
        for one in found.tries(tries, *watched):
            status = STATUSES[one.number % len(STATUSES)]
            is_always = one.number // len(STATUSES) % 2 == 0
            one.attack = f"{status} {'always' if is_always else 'for some images'}"
            path = Path(name) / f"{one.number}.db"
            one.run(_attacked(one, path, status, is_always=is_always), loop=Patient)


async def _attacked(one: Try, path: Path, status: int, *, is_always: bool) -> None:
    images = [f"https://images.example/{number}.jpg" for number in range(IMAGES)]
    lost = images if is_always else one.chance.sample(images, IMAGES // 5)
    async with Emulator(answer=Html(status, billed=True)) as emulator:
        if not is_always:
            emulator.when("*", answer_to)
            for image in lost:
                emulator.when(image, Html(status, billed=True), answer_to(image))
        # Where something is answered the money may be enough for all, and for what is lost.
        most = PRICE * one.chance.randrange(2, 9 if is_always else 2 * IMAGES)
        for _ in range(RUNS):
            with one.ends_with(BudgetSpent):
                await _screened(one, emulator, path, images, most)
        if not one.broken:
            _judge(one, emulator, path, most)


def answer_to(image: str) -> Pass | Reject:
    """Return what the model says of an image."""
    return Reject("InvalidFile.NoHuman") if image.endswith("3.jpg") else Pass()


async def _screened(
    one: Try, emulator: Emulator, path: Path, images: list[str], most: Decimal
) -> None:
    outcomes = list[Outcome]()
    asked = emulator.billed
    client: DetectClient = emulator.client(
        ledger=Ledger(path, name="out"),
        limiter=LocalLimiter(float("inf")),
        max_cost=most,
        max_in_flight=one.chance.choice((1, 4, 4, 300)),
        retry=RetryPolicy(first_wait_s=0.001, longest_wait_s=0.002),
    )
    async with client:
        try:
            async for outcome in client.aiter_check(images):
                outcomes.append(outcome)
        finally:
            one.counts["images"] += len(images)
            bills, most_told = emulator.billed - asked, client.spend.cost_at_most
            if most_told < bills * PRICE:
                one.breaks("over cost", f"{bills} bills, CNY {most_told} told at most")
            _verdicts(one, outcomes)
    if len(outcomes) < len(images):
        one.breaks("as whole", f"{len(outcomes)} outcomes, and nothing is said")


def _verdicts(one: Try, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.kind == "checked":
            says = isinstance(answer_to(outcome.image), Pass)
            if outcome.verdict.check_pass is not says:
                one.breaks("wrong", f"the verdict of {outcome.image}")


def _judge(one: Try, emulator: Emulator, path: Path, most: Decimal) -> None:
    with Ledger(path) as ledger:
        spends = ledger.statement()
        entries = {entry.image: entry for entry in ledger.all_entries()}
    unknown = sum(spend.unknown for spend in spends)
    one.counts.update(bills=emulator.billed, unknown=unknown)
    if emulator.cost > most:
        one.breaks("over cost", f"CNY {emulator.cost} of {most}")
    if sum(spend.cost_at_most for spend in spends) < emulator.cost:
        one.breaks("over cost", f"CNY {emulator.cost} billed, the books are below")
    often = {image: bills for image, bills in emulator.bills.items() if bills > 2}
    if often:
        one.breaks("twice", f"asked more than twice: {often}", sum(often.values()))
    beyond = Counter({image: bills - 1 for image, bills in emulator.bills.items() if bills > 1})
    if beyond.total() > unknown:
        one.breaks("twice", f"{beyond.total()} bills more, {unknown} told as unknown")
    unanswered = [image for image, entry in entries.items() if entry.state != "answered"]
    if unanswered and not one.counts["said"]:
        one.breaks("lost", f"the money was enough, without an answer: {unanswered}")
    gone = [image for image in emulator.bills if image not in entries]
    if gone:
        one.breaks("lost", f"billed, and not in the books: {gone}", len(gone))
