"""Watchers that raise anything at any event, on every kind of event loop."""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, get_args

from _attacks.found import Found, Try
from s2v_detect import Event, RetryPolicy
from s2v_detect.emulator import Cut, Emulator, Error, Pass
from s2v_detect.models import EventKind

IMAGE = "https://images.example/face.jpg"
PORTRAIT = Path(__file__).parents[2] / "examples" / "photographs" / "portrait.jpg"


class Strange(BaseException):
    """As pytest's own `Failed`: no `Exception`."""


FAULTS = (Strange, asyncio.CancelledError, GeneratorExit, ZeroDivisionError)
KINDS = (*get_args(EventKind), "any")
LOOPS = ("plain", "eager") if sys.version_info >= (3, 12) else ("plain",)


def attack(found: Found, tries: int) -> None:
    """Screen images with a lost answer, a throttled one and a file among them, under a watcher."""
    cases = list(product(KINDS, FAULTS, LOOPS))
    with (
        tempfile.TemporaryDirectory() as name,
        Emulator.run_in_thread(answer=Pass()) as emulator,
    ):
        for one in found.tries(tries, "twice", "lost", "as whole", "traceback", "hung"):
            kind, fault, loop = cases[one.number % len(cases)]
            one.attack = f"{fault.__name__}, {loop} loop"

            def watch(event: Event, kind: str = kind, fault: type[BaseException] = fault) -> None:
                if kind in (event.kind, "any"):
                    raise fault

            emulator.reset()
            emulator.when("*/lost.jpg", Cut(billed=True), Pass())
            emulator.when("*/slow.jpg", Error(429, "Throttling"), Pass())
            path = Path(name) / f"{one.number}.db"
            one.run(_watched(one, emulator, path, watch, is_eager=loop == "eager"))


async def _watched(
    one: Try, emulator: Emulator, path: Path, watch: Callable[[Event], None], *, is_eager: bool
) -> None:
    if is_eager:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]  # since 3.12
    names = ("lost", "slow", "a", "b", "a")
    images: list[Any] = [f"https://images.example/{name}.jpg" for name in names]
    images += [PORTRAIT, IMAGE, IMAGE]
    one.chance.shuffle(images)
    quick = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.002)
    async with emulator.client(on_event=watch, ledger=path, retry=quick) as client:
        outcomes = [outcome async for outcome in client.aiter_check(images)]
        known = await client.check(IMAGE)
    different, bills, spend = len(set(images)), emulator.billed, client.spend
    one.counts.update(images=len(images), bills=bills, unknown=spend.unknown)
    if len(outcomes) < len(images):
        one.breaks("as whole", f"{len(outcomes)} outcomes of {len(images)} images")
    failed = [outcome.image for outcome in outcomes if outcome.kind != "checked"]
    if failed or known.source != "ledger":
        one.breaks("lost", f"{failed}, and {IMAGE} from the {known.source}")
    if bills - different > spend.unknown or bills > spend.billed + spend.unknown:
        one.breaks("twice", f"{bills} bills, {spend.billed} and {spend.unknown} told")
