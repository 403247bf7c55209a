"""Spans and metrics of checks, with the SDK of OpenTelemetry and real requests."""

import asyncio
import gc
import importlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from tests.uploading import picture, through

from s2v_detect import (
    BudgetSpent,
    Busy,
    DetectClient,
    DetectError,
    Event,
    ImageSkipped,
    LocalLimiter,
    NotSent,
    Preflight,
    RetryPolicy,
    check_one,
)
from s2v_detect.emulator import Answer, Cut, Emulator, Error, Html, Pass, Silent, Throttle
from s2v_detect.integrations.otel import telemetry

IMAGE = "https://images.example/face.jpg"
QUICK = RetryPolicy(max_attempts=3, first_wait_s=0.001, longest_wait_s=0.001)


@dataclass
class Recorded(SpanProcessor):
    """All that an SDK was told, and how many spans have begun."""

    ended: list[ReadableSpan] = field(default_factory=list)
    begun: int = 0
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(self)
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self._watch = telemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Count it."""
        self.begun += 1

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it."""
        self.ended.append(span)

    def watch(self, event: Event) -> None:
        """Be the watcher: two go into one function."""
        self.events.append(event)
        self._watch(event)

    def span(self, name: str) -> trace.Span:
        """Begin a span of the caller's own."""
        return self.tracers.get_tracer("test").start_span(name)

    @property
    def checks(self) -> list[ReadableSpan]:
        """The spans of checks."""
        return [span for span in self.ended if span.name == "s2v_detect.check"]

    @property
    def requests(self) -> list[ReadableSpan]:
        """The CLIENT spans, whoever made them."""
        return [span for span in self.ended if span.kind is SpanKind.CLIENT]

    def kinds(self, *kinds: str) -> int:
        """Return how many events of these kinds were told."""
        return sum(event.kind in kinds for event in self.events)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return each metric's points: by their attributes, the value or the histogram's count."""
        told = self.reader.get_metrics_data()
        found: dict[str, dict[str, Any]] = {}
        for resource in told.resource_metrics if told else ():
            for metric in (each for scope in resource.scope_metrics for each in scope.metrics):
                found[metric.name] = {
                    " ".join(
                        f"{name.removeprefix('s2v_detect.')}={value!s}"
                        for name, value in sorted((point.attributes or {}).items())
                    ): getattr(point, "count", getattr(point, "value", None))
                    for point in metric.data.data_points
                }
        return found


@pytest.fixture
def recorded() -> Recorded:
    """An SDK that keeps all it is told."""
    return Recorded()


@pytest.fixture
def _instrumented(recorded: Recorded) -> Iterator[None]:
    HTTPXClientInstrumentor().instrument(tracer_provider=recorded.tracers)
    yield
    HTTPXClientInstrumentor().uninstrument()


def told(span: ReadableSpan) -> dict[str, Any]:
    """Return a span's attributes."""
    return dict(span.attributes or {})


def is_in(parent: trace.Span | ReadableSpan, span: ReadableSpan) -> bool:
    """Whether the parent of a span is this one."""
    context = parent.get_span_context()
    return (
        span.parent is not None
        and context is not None
        and (span.parent.span_id, span.parent.trace_id) == (context.span_id, context.trace_id)
    )


# One span a check, and one CLIENT span a request

