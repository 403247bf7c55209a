"""One process of `host.py`: it takes turns, and writes a line for each.

    python benchmarks/_line_worker.py FOLDER WAITING VISITOR_EVERY_S LATEST LINE

A line is JSON: the lane, when the turn was asked for, when the bytes left, and how many sleeps and
how much CPU the process has had so far.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from s2v_detect import HostLimiter, LocalLimiter


class Pyrate:
    """pyrate-limiter's own answer for several processes: SQLite under a file lock."""

    def __init__(self, folder: str) -> None:
        from pyrate_limiter import (  # noqa: PLC0415  # for the one row
            Duration,
            Limiter,
            Rate,
            SQLiteBucket,
        )

        rates, path = [Rate(5, Duration.SECOND)], f"{folder}/pyrate.sqlite"
        bucket = SQLiteBucket.init_from_file(rates, db_path=path, use_file_lock=True)
        self._limiter = Limiter(bucket)

    async def turn(self, lane: str) -> "Pyrate":
        """Return when a permit is given."""
        del lane
        await self._limiter.try_acquire_async("account")
        return self

    def left(self) -> None:
        """Nothing to tell."""


LINES: dict[str, Callable[[str], Any]] = {
    "host": lambda folder: HostLimiter(name="benchmark", directory=folder),
    "each its own": lambda _: LocalLimiter(5.0),
    "a fourth for each": lambda _: LocalLimiter(5.0 / 4),
    "pyrate-limiter": Pyrate,
}


class Worker:
    """The process."""

    def __init__(self, limiter: Any) -> None:
        self._limiter = limiter
        self._naps = 0
        self._sleep = asyncio.sleep
        asyncio.sleep = self._counted  # type: ignore[assignment]  # every sleep is a wake-up

    async def _counted(self, delay: float, result: object = None) -> object:
        self._naps += delay > 0
        return await self._sleep(delay, result)

    def _say(self, kind: str, *more: float) -> None:
        print(json.dumps([kind, *more, self._naps, time.process_time()]), flush=True)

    async def _leave(self, lane: str) -> None:
        asked_at = time.monotonic()
        turn = await self._limiter.turn(lane)
        at = time.monotonic()
        turn.left()
        self._say(lane, asked_at, at)

    async def _stream(self, latest: float) -> None:
        while time.monotonic() < latest:
            await self._leave("bulk")

    async def run(self, waiting: int, every_s: float, latest: float) -> None:
        """Take turns until an instant; with `every_s` a visitor comes so often."""
        self._say("ready", time.monotonic(), time.monotonic())
        tasks = [asyncio.create_task(self._stream(latest)) for _ in range(waiting)]
        while every_s and time.monotonic() + every_s < latest:
            await self._sleep(every_s)
            tasks.append(asyncio.create_task(self._leave("interactive")))
        await self._sleep(latest - time.monotonic())
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


if __name__ == "__main__":
    folder, waiting, every_s, latest, line = sys.argv[1:]
    worker = Worker(LINES[line](folder))
    asyncio.run(worker.run(int(waiting), float(every_s), float(latest)))
