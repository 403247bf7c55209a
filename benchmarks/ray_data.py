"""A stage of Ray Data, beside Ray's own HTTP processor at `qps=5`.

    python benchmarks/ray_data.py [--images 300] [--rows ours-1,ours-4,killed,ray-1,ray-4]

It needs an environment with the extras `ray`, `emulator` and `redis`. The emulator is a process of
its own: it counts five in any second, as they arrive, and answers after 0.3 to 3 s. The rate is
that of the requests: from the first that arrived to the last, without Ray's own start. `killed`
kills an actor with `kill -9` every 15 s. Exit code 1 where a row of ours has a 429 that is no
kill's, or a bill that its books can't account for. Their rows have a fifth of the images: one of
their actors asks for less than one a second.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from s2v_detect import Event, Ledger
from s2v_detect._service import CHECK_PATH, MODEL
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.integrations.ray import check_dataset

KEY = "sk-emulator"
LATENCY_S = (0.3, 3.0)
KILL_EVERY_S = 15.0
BLOCKS = 12
OBJECT_STORE_BYTES = 150 * 2**20
HEAD = ("rows", "a second", "429s", "busiest", "bills", "twice", "unknown", "kills", "wall s")


class Row(NamedTuple):
    """What one way came to."""

    rows: int | str
    per_s: float
    throttled: int
    busiest_second: int
    bills: int
    twice: int
    unknown: int
    kills: int
    wall_s: int


class Counts(NamedTuple):
    """What an emulator has counted."""

    arrived_s: list[float]
    throttled: int
    busiest_second: int
    billed: int
    bills: Counter[str]


class Service:
    """An emulator in another process: Ray's driver and its threads would hold it up."""

    def __init__(self, ours: Connection) -> None:
        self._ours = ours
        self.base_url: str = ours.recv()

    def counts(self) -> Counts:
        """Return what it has counted until now."""
        self._ours.send("counts")
        counts: Counts = self._ours.recv()
        return counts


def _serve(theirs: Connection) -> None:
    with Emulator.run_in_thread(
        answer=Pass(), api_key=KEY, counting="sliding", latency_s=LATENCY_S
    ) as emulator:
        theirs.send(emulator.base_url)
        while theirs.recv():
            arrived_s = [arrival.at_s for arrival in emulator.arrivals]
            theirs.send(
                Counts(
                    arrived_s,
                    emulator.throttled,
                    emulator.busiest_second,
                    emulator.billed,
                    Counter(emulator.bills),
                )
            )


@contextmanager
def served() -> Iterator[Service]:
    """Have a service for one way."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,))
    process.start()
    try:
        yield Service(ours)
    finally:
        ours.send("")
        process.join()


class Witness:
    """Leaves the number of the process that checks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, event: Event) -> None:
        """Have it written down."""
        if event.kind == "sent":
            (self._folder / str(os.getpid())).touch()


class Killer(threading.Thread):
    """Kills one of the processes that check, so often."""

    def __init__(self, pids: Path) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._ended = threading.Event()
        self.kills = 0

    def run(self) -> None:
        """Kill until the end: every time the one that checks for longest."""
        while not self._ended.wait(KILL_EVERY_S):
            for pid in sorted(self._pids.iterdir(), key=lambda path: path.stat().st_ctime)[:1]:
                pid.unlink()
                os.kill(int(pid.name), signal.SIGKILL)
                self.kills += 1

    def end(self) -> None:
        """Kill nobody any more."""
        self._ended.set()
        self.join()


def engine() -> Any:
    """Ray itself, of which `--help` has no need."""
    import ray.data  # noqa: PLC0415  # as above

    return ray


def dataset(images: list[str]) -> Any:
    """The images, in blocks as of many files."""
    return engine().data.from_items([{"url": url} for url in images], override_num_blocks=BLOCKS)


