"""One visitor's check through a retry, as OpenTelemetry records it.

    python examples/telemetry.py

Here the spans stay in memory and are printed. An application has an exporter and a provider for all
its libraries (`trace.set_tracer_provider`), and only writes `on_event=telemetry()`.
"""

import asyncio
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from s2v_detect import RetryPolicy
from s2v_detect.emulator import Emulator, Pass, Throttle
from s2v_detect.integrations.otel import telemetry

OTHER_EACH_TIME = {"url.full", "server.address", "server.port", "s2v_detect.service_ms"}
"""Of the emulator's port, and of how busy this machine is."""


async def main() -> None:
    """Check the image of one visitor, whose first request is throttled; print the trace."""
    spans = InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    watch, retry = telemetry(tracer_provider=tracers), RetryPolicy(first_wait_s=0.1)
    async with Emulator(answer=Pass()) as emulator:
        emulator.when("*/ada.jpg", Throttle(), Pass())
        async with emulator.client(on_event=watch, retry=retry) as client:
            visits = tracers.get_tracer("my shop")
            with visits.start_as_current_span("POST /portraits", kind=SpanKind.SERVER):
                await client.check("https://example.com/ada.jpg")
    show(spans.get_finished_spans())


def show(spans: Sequence[ReadableSpan]) -> None:
    """Print the spans and their events as they began, each under its parent."""
    depths: dict[int | None, int] = {None: 0}
    lines: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        depth = depths[span.parent.span_id if span.parent else None]
        if span.context is not None:
            depths[span.context.span_id] = depth + 1
        told = (span.attributes or {}).items()
        words = [f"{name}={value!s}" for name, value in told if name not in OTHER_EACH_TIME]
        words = [word.removeprefix("s2v_detect.") for word in words]
        text = " ".join([span.kind.name, span.name, *words])
        lines.append((span.start_time or 0, depth, text))
        lines += [(event.timestamp, depth + 1, f"* {event.name}") for event in span.events]
    for _, depth, text in sorted(lines, key=lambda line: line[0]):
        print("  " * depth + text)


if __name__ == "__main__":
    asyncio.run(main())
