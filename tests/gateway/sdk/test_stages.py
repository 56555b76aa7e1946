"""A stage of somebody else as a process of its own, on real events: killed, failing, without rights."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from contracts.artifacts import JSON, File, SourceTree, encode
from contracts.topology import TOPOLOGY
from quantumlayer.handling import _covers
from quantumlayer.stages import Function, Permanent, Report, Work, observer, serve, stage
from tests.gateway.conftest import Served
from tests.gateway.sdk.faulty import before, says
from tests.gateway.test_events import work
from tests.gateway.test_workflows import PROMPT, submit
from workers.kit.stores.drops import Completed

OWN = Path(__file__).with_name("own.py")
NAME = "x_count_bytes"
DURABLE = "default_count-bytes"
UNTIL_CODE = list(TOPOLOGY.stages)[: list(TOPOLOGY.stages).index("code_generation") + 1]


@asynccontextmanager
async def started(served: Served) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process of own.py; at the end it is asked to stop, and has to within moments."""
    env = {**os.environ, "QL_NATS_URL": served.settings.nats_url, "QL_GATEWAY_URL": served.url}
    process = await asyncio.create_subprocess_exec(sys.executable, str(OWN), env=env, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()


@asynccontextmanager
async def following(served: Served, function: Function, *, gateway_url: str = "") -> AsyncIterator[None]:
    """The function as a stage, in this process."""
    own = stage("count_bytes", after="code_generation.completed", tries=3)(function)
    serving = asyncio.create_task(serve(own, gateway_url=gateway_url or served.url, nats_url=served.settings.nats_url))
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def coded(served: Served, number: int) -> str:
    """A workflow whose code has been written."""
    workflow = await submit(served, f"{PROMPT} Number {number}.")
    tree = SourceTree(files=(File(path="src/a.py", text=f"A = {number}\n"),))
    for name in UNTIL_CODE:
        body = encode(tree)[0] if name == "code_generation" else b"{}"
        ref = await served.artifacts.put("default", body)
        await work(served, workflow, name, Completed(artifact=ref, media_type=JSON))
    return workflow


async def drops_of(served: Served, workflow: str) -> list[dict[str, Any]]:
    listed = (await served.http.get(f"/v1/workflows/{workflow}/drops")).json()["items"]
    return [drop for drop in listed if drop["stage"] == NAME]


async def made(served: Served, workflows: list[str]) -> list[dict[str, Any]]:
    """The drop of each workflow, as soon as all have one."""
    async with asyncio.timeout(60):
        for workflow in workflows:
            while not await drops_of(served, workflow):  # noqa: ASYNC110  over HTTP there is no event to wait for
                await asyncio.sleep(0.05)
    return [drop for workflow in workflows for drop in await drops_of(served, workflow)]


async def events_of(served: Served) -> list[str]:
    """The ids of the stage's events on the stream."""
    pulled = await served.nc.jetstream().subscribe(f"ql.evt.default.*.{NAME}.>", stream="QL", ordered_consumer=True)
    ids: list[str] = []
    while True:
        try:
            message = await pulled.next_msg(timeout=1)
        except TimeoutError:
            return ids
        ids.append((message.headers or {})["ce-id"])


async def test_killed_at_random_moments_it_handles_every_event_once(served: Served) -> None:
    js = served.nc.jetstream()
    config = ConsumerConfig(durable_name=DURABLE, ack_policy=AckPolicy.EXPLICIT, ack_wait=1)
    config.filter_subject = "ql.evt.default.*.code_generation.>"
    await js.add_consumer("QL", config)
    workflows = [await coded(served, number) for number in range(5)]
    chance = random.Random(7)  # noqa: S311
    for _ in range(2):
        async with started(served) as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 2)):
                await process.stdout.readline()
            await asyncio.sleep(chance.random() * 0.4)  # while it works, sends its drop, or acknowledges
            process.kill()
    async with started(served):
        drops = await made(served, workflows)
    assert [drop["id"] for drop in drops] == [f"{workflow}.{NAME}.1" for workflow in workflows]
    assert sorted(await events_of(served)) == sorted(f"{workflow}.{NAME}.completed.1" for workflow in workflows)
    assert (await js.consumer_info("QL", DURABLE)).num_pending == 0


async def fails(work: Work) -> Report:
    raise RuntimeError("no luck")


async def refuses(work: Work) -> Report:
    raise Permanent("not with me")


