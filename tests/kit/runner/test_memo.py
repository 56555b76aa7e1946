"""A fork on real servers: what did not change is taken over, and what did runs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from ulid import ULID

from contracts.artifacts import JSON, Submission, encode
from contracts.cloudevents import from_structured
from contracts.events import Input, Ref, StageCompleted
from contracts.topology import Topology
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES, Draft, Side, Verdict, refuse_once
from tests.kit.runner.test_stopping import until
from workers.kit.binding import bind
from workers.kit.runner.memo import Memo
from workers.kit.stage import Reject, Run
from workers.kit.stores.asks import Asking
from workers.kit.stores.drops import Claim, InputDrop
from workers.kit.stores.forks import Edited, Fork, Forked
from workers.kit.stores.keys import artifact_key


class Counted:
    """The small pipeline's stages, which count how often they work."""

    def __init__(self, *, repairs: bool = False) -> None:
        self.done = Counter[str]()
        self._repairs = repairs

    def stages(self) -> dict[str, object]:
        async def check(draft: Draft) -> Verdict | Reject:
            self.done["check"] += 1
            if self._repairs:
                return await refuse_once(draft)
            return Verdict(good=True, of=str(len(draft.text)))

        async def side(draft: Draft) -> Side:
            self.done["side"] += 1
            return Side(text=draft.text)

        return {**STAGES, "check": check, "side": side}


@asynccontextmanager
async def running(servers: Servers, counted: Counted, topology: Topology = SMALL) -> AsyncIterator[Pipeline]:
    async with pipeline(servers, topology, counted.stages()) as found:
        yield found


async def fork(found: Pipeline, parent: str, stage: str, **changes: object) -> str:
    wish = Fork(id=str(ULID()), tenant=TENANT, parent=parent, stage=stage, deadline_s=60)
    found.follow(wish.id)
    done = await found.reads.fork(msgspec.structs.replace(wish, **changes), found.topology, most=100)
    assert isinstance(done, Forked)
    await found.reads.published([await found.publisher.fact(event) for event in done.events])
    assert await found.end(done.id) == "completed"
    return done.id


async def reused(found: Pipeline, workflow: str) -> dict[str, str]:
    told = [from_structured(event.body).data for event in await found.reads.events(TENANT, workflow)]
    return {data.stage: data.reused for data in told if isinstance(data, StageCompleted)}


async def capsule(found: Pipeline, workflow: str) -> bytes:
    drop = next(row for row in await found.reads.drops(TENANT, workflow) if row.stage == "pack")
    assert drop.artifact
    return await found.artifacts.get(drop.artifact)


async def lost(found: Pipeline, drop: str) -> Ref:
    """The drop's artifact, of which nothing is left."""
    (row,) = [row for row in await found.reads.drops(TENANT, drop.partition(".")[0]) if row.id == drop]
    assert row.artifact
    await found.artifacts.put(TENANT, b"", key=row.artifact.key)
    found.artifacts.cache.clear()
    return row.artifact


@pytest.mark.parametrize("repairs", [False, True])
async def test_only_what_comes_after_runs(servers: Servers, repairs: bool) -> None:
    counted = Counted(repairs=repairs)
    async with running(servers, counted) as found:
        parent = await found.submit("hello")
        assert await found.end(parent) == "completed"
        assert found.done("reused") == 0, "an ordinary workflow is never looked up"
        before = Counter(counted.done)
        forked = await fork(found, parent, "check")
        newest = 2 if repairs else 1
        assert counted.done - before == Counter(check=1)
        told = await reused(found, forked)
        assert told == {
            "draft": f"{parent}.draft.{newest}",
            "check": "",
            "side": f"{parent}.side.{newest}",
            "pack": "",
        }
        assert await capsule(found, forked) == await capsule(found, parent)


async def test_an_edit_runs_what_depends_on_it_until_nothing_changes(servers: Servers) -> None:
    counted = Counted()
    async with running(servers, counted) as found:
        parent = await found.submit("hello")
        await found.end(parent)
        body, _ = encode(Draft(text="world"))
        ref = await found.artifacts.put(TENANT, body, key=artifact_key(TENANT, "e" * 64))
        edited = Edited(sha256=ref.sha256, media_type=JSON, ref=ref)
        first = await fork(found, parent, "draft", edited=edited)
        assert counted.done == Counter(check=2, side=2)
        assert await capsule(found, first) == b"world|5|world|True"
        await fork(found, first, "draft", edited=edited)
        assert counted.done == Counter(check=2, side=2), "it was all there"


