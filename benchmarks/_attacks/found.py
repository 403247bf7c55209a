"""What came of the attacks: a row each, with what was counted and what must be zero."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

COUNTED = {
    "tries": "attacks of this kind",
    "images": "asked for in them",
    "bills": "of the service",
    "unknown": "requests of which the books say that they may have been billed",
    "said": "runs in them that ended with the promised error, or an exit code that is not 0",
}
FORBIDDEN = {
    "twice": "bills beyond one an image that no error and no book tells of",
    "lost": "answers that were paid for and are gone; for files: files that are gone or changed",
    "wrong": "verdicts that the service did not give",
    "as whole": "tries that ended as if whole though something was missing",
    "traceback": "tries that ended with another exception than the one that is promised",
    "over cost": "bills beyond `max_cost`, or beyond what the books say at most",
    "hung": "tries that did not end in time, or left a thread, a task or a file open",
}
PATIENCE_S = 60.0


@dataclass
class Try:
    """One attack: how it goes is drawn from its own chance, which its number and the seed make."""

    number: int
    chance: random.Random
    attack: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def breaks(self, what: str, why: str, by: int = 1) -> None:
        """Note a promise that does not hold."""
        assert what in FORBIDDEN
        self.counts[what] += by
        self.broken.append(f"{what}: {why}")

    @contextmanager
    def ends_with(self, *promised: type[BaseException]) -> Iterator[None]:
        """Count what ends the block: an error that is promised is one that was said."""
        try:
            yield
        except promised:
            self.counts["said"] += 1
        except TimeoutError:
            self.breaks("hung", f"not ended after {PATIENCE_S:g} s")
        except BaseException as error:  # whatever comes out is what the benchmark looks for
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            self.breaks("traceback", repr(error))

    def run(
        self,
        work: Coroutine[Any, Any, None],
        *promised: type[BaseException],
        loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        """Run to the end, with no task left over; in time, but on a loop with a time of its own."""

        async def bounded() -> None:
            async with asyncio.timeout(None if loop else PATIENCE_S):
                await work
            left = [task.get_name() for task in asyncio.all_tasks() if task is not this_task()]
            if left:
                self.breaks("hung", f"tasks are left: {left}")

        with self.ends_with(*promised), asyncio.Runner(loop_factory=loop) as runner:
            runner.run(bounded())


def this_task() -> "asyncio.Task[Any] | None":
    """Return the task that asks."""
    return asyncio.current_task()


class Found:
    """A part's rows. `forbidden` is what its tries look at: anything else has a dash."""

    def __init__(self, part: str, seed: int, only: int | None = None) -> None:
        self.part = part
        self.forbidden: tuple[str, ...] = ()
        self.broken: list[str] = []
        self._seed = seed
        self._only = only
        self._rows: dict[str, Counter[str]] = {}

    def tries(self, count: int, *forbidden: str) -> Iterator[Try]:
        """Give the tries, or the one that is to be repeated; each is counted when it has ended."""
        self.forbidden = forbidden
        for number in range(count) if self._only is None else [self._only]:
            one = Try(number, random.Random(f"{self._seed} {self.part} {number}"))
            yield one
            one.counts["tries"] += 1
            self._rows.setdefault(one.attack, Counter()).update(one.counts)
            for why in one.broken:
                repeat = f"{self.part} --seed {self._seed} --only {number}"
                self.broken.append(f"{one.attack}: {why} (repeat: {repeat})")

    def print(self) -> None:
        """Print the rows."""
        for attack, counts in sorted(self._rows.items()):
            cells = [f"{counts[name]:>8,}" for name in COUNTED]
            cells += [
                f"{counts[name] if name in self.forbidden else '-':>10}" for name in FORBIDDEN
            ]
            print(f"  {attack:34}", *cells, sep="")
        for told in self.broken:
            print("  BROKEN", told)
        sys.stdout.flush()


def print_head() -> None:
    """Print what the columns are, and their names."""
    for name, meaning in (COUNTED | FORBIDDEN).items():
        print(f"{name:>10}  {meaning}")
    names = [f"{name:>8}" for name in COUNTED] + [f"{name:>10}" for name in FORBIDDEN]
    print(f"\n  {'':34}", *names, sep="")
