"""The service of the pace table, in virtual time: it counts, refuses, and remembers who came when.

It counts by the emulator's own pure admissions. What is made up here is the network before it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from s2v_detect.emulator._counting import Admission, Counting, counted
from virtual import run_virtually

RATE = 5.0
VERDICT_S = (0.4, 0.8)
REFUSAL_S = (0.02, 0.06)
GIVE_UP_REFUSED = 20
"""A client that was refused so many times as often as it has checks is stopped where it is."""


@dataclass(frozen=True)
class Network:
    """What happens to a request on its way to the service."""

    name: str
    jitter_s: float
    cold_share: float = 0.0
    cold_s: float = 0.0


@dataclass(frozen=True)
class Model:
    """How the service counts."""

    name: str
    counting: Counting
    rejected_count_too: bool = False


@dataclass(frozen=True)
class Result:
    """One run: how much of the rate was used, and how many 429s it cost."""

    utilisation: float
    """In percent of `RATE`, over the gaps between the requests that were admitted."""
    refused: float
    """429s for each 1,000 admitted; of a client that was stopped, for each 1,000 checks."""
    ended: bool = True


class Cell(NamedTuple):
    """One place in the table."""

    client: str
    network: Network
    model: Model


Table = Mapping[Cell, Result]


class Service:
    """One account's service, and the way to it."""

    def __init__(
        self, admission: Admission, network: Network, chance: Random, *, checks: int
    ) -> None:
        self.checks = checks
        self.given_up = asyncio.Event()
        self._admission = admission
        self._network = network
        self._chance = chance
        self.admitted_at: list[float] = []
        self.refused = 0

    @property
    def chance(self) -> Random:
        """The run's own chance, for a client's own jitter."""
        return self._chance

    async def connect(self) -> None:
        """Have a connection: nearly always at once."""
        if self._network.cold_share and self._chance.random() < self._network.cold_share:
            await asyncio.sleep(self._network.cold_s)

    async def ask(self) -> bool:
        """Return whether a request whose bytes leave now was admitted, when its answer is here."""
        await asyncio.sleep(self._chance.uniform(0.0, self._network.jitter_s))
        now = asyncio.get_running_loop().time()
        admitted = self._admission.admit(now)
        if admitted:
            self.admitted_at.append(now)
        else:
            self.refused += 1
            if self.refused >= GIVE_UP_REFUSED * self.checks:
                self.given_up.set()
        await asyncio.sleep(self._chance.uniform(*(VERDICT_S if admitted else REFUSAL_S)))
        return admitted

    def result(self) -> Result:
        """Return the figures of a run that ends now."""
        admitted_at = self.admitted_at
        if self.given_up.is_set():
            took_s = asyncio.get_running_loop().time() - admitted_at[0]
            return Result(
                100 * len(admitted_at) / took_s / RATE, 1000 * GIVE_UP_REFUSED, ended=False
            )
        took_s = admitted_at[-1] - admitted_at[0]
        return Result(
            100 * (len(admitted_at) - 1) / took_s / RATE, 1000 * self.refused / len(admitted_at)
        )


Client = Callable[[Service, int], Coroutine[Any, Any, None]]
"""Has the service answer so many checks, asking again after each 429."""


def measure(client: Client, model: Model, network: Network, *, checks: int, seed: int) -> Result:
    """Return the figures of one client against one model."""
    chance = Random(seed)
    admission = counted(model.counting, RATE, rejected_count_too=model.rejected_count_too)

    async def run() -> Result:
        service = Service(admission, network, chance, checks=checks)
        ways_to_end = {
            asyncio.ensure_future(client(service, checks)),
            asyncio.ensure_future(service.given_up.wait()),
        }
        done, others = await asyncio.wait(ways_to_end, return_when=asyncio.FIRST_COMPLETED)
        result = service.result()
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        for each in done:
            each.result()
        return result

    # Where in a second of the service's clock the run begins is chance, too.
    return run_virtually(run, began_at=1e6 + chance.random())
