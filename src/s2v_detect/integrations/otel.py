"""OpenTelemetry: spans and metrics of every check, from the client's events alone.

    DetectClient(on_event=telemetry())

The theory. A check has a span `s2v_detect.check`, begun at `queued` and ended at `settled`: both
are always told, so no span stays open, and nothing is kept of a check that has ended. `queued` is
told in the task of whoever asks, so the caller's span is the parent. Whoever asks for the same
image meanwhile (`shared`) becomes a link of that span.

A request has a CLIENT span under it, from its `turn` to `answered` or `unsent`. Those are told in
the flight's own task, inside which httpx works. So between them the request's span is the current
one there, and instrumentations of HTTP clients are told to be quiet: the request has its span.
What is not recorded (no SDK, not sampled) has no such span, and quiets nobody.

No attribute holds an image, a key, a query or the service's own text: they are numbers, names of
classes, words of this module, and the endpoint's address.
"""

from collections.abc import Callable
from contextlib import nullcontext
from contextvars import Token
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from s2v_detect import Event
from s2v_detect._service import PRICE_CNY
from s2v_detect._version import VERSION, missing

try:
    from opentelemetry import context, metrics, trace
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(missing("Telemetry", "otel"), name=error.name) from error

try:
    from opentelemetry.instrumentation.utils import suppress_http_instrumentation
except ModuleNotFoundError:  # then no HTTP client is instrumented
    suppress_http_instrumentation = nullcontext  # type: ignore[assignment]  # used the same way

_NAME = "s2v_detect"
_BOUNDS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 3600)
"""Of the histograms: a visitor waits for seconds, a row of a stream for an hour."""
_ERRORS_FROM = 400  # HTTP's own
_FAILED = trace.Status(trace.StatusCode.ERROR)

_Attributes = dict[str, Any]


