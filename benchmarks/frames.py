"""How fast a frame is whose rows the ledger knows, beside the same rows through a stream.

    python benchmarks/frames.py [--rows 100000] [--rounds 3]

Nothing is sent. Each line is a kind of frame: rows a second from the call to the frame with its
columns, in the best of the rounds and in the middle one, and the CPU of a row. `by row` is
`check_all` over a tenth of the same rows, which asks the ledger for each by itself.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa

from _serving import urls
from ledger import fill
from s2v_detect import check_all
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.integrations.frames import check_frame

GOAL = 50_000
KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas, Arrow": lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


def told(kind: str, work: Callable[[], Any], rows: int, rounds: int) -> None:
    """Print the best and the middle rate of so many rounds, after one that warms up."""
    rates, cpu_s = [], []
    for number in range(rounds + 1):
        started, cpu = time.perf_counter(), time.process_time()
        work()
        if number:
            rates.append(rows / (time.perf_counter() - started))
            cpu_s.append(time.process_time() - cpu)
    per_row = 1e6 * min(cpu_s) / rows
    print(f"{kind:26}{max(rates):>10,.0f}{median(rates):>10,.0f}{per_row:>12.1f}", flush=True)


def main() -> None:
    """Measure, and print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    columns: dict[str, Any] = {"id": list(range(options.rows)), "url": urls(options.rows)}
    with tempfile.TemporaryDirectory() as name, Emulator.run_in_thread(answer=Pass()) as emulator:
        ledger = Path(name) / "frames.db"
        fill(ledger, options.rows)
        account: dict[str, Any] = {
            "api_key": emulator.api_key,
            "base_url": emulator.base_url,
            "ledger": ledger,
        }
        print(f"{options.rows:,} known rows, each second; the goal is {GOAL:,}")
        print(f"{'':26}{'best':>10}{'middle':>10}{'µs of CPU':>12}")
        for kind, make in KINDS.items():
            frame = make(columns)
            done = nw.from_native(check_frame(frame, **account), eager_only=True)
            assert done["s2v_source"].to_list() == ["ledger"] * options.rows
            told(kind, partial(check_frame, frame, **account), options.rows, options.rounds)
        few = columns["url"][: options.rows // 10]
        told("by row", partial(check_all, few, **account), len(few), 1)
        assert emulator.requests == 0


if __name__ == "__main__":
    main()
