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
from s2v_detect._version import VERSION, missing

try:
    from opentelemetry import context, metrics, trace
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(missing("Telemetry", "otel"), name=error.name) from error

from s2v_detect.integrations._instruments import (
    Attributes,
    Ending,
    Instruments,
    instruments_of,
    of_lane,
)

try:
    from opentelemetry.instrumentation.utils import suppress_http_instrumentation
except ModuleNotFoundError:  # then no HTTP client is instrumented
    suppress_http_instrumentation = nullcontext  # type: ignore[assignment]  # used the same way

_NAME = "s2v_detect"
_ERRORS_FROM = 400  # HTTP's own
_FAILED = trace.Status(trace.StatusCode.ERROR)


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
    tracer = trace.get_tracer(_NAME, VERSION, tracer_provider)
    return _Telemetry(tracer, instruments_of(meter_provider or metrics.get_meter_provider()))


@dataclass(slots=True)
class _Check:
    """One check that has not ended."""

    span: trace.Span
    is_recorded: bool
    lane: str
    """In which it waits for a turn; empty while it does not."""
    line_s: float = 0.0
    """Seconds in line, for all turns that it had."""
    source: str | None = None
    """Where its answer came from, if not from the service."""
    request: "tuple[trace.Span, Token[context.Context]] | None" = None
    """The span of the request under way, and what ends its being the current one."""


class _Telemetry:
    """All checks of all clients that tell it of their steps."""

    def __init__(self, tracer: trace.Tracer, instruments: Instruments) -> None:
        self._tracer = tracer
        self._instruments = instruments
        self._checks: dict[int, _Check] = {}
        self._quiet = _quieting()

    def __call__(self, event: Event) -> None:
        """Take one step of one check."""
        if event.kind == "queued":
            self._checks[event.flight] = self._begun(event)
        elif event.kind == "settled":
            # One that is refused at once has no other step.
            check = self._checks.pop(event.flight, None)
            self._end(self._begun(event) if check is None else check, event)
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
        self._instruments.wait_more(event.lane, 1)
        return _Check(span, span.is_recording(), event.lane)

    def _enter_line(self, check: _Check, event: Event) -> None:
        check.lane = event.lane
        self._instruments.wait_more(check.lane, 1)

    def _leave_line(self, check: _Check) -> None:
        if check.lane:
            self._instruments.wait_more(check.lane, -1)
            check.lane = ""

    def _begin_request(self, check: _Check, event: Event) -> None:
        wait_s, check.line_s = event.wait_s - check.line_s, event.wait_s
        self._instruments.wait.record(wait_s, of_lane(event.lane))
        if event.margin is not None:
            self._instruments.margin.set(event.margin)
        if not check.is_recorded:
            return
        attributes = _of_endpoint(event.endpoint)
        if event.attempt > 1:
            attributes = {**attributes, "http.request.resend_count": event.attempt - 1}
        parent = trace.set_span_in_context(check.span)
        span = self._tracer.start_span("POST", parent, trace.SpanKind.CLIENT, attributes)
        current = trace.set_span_in_context(span)
        for key, value in self._quiet.items():
            current = context.set_value(key, value, current)
        check.request = span, context.attach(current)

    def _end_request(self, check: _Check, event: Event) -> None:
        if check.request is None:
            return
        (span, token), check.request = check.request, None
        context.detach(token)
        attributes: dict[str, Any] = {}
        if event.status is not None:
            attributes["http.response.status_code"] = event.status
        if event.service_ms is not None:
            attributes["s2v_detect.service_ms"] = event.service_ms
        if event.error:
            is_by_status = event.status is not None and event.status >= _ERRORS_FROM
            attributes["error.type"] = str(event.status) if is_by_status else event.error
            span.set_status(_FAILED)
        span.set_attributes(attributes)
        span.end()

    def _note(self, check: _Check, event: Event) -> None:
        """Keep a step that neither begins nor ends anything."""
        kind = event.kind
        if kind == "throttled":
            self._instruments.throttle()
        elif kind == "known":
            check.source = "ledger"
        if not check.is_recorded or kind == "sent":  # the request's span tells of that one
            return
        if kind == "shared":
            check.span.add_link(trace.get_current_span().get_span_context())
        attributes: dict[str, Any] = {}
        if event.wait_s:
            attributes["s2v_detect.wait_s"] = event.wait_s
        if event.error:
            attributes["error.type"] = event.error
        if event.where:
            attributes["s2v_detect.where"] = event.where
        check.span.add_event(kind, attributes)

    def _end(self, check: _Check, event: Event) -> None:
        self._leave_line(check)
        outcome = _outcome(event, check.source)
        attributes = self._instruments.end(outcome, event.cost, event.cost_at_most)
        self._instruments.duration.record(event.wait_s, attributes)
        if check.request is not None:  # what was raised was nobody's answer; the task ends now
            span, _ = check.request
            span.set_attribute("error.type", str(event.error))
            span.set_status(_FAILED)
            span.end()
        if check.is_recorded:
            # Each attribute costs an SDK 2 µs: what goes without saying is not said.
            told = {**attributes, "s2v_detect.cost": float(event.cost)}
            if event.attempt > 1:
                told["s2v_detect.attempts"] = event.attempt
            if event.cost_at_most != event.cost:
                told["s2v_detect.cost_at_most"] = float(event.cost_at_most)
            check.span.set_attributes(told)
            if outcome.outcome == "failed":
                check.span.set_status(_FAILED)
        check.span.end()


def _outcome(event: Event, source: str | None) -> Ending:
    lane, error = event.lane, event.error
    if error is None:
        return Ending(lane, "checked", None, event.check_pass, source)
    if error == "ImageSkipped":
        return Ending(lane, "skipped", error)
    # Ended while it had cost nothing: whoever asked has left, or the client was closed.
    is_cancelled = event.message and error == "NotSent"
    return Ending(lane, "cancelled" if is_cancelled else "failed", error)


@lru_cache(maxsize=16)
def _of_endpoint(endpoint: str) -> Attributes:
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