def telemetry(
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> Callable[[Event], None]:
    """Return a watcher for `DetectClient(on_event=…)` that makes spans and metrics of each check.

    Several clients may share one. Without an SDK it does nothing, at next to no cost. A watcher of
    your own goes beside it in a function that calls both.

    Args:
        tracer_provider: an SDK's. Default: the global one, be it set before or after this call.
        meter_provider: as above.

    Example:
        >>> from s2v_detect import DetectClient
        >>> async def check(url: str) -> bool:
        ...     async with DetectClient(on_event=telemetry()) as client:
        ...         return (await client.check(url)).check_pass
    """
    return _Telemetry(
        trace.get_tracer(_NAME, VERSION, tracer_provider),
        metrics.get_meter(_NAME, VERSION, meter_provider),
    )


@dataclass(slots=True)
class _Check:
    """One check that has not ended."""

    span: trace.Span
    is_recorded: bool
    in_line: _Attributes | None
    """What it is counted by while it waits for a turn."""
    line_s: float = 0.0
    """Seconds in line, for all turns that it had."""
    source: str = "service"
    request: "tuple[trace.Span, Token[context.Context]] | None" = None
    """The span of the request under way, and what ends its being the current one."""


class _Telemetry:
    """All checks of all clients that tell it of their steps."""

    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter) -> None:
        self._tracer = tracer
        self._checks: dict[int, _Check] = {}
        self._quiet = _quieting()
        self._duration = meter.create_histogram(
            "s2v_detect.check.duration",
            "s",
            "Seconds of a check, its line and its retries included.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self._wait = meter.create_histogram(
            "s2v_detect.line.wait_time",
            "s",
            "Seconds that a request waited for its turn.",
            explicit_bucket_boundaries_advisory=_BOUNDS_S,
        )
        self._line = meter.create_up_down_counter(
            "s2v_detect.line.length", "{check}", "Checks that wait for a turn."
        )
        self._margin = meter.create_gauge(
            "s2v_detect.line.margin",
            "1",
            "By which part of the gap that the rate asks for requests are further apart now.",
        )
        self._throttled = meter.create_counter(
            "s2v_detect.throttled", "{request}", "Requests after which the line was slowed."
        )
        self._outcomes = meter.create_counter(
            "s2v_detect.outcomes", "{check}", "Checks that ended, by what came of them."
        )
        self._billed = meter.create_counter(
            "s2v_detect.billed", "{image}", "Images that were billed, or may have been."
        )
        self._cost = meter.create_counter(
            "s2v_detect.cost", "{CNY}", "CNY that were paid, or may have been."
        )

    def __call__(self, event: Event) -> None:
        """Take one step of one check."""
        if event.kind == "queued":
            self._checks[event.flight] = self._begun(event)
        elif event.kind == "settled":
            # One that is refused at once has no other step.
            self._end(self._checks.pop(event.flight, None) or self._begun(event), event)
        elif check := self._checks.get(event.flight):
            if event.kind == "turn":
                self._leave_line(check)
                self._begin_request(check, event)
            elif event.kind in ("answered", "unsent"):
                self._end_request(check, event)
                if event.error:  # it waits for another turn, or ends now
                    self._enter_line(check, event)
            else:
                self._note(check, event)

    def _begun(self, event: Event) -> _Check:
        span = self._tracer.start_span("s2v_detect.check")
        check = _Check(span, span.is_recording(), None)
        self._enter_line(check, event)
        return check

    def _enter_line(self, check: _Check, event: Event) -> None:
        check.in_line = _of_lane(event.lane)
        self._line.add(1, check.in_line)

    def _leave_line(self, check: _Check) -> None:
        if check.in_line is not None:
            self._line.add(-1, check.in_line)
            check.in_line = None

    def _begin_request(self, check: _Check, event: Event) -> None:
        self._wait.record(event.wait_s - check.line_s, _of_lane(event.lane))
        check.line_s = event.wait_s
        if event.margin is not None:
            self._margin.set(event.margin)
        if not check.is_recorded:
            return
        attributes = _of_endpoint(event.endpoint)
        if event.attempt > 1:
            attributes = {**attributes, "http.request.resend_count": event.attempt - 1}
        span = self._tracer.start_span(
            "POST",
            trace.set_span_in_context(check.span),
            trace.SpanKind.CLIENT,
            attributes,
        )
        current = trace.set_span_in_context(span)
        for key, value in self._quiet.items():
            current = context.set_value(key, value, current)
        check.request = span, context.attach(current)

    def _end_request(self, check: _Check, event: Event) -> None:
        if check.request is None:
            return
        (span, token), check.request = check.request, None
        context.detach(token)
        if event.status is not None:
            span.set_attribute("http.response.status_code", event.status)
        if event.service_ms is not None:
            span.set_attribute("s2v_detect.service_ms", event.service_ms)
        if event.error:
            is_by_status = event.status is not None and event.status >= _ERRORS_FROM
            span.set_attribute("error.type", str(event.status) if is_by_status else event.error)
            span.set_status(_FAILED)
        span.end()

    def _note(self, check: _Check, event: Event) -> None:
        """Keep a step that neither begins nor ends anything."""
        kind = event.kind
        if kind == "throttled":
            self._throttled.add(1)
        elif kind == "known":
            check.source = "ledger"
        if not check.is_recorded:
            return
        if kind == "sent":
            if check.request is not None:
                check.request[0].add_event(kind)
            return
        if kind == "shared":
            check.span.add_link(trace.get_current_span().get_span_context())
        attributes: _Attributes = {}
        if event.wait_s:
            attributes["s2v_detect.wait_s"] = event.wait_s
        if event.error:
            attributes["error.type"] = event.error
        if event.where:
            attributes["s2v_detect.where"] = event.where
        check.span.add_event(kind, attributes)

    def _end(self, check: _Check, event: Event) -> None:
        self._leave_line(check)
        ended = _of_end(event.lane, _outcome(event), event.error, event.check_pass, check.source)
        self._duration.record(event.wait_s, ended)
        self._outcomes.add(1, ended)
        unknown = event.cost_at_most - event.cost
        for cost, billed in ((event.cost, "yes"), (unknown, "unknown")):
            if cost:
                attributes = {"s2v_detect.billed": billed}
                self._billed.add(int(cost / PRICE_CNY), attributes)
                self._cost.add(float(cost), attributes)
        if check.request is not None:  # what raised was none of ours; its task ends now
            span, _ = check.request
            span.set_attribute("error.type", str(event.error))
            span.set_status(_FAILED)
            span.end()
        if check.is_recorded:
            check.span.set_attributes(
                ended
                | {
                    "s2v_detect.attempts": event.attempt,
                    "s2v_detect.billed": event.billed,
                    "s2v_detect.cost": float(event.cost),
                    "s2v_detect.cost_at_most": float(event.cost_at_most),
                }
            )
            if ended["s2v_detect.outcome"] == "failed":
                check.span.set_status(_FAILED)
        check.span.end()


def _outcome(event: Event) -> str:
    if event.error is None:
        return "checked"
    if event.error == "ImageSkipped":
        return "skipped"
    # Ended while it had cost nothing: whoever asked has left, or the client was closed.
    return "cancelled" if event.message and event.error == "NotSent" else "failed"


@lru_cache(maxsize=16)
def _of_lane(lane: str) -> _Attributes:
    return {"s2v_detect.lane": lane}


@lru_cache(maxsize=256)
def _of_end(
    lane: str, outcome: str, error: str | None, check_pass: bool | None, source: str
) -> _Attributes:
    attributes: _Attributes = {"s2v_detect.lane": lane, "s2v_detect.outcome": outcome}
    if error is not None:
        attributes["error.type"] = error
    if check_pass is not None:
        attributes |= {"s2v_detect.check_pass": check_pass, "s2v_detect.source": source}
    return attributes


@lru_cache(maxsize=16)
def _of_endpoint(endpoint: str) -> _Attributes:
    parts = urlsplit(endpoint)
    return {
        "http.request.method": "POST",
        "url.full": endpoint,
        "server.address": parts.hostname or "",
        "server.port": parts.port or (80 if parts.scheme == "http" else 443),
    }


def _quieting() -> dict[str, object]:
    """Return what in a context quiets the instrumentations of HTTP clients, where there are any.

    Each request has a context made once, where the library's own block would be two more.
    """
    before = context.get_current()
    with suppress_http_instrumentation():
        within = context.get_current()
        return {key: value for key, value in within.items() if before.get(key) != value}