def ours(service: Service, images: list[str], *, actors: int, kills: bool = False) -> Row:
    """Our stage, with a ledger."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pids").mkdir()
        killer = Killer(folder / "pids")
        if kills:
            killer.start()
        began = time.monotonic()
        checked = check_dataset(
            dataset(images),
            ledger=folder / "ledger.db",
            concurrency=actors,
            base_url=service.base_url,
            on_event=Witness(folder / "pids"),
        )
        rows = checked.take_all()
        wall_s = time.monotonic() - began
        if kills:
            killer.end()
        assert sorted(row["url"] for row in rows) == sorted(images)
        outcomes: Counter[str] = Counter()
        with Ledger(folder / "ledger.db") as ledger:
            for image in images:
                outcomes.update(attempt.outcome for attempt in ledger.attempts(image))
        return counted(service, len(rows), outcomes["unknown"], killer.kills, wall_s)


def rays(service: Service, images: list[str], *, actors: int) -> Row:
    """Ray's own HTTP processor, with what its users give: a rate, retries, and batches for all."""
    from ray.data.llm import (  # noqa: PLC0415  # for these rows alone
        HttpRequestProcessorConfig,
        build_processor,
    )

    headers = {"Authorization": f"Bearer {KEY}"}
    config = HttpRequestProcessorConfig(
        url=f"{service.base_url}{CHECK_PATH}",
        headers=headers,
        qps=5,
        max_retries=3,
        concurrency=actors,
        batch_size=max(1, len(images) // actors),
    )
    processor = build_processor(
        config,
        preprocess=lambda row: {"payload": {"model": MODEL, "input": {"image_url": row["url"]}}},
        postprocess=lambda row: {"answer": str(row["http_response"])},
    )
    began = time.monotonic()
    found: int | str = "ends"
    with suppress(engine().exceptions.RayError):  # one row that is refused too often ends its job
        found = len(processor(dataset(images)).take_all())
    return counted(service, found, 0, 0, time.monotonic() - began)


def counted(service: Service, rows: int | str, unknown: int, kills: int, wall_s: float) -> Row:
    """What the emulator has counted."""
    counts = service.counts()
    took_s = max(counts.arrived_s) - min(counts.arrived_s)
    return Row(
        rows,
        round((len(counts.arrived_s) - 1) / took_s, 2),
        counts.throttled,
        counts.busiest_second,
        counts.billed,
        sum(count - 1 for count in counts.bills.values()),
        unknown,
        kills,
        round(wall_s),
    )


WAYS: dict[str, Callable[[Service, list[str]], Row]] = {
    "ours-1": partial(ours, actors=1),
    "ours-4": partial(ours, actors=4),
    "killed": partial(ours, actors=2, kills=True),
    "ray-1": partial(rays, actors=1),
    "ray-4": partial(rays, actors=4),
}
PEERS_PART = 5
"""Of the images, for their rows."""


def is_kept(name: str, row: Row) -> bool:
    """Whether the promises are kept; of the peers nothing is promised."""
    if name.startswith("ray"):
        return True
    return row.throttled == 0 and row.twice <= row.unknown


def measured(name: str, images: int) -> Row:
    """One way, with an emulator of its own."""
    count = images // PEERS_PART if name.startswith("ray") else images
    urls = [f"https://images.example/{number}.jpg" for number in range(count)]
    with served() as service:
        return WAYS[name](service, urls)


def main() -> int:
    """Print the table."""
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rows", default=",".join(WAYS))
    options = parser.parse_args()
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DASHSCOPE_API_KEY": KEY, "S2V_DETECT_STATE_DIR": folder}
        os.environ |= {"RAY_DATA_DISABLE_PROGRESS_BARS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
        engine().init(
            num_cpus=2,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
        )
        print(" " * 8, *[f"{cell:>8}" for cell in HEAD], flush=True)
        for name in options.rows.split(","):
            row = measured(name, options.images)
            broken += not is_kept(name, row)
            print(f"{name:>8}", *[f"{cell:>8}" for cell in row], flush=True)
        engine().shutdown()
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
