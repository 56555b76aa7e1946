"""Logs and traces of one process: structlog as JSON lines on stderr, OpenTelemetry exported only where a collector is.

The trace of a workflow begins at the gateway's request and goes through every stage by its `traceparent`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["Span", "SpanKind", "setup", "span", "traceparent"]

_PROPAGATOR = TraceContextTextMapPropagator()
_SECRETS = ("password", "secret", "token", "authorization", "api_key", "dsn", "url")
_HIDDEN = "[hidden]"
_TRACEBACKS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""structlog's own default prints every frame's variables: passwords and prompts among them."""


def setup(service: str, *, log_level: str = "info", otlp_url: str = "") -> Callable[[], None]:
    """Configure logging and tracing for this process; returns what flushes and closes both."""
    _logging(service, log_level)
    return _tracing(service, otlp_url) if otlp_url else lambda: None


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


def _tracing(service: str, url: str) -> Callable[[], None]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service, "service.namespace": "quantumlayer"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)
    return provider.shutdown


@contextmanager
def span(name: str, kind: SpanKind, traceparent: str = "", **attributes: str | int | bool) -> Iterator[Span]:
    """A span under `traceparent` ('' for the current one). `name` and attributes hold no ids: they are templates.

    Where no collector is configured, OpenTelemetry's own no-op spans make this nearly free.
    """
    context = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else None
    tracer = trace.get_tracer("quantumlayer")
    with tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        yield current


def traceparent() -> str:
    """The W3C trace context of the current span, '' outside of any."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")