async def test_a_claim_that_was_lost_does_not_turn_it_off(servers: Servers) -> None:
    counted = Counted()
    async with running(servers, counted) as found:
        parent = await found.submit("hello")
        await found.end(parent)
        wish = Fork(id=str(ULID()), tenant=TENANT, parent=parent, stage="check", deadline_s=60)
        found.follow(wish.id)
        done = await found.reads.fork(wish, SMALL, most=100)
        assert isinstance(done, Forked)
        first = await found.drops.claim("side", TENANT, wish.id, lease_s=30, attempts=5)
        assert isinstance(first, Claim)
        await found.drops.release(first)
        await found.reads.published([await found.publisher.fact(event) for event in done.events])
        assert await found.end(wish.id) == "completed"
        assert counted.done["side"] == 1
        assert (await reused(found, wish.id))["side"] == f"{parent}.side.1"


async def test_what_is_lost_is_not_taken_over(servers: Servers) -> None:
    counted = Counted()
    async with running(servers, counted) as found:
        parent = await found.submit("hello")
        await found.end(parent)
        await lost(found, f"{parent}.side.1")
        forked = await fork(found, parent, "check")
        assert counted.done["side"] == 2
        assert (await reused(found, forked))["side"] == ""


async def test_what_was_copied_and_is_lost_is_made_again(servers: Servers) -> None:
    counted = Counted()
    async with running(servers, counted) as found:
        parent = await found.submit("hello")
        await found.end(parent)
        was = await lost(found, f"{parent}.draft.1")
        forked = await fork(found, parent, "check")
        assert counted.done["check"] == 2
        (again,) = [row for row in await found.reads.drops(TENANT, forked) if row.stage == "draft"]
        assert (again.state, again.attempts) == ("completed", 1)
        assert again.artifact
        assert again.artifact.sha256 == was.sha256


async def test_what_the_memo_knew_and_is_lost_is_made_again_as_it_was_made(servers: Servers) -> None:
    """A model that is asked at another revision answers anew: other bytes, which would fail the workflow."""
    counted, let_go = Counted(), asyncio.Event()

    async def check(draft: Draft) -> Verdict | Reject:
        await let_go.wait()
        return await refuse_once(draft)

    async def side(draft: Draft, run: Run) -> Side:
        counted.done["side"] += 1
        return Side(text=f"{draft.text} at {run.revision}")

    async with pipeline(servers, SMALL, {**counted.stages(), "check": check, "side": side}) as found:
        let_go.set()
        parent = await found.submit("hello")
        assert await found.end(parent) == "completed"
        let_go.clear()
        forking = asyncio.create_task(fork(found, parent, "check"))
        await until(lambda: found.done("reused"))
        was = await lost(found, f"{parent}.side.2")
        before = counted.done["side"]
        let_go.set()
        forked = await forking
        assert counted.done["side"] == before + 1
        (again,) = [row for row in await found.reads.drops(TENANT, forked) if row.stage == "side"]
        assert again.artifact
        assert (again.revision, again.artifact.sha256) == (1, was.sha256)


def test_what_the_key_depends_on() -> None:
    def key(name: str = "side", *, submission: str = "a", digest: str = "0", unmet: bool = False, **more: str) -> str:
        told = Input(stage="draft", revision=3, sha256=digest, unmet=unmet)
        drop = InputDrop(input=told, ref=Ref(key="k", offset=0, length=1, sha256=digest), media_type=JSON)
        claim = Claim(
            drop="d",
            tenant=TENANT,
            workflow=more.get("workflow", "W"),
            stage=name,
            revision=1,
            epoch=1,
            attempt=1,
            submission=Submission(prompt=submission),
            inputs={} if name == "draft" else {"draft": drop},
            repair={"check": drop} if "repair" in more else {},
            asking=Asking(model=more.get("model", ""), template=more.get("template", "")),
        )
        binding = bind(STAGES[name], name, SMALL)
        row = msgspec.structs.replace(binding.row, version=int(more.get("version", 1)), asks_model="models" in more)
        return Memo(dataclasses.replace(binding, row=row), more.get("models", "")).key(claim)

    assert key() == key(workflow="V", submission="b")
    assert key("draft") != key("draft", submission="b"), "it reads the submission"
    assert key(models="a/x, b/y") == key(models="a/x,b/y")
    keys = [
        key(),
        key(digest="1"),
        key(version="2"),
        key(models="a/x"),
        key(models="b/y"),
        key(repair=""),
        key("check"),
        key(model="a/x"),
        key(template="a/x"),
    ]
    assert len({*keys, ""}) == len(keys) + 1
    assert key("pack") == "", "a capsule names its workflow"
