"""Our line and its peers beside a stranger who uses the account for a while, in virtual time.

The stranger is outside our sight: it asks at its own pace, and again some second later for what was
refused. Printed: 429s in 100 of ours while it was there, what we used of what it left free, and
how long after it was gone ten seconds held 90 % of the rate.
"""

import asyncio
from collections.abc import Iterable
from random import Random
from statistics import fmean
from typing import NamedTuple

from clients import CLIENTS
from s2v_detect.emulator._counting import Admission, Counting, counted
from service import RATE, Client, Network, Service
from virtual import run_virtually

COUNTINGS: tuple[Counting, ...] = ("sliding", "fixed", "bucket", "spaced")
ALONE_S = 60.0
AFTER_S = 60.0
AGAIN_S = (0.7, 1.3)
BURST = 5


class Stay(NamedTuple):
    """Strangers who ask so many times a second each, for so long."""

    name: str
    rates: tuple[float, ...]
    for_s: float
    in_bursts: bool = False


STAYS = (
    *(
        Stay(
            f"{rate:g}/s {'in bursts' if bursts else 'evenly'}, {for_s:g} s", (rate,), for_s, bursts
        )
        for rate in (1.0, 2.5)
        for bursts in (False, True)
        for for_s in (10.0, 40.0, 600.0)
    ),
    Stay("1/s and 1/s, 40 s", (1.0, 1.0), 40.0),
    Stay("1/s and 2.5/s, 40 s", (1.0, 2.5), 40.0),
)


class Seen(NamedTuple):
    """What one run came to."""

    refused: float
    used: float
    recovery_s: float


class Shared(Service):
    """A service that remembers each answer to us, and that strangers ask, too."""

    def __init__(self, admission: Admission, chance: Random) -> None:
        super().__init__(admission, Network("jitter 20 ms", 0.02), chance, checks=10**9)
        self.answers: list[tuple[float, bool]] = []

    async def ask(self) -> bool:
        """Ask as before; the answer is remembered by the time it came."""
        admitted = await super().ask()
        self.answers.append((asyncio.get_running_loop().time(), admitted))
        return admitted

    async def stranger(self, stay: Stay, rate: float) -> None:
        """Ask for the time of the stay."""
        clock = asyncio.get_running_loop().time
        until = clock() + stay.for_s
        size = BURST if stay.in_bursts else 1
        await asyncio.sleep(self.chance.uniform(0, 0.3))
        again_at: list[float] = []
        next_at = clock()
        while (now := min([next_at, *again_at])) < until:
            await asyncio.sleep(max(0.0, now - clock()))
            due = sum(at <= now for at in again_at)
            again_at = [at for at in again_at if at > now]
            if next_at <= now:
                due += size
                next_at += size / rate * self.chance.uniform(0.95, 1.05)
            again = sum(not self._admission.admit(clock()) for _ in range(due))
            again_at += [now + self.chance.uniform(*AGAIN_S)] * again


def measured(client: Client, counting: Counting, stay: Stay, seed: int) -> Seen:
    """Return what one client met beside the strangers of one stay."""
    chance = Random(seed)

    async def run() -> Seen:
        service = Shared(counted(counting, RATE), chance)
        clock = asyncio.get_running_loop().time
        ours = asyncio.ensure_future(client(service, 10**9))
        await asyncio.sleep(ALONE_S)
        came_at = clock()
        await asyncio.gather(*(service.stranger(stay, rate) for rate in stay.rates))
        await asyncio.sleep(max(0.0, came_at + stay.for_s - clock()))
        gone_at = clock()
        await asyncio.sleep(AFTER_S)
        ours.cancel()
        await asyncio.wait([ours])
        there = [good for at, good in service.answers if came_at <= at < gone_at]
        free = (RATE - sum(stay.rates)) * stay.for_s
        after = [at for at in service.admitted_at if at >= gone_at]
        return Seen(
            100 * there.count(False) / max(1, len(there)),
            100 * there.count(True) / free,
            recovery_s(after, gone_at),
        )

    return run_virtually(run, began_at=1e6 + chance.random())


def recovery_s(admitted_at: list[float], gone_at: float) -> float:
    """Return how long after `gone_at` ten seconds held 90 % of the rate."""
    for at in [gone_at, *admitted_at]:
        if sum(at <= one < at + 10 for one in admitted_at) >= 0.9 * RATE * 10:
            return at - gone_at
    return AFTER_S


def strangers(clients: Iterable[str], seeds: int) -> None:
    """Print a table for each stay."""
    print("429s in 100 / % used of what was free / s to 90 % of the rate, 50 %, 90 % of runs")
    for stay in STAYS:
        print(f"\n{stay.name}")
        for name in clients:
            row = []
            for counting in COUNTINGS:
                runs = [measured(CLIENTS[name], counting, stay, seed) for seed in range(seeds)]
                refused = fmean(run.refused for run in runs)
                used = fmean(run.used for run in runs)
                recovered = sorted(run.recovery_s for run in runs)
                middle, most = recovered[len(runs) // 2], recovered[(len(runs) - 1) * 9 // 10]
                row.append(f"{refused:.1f} / {used:.0f} / {middle:.0f}, {most:.0f}")
            print(f"{name:26}" + "".join(f"{cell:>22}" for cell in row), flush=True)
