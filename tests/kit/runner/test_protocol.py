"""The rules of the stage protocol, one by one, on real servers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, ClassVar

import msgspec
import pytest

from contracts import cloudevents, subjects
from contracts.events import Event, Ref, WorkflowCompleted
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner import small
from tests.kit.runner.small import SMALL, STAGES, Draft, Verdict
from workers.kit.runner import sweeper, work
from workers.kit.stage import Permanent, Refused, Reject, Run, Transient
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.drops import (
    Claim,
    Committed,
    Completed,
    DropRow,
    LetterWriter,
    NoClaim,
    Outcome,
    StoredEvent,
    StoreDown,
)
from workers.kit.stores.handover import Heir
from workers.kit.stores.pg import PgDrops


async def events(running: Pipeline, workflow: str) -> list[Event]:
    return [cloudevents.from_structured(stored.body) for stored in await running.reads.events(TENANT, workflow)]


async def rows(running: Pipeline, workflow: str) -> dict[tuple[str, int], DropRow]:
    return {(row.stage, row.revision): row for row in await running.reads.drops(TENANT, workflow)}


async def capsule(running: Pipeline, workflow: str) -> str:
    ended = next(e.data for e in await events(running, workflow) if isinstance(e.data, WorkflowCompleted))
    found = await running.reads.artifact(TENANT, ended.sha256)
    assert found is not None
    assert found[0].key == f"capsules/{TENANT}/{workflow}.{ended.sha256[:16]}.tar.gz"
    return (await running.artifacts.get(found[0])).decode()


async def in_stream(running: Pipeline) -> list[str]:
    """Every subject stored, in order."""
    js = running.nc.jetstream()
    state = (await js.stream_info(subjects.STREAM)).state
    return [
        (await js.get_msg(subjects.STREAM, seq=seq)).subject or "" for seq in range(state.first_seq, state.last_seq + 1)
    ]


async def test_ten_of_every_message_make_one_drop(servers: Servers) -> None:
    calls: Counter[str] = Counter()

    async def check(draft: Draft) -> Verdict:
        calls["check"] += 1
        await asyncio.sleep(0.05)
        return await small.accept(draft)

    async with pipeline(servers, SMALL, STAGES | {"check": check}, workers=2, sweeps=False) as running:
        again: list[Coroutine[Any, Any, None]] = []

        async def repeat(message: object) -> None:
            workflow = message.subject.split(".")[3]  # type: ignore[attr-defined]
            wakes = [subjects.wake(stage, TENANT, workflow) for stage in SMALL.stages]
            again.extend(running.nc.publish(wake) for wake in wakes * 10)
            random.shuffle(again)
            while again:
                await again.pop()

        await running.nc.subscribe("ql.res.>", cb=repeat)
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert Counter(row.stage for row in await running.reads.drops(TENANT, workflow)) == dict.fromkeys(
            SMALL.stages, 1
        )
        assert calls["check"] == 1
        stored = await in_stream(running)
        facts = [subject for subject in stored if subject.startswith("ql.evt.")]
        assert len(facts) == len(set(facts)) == 6


async def test_what_was_committed_but_not_published_is_relayed_once(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pipeline(servers, SMALL, {}, workers=0) as running:
        workflow = await running.submit("p")
        claim = await running.drops.claim("draft", TENANT, workflow, lease_s=45, attempts=5)
        assert isinstance(claim, Claim)
        body, media_type = msgspec.json.encode(Draft(text="p")), "application/json"
        ref = await running.artifacts.put(TENANT, body)
        committed = await running.drops.commit(claim, Completed(artifact=ref, media_type=media_type))
        (lost,) = committed.events
    monkeypatch.setattr(sweeper, "UNPUBLISHED_S", 0.5)
    async with pipeline(servers, SMALL, STAGES, workers=2, sweep_s=0.2) as running:
        running.follow(workflow)
        assert await running.end(workflow) == "completed"
        assert running.done("relayed") >= 1
        stored = await in_stream(running)
        assert stored.count(lost.subject) == 1
        async with asyncio.timeout(5):
            while await running.drops.unpublished([*SMALL.stages, "workflow"], older_s=0, limit=10):  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.05)


async def test_a_repair_gets_the_report_and_its_own_work_and_the_join_mixes_nothing(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES | {"check": small.refuse_once}, workers=2, sweeps=False) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        found = await rows(running, workflow)
        assert found["check", 1].state == "rejected"
        assert (found["check", 1].opens, found["check", 1].target) == (2, "draft")
        assert found["check", 2].state == "completed"
        assert await capsule(running, workflow) == "p+|p+|p+|True"
        assert running.done("wakes") == 0


async def test_after_the_last_round_the_workflow_ends_with_what_it_has(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES | {"check": small.refuse}, workers=2, sweeps=False) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        found = await rows(running, workflow)
        assert [found["check", r].state for r in (1, 2, 3)] == ["rejected", "rejected", "completed"]
        assert found["check", 3].unmet
        assert await capsule(running, workflow) == "p++|p++|p++|False"
        packed = found["pack", 3].inputs
        assert {told.stage: (told.revision, told.unmet) for told in packed} == {
            "draft": (3, False),
            "check": (3, True),
            "side": (3, False),
        }


async def test_work_that_is_no_longer_due_is_stopped_without_an_event(servers: Servers) -> None:
    stopped = asyncio.Event()

    async def side(run: Run, draft: Draft) -> small.Side:
        if run.revision == 1:
            try:
                await asyncio.sleep(60)
            finally:
                stopped.set()
        return await small.side(draft)

    async def check(draft: Draft) -> Verdict | Reject:
        if draft.text.endswith("+"):
            await stopped.wait()
        return await small.refuse_once(draft)

    stages = STAGES | {"check": check, "side": side}
    async with pipeline(servers, SMALL, stages, sweeps=False, heartbeat_s=0.2) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert stopped.is_set()
        assert (await rows(running, workflow))["side", 1].state == "superseded"
        told = [e.subject for e in await events(running, workflow) if e.parts.stage == "side"]
        assert [subject.rsplit(".", 2)[1:] for subject in told] == [["completed", "2"]]


async def test_a_long_stage_keeps_its_lease_and_runs_once(servers: Servers) -> None:
    calls: Counter[int] = Counter()

    async def slow(run: Run, draft: Draft) -> Verdict:
        calls[run.attempt] += 1
        await asyncio.sleep(3)
        return await small.accept(draft)

    quick: dict[str, Any] = {"heartbeat_s": 0.3, "lease_s": 1.0, "ack_wait_s": 1.0, "sweep_s": 0.3}
    async with pipeline(servers, SMALL, STAGES | {"check": slow}, workers=2, **quick) as running:
        assert await running.end(await running.submit("p")) == "completed"
        assert calls == {1: 1}


@pytest.mark.parametrize(
    "error", [Transient("busy"), Transient("busy", 0.1), KeyError("a bug"), asyncio.CancelledError("by itself")]
)
async def test_what_may_pass_is_tried_again(servers: Servers, error: BaseException) -> None:
    async def flaky(run: Run, draft: Draft) -> Verdict:
        if run.attempt < 3:
            raise error
        return await small.accept(draft)

    async with pipeline(servers, SMALL, STAGES | {"check": flaky}, sweep_s=0.1) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert (await rows(running, workflow))["check", 1].attempts == 3


class Away(PgDrops):
    """A store that can't be reached whenever something is done for the first time."""

    __slots__ = ()
    done: ClassVar[set[tuple[str, str]]] = set()

    def _fail_first(self, what: str, stage: str) -> None:
        if (what, stage) not in self.done:
            self.done.add((what, stage))
            raise StoreDown(f"no {what}")

    async def claim(
        self,
        stage: str,
        tenant: str,
        workflow: str,
        *,
        lease_s: float,
        attempts: int,
        takes: Collection[str] = (),
        letter: LetterWriter | None = None,
    ) -> Claim | NoClaim:
        self._fail_first("claim", stage)
        return await PgDrops.claim(
            self, stage, tenant, workflow, lease_s=lease_s, attempts=attempts, takes=takes, letter=letter
        )

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        self._fail_first("commit", claim.stage)
        return await PgDrops.commit(self, claim, outcome, letter, heirs)

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        self._fail_first("renew", claim.stage)
        return await PgDrops.renew(self, claim, lease_s=lease_s)

    async def published(self, events: Sequence[StoredEvent]) -> None:
        self._fail_first("published", events[0].stage)
        await PgDrops.published(self, events)


