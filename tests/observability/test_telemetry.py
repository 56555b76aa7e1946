"""Logs hold ids and no secrets; spans and metrics reach a collector in OTLP, and only when one is configured."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from observability import metrics

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROGRAM = """
import sys, structlog
from observability import metrics
from observability.telemetry import SpanKind, setup, span, traceparent
close = setup("worker", otlp_url=sys.argv[1])
with span("process ql.evt.{tenant}.{workflow}.packaging", SpanKind.CONSUMER, sys.argv[2], stage="packaging"):
    structlog.get_logger().info("worked", workflow="W1", database_url="postgresql://u:hunter2@h/d", text="line\\nbreak")
    print(traceparent())
counted = {("claimed", "packaging"): 1, ("events", ""): 7}
metrics.watch(counted)
counted |= {("claimed", "packaging"): 2, ("idle.done", "packaging"): 3, ("completed", "packaging"): 2}
for by in ("model", "ledger", "model"):
    metrics.model_call("packaging", by)
close()
"""


class Collector(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    received: ClassVar[list[ExportTraceServiceRequest]]
    measured: ClassVar[list[ExportMetricsServiceRequest]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/metrics":
            self.measured.append(ExportMetricsServiceRequest.FromString(body))
        elif self.path == "/v1/traces":
            self.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def collector() -> Iterator[tuple[str, type[Collector]]]:
    class Own(Collector):
        received: ClassVar[list[ExportTraceServiceRequest]] = []
        measured: ClassVar[list[ExportMetricsServiceRequest]] = []

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", Own
        server.shutdown()
        thread.join()


def run(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, url, TRACE], capture_output=True, text=True, check=True)


def test_a_span_reaches_the_collector_under_its_workflow_s_trace(
    collector: tuple[str, type[Collector]],
) -> None:
    url, own = collector
    run(url)
    (resource,) = own.received[0].resource_spans
    (span,) = resource.scope_spans[0].spans
    assert span.name == "process ql.evt.{tenant}.{workflow}.packaging"
    assert span.trace_id.hex() == TRACE.split("-")[1]
    assert span.parent_span_id.hex() == TRACE.split("-")[2]
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "worker"


def test_what_was_counted_reaches_the_collector_by_stage(collector: tuple[str, type[Collector]]) -> None:
    url, own = collector
    run(url)
    (resource,) = own.measured[-1].resource_metrics
    assert {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"] == "worker"
    told = [
        (metric.name, {a.key: a.value.string_value for a in point.attributes}, point.as_int)
        for metric in resource.scope_metrics[0].metrics
        for point in metric.sum.data_points
    ]
    assert sorted(told, key=str) == [
        ("ql.attempts", {"stage": "packaging", "outcome": "completed"}, 2),
        ("ql.claims", {"stage": "packaging"}, 2),
        ("ql.events", {}, 7),
        ("ql.idle", {"stage": "packaging", "reason": "done"}, 3),
        ("ql.model.calls", {"stage": "packaging", "by": "ledger"}, 1),
        ("ql.model.calls", {"stage": "packaging", "by": "model"}, 2),
    ]
    units = {(metric.name, metric.unit) for metric in resource.scope_metrics[0].metrics}
    assert units <= {(metric.name, metric.unit) for metric in metrics.ALL}


def test_without_a_collector_it_is_silent_and_the_trace_goes_on() -> None:
    ended = run("")
    assert ended.stdout.strip().split("-")[1] == TRACE.split("-")[1]
    assert len(ended.stderr.splitlines()) == 1


def test_a_log_line_is_json_with_ids_and_without_secrets() -> None:
    (line,) = run("").stderr.splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["workflow"], entry["service"]) == ("worked", "W1", "worker")
    assert entry["trace_id"] == TRACE.split("-")[1]
    assert entry["text"] == "line\nbreak"
    assert "hunter2" not in line


FAILING = """
import structlog
from observability.telemetry import setup
setup("worker")
try:
    dsn = "postgresql://u:hunter2@h/d"
    raise OSError("gone")
except OSError as error:
    structlog.get_logger().error("failed", exc_info=error)
"""


def test_a_logged_error_shows_where_it_was_and_no_variable() -> None:
    ended = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, text=True, check=True)
    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["exception"][0]["exc_value"] == "gone"
    assert "hunter2" not in line
