"""What others see of a stage at work: one span under the workflow's trace, progress on plain NATS, log context."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.flow.noop import Servers, pipeline
from tests.kit.runner import small
from tests.kit.runner.small import SMALL, STAGES
from workers.kit.runner import attempt
from workers.kit.stage import Run, Transient

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_every_stage_is_one_span_of_the_workflows_trace(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, spans = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    seen: list[str] = []

    async def check(run: Run, draft: small.Draft) -> small.Verdict:
        seen.append(run.traceparent)
        return await small.accept(draft)

    async with pipeline(servers, SMALL, STAGES | {"check": check}, sweeps=False) as running:
        workflow = await running.submit("p", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        await running.end(workflow)
    made = {span.name: span for span in spans.get_finished_spans()}
    assert set(made) == {f"process ql.evt.{{tenant}}.{{workflow}}.{stage}" for stage in SMALL.stages}
    for span in made.values():
        assert f"{span.context.trace_id:032x}" == TRACE
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
        assert (span.attributes or {})["outcome"] == "completed"
    within = made["process ql.evt.{tenant}.{workflow}.check"]
    assert seen == [f"00-{TRACE}-{within.context.span_id:016x}-01"]


async def test_what_takes_a_while_is_told_live_and_logs_know_their_workflow(servers: Servers) -> None:
    context: list[dict[str, object]] = []

    async def check(run: Run, draft: small.Draft) -> small.Verdict:
        context.append(structlog.contextvars.get_contextvars())
        await asyncio.sleep(2 * attempt.SHOWN_S)
        if run.attempt == 1:
            raise Transient("not yet")
        return await small.accept(draft)

    async with pipeline(servers, SMALL, STAGES | {"check": check}, sweep_s=0.1) as running:
        live = await running.nc.subscribe("ql.live.*.*.check")
        workflow = await running.submit("p")
        await running.end(workflow)
        told = [await live.next_msg(timeout=5) for _ in range(3)]
    assert {message.subject for message in told} == {f"ql.live.default.{workflow}.check"}
    assert [msgspec.json.decode(message.data) for message in told] == [
        {"stage": "check", "revision": 1, "state": "started", "attempt": 1},
        {"stage": "check", "revision": 1, "state": "finished", "outcome": "retry"},
        {"stage": "check", "revision": 1, "state": "started", "attempt": 2},
    ]
    assert context == [{"workflow": workflow, "stage": "check", "revision": 1, "attempt": n} for n in (1, 2)]
