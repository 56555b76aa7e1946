"""A workflow's history from the stream, with PostgreSQL stopped; its export, and what is made of a hostile one."""

from __future__ import annotations

from random import Random

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from contracts.events import (
    Data,
    Event,
    Input,
    ModelCalls,
    Ref,
    StageCompleted,
    StageRejected,
    WorkflowSubmitted,
    event,
)
from contracts.topology import LIFECYCLE, TOPOLOGY
from deploy.local.stack import Stack
from gateway.connection import Connection, connect
from gateway.history import read as read_
from gateway.history.read import History, HistoryDown
from gateway.history.timeline import timeline, totals
from tests.bench.history import fill
from tests.gateway.conftest import Served
from tests.gateway.test_events import complete_all
from tests.gateway.test_workflows import submit
from tests.servers import Database
from workers.keeper.provision import event_stream, make_stream
from workers.kit.exported import read

WORKFLOW = "01J00000000000000000000000"
REF = Ref(key="artifacts/default/00/x", offset=0, length=1, sha256="0" * 64)


def at(seconds: float) -> str:
    return f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:09.6f}Z"


def made(stage: str, seconds: float, *inputs: tuple[str, int], revision: int = 1, **more: object) -> Event:
    taken = tuple(Input(stage=name, revision=number, sha256="0" * 64) for name, number in inputs)
    fields: dict[str, object] = {
        "tenant": "default", "workflow": WORKFLOW, "drop": "d", "stage": stage, "revision": revision,
        "artifact": REF, "media_type": "application/json", "inputs": taken, **more,
    }  # fmt: skip
    kind: type[Data] = StageRejected if "opens" in more else StageCompleted
    outcome = "rejected" if "opens" in more else "completed"
    return event(kind(**fields), stage=stage, outcome=outcome, revision=revision, time=at(seconds))  # type: ignore[arg-type]


def lifecycle(outcome: str, data: Data, seconds: float) -> Event:
    return event(data, stage=LIFECYCLE, outcome=outcome, revision=1, time=at(seconds))


SUBMITTED = lifecycle("submitted", WorkflowSubmitted(tenant="default", workflow=WORKFLOW, prompt_sha256="0" * 64), 0)


async def shut(stack: Stack, database: Database) -> None:
    """PostgreSQL refuses this database to everybody, and ends every connection to it."""
    name = database.gateway.rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(stack.urls.database)
    try:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    finally:
        await connection.close()


def test_a_step_waits_from_its_last_input_and_works_before_its_own_event() -> None:
    calls = (ModelCalls(role="analyst", model="m/x", calls=3, known=1, tokens_in=10, tokens_out=20, cost=0.5),)
    told = timeline(
        [
            SUBMITTED,
            made("prompt_enhancement", 2, work_ms=500, attempts=3, calls=calls),
            made("frd_generation", 5, ("prompt_enhancement", 1), work_ms=1000),
            made("semantic_validation", 6, ("frd_generation", 1), opens=2, target="code_generation", findings=4),
        ]
    )
    first, second, third = told.steps
    assert (first.ready_s, first.waited_s, first.work_s) == (0, 1.5, 0.5)
    assert (second.ready_s, second.waited_s, second.work_s) == (2, 2, 1)
    assert third.outcome == "rejected"
    assert "back to code_generation as revision 2" in third.note
    sums = told.totals
    assert (sums.retries, sums.repairs, sums.calls, sums.known, sums.tokens_out, sums.cost) == (2, 1, 3, 1, 20, 0.5)
    assert (told.state, told.seconds) == ("active", 6)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(TOPOLOGY.stages)), st.integers(1, 9), st.integers(0, 3_000_000), st.integers(0, 10**7)
        ),
        min_size=1,
        unique_by=lambda each: each[:2],
    ),
    st.randoms(),
)
def test_any_history_adds_up_whatever_the_order_it_comes_in(
    drops: list[tuple[str, int, int, int]], shuffled: Random
) -> None:
    events = [SUBMITTED]
    for place, (stage, revision, milliseconds, work_ms) in enumerate(drops):
        inputs = [(drops[place - 1][0], drops[place - 1][1])] if place else []
        events.append(made(stage, milliseconds / 1000, *inputs, revision=revision, work_ms=work_ms))
    told = timeline(events)
    shuffled.shuffle(events)
    assert timeline(events) == told
    assert len(told.steps) == len(drops)
    assert totals(told.steps) == told.totals
    for step in told.steps:
        assert min(step.ready_s, step.waited_s, step.work_s) >= 0
        assert step.ready_s + step.waited_s + step.work_s == pytest.approx(step.ended_s)
        assert step.ended_s <= told.seconds