STEPS: dict[str, tuple[list[Answer], dict[str, Any], list[int | None]]] = {
    "passes": ([Pass()], {}, [200]),
    "is retried": ([Error(500, "InternalError"), Pass()], {}, [500, 200]),
    "is throttled twice": ([Throttle(), Throttle(), Pass()], {}, [429, 429, 200]),
    "is lost and asked again": ([Cut(), Pass()], {}, [None, 200]),
    "is lost in its body": ([Cut(after="half body"), Pass()], {}, [None, 200]),
    "is a gateway's page": ([Html(502), Pass()], {}, [502, 200]),
    "times out": ([Silent(), Pass()], {"timeout_s": 0.1}, [None, 200]),
    "is refused": ([Error(400, "InvalidURL")], {}, [400]),
    "fails": ([Error(500, "InternalError")], {}, [500, 500, 500]),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("is_instrumented", [False, True])
async def test_each_request_has_one_client_span(
    emulator: Emulator, recorded: Recorded, request: Any, name: str, *, is_instrumented: bool
) -> None:
    """Under the span of its check, with and without an instrumentation of httpx."""
    if is_instrumented:
        request.getfixturevalue("_instrumented")
    answers, options, statuses = STEPS[name]
    emulator.when("*", *answers)
    async with emulator.client(on_event=recorded.watch, retry=QUICK, **options) as client:
        try:
            await client.check(IMAGE)
        except DetectError as error:
            failed: str | None = type(error).__name__
        else:
            failed = None
    (check,) = recorded.checks
    assert recorded.begun == len(recorded.ended) == 1 + emulator.requests
    assert all(is_in(check, span) for span in recorded.requests)
    host, port = emulator.base_url.split("/")[2].split(":")
    for number, (span, status) in enumerate(zip(recorded.requests, statuses, strict=True)):
        attributes = told(span)
        assert attributes["http.request.method"] == "POST"
        assert (attributes["server.address"], attributes["server.port"]) == (host, int(port))
        assert attributes["url.full"].endswith("/face-detect")
        assert attributes.get("http.response.status_code") == status
        assert attributes.get("http.request.resend_count", 0) == number
        assert ("error.type" in attributes) == (status != 200)
        assert (span.status.status_code is StatusCode.ERROR) == (status != 200)
    assert check.kind is SpanKind.INTERNAL
    assert told(check).get("s2v_detect.attempts", 1) == emulator.requests
    assert told(check)["s2v_detect.outcome"] == ("failed" if failed else "checked")
    assert told(check).get("error.type") == failed


@pytest.mark.parametrize("is_instrumented", [False, True])
async def test_an_upload_takes_no_span_from_its_request(
    emulator: Emulator, recorded: Recorded, request: Any, *, is_instrumented: bool
) -> None:
    """The instrumentation's own spans of an upload stay: a credential and a form. Ours is one."""
    if is_instrumented:
        request.getfixturevalue("_instrumented")
    with trace.use_span(recorded.span("visit"), end_on_exit=True) as visit:
        async with emulator.client(on_event=recorded.watch) as client:
            await client.check(picture(1))
    paths = sorted(str(told(span).get("http.method") or "ours") for span in recorded.requests)
    assert paths == (["GET", "POST", "ours"] if is_instrumented else ["ours"])
    traces = {context.trace_id for span in recorded.ended if (context := span.context)}
    assert traces == {visit.get_span_context().trace_id}
    assert [event.name for event in recorded.checks[0].events] == ["uploaded"]
    assert recorded.begun == len(recorded.ended)


@pytest.mark.usefixtures("_instrumented")
async def test_an_upload_after_a_request_has_its_own_spans(
    emulator: Emulator, recorded: Recorded
) -> None:
    """What quiets the instrumentation ends with each request; three were made, and one upload."""

    def lose(event: Event) -> None:
        recorded.watch(event)
        if event.kind == "retrying":
            emulator.store.drop(emulator.arrivals[-1].image or "")

    emulator.when("*", Error(500, "InternalError"), Pass(), each="request")
    async with emulator.client(on_event=lose, retry=QUICK) as client:
        await client.check(picture(4))
    ours = [told(span) for span in recorded.requests if "http.method" not in told(span)]
    theirs = [told(span)["http.method"] for span in recorded.requests if told(span) not in ours]
    assert [each["http.response.status_code"] for each in ours] == [500, 400, 200]
    assert theirs == ["GET", "POST", "POST"]
    assert recorded.begun == len(recorded.ended)


@pytest.mark.usefixtures("_instrumented")
async def test_a_request_whose_visitor_left_has_its_one_span(
    emulator: Emulator, recorded: Recorded
) -> None:
    """It was sent, so it is finished, with a span that ends with its answer."""
    emulator.when("*", Pass(latency_s=0.05))
    async with emulator.client(on_event=recorded.watch) as client:
        leaving = asyncio.create_task(client.check(IMAGE))
        while not emulator.requests:
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
    assert [told(span)["http.response.status_code"] for span in recorded.requests] == [200]
    assert told(recorded.checks[0])["s2v_detect.outcome"] == "checked"
    assert recorded.begun == len(recorded.ended) == 2


@pytest.mark.usefixtures("_instrumented")
async def test_what_is_not_recorded_quiets_no_instrumentation(
    emulator: Emulator, recorded: Recorded
) -> None:
    """Metrics alone: the span of httpx's instrumentation is then the only one, in the trace."""
    watch = telemetry(tracer_provider=trace.NoOpTracerProvider(), meter_provider=recorded.meters)
    with trace.use_span(recorded.span("visit"), end_on_exit=True) as visit:
        async with emulator.client(on_event=watch) as client:
            await client.check(IMAGE)
    (request,) = recorded.requests
    assert is_in(visit, request)
    assert recorded.checks == []
    assert recorded.metrics()["s2v_detect.billed"]["billed=yes"] == 1


@pytest.mark.usefixtures("_instrumented")
async def test_other_requests_of_the_visitor_keep_their_spans(
    emulator: Emulator, recorded: Recorded
) -> None:
    """Nothing is quieted beside the request, nor after it, in the caller's task."""
    async with emulator.client(on_event=recorded.watch) as client, httpx.AsyncClient() as http:
        checking = asyncio.create_task(client.check(IMAGE))
        while not emulator.requests:
            await asyncio.sleep(0)
        await http.get(emulator.base_url)
        await checking
        await http.get(emulator.base_url)
    assert [told(span).get("http.method") for span in recorded.requests].count("GET") == 2


# The caller's trace


async def by_check(client: DetectClient) -> None:
    """Ask as a handler does."""
    await client.check(IMAGE)


async def by_stream(client: DetectClient) -> None:
    """Ask as a job does."""
    assert len([outcome async for outcome in client.aiter_check([IMAGE])]) == 1


async def by_stream_of_files(client: DetectClient) -> None:
    """Ask for what is read in a task of its own."""
    assert len([outcome async for outcome in client.aiter_check([picture(2)])]) == 1


@pytest.mark.parametrize("use", [by_check, by_stream, by_stream_of_files])
async def test_a_check_is_in_the_trace_of_whoever_asks(
    emulator: Emulator, recorded: Recorded, use: Callable[[DetectClient], Awaitable[None]]
) -> None:
    """The client was opened elsewhere, and the flight is a task of its own."""
    async with emulator.client(on_event=recorded.watch) as client:
        with trace.use_span(recorded.span("visit"), end_on_exit=True) as visit:
            await use(client)
    (check,) = recorded.checks
    assert is_in(visit, check)
    assert all(is_in(check, span) for span in recorded.requests)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are eager tasks from 3.12 on")
async def test_a_check_is_in_the_trace_under_eager_tasks(
    emulator: Emulator, recorded: Recorded
) -> None:
    """A factory of the loop changes nothing of it."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009  # mypy knows 3.11
    async with emulator.client(on_event=recorded.watch) as client:
        with trace.use_span(recorded.span("visit"), end_on_exit=True) as visit:
            await client.check(IMAGE)
    assert is_in(visit, recorded.checks[0])


def test_code_that_is_not_async_has_its_trace_too(
    s2v_emulator: Emulator, recorded: Recorded
) -> None:
    """In a loop of this thread, and in one of another thread."""

    def ask() -> None:
        check_one(
            IMAGE,
            api_key=s2v_emulator.api_key,
            base_url=s2v_emulator.base_url,
            limiter=LocalLimiter(100),
            on_event=recorded.watch,
        )

    async def ask_in_a_loop() -> None:
        ask()

    with trace.use_span(recorded.span("visit"), end_on_exit=True) as visit:
        ask()
        asyncio.run(ask_in_a_loop())
    assert len(recorded.checks) == 2
    assert all(is_in(visit, check) for check in recorded.checks)


async def test_visitors_of_one_time_have_their_own_traces(
    emulator: Emulator, recorded: Recorded
) -> None:
    """Each check is in its visitor's, however they are mixed in one loop."""

    async def visit(number: int) -> trace.Span:
        with trace.use_span(recorded.span(f"visit {number}"), end_on_exit=True) as span:
            await client.check(f"{IMAGE}?{number}")
        return span

    async with emulator.client(on_event=recorded.watch) as client:
        visits = await asyncio.gather(*(visit(number) for number in range(20)))
    for span in visits:
        assert sum(is_in(span, check) for check in recorded.checks) == 1


async def test_a_second_asker_becomes_a_link(emulator: Emulator, recorded: Recorded) -> None:
    """One request, in the first one's trace; the second one's is linked to it."""
    emulator.when("*", Pass(latency_s=0.05))

    async def visit(name: str) -> trace.Span:
        with trace.use_span(recorded.span(name), end_on_exit=True) as span:
            await client.check(IMAGE)
        return span

    async with emulator.client(on_event=recorded.watch) as client:
        first, second = await asyncio.gather(visit("first"), visit("second"))
    (check,) = recorded.checks
    assert is_in(first, check)
    assert [link.context for link in check.links] == [second.get_span_context()]
    assert [event.name for event in check.events] == ["shared"]
    assert len(recorded.requests) == emulator.requests == 1


# Every span ends, and nothing is kept


async def known(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Ask for what the ledger knows."""
    for _ in range(2):
        async with emulator.client(on_event=recorded.watch, ledger=path / "l.db") as client:
            await client.check(IMAGE)


async def skipped(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Ask for what is no image, one by one and in a stream."""
    async with emulator.client(on_event=recorded.watch) as client:
        with pytest.raises(ImageSkipped):
            await client.check("face.jpg")
        assert [each.kind async for each in client.aiter_check(["face.jpg"])] == ["skipped"]


async def skipped_by_look(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Ask for what a look refuses."""
    async with emulator.client(on_event=recorded.watch, preflight=Preflight()) as client:
        with pytest.raises(ImageSkipped):
            await client.check(f"{emulator.base_url}/no-image")


async def refused_connections(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Ask where nobody answers."""

    async def meet(request: httpx.Request) -> httpx.Response | None:
        raise httpx.ConnectError("refused")

    async with through(emulator, meet, on_event=recorded.watch, retry=QUICK) as client:
        with pytest.raises(NotSent):
            await client.check(IMAGE)


async def broken_transport(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Ask through a transport that raises what is no error of a network."""

    async def meet(request: httpx.Request) -> httpx.Response | None:
        raise ZeroDivisionError

    async with through(emulator, meet, on_event=recorded.watch) as client:
        with pytest.raises(ZeroDivisionError):
            await client.check(IMAGE)


async def in_an_outage(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """A stream in an outage that does not end; nobody waits for it any longer."""
    emulator.when("*", Error(500, "InternalError"))
    images = [f"{IMAGE}?{number}" for number in range(20)]
    async with emulator.client(on_event=recorded.watch, retry=QUICK, max_outage_s=0) as client:
        with pytest.raises(DetectError):
            async for _ in client.aiter_check(images):
                pass


async def left_in_line(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Twenty who leave before their turn, one who gives up, and one who finds the line too long."""
    line = LocalLimiter(1, per_s=60)
    async with emulator.client(on_event=recorded.watch, limiter=line) as client:
        await client.check(IMAGE)
        waiting = [asyncio.create_task(client.check(f"{IMAGE}?{n}")) for n in range(20)]
        with pytest.raises(NotSent):
            await client.check(f"{IMAGE}?patience", give_up_after_s=0.01)
        with pytest.raises(Busy):
            await client.check(f"{IMAGE}?busy", max_wait_s=1)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)


async def cancelled_at_once(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Checks that are cancelled before their flight's first step."""
    async with emulator.client(on_event=recorded.watch) as client:
        for number in range(20):
            task = asyncio.create_task(client.check(f"{IMAGE}?{number}"))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])


async def closed(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """A client that is closed with one on its way and others in line."""
    emulator.when("*", Pass(latency_s=0.05))
    line = LocalLimiter(1, per_s=60)
    async with emulator.client(on_event=recorded.watch, limiter=line) as client:
        waiting = [asyncio.create_task(client.check(f"{IMAGE}?{n}")) for n in range(5)]
        while not emulator.requests:
            await asyncio.sleep(0)
    await asyncio.wait(waiting)
    assert sum(task.exception() is None for task in waiting) == 1


async def without_budget(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Ask for more than may be paid for."""
    async with emulator.client(on_event=recorded.watch, max_cost="0.004") as client:
        await client.check(IMAGE)
        with pytest.raises(BudgetSpent):
            await client.check(f"{IMAGE}?2")


async def with_a_watcher_that_raises(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """Another watcher's fault comes after the telemetry's own work."""

    def both(event: Event) -> None:
        recorded.watch(event)
        raise ValueError

    async with emulator.client(on_event=both) as client:
        await client.check(IMAGE)


async def cut_off(emulator: Emulator, recorded: Recorded, path: Path) -> None:
    """A client that is closed while an answer never comes: unknown."""
    emulator.when("*", Silent())
    client = await emulator.client(
        on_event=recorded.watch, timeout_s=0.1, on_unknown="keep"
    ).aopen()
    waiting = asyncio.create_task(client.check(IMAGE))
    while not emulator.requests:
        await asyncio.sleep(0)
    await client.aclose()
    await asyncio.wait([waiting])


ENDS: dict[str, tuple[Callable[..., Awaitable[None]], dict[str, int]]] = {
    "known": (
        known,
        {
            "check_pass=True lane=interactive outcome=checked": 1,
            "check_pass=True lane=interactive outcome=checked source=ledger": 1,
        },
    ),
    "skipped": (
        skipped,
        {
            "error.type=ImageSkipped lane=interactive outcome=skipped": 1,
            "error.type=ImageSkipped lane=bulk outcome=skipped": 1,
        },
    ),
    "skipped by a look": (
        skipped_by_look,
        {"error.type=ImageSkipped lane=interactive outcome=skipped": 1},
    ),
    "refused": (
        refused_connections,
        {"error.type=NotSent lane=interactive outcome=failed": 1},
    ),
    "a broken transport": (
        broken_transport,
        {"error.type=ZeroDivisionError lane=interactive outcome=failed": 1},
    ),
    "an outage": (in_an_outage, {}),
    "left in line": (
        left_in_line,
        {
            "check_pass=True lane=interactive outcome=checked": 1,
            "error.type=NotSent lane=interactive outcome=cancelled": 21,
            "error.type=Busy lane=interactive outcome=failed": 1,
        },
    ),
    "cancelled at once": (cancelled_at_once, {}),
    "closed": (
        closed,
        {
            "check_pass=True lane=interactive outcome=checked": 1,
            "error.type=NotSent lane=interactive outcome=cancelled": 4,
        },
    ),
    "no budget": (
        without_budget,
        {
            "check_pass=True lane=interactive outcome=checked": 1,
            "error.type=BudgetSpent lane=interactive outcome=failed": 1,
        },
    ),
    "another watcher": (
        with_a_watcher_that_raises,
        {"check_pass=True lane=interactive outcome=checked": 1},
    ),
    "cut off": (
        cut_off,
        {"error.type=OutcomeUnknown lane=interactive outcome=failed": 1},
    ),
}


@pytest.mark.parametrize("name", ENDS)
async def test_every_span_ends_however_its_check_does(
    emulator: Emulator, recorded: Recorded, tmp_path: Path, name: str
) -> None:
    """One span a check, each ended; nobody is left in line, and all are counted."""
    use, outcomes = ENDS[name]
    await use(emulator, recorded, tmp_path)
    counts = recorded.metrics()
    assert recorded.begun == len(recorded.ended)
    flights = {event.flight for event in recorded.events}
    assert len(recorded.checks) == len(flights) == recorded.kinds("settled")
    assert len(recorded.requests) == recorded.kinds("turn")
    assert set(counts["s2v_detect.line.length"].values()) == {0}
    assert sum(counts["s2v_detect.outcomes"].values()) == len(flights)
    assert counts["s2v_detect.check.duration"] == counts["s2v_detect.outcomes"]
    assert not outcomes or counts["s2v_detect.outcomes"] == outcomes


async def test_a_turn_is_answered_or_unsent_before_the_next(
    emulator: Emulator, recorded: Recorded
) -> None:
    """So a request's span ends with its request, and not with a long rest after it."""
    tries = 0

    async def meet(request: httpx.Request) -> httpx.Response | None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise httpx.ConnectError("refused")
        return None

    async with through(emulator, meet, on_event=recorded.watch, retry=QUICK) as client:
        await client.check(IMAGE)
    assert [event.kind for event in recorded.events] == [
        *("queued", "turn", "unsent", "retrying", "turn", "sent", "answered", "settled"),
    ]
    assert [told(span).get("error.type") for span in recorded.requests] == ["NotSent", None]


@pytest.mark.real_time
def test_nothing_is_kept_of_a_hundred_thousand_checks() -> None:
    """Half of them are cancelled in line: events alone, for their requests would take minutes."""
    watch = telemetry(
        tracer_provider=trace.NoOpTracerProvider(), meter_provider=NoOpMeterProvider()
    )
    base: dict[str, Any] = {"at": None, "image": IMAGE, "lane": "bulk"}
    answered: list[dict[str, Any]] = [
        {"kind": "queued"},
        {"kind": "turn", "attempt": 1},
        {"kind": "answered", "attempt": 1, "status": 200},
        {"kind": "settled", "attempt": 1, "check_pass": True},
    ]
    cancelled: list[dict[str, Any]] = [
        {"kind": "queued"},
        {"kind": "settled", "error": "NotSent", "message": "nobody waited for it any more"},
    ]

    def objects_after(flights: range) -> int:
        for flight in flights:
            for step in cancelled if flight % 2 else answered:
                watch(Event.trusted({**base, **step, "flight": flight}))
        gc.collect()
        return len(gc.get_objects())

    before = objects_after(range(1000))
    assert objects_after(range(1000, 101_000)) - before < 100


# What is told


async def test_nothing_told_holds_an_image_a_key_or_a_query(
    emulator: Emulator, recorded: Recorded
) -> None:
    """In no attribute of a span, a link or a metric, through retries, an outage and an upload."""
    secret = "a-secret-of-the-url"  # noqa: S105  # what is looked for
    emulator.when("*", Throttle(), Error(500, "InternalError", secret), Pass())
    image = f"https://images.example/private/face.jpg?signature={secret}"
    async with emulator.client(on_event=recorded.watch, retry=QUICK) as client:
        await asyncio.gather(client.check(image), client.check(image))
        await client.check(picture(3), identity=secret)
        with pytest.raises(ImageSkipped):
            await client.check(secret)
        async for _ in client.aiter_check([image, f"no url {secret}"]):
            pass
    everything = "\n".join(span.to_json() for span in recorded.ended)
    told_of = recorded.reader.get_metrics_data()
    assert told_of is not None
    everything += told_of.to_json()
    assert len(recorded.ended) > 8
    for part in (secret, emulator.api_key, "images.example", "face.jpg", "signature", "?"):
        assert part not in everything, part


async def test_the_metrics_of_a_check_through_a_retry(
    emulator: Emulator, recorded: Recorded
) -> None:
    """With the units that the conventions ask for, and the money in full."""
    emulator.when("*", Throttle(), Cut(), Pass())
    async with emulator.client(
        on_event=recorded.watch, retry=QUICK, limiter=LocalLimiter(100)
    ) as client:
        await client.check(IMAGE)
        spend = client.spend
    counts = recorded.metrics()
    (margin,) = counts.pop("s2v_detect.line.margin").values()
    assert margin == 0.15  # a line opens wide
    checked = "check_pass=True lane=interactive outcome=checked"
    assert counts == {
        "s2v_detect.check.duration": {checked: 1},
        "s2v_detect.outcomes": {checked: 1},
        "s2v_detect.line.wait_time": {"lane=interactive": 3},
        "s2v_detect.line.length": {"lane=interactive": 0},
        "s2v_detect.throttled": {"": 1},
        "s2v_detect.billed": {"billed=yes": 1, "billed=unknown": 1},
        "s2v_detect.cost": {"billed=yes": 0.004, "billed=unknown": 0.004},
    }
    assert (spend.billed, spend.unknown) == (1, 1)
    assert told(recorded.checks[0])["s2v_detect.cost_at_most"] == 0.008


async def test_the_length_of_the_line_is_told_while_it_is_long(
    emulator: Emulator, recorded: Recorded
) -> None:
    """Seven wait after one was sent, in two lanes; one who has left does not."""
    line = LocalLimiter(1, per_s=60)
    async with emulator.client(on_event=recorded.watch, limiter=line) as client:
        await client.check(IMAGE)
        waiting = [asyncio.create_task(client.check(f"{IMAGE}?{n}")) for n in range(6)]
        waiting += [asyncio.create_task(client.check(f"{IMAGE}?a", lane="bulk"))]
        while recorded.kinds("queued") < 8:
            await asyncio.sleep(0)
        full = recorded.metrics()["s2v_detect.line.length"]
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        left = recorded.metrics()["s2v_detect.line.length"]
        for each in waiting:
            each.cancel()
    assert full == {"lane=interactive": 6, "lane=bulk": 1}
    assert left == {"lane=interactive": 5, "lane=bulk": 1}


async def test_several_clients_share_one_telemetry_and_several_add_up(
    emulator: Emulator, recorded: Recorded
) -> None:
    """Two clients with one watcher, and one with a second watcher of the same provider."""
    second = telemetry(tracer_provider=recorded.tracers, meter_provider=recorded.meters)
    async with (
        emulator.client(on_event=recorded.watch) as a,
        emulator.client(on_event=recorded.watch) as b,
        emulator.client(on_event=second) as c,
    ):
        await asyncio.gather(*(each.check(IMAGE) for each in (a, b, c)))
    assert sum(recorded.metrics()["s2v_detect.outcomes"].values()) == 3
    assert len(recorded.checks) == len(recorded.requests) == emulator.requests == 3


async def test_it_works_where_no_instrumentation_is_installed(
    emulator: Emulator, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is the API alone."""
    name = "s2v_detect.integrations.otel"
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.utils", None)
    monkeypatch.delitem(sys.modules, name)
    alone = importlib.import_module(name)
    watch = alone.telemetry(tracer_provider=recorded.tracers, meter_provider=recorded.meters)
    async with emulator.client(on_event=watch) as client:
        await client.check(IMAGE)
    assert recorded.begun == len(recorded.ended) == 2


def test_without_the_extra_the_message_is_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the import of the module, and of nothing else."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "s2v_detect.integrations.otel")
    with pytest.raises(ModuleNotFoundError, match=r'pip install .*\[otel\]"'):
        importlib.import_module("s2v_detect.integrations.otel")