def makes_no_json(work: Work) -> Report:
    return Report({"what": object()})


@pytest.mark.parametrize(
    ("function", "error", "attempts"),
    [(fails, "no luck", 3), (refuses, "not with me", 1), (makes_no_json, "not JSON serializable", 1)],
)
async def test_what_fails_is_a_dead_letter_and_hurts_nobody(
    served: Served, function: Function, error: str, attempts: int
) -> None:
    workflow = await coded(served, 1)
    async with following(served, function):
        (drop,) = await made(served, [workflow])
    assert (drop["state"], drop["attempts"]) == ("failed", attempts)
    assert error in drop["error"]
    assert (await served.http.get(f"/v1/workflows/{workflow}")).json()["state"] == "active"


async def large(work: Work) -> Report:
    return Report(bytes(300_000))


async def test_large_results_and_traces_go_over_http(served: Served) -> None:
    workflow = await coded(served, 1)
    async with following(served, large):
        (drop,) = await made(served, [workflow])
    assert drop["artifact"]["size"] == 300_000
    told = {event.id: json.loads(event.body) for event in await served.state.reads.events("default", workflow)}
    woke, mine = told[f"{workflow}.code_generation.completed.1"], told[f"{workflow}.{NAME}.completed.1"]
    assert mine["traceparent"].split("-")[1] == woke["traceparent"].split("-")[1]
    assert mine["data"]["inputs"][0]["sha256"] == woke["data"]["artifact"]["sha256"]


async def test_a_gateway_that_is_away_costs_no_try(served: Served) -> None:
    """It says so more often than the function may be tried."""
    workflow = await coded(served, 1)
    async with before(served.url) as faulty:
        faulty.plan += [says(503, "Retry-After: 3600")] * 4
        async with following(served, large, gateway_url=faulty.url):
            (drop,) = await made(served, [workflow])
        assert faulty.plan == []
    assert (drop["state"], drop["attempts"]) == ("completed", 1)


async def test_an_observer_is_called_for_what_it_follows_and_writes_nothing(served: Served) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    @observer("watcher", after=("workflow.submitted", "code_generation.completed"))
    def watch(work: Work) -> None:  # a plain function runs in a thread
        heard.put_nowait(f"{work.event.stage}.{work.event.outcome}")

    workflow = await coded(served, 1)
    serving = asyncio.create_task(serve(watch, gateway_url=served.url, nats_url=served.settings.nats_url))
    async with asyncio.timeout(10):
        assert [await heard.get() for _ in range(2)] == ["workflow.submitted", "code_generation.completed"]
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert await drops_of(served, workflow) == []


async def test_a_subscription_that_is_deaf_to_it_is_told_of(served: Served) -> None:
    config = ConsumerConfig(durable_name="default_deaf", ack_policy=AckPolicy.EXPLICIT)
    config.filter_subject = "ql.evt.default.*.packaging.>"
    await served.nc.jetstream().add_consumer("QL", config)

    @stage("deaf", after="code_generation.completed")
    async def deaf(work: Work) -> Report:
        return Report({})

    with pytest.raises(ExceptionGroup, match="unhandled") as group:
        await serve(deaf, gateway_url=served.url, nats_url=served.settings.nats_url)
    assert "does not hear of ql.evt.default.*.code_generation.>" in str(group.value.exceptions[0])


@pytest.mark.parametrize("after", ["code_generation", "*.completed", "a.b.c", "a.>", ""])
def test_what_nothing_can_follow_is_refused(after: str) -> None:
    with pytest.raises(ValueError, match="is not <stage>"):
        stage("a", after=after)


@pytest.mark.parametrize(
    ("heard", "wanted", "covered"),
    [
        ("ql.evt.default.>", "ql.evt.default.*.a.>", True),
        ("ql.evt.default.*.a.>", "ql.evt.default.*.a.>", True),
        (">", "ql.evt.default.*.a.>", True),
        ("ql.evt.default.*.b.>", "ql.evt.default.*.a.>", False),
        ("ql.evt.default.w1.a.>", "ql.evt.default.*.a.>", False),
        ("ql.evt.default.*.a.*", "ql.evt.default.*.a.>", False),
        ("ql.evt.default.*.a", "ql.evt.default.*.a.>", False),
    ],
)
def test_what_covers_what(heard: str, wanted: str, covered: bool) -> None:
    assert _covers(heard, wanted) is covered
