"""Work that must not go on is stopped: cancelled, too long, hung, frozen; and nobody else waits for it."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from contracts import subjects
from contracts.artifacts import Capsule
from contracts.topology import Topology
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner import small
from tests.kit.runner.small import SMALL, STAGES, Draft, Verdict
from tests.kit.runner.test_process import ask, line, worker
from workers.kit.runner import wheel
from workers.kit.stage import Transient
from workers.kit.stores.drops import Claim, Committed, DropRow, LetterWriter, Outcome
from workers.kit.stores.handover import Heir
from workers.kit.stores.pg import PgDrops


class Hung:
    """A check that works for a minute, and what happened to it."""

    def __init__(self, *, deaf: int = 0) -> None:
        self.began = asyncio.Event()
        self.stopped = 0
        self.deaf = deaf

    async def __call__(self, draft: Draft) -> Verdict:
        self.began.set()
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.stopped += 1
                if self.stopped > self.deaf:
                    raise


def stage_of(hung: Hung) -> Mapping[str, object]:
    async def check(draft: Draft) -> Verdict:
        return await hung(draft)

    return STAGES | {"check": check}


def hung_pack(hung: Hung) -> object:
    async def pack(draft: Draft, verdict: Verdict, side: small.Side) -> Capsule:
        await hung(draft)
        return await small.pack(draft, verdict, side)

    return pack


async def row_of(running: Pipeline, workflow: str, stage: str) -> DropRow:
    (row,) = [row for row in await running.reads.drops(TENANT, workflow) if row.stage == stage]
    return row


async def until(condition: Callable[[], object], within_s: float = 10) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # no event tells of it
            await asyncio.sleep(0.02)


@asynccontextmanager
async def nudged(running: Pipeline) -> AsyncIterator[None]:
    """What `process` does with a nudge, for the workers in this process."""

    async def heard(message: Any) -> None:
        for one in running.workers:
            one.nudge(*subjects.parse_cancel(message.subject))

    subscription = await running.nc.subscribe(subjects.CANCELS, cb=heard)
    yield
    await subscription.unsubscribe()


async def test_a_nudge_stops_the_work_of_a_cancelled_workflow_at_once(servers: Servers) -> None:
    """With a beat of a minute only the nudge can have done it; the other stages never begin."""
    hung = Hung()
    async with pipeline(servers, SMALL, stage_of(hung), heartbeat_s=60, sweeps=False) as running, nudged(running):
        workflow = await running.submit("p")
        await asyncio.wait_for(hung.began.wait(), 10)
        cancelled = await running.reads.cancel(TENANT, workflow, reason="enough")
        assert cancelled is not None
        assert cancelled.done
        await running.nc.publish(subjects.cancel(TENANT, workflow))
        await until(lambda: hung.stopped)
        await until(lambda: running.done("stopped"))
        assert (await row_of(running, workflow, "check")).state == "closed"
        assert "pack" not in {row.stage for row in await running.reads.drops(TENANT, workflow)}


async def test_a_nudge_that_the_store_does_not_confirm_stops_nothing(servers: Servers) -> None:
    let_go = asyncio.Event()

    async def check(draft: Draft) -> Verdict:
        await let_go.wait()
        return await small.accept(draft)

    async with pipeline(servers, SMALL, STAGES | {"check": check}, sweeps=False) as running, nudged(running):
        workflow = await running.submit("p")
        await until(lambda: running.workers[0].in_flight)
        for _ in range(3):
            await running.nc.publish(subjects.cancel(TENANT, workflow))
            await asyncio.sleep(0.1)
        let_go.set()
        assert await running.end(workflow) == "completed"
        assert running.done("stopped") == 0


async def test_without_a_nudge_a_beat_finds_it(servers: Servers) -> None:
    hung = Hung()
    async with pipeline(servers, SMALL, stage_of(hung), heartbeat_s=0.2, sweeps=False) as running:
        workflow = await running.submit("p")
        await asyncio.wait_for(hung.began.wait(), 10)
        await running.reads.cancel(TENANT, workflow, reason="enough")
        await until(lambda: hung.stopped)


class LateAnswer(PgDrops):
    """The commit of a check is answered only after somebody asked whether its claim still stands."""

    __slots__ = ("done", "refused")
    done: asyncio.Event
    refused: asyncio.Event

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        await self.done.wait()  # a row's lock, in the wild
        stands = await super().renew(claim, lease_s=lease_s)
        if not stands:
            asyncio.get_running_loop().call_later(0.1, self.refused.set)
        return stands

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        committed = await super().commit(claim, outcome, letter, heirs)
        if claim.stage == "check":
            self.done.set()
            await self.refused.wait()
        return committed


async def test_a_commit_is_not_stopped_by_its_own_row_that_no_longer_runs(servers: Servers) -> None:
    began, let_go = asyncio.Event(), asyncio.Event()

    async def check(draft: Draft) -> Verdict:
        began.set()
        await let_go.wait()
        return await small.accept(draft)

    stages = STAGES | {"check": check}
    async with pipeline(servers, SMALL, stages, heartbeat_s=60, sweeps=False, store=LateAnswer) as running:
        assert isinstance(running.drops, LateAnswer)
        running.drops.done, running.drops.refused = asyncio.Event(), asyncio.Event()
        workflow = await running.submit("p")
        await asyncio.wait_for(began.wait(), 10)
        running.workers[0].nudge(TENANT, workflow)
        let_go.set()
        assert await running.end(workflow) == "completed"
        await asyncio.wait_for(running.drops.refused.wait(), 10)
        await until(lambda: running.done("completed") == len(SMALL.stages))
        assert running.done("stopped") == 0


async def test_work_that_does_not_listen_is_told_again(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel, "STOP_S", 0.3)
    hung = Hung(deaf=2)
    async with pipeline(servers, SMALL, stage_of(hung), heartbeat_s=0.2, sweeps=False) as running:
        workflow = await running.submit("p")
        await asyncio.wait_for(hung.began.wait(), 10)
        await running.reads.cancel(TENANT, workflow, reason="enough")
        await until(lambda: running.done("stopped"))
        assert hung.stopped == 3


async def test_an_attempt_that_takes_too_long_is_stopped_and_counted(servers: Servers) -> None:
    rows = [msgspec.structs.replace(row, limit_s=0.2 if row.name == "check" else 60) for row in SMALL.stages.values()]
    hung = Hung()
    async with pipeline(servers, Topology(rows), stage_of(hung), sweep_s=0.1, attempts=2) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "failed"
        row = await row_of(running, workflow, "check")
        assert (row.attempts, hung.stopped) == (2, 2)
        assert "took longer than 0.2 s (attempt 2 of 2)" in row.error


async def test_a_workflow_that_waits_for_its_next_attempt_holds_no_slot(servers: Servers) -> None:
    async def check(draft: Draft) -> Verdict:
        if draft.text == "poison":
            raise Transient("never", 60)
        return await small.accept(draft)

    async with pipeline(servers, SMALL, STAGES | {"check": check}, sweep_s=0.1, slots=1) as running:
        for _ in range(3):
            await running.submit("poison")
        assert await asyncio.gather(*[running.end(await running.submit("p")) for _ in range(5)]) == ["completed"] * 5


@pytest.mark.parametrize("attempts", [1, 2])
async def test_work_that_was_given_up_is_a_letter_of_its_own_kind(servers: Servers, attempts: int) -> None:
    async def check(draft: Draft) -> Verdict:
        raise ZeroDivisionError("always")

    async with pipeline(servers, SMALL, STAGES | {"check": check}, sweep_s=0.1, attempts=attempts) as running:
        workflow = await running.submit("p")
        assert await running.end(workflow) == "failed"
        await until(lambda: running.done("dead"))
        (letter,) = await running.reads.letters(TENANT, before="", limit=10)
        assert (letter.workflow, letter.stage, letter.kind) == (workflow, "check", "work")
        assert "ZeroDivisionError" in letter.reason


async def test_a_message_that_can_not_be_read_is_a_letter_of_the_other_kind(servers: Servers) -> None:
    async with pipeline(servers, SMALL, STAGES, sweeps=False) as running:
        await running.nc.jetstream().publish(f"ql.evt.{TENANT}.w.draft.completed.1", b"x")
        await until(lambda: running.done("dead") == 2)
        assert {letter.kind for letter in await running.reads.letters(TENANT, before="", limit=10)} == {"message"}


QUICK: dict[str, Any] = {"heartbeat_s": 0.2, "lease_s": 0.8, "ack_wait_s": 0.8}


@pytest.mark.parametrize("fault", ["stopped", "blocked"])
async def test_a_worker_that_comes_back_to_life_commits_nothing(servers: Servers, fault: str) -> None:
    """Stopped, or its event loop held up, until another has done its work; then it goes on."""
    arguments = (0, "block") if fault == "blocked" else (2,)
    async with (
        pipeline(servers, SMALL, workers=0, ack_wait_s=0.8) as watching,
        worker(servers, *arguments, **QUICK, sweep_s=60) as zombie,
    ):
        workflow = await watching.submit("p")
        assert await line(zombie) == "checking"
        if fault == "stopped":
            zombie.send_signal(signal.SIGSTOP)
        async with pipeline(servers, SMALL, STAGES, sweep_s=0.2, **QUICK) as running:
            running.follow(workflow)
            assert await running.end(workflow) == "completed"
        assert zombie.stdin
        zombie.stdin.write(b"go on\n")
        zombie.send_signal(signal.SIGCONT)
        async with asyncio.timeout(15):
            while not (done := (await ask(servers)).done).get("lost") and not done.get("stopped"):  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.1)
        row = await row_of(watching, workflow, "check")
        assert (row.state, row.attempts) == ("completed", 2)
        told = Counter(event.subject for event in await watching.reads.events(TENANT, workflow))
        assert set(told.values()) == {1}


@pytest.mark.parametrize("how", ["claim", "commit"])
async def test_a_claim_made_while_its_workflow_is_cancelled_sees_the_nudge(servers: Servers, how: str) -> None:
    """The nudge may come between the claim, or the commit that hands over, and the work's begin."""
    hung = Hung()
    stages = STAGES | {"pack": hung_pack(hung)} if how == "claim" else stage_of(hung)  # nothing is handed to a join
    async with pipeline(servers, SMALL, stages, heartbeat_s=60, sweeps=False) as running, nudged(running):
        store, before = getattr(running.drops, how), "draft" if how == "commit" else "pack"

        async def slow(self: object, about: Any, *rest: Any, **named: Any) -> Any:
            done = await store(about, *rest, **named)
            stage, tenant, workflow = (about, *rest) if how == "claim" else (about.stage, about.tenant, about.workflow)
            if stage == before:
                await running.reads.cancel(tenant, workflow, reason="enough")
                await running.nc.publish(subjects.cancel(tenant, workflow))
                await asyncio.sleep(0.2)
            return done

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(running.drops), how, slow)
            await running.submit("p")
            await until(lambda: running.done("stopped"))
        assert hung.stopped == 1 or not hung.began.is_set()
