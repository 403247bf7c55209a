"""The web example as `web.py` serves it: each worker writes down what it measured of itself.

    uvicorn --app-dir benchmarks --workers 2 _web_worker:app

At its end a worker writes PID.json into the folder `WEB_BENCHMARK_FOLDER`: how late its event loop
was, how long the loop computed without a pause, and its memory every ten seconds.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from web_app import app

FOLDER = Path(os.environ["WEB_BENCHMARK_FOLDER"])
EVERY_S = 0.01


def rss_mb() -> float:
    """Return the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Measured:
    """What a worker knows of itself."""

    def __init__(self) -> None:
        self.loop: list[tuple[float, float, float]] = []
        """When, how late, and how long it had computed by then: seconds."""
        self.rss_mb: list[float] = []

    async def measure(self) -> None:
        """Look at the loop a hundred times a second, and at the memory once in ten."""
        while True:
            before, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(EVERY_S)
            late_s = time.perf_counter() - before - EVERY_S
            self.loop.append((time.monotonic(), late_s, time.thread_time() - cpu))
            if len(self.loop) % 1000 == 0:
                self.rss_mb.append(rss_mb())

    def write(self) -> None:
        """Write it down."""
        path = FOLDER / f"{os.getpid()}.json"
        path.write_text(json.dumps(vars(self) | {"rss_mb": [*self.rss_mb, rss_mb()]}))


_lifespan = app.router.lifespan_context


@asynccontextmanager
async def _measured(application: Starlette) -> AsyncIterator[object]:
    measured = Measured()
    async with _lifespan(application) as state:
        measuring = asyncio.create_task(measured.measure())
        try:
            yield state
        finally:
            measuring.cancel()
            measured.write()


app.router.lifespan_context = _measured