async def test_a_store_that_is_away_costs_no_attempt_and_no_second_run(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "STORE_AGAIN_S", 0.1)
    calls: Counter[str] = Counter()

    async def check(draft: Draft) -> Verdict:
        calls["check"] += 1
        await asyncio.sleep(0.5)
        return await small.accept(draft)

    stages = STAGES | {"check": check}
    async with pipeline(servers, SMALL, stages, sweep_s=0.2, heartbeat_s=0.1, store=Away) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert {row.attempts for row in (await rows(running, workflow)).values()} == {1}
        assert calls["check"] == 1
        assert {what for what, _ in Away.done} == {"claim", "commit", "renew", "published"}
        assert running.done("idle.store_down") > 0, "it counts as work undone: see runner.offering"


async def test_an_artifact_store_that_is_away_costs_no_attempt(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, failures = S3Artifacts.put, Counter[str]()

    async def away(self: S3Artifacts, tenant: str, body: bytes, *, key: str = "") -> Ref:
        failures["put"] += 1
        if failures["put"] <= 2:
            raise StoreDown("no put")
        return await put(self, tenant, body, key=key)

    monkeypatch.setattr(S3Artifacts, "put", away)
    async with pipeline(servers, SMALL, STAGES, sweep_s=0.1, attempts=1) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "completed"
        assert {row.attempts for row in (await rows(running, workflow)).values()} == {1}
        assert running.done("handed back") > 0, "it counts as work undone as well"


@pytest.mark.parametrize(("kind", "letters"), [(Refused, 0), (Permanent, 1)])
async def test_what_can_not_pass_ends_the_workflow_at_once(
    servers: Servers, kind: type[Permanent], letters: int
) -> None:
    async def no(draft: Draft) -> Verdict:
        raise kind("an iOS game is beyond me")

    async with pipeline(servers, SMALL, STAGES | {"check": no}, sweeps=False) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "failed"
        found = await running.reads.workflow(TENANT, workflow)
        assert found is not None
        assert "an iOS game is beyond me" in found.error
        while running.workers[0].in_flight:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.01)
        assert running.done("dead") == letters