async def test_the_stream_alone_tells_the_history_while_postgresql_is_away(
    served: Served, database: Database, stack: Stack
) -> None:
    workflow = await submit(served)
    await complete_all(served, workflow)
    await served.state.publisher.drain()
    await shut(stack, database)
    assert (await served.http.get(f"/v1/workflows/{workflow}")).status_code >= 500
    told = (await served.http.get(f"/v1/workflows/{workflow}/timeline")).json()
    assert told["state"] == "completed"
    assert [step["stage"] for step in told["steps"]] == list(TOPOLOGY.stages)
    assert (await served.http.get(f"/v1/workflows/{WORKFLOW}/timeline")).status_code == 404


@pytest.mark.parametrize(("batch", "size"), [(300, 16 << 20), (10_000, 60_000)])
async def test_a_history_is_whole_and_of_one_workflow_however_long(
    batch: int, size: int, nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_, "BATCH", batch)
    monkeypatch.setattr(read_, "BYTES", size)
    nc = await connect(nats_url)
    try:
        with pytest.raises(HistoryDown):
            await History(nc).of("default", "x")
        await make_stream(nc, event_stream(1 << 30))
        await fill(nc, nats_url, 2, 110)
        await fill(nc, nats_url, 2, read_.AT_ONCE + 110, first=2)
        for number, length in ((1, 110), (2, read_.AT_ONCE + 110)):
            workflow = f"01BENCH{number:019d}"
            found = await History(nc).of("default", workflow)
            assert len(found) == len({each.id for each in found}) == length
            assert {each.data.workflow for each in found} == {workflow}
            assert [each.time for each in found] == sorted(each.time for each in found)
        assert await History(nc).of("default", "nobody") == []
    finally:
        await nc.close()


async def test_headers_of_the_stream_are_ordinary(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """nats-py hands them to our reading of them, which leaves it only the status at the end."""
    nc, left, theirs = await connect(nats_url), list[bytes](), Client._parse_header_lines

    def reads(raw: bytes) -> dict[str, str]:
        left.append(raw)
        return theirs(raw)

    try:
        await make_stream(nc, event_stream(1 << 30))
        await fill(nc, nats_url, 1, 3)
        monkeypatch.setattr(Client, "_parse_header_lines", reads)
        assert len(await History(nc).of("default", "01BENCH0000000000000000000")) == 3
        assert [raw for raw in left if b"EOB" not in raw] == []
    finally:
        await nc.close()


NAMES = st.sampled_from(["a", "Nats-B", "a b", "", "\u00e9", "c\t"])
COLONS = st.sampled_from([": ", ":", ":\t", " : ", ""])
VALUES = st.text("a :%\t\u00e9\n", max_size=6)
LINES = st.binary(max_size=12) | st.builds("{}{}{}".format, NAMES, COLONS, VALUES).map(str.encode)


@given(st.lists(LINES, max_size=5), st.sampled_from([b"\r\n", b"\r\n\r\n", b"", b"\n"]))
def test_headers_are_read_as_nats_py_reads_them(lines: list[bytes], end: bytes) -> None:
    raw = b"\r\n".join(lines) + end
    assert Connection._parse_header_lines(raw) == Client._parse_header_lines(raw)


async def test_an_export_holds_everything_and_has_the_same_bytes_each_time(served: Served) -> None:
    workflow = await submit(served)
    active = await served.http.get(f"/v1/workflows/{workflow}/export")
    assert (active.status_code, active.json()["code"]) == (409, "workflow_active")
    archive = await complete_all(served, workflow)
    first, second = [await served.http.get(f"/v1/workflows/{workflow}/export") for _ in range(2)]
    assert first.content == second.content
    found = read(first.content)
    assert found.workflow.id == workflow
    assert len(found.events) == len(TOPOLOGY.stages) + 2
    assert archive in found.artifacts.values()
    assert {drop.artifact.sha256 for drop in found.drops if drop.artifact} == set(found.artifacts)


async def test_what_a_stage_of_somebody_else_made_is_in_the_file(served: Served) -> None:
    workflow = await submit(served)
    drop = {"stage": "x_licence_header_check", "revision": 1, "artifact": {"text": "checked"}}
    made = (await served.http.post(f"/v1/workflows/{workflow}/drops", json=drop)).json()
    await complete_all(served, workflow)
    found = read((await served.http.get(f"/v1/workflows/{workflow}/export")).content)
    assert drop["stage"] in {row.stage for row in found.drops}
    assert found.artifacts[made["artifact"]["sha256"]] == b"checked"
