"""What came from what can be read from the stream alone, with nothing but NATS (design: order)."""

from __future__ import annotations

import nats
from nats.js.api import DeliverPolicy

from contracts import cloudevents, subjects
from contracts.events import Event, Input, StageCompleted, StageRejected
from tests.flow.noop import TENANT, Servers, pipeline
from tests.kit.runner import small
from tests.kit.runner.small import SMALL, STAGES

Drop = tuple[str, int]
"""A stage at a revision."""


class Lineage:
    """The drops of one workflow: what each was made from, its artifact, and where a refused one sent the work."""

    def __init__(self, events: list[Event]) -> None:
        self.artifact: dict[Drop, str] = {}
        self.inputs: dict[Drop, frozenset[Input]] = {}
        self.opened: dict[Drop, tuple[int, str]] = {}
        for data in (event.data for event in events):
            if isinstance(data, StageCompleted | StageRejected):
                drop = (data.stage, data.revision)
                self.artifact[drop] = data.artifact.sha256
                self.inputs[drop] = frozenset(data.inputs)
            if isinstance(data, StageRejected):
                self.opened[data.stage, data.revision] = (data.opens, data.target)

    def parents(self, drop: Drop) -> set[Drop]:
        """The drops it was made from; each input is the very artifact that its drop wrote."""
        for told in self.inputs[drop]:
            assert self.artifact[told.stage, told.revision] == told.sha256
        return {(told.stage, told.revision) for told in self.inputs[drop]}


async def read(url: str, workflow: str) -> list[Event]:
    nc = await nats.connect(url)
    try:
        reading = await nc.jetstream().subscribe(
            f"ql.evt.{TENANT}.{workflow}.>",
            stream=subjects.STREAM,
            ordered_consumer=True,
            deliver_policy=DeliverPolicy.ALL,
        )
        found: list[Event] = []
        while not found or found[-1].parts.stage != "workflow" or found[-1].parts.outcome == "submitted":
            message = await reading.next_msg(timeout=5)
            found.append(cloudevents.from_binary(message.headers, message.data))
        return found
    finally:
        await nc.close()


async def test_the_stream_alone_tells_the_lineage_of_a_repaired_workflow(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES | {"check": small.refuse_once}, workers=2, sweeps=False) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        rows = await running.reads.drops(TENANT, workflow)
    told = Lineage(await read(servers.nats, workflow))  # every connection to PostgreSQL is closed

    assert told.opened == {("check", 1): (2, "draft")}
    assert told.parents(("draft", 1)) == set()
    assert told.parents(("check", 1)) == {("draft", 1)}
    assert told.parents(("draft", 2)) == {("draft", 1), ("check", 1)}
    assert told.parents(("check", 2)) == told.parents(("side", 2)) == {("draft", 2)}
    assert told.parents(("pack", 2)) == {("draft", 2), ("check", 2), ("side", 2)}

    kept = [row for row in rows if row.artifact and row.state in {"completed", "rejected"}]
    assert {(r.stage, r.revision): r.artifact.sha256 for r in kept if r.artifact} == told.artifact
    assert {(r.stage, r.revision): frozenset(r.inputs) for r in kept} == told.inputs
    assert {(r.stage, r.revision): (r.opens, r.target) for r in kept if r.opens} == told.opened
