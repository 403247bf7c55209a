"""CPU time of a check that is watched by `telemetry()`, beside one that nobody watches.

    python benchmarks/telemetry.py [--checks 20] [--rounds 150]

`events alone` has a watcher that does nothing, `no SDK` the API of OpenTelemetry alone, `in memory`
its SDK with each span exported as it ends. `bare SDK` shows what the SDK takes by itself: the same
two spans and two histograms for each check, with no attribute and nothing of ours but the events.

The emulator answers from another process. The contestants go in turns, in another order each round
of a few checks, and the ratio is the median of the rounds' ratios: the machine may be busy with
other things.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from statistics import median

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, set_span_in_context

from _serving import emulator_process, urls
from s2v_detect import DetectClient, Event, LocalLimiter
from s2v_detect.integrations.otel import telemetry

IN_FLIGHT = 10
WARM_UP = 5
GOALS = {"no SDK": "<= 1.03", "in memory": "<= 1.15"}

Watcher = Callable[[Event], None]


def sdk(exporter: InMemorySpanExporter) -> tuple[TracerProvider, MeterProvider]:
    """Return an SDK that keeps all it is told."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    return tracers, MeterProvider(metric_readers=[InMemoryMetricReader()])


def bare(tracers: TracerProvider, meters: MeterProvider) -> Watcher:
    """Return a watcher that makes two spans and two records of each check, and nothing else."""
    tracer, meter = tracers.get_tracer("bare"), meters.get_meter("bare")
    duration, wait = meter.create_histogram("duration"), meter.create_histogram("wait")
    checks: dict[int, Span] = {}
    requests: dict[int, Span] = {}

    def watch(event: Event) -> None:
        if event.kind == "queued":
            checks[event.flight] = tracer.start_span("check")
        elif event.kind == "turn":
            wait.record(event.wait_s)
            parent = set_span_in_context(checks[event.flight])
            requests[event.flight] = tracer.start_span("POST", parent)
        elif event.kind == "answered":
            requests.pop(event.flight).end()
        elif event.kind == "settled":
            duration.record(event.wait_s)
            checks.pop(event.flight).end()

    return watch


async def cpu_s(client: DetectClient, checks: list[str]) -> float:
    """Return the CPU seconds of some checks."""
    todo = iter(checks)

    async def worker() -> None:
        for url in todo:
            assert (await client.check(url)).check_pass

    began_s = time.process_time()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return time.process_time() - began_s


async def raced(
    watchers: dict[str, Watcher | None], checks: int, rounds: int, exporter: InMemorySpanExporter
) -> dict[str, list[float]]:
    """Return the CPU seconds of each contestant in each round; the first rounds warm up."""
    times: dict[str, list[float]] = {name: [] for name in watchers}
    async with AsyncExitStack() as parts:
        base_url, api_key = await parts.enter_async_context(emulator_process())
        line = LocalLimiter(math.inf)
        clients = {
            name: await parts.enter_async_context(
                DetectClient(api_key, base_url=base_url, limiter=line, on_event=watcher)
            )
            for name, watcher in watchers.items()
        }
        names = list(clients)
        for number in range(-WARM_UP, rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                took_s = await cpu_s(clients[name], urls(checks))
                exporter.clear()
                if number >= 0:
                    times[name].append(took_s)
    return times


async def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="CPU time of a check with telemetry.")
    parser.add_argument("--checks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=150)
    options = parser.parse_args()
    exporter = InMemorySpanExporter()
    tracers, meters = sdk(exporter)
    watchers: dict[str, Watcher | None] = {
        "none": None,
        "events alone": lambda _: None,
        "no SDK": telemetry(),
        "bare SDK": bare(tracers, meters),
        "in memory": telemetry(tracer_provider=tracers, meter_provider=meters),
    }
    times = await raced(watchers, options.checks, options.rounds, exporter)
    alone = times["none"]
    print(f"{'':14}{'ms a check':>12}{'ratio':>8}   goal")
    for name, took in times.items():
        ratio = median(its / other for its, other in zip(took, alone, strict=True))
        took_ms = 1000 * median(took) / options.checks
        print(f"{name:14}{took_ms:>12.3f}{ratio:>8.3f}   {GOALS.get(name, '')}")


if __name__ == "__main__":
    asyncio.run(main())