async def test_a_bug_is_counted_and_becomes_a_dead_letter(servers: Servers) -> None:
    async def broken(draft: Draft) -> Verdict:
        raise ZeroDivisionError("always")

    async with pipeline(servers, SMALL, STAGES | {"check": broken}, sweep_s=0.1, attempts=3) as running:
        dead = await running.nc.subscribe("ql.dead.>")
        workflow = await running.submit("p")
        assert await running.end(workflow) == "failed"
        assert (await rows(running, workflow))["check", 1].attempts == 3
        news = msgspec.json.decode((await dead.next_msg(timeout=5)).data)
        assert news["workflow"] == workflow
        assert "ZeroDivisionError: always (attempt 3 of 3)" in news["reason"]


async def test_a_stage_that_returns_the_wrong_thing_is_a_bug(servers: Servers) -> None:
    async def lying(draft: Draft) -> Verdict:
        return draft  # type: ignore[return-value]

    async with pipeline(servers, SMALL, STAGES | {"check": lying}, sweep_s=0.1, attempts=1) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "failed"
        assert "returned a Draft instead of a Verdict" in (await rows(running, workflow))["check", 1].error


async def test_the_deadline_ends_a_workflow(servers: Servers) -> None:
    async def never(draft: Draft) -> Verdict:
        raise Transient("not yet", 3600)

    async with pipeline(servers, SMALL, STAGES | {"check": never}, sweep_s=0.1) as running:
        workflow = await running.submit("p", deadline_s=1)
        assert await running.end(workflow) == "expired"


async def test_a_stream_deleted_in_the_middle_loses_no_workflow(servers: Servers) -> None:
    async def slow(draft: Draft) -> small.Side:
        await asyncio.sleep(0.5)
        return await small.side(draft)

    async with pipeline(servers, SMALL, STAGES | {"side": slow}, workers=2, sweep_s=0.2) as running:
        workflows = [await running.submit(f"p{n}") for n in range(10)]
        await asyncio.sleep(0.3)
        noted = (await running.drops.remembered()).seq
        await running.nc.jetstream().delete_stream(subjects.STREAM)
        keeping = asyncio.create_task(running.keeper.run())
        ends = await asyncio.gather(*(running.end(workflow, within_s=60) for workflow in workflows))
        keeping.cancel()
        assert ends == ["completed"] * 10
        assert (await running.nc.jetstream().stream_info(subjects.STREAM)).state.first_seq > noted
        assert [await capsule(running, w) for w in workflows] == [f"p{n}|p{n}|p{n}|True" for n in range(10)]
