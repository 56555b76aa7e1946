"""The whole shape of the product, with stages that do nothing, on real servers."""

from __future__ import annotations

import asyncio

from tests.flow.noop import TENANT, Servers, overhead, pipeline, topology_of


async def test_every_workflow_completes_without_a_wake(servers: Servers) -> None:
    topology = topology_of(14)
    async with pipeline(servers, topology, sweeps=False) as running:
        workflows = [await running.submit() for _ in range(5)]
        assert await asyncio.gather(*(running.end(workflow) for workflow in workflows)) == ["completed"] * 5
        for workflow in workflows:
            rows = await running.reads.drops(TENANT, workflow)
            assert sorted((row.stage, row.state) for row in rows) == sorted((s, "completed") for s in topology.stages)
        # The end is heard from the stream, perhaps before the worker that published it has its PubAck and has counted.
        async with asyncio.timeout(10):
            while running.done("events") < 5 * (14 + 1):  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.02)
        assert running.done("events") == 5 * (14 + 1)
        assert running.done("wakes") == 0


async def test_the_overhead_of_a_chain_is_measured(servers: Servers) -> None:
    found = await overhead(servers, stages=3, in_flight=4, workflows=8)
    assert found.p50_ms > 0
    assert found.workflows_per_s > 0
    assert found.cpu_ms_per_workflow > 0
    assert found.wakes == 0
