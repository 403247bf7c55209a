"""How much of five requests a second each client uses, and how many 429s that costs it.

    python benchmarks/pace [--checks 1000] [--seeds 5] [--ours] [--jobs 1] [--plot FILE]
    python benchmarks/pace --real [--real-s 60]
    python benchmarks/pace --strangers [--seeds 5] [--ours]

The first runs in virtual time; the peers run their own code. The second runs our client over real
sockets against an emulator in another process. Both end with 1 where a goal is missed.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from clients import CLIENTS, OURS, OURS_FOUR
from plot import plot
from real import real
from service import Cell, Model, Network, Result, Table, measure
from strangers import strangers

MODELS = (
    Model("sliding", "sliding"),
    Model("fixed", "fixed"),
    Model("bucket", "bucket"),
    Model("spaced", "spaced"),
    Model("429s count", "sliding", rejected_count_too=True),
)
J0 = Network("jitter 0", 0.0)
J20 = Network("jitter 20 ms", 0.02)
J50 = Network("jitter 50 ms", 0.05)
J150 = Network("jitter 150 ms", 0.15)
COLD = Network("5 % cold connects of 150 ms, jitter 20 ms", 0.02, 0.05, 0.15)
HANGING = Network("1 % connects of 3 s, jitter 20 ms", 0.02, 0.01, 3.0)
NETWORKS = (J0, J20, J50, J150, COLD, HANGING)


class Goal(NamedTuple):
    """What our client is to reach, on average over the seeds."""

    network: Network
    models: tuple[str, ...]
    utilisation: float
    refused: float
    client: str = OURS


EVERY = tuple(model.name for model in MODELS)
GOALS = (
    Goal(J0, EVERY, 97.5, 0),
    Goal(J20, EVERY, 97.5, 0),
    Goal(J50, ("sliding",), 93.5, 1),
    Goal(J50, ("spaced",), 85, 1),
    Goal(J150, ("sliding",), 86, 3),
    Goal(COLD, EVERY, 94, 0),
    Goal(HANGING, EVERY, 94, 0),
    Goal(J20, EVERY, 96.5, 0, OURS_FOUR),
)


def averaged(cell: Cell, checks: int, seeds: int) -> Result:
    """Return the mean of a cell's runs."""
    client = CLIENTS[cell.client]
    runs = [
        measure(client, cell.model, cell.network, checks=checks, seed=seed) for seed in range(seeds)
    ]
    return Result(
        fmean(run.utilisation for run in runs),
        fmean(run.refused for run in runs),
        ended=all(run.ended for run in runs),
    )


def measured(clients: Iterable[str], checks: int, seeds: int, jobs: int) -> Table:
    """Return every cell of the table."""
    cells = [Cell(*each) for each in product(clients, NETWORKS, MODELS)]
    with ProcessPoolExecutor(jobs) as pool:
        results = pool.map(averaged, cells, [checks] * len(cells), [seeds] * len(cells))
        return dict(zip(cells, results, strict=True))


def print_table(table: Table) -> None:
    """Print a block for each network."""
    clients = list(dict.fromkeys(cell.client for cell in table))
    print("utilisation of 5/s in % / 429s per 1,000 admitted")
    for network in NETWORKS:
        print(f"\n{network.name}")
        print(f"{'':26}" + "".join(f"{model.name:>15}" for model in MODELS))
        for client in clients:
            row = (table[Cell(client, network, model)] for model in MODELS)
            print(f"{client:26}" + "".join(f"{shown(result):>15}" for result in row))


def shown(result: Result) -> str:
    """Return a cell as it is printed."""
    if not result.ended:
        return f"{result.utilisation:.1f} / no end"
    digits = 1 if result.refused < 100 else 0
    refused = f"{result.refused:.{digits}f}" if result.refused else "0"
    return f"{result.utilisation:.1f} / {refused}"


def print_goals(table: Table) -> bool:
    """Print each goal beside our worst figure, and return whether all are met."""
    print("\ngoal (the worst of its models counts)")
    all_met = True
    for goal in GOALS:
        ours = [
            table[Cell(goal.client, goal.network, model)]
            for model in MODELS
            if model.name in goal.models
        ]
        worst = Result(min(r.utilisation for r in ours), max(r.refused for r in ours))
        met = worst.utilisation >= goal.utilisation and worst.refused <= goal.refused
        all_met = all_met and met
        names = "every model" if goal.models == EVERY else ", ".join(goal.models)
        print(
            f"  {goal.client}, {goal.network.name}, {names}: at least {goal.utilisation:g} %,"
            f" at most {goal.refused:g}: {shown(worst)} {'met' if met else 'MISSED'}"
        )
    return all_met


def main() -> int:
    """Measure, print and draw; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--ours", action="store_true", help="without the peers")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="save a picture, too")
    parser.add_argument("--real", action="store_true", help="real sockets, in real time")
    parser.add_argument("--real-s", type=float, default=60.0, help="seconds for each model")
    parser.add_argument("--strangers", action="store_true", help="beside others who come and go")
    options = parser.parse_args()
    if options.real:
        return 0 if asyncio.run(real(options.real_s)) else 1
    clients = [OURS_FOUR, OURS] if options.ours else list(CLIENTS)
    if options.strangers:
        strangers([each for each in clients if each != OURS_FOUR], options.seeds)
        return 0
    table = measured(clients, options.checks, options.seeds, options.jobs)
    print_table(table)
    if options.plot is not None:
        plot(options.plot, table, clients, [J20, J150], list(MODELS))
    return 0 if print_goals(table) else 1


if __name__ == "__main__":
    sys.exit(main())
