"""Logs, traces and metrics of one process: structlog as JSON lines on stderr, OpenTelemetry exported only where a
collector is.

The trace of a workflow begins at the gateway's request and goes through every stage by its `traceparent`.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import structlog
from opentelemetry import context, metrics, trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["Span", "SpanKind", "setup", "span", "traceparent"]

METRICS_EVERY_S = 15
EXPORT_S, CLOSE_S = 2, 3
"""A collector that is away or silent costs an export so much, and the end of a process: what it was to hear is lost."""
_PROPAGATOR = TraceContextTextMapPropagator()
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SECRETS = ("password", "secret", "token", "authorization", "api_key", "dsn", "url")
_HIDDEN = "[hidden]"
_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""structlog's own default prints every frame's variables: passwords and prompts among them."""


def setup(service: str, *, log_level: str = "info", otlp_url: str = "") -> Callable[[], None]:
    """Configure logging, tracing and metrics for this process; returns what flushes and closes them."""
    _logging(service, log_level)
    return _exporting(service, otlp_url.rstrip("/")) if otlp_url else lambda: None


def _logging(service: str, level: str) -> None:
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(stream=sys.stderr, level=max(threshold, logging.WARNING), format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add(service),
            _hide_secrets,
            structlog.processors.ExceptionRenderer(_TRACEBACKS),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _add(service: str) -> structlog.types.Processor:
    def add(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            entry["trace_id"] = f"{context.trace_id:032x}"
        entry["service"] = service
        return entry

    return add


def _hide_secrets(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in entry:
        if any(part in name.lower() for part in _SECRETS):
            entry[name] = _HIDDEN
    return entry


def _exporting(service: str, url: str) -> Callable[[], None]:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": service, "service.namespace": "quantumlayer"})
    tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=EXPORT_S)
    tracers.add_span_processor(BatchSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=f"{url}/v1/metrics", timeout=EXPORT_S),
        export_interval_millis=METRICS_EVERY_S * 1000,
    )
    meters = MeterProvider([reader], resource, shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    return partial(_at_once, tracers.shutdown, partial(meters.shutdown, timeout_millis=CLOSE_S * 1000))


def _at_once(*closing: Callable[[], None]) -> None:
    """All, side by side, for as long as there is time: the SDK has no bound for spans that wait in several batches."""
    until = time.monotonic() + CLOSE_S
    threads = [threading.Thread(target=close, daemon=True) for close in closing]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def span(
    name: str, kind: SpanKind, traceparent: str = "", **attributes: str | int | bool
) -> AbstractContextManager[Span]:
    """A span under `traceparent` ('' for the current one). `name` and attributes hold no ids: they are templates.

    Where nothing is exported the trace is only carried on, which costs a tenth of a span.
    """
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return _Carried(traceparent)
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    tracer = provider.get_tracer("quantumlayer")
    return tracer.start_as_current_span(name, context=parent, kind=kind, attributes=attributes)


class _Carried:
    """Makes a trace the current one, for logs and for what is called from here; records nothing."""

    __slots__ = ("_span", "_token")

    def __init__(self, traceparent: str) -> None:
        self._span = _remote(traceparent) if traceparent else trace.get_current_span()

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)


def _remote(traceparent: str) -> Span:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return trace.INVALID_SPAN
    ids = trace.SpanContext(int(found[1], 16), int(found[2], 16), True, trace.TraceFlags(int(found[3], 16)))
    return trace.NonRecordingSpan(ids)


def traceparent() -> str:
    """The W3C trace context of the current span, '' outside of any."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return ""
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"
