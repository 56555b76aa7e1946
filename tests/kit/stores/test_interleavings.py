"""Random interleavings of the product's own pipeline never hang, and never mix revisions in what is packed.

Every wake may come twice, late or never (then the sweeper's question must name the row), workers may die at work, any
input may be lost whenever it is wanted, and a stage may fail, whereupon somebody resumes the workflow.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.artifacts import Submission
from contracts.topology import TOPOLOGY
from tests.kit.stores.world import completed, rejected
from workers.kit.stores import standing
from workers.kit.stores.drops import Claim, Failed, NewWorkflow, Outcome
from workers.kit.stores.memory import Memory, MemoryDrops, MemoryReads, Workflow

LEASE = 10.0


class Run:
    """One workflow driven to its end by the seed's choices."""

    def __init__(self, seed: int, rejects: float, dies: float, loses: float, fails: float) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # a choice of interleavings, no secret
        self.rejects, self.dies, self.loses, self.fails = rejects, dies, loses, fails
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.memory = Memory(clock=lambda: self.now)
        self.drops = MemoryDrops(self.memory, TOPOLOGY)
        self.reads = MemoryReads(self.memory)
        self.wakes: list[str] = []
        self.working: list[Claim] = []
        self.made: dict[str, Outcome] = {}  # what the ledger makes come out again

    async def drive(self) -> Workflow:
        new = NewWorkflow(id="W", tenant="t", submission=Submission(prompt="p"), deadline_s=1e9)
        await self.reads.submit(new, most=1)
        self.wakes.append(TOPOLOGY.first.name)
        found = self.memory.workflows["W"]
        for _ in range(5000):
            if found.state == "failed":
                await self._resume(found)
            if found.state != "active":
                return found
            await self._step()
        raise AssertionError("it hangs")

    async def _step(self) -> None:
        if not self.wakes and not self.working:
            await self._sweep()
        elif self.working and (not self.wakes or self.rng.random() < 0.5):
            await self._finish(self.working.pop(self.rng.randrange(len(self.working))))
        else:
            place = self.rng.randrange(len(self.wakes))
            stage = self.wakes[place] if self.rng.random() < 0.1 else self.wakes.pop(place)
            takes = TOPOLOGY.ancestors(stage)
            claim = await self.drops.claim(stage, "t", "W", lease_s=LEASE, attempts=1000, takes=takes)
            if isinstance(claim, Claim):
                self.working.append(claim)

    async def _resume(self, found: Workflow) -> None:
        """What failed and everything behind it is due at the new revision, and nothing falls back."""
        before = {stage: standing.due(TOPOLOGY, stage, found.rows.values()) for stage in TOPOLOGY.stages}
        failed = max((row for row in found.rows.values() if row.state == "failed"), key=lambda row: row.updated_at)
        self.now += timedelta(milliseconds=1)
        done = await self.reads.resume("t", "W", deadline_s=1)
        assert done
        assert done.done
        opens = standing.newest(found.rows.values())
        for stage in TOPOLOGY.stages:
            due = standing.due(TOPOLOGY, stage, found.rows.values())
            behind = failed.stage == stage or failed.stage in TOPOLOGY.ancestors(stage)
            assert due == opens if behind else due in {before[stage], opens}
        self.wakes += [stage for stage in TOPOLOGY.stages if self.rng.random() < 0.9]

    async def _sweep(self) -> None:
        self.now += timedelta(seconds=LEASE)
        named = []
        for stage in TOPOLOGY.stages:
            takes = TOPOLOGY.ancestors(stage)
            named += [stage] if await self.drops.runnable(stage, absent_s=5, limit=1, takes=takes) else []
        assert named, "it hangs: nothing can run"
        self.wakes += named

    async def _finish(self, claim: Claim) -> None:
        self.now += timedelta(milliseconds=1)
        if self.rng.random() < self.dies:
            return
        if self.rng.random() < self.loses and (names := [*claim.inputs, *claim.repair]):
            await self.drops.rearm(claim, self.rng.sample(names, self.rng.randint(1, min(2, len(names)))), after_s=1)
            return
        targets = TOPOLOGY[claim.stage].repairs
        if claim.drop not in self.made:
            refuses = targets and self.rng.random() < self.rejects
            self.made[claim.drop] = rejected(self.rng.choice(targets)) if refuses else completed(claim)
        fails = self.rng.random() < self.fails
        done = await self.drops.commit(claim, Failed(error="no") if fails else self.made[claim.drop])
        if self.rng.random() < 0.05 or not done.events:
            return
        if done.state == "rejected":
            self.wakes += targets
        else:
            self.wakes += [stage.name for stage in TOPOLOGY.stages.values() if claim.stage in stage.needs]


@settings(max_examples=800, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rejects=st.sampled_from([0.0, 0.15, 0.3, 0.6, 1.0]),
    dies=st.sampled_from([0.0, 0.1]),
    loses=st.sampled_from([0.0, 0.05, 0.15]),
    fails=st.sampled_from([0.0, 0.03]),
)
def test_no_interleaving_hangs_or_mixes_revisions(
    seed: int, rejects: float, dies: float, loses: float, fails: float
) -> None:
    found = asyncio.run(Run(seed, rejects, dies, loses, fails).drive())
    assert found.state == "completed"
    rows = list(found.rows.values())
    packed = max((row for row in rows if row.stage == "packaging"), key=lambda row: row.revision)
    assert packed.state == "completed"
    of = {source.stage: source.revision for source in packed.inputs}
    assert of.keys() == TOPOLOGY.ancestors("packaging")
    for stage, revision in of.items():
        assert revision == standing.due(TOPOLOGY, stage, rows), "what is packed is the newest that was opened"
        made = found.rows[stage, revision]
        for source in made.inputs:
            if source.stage in TOPOLOGY.ancestors(stage):
                assert source.revision == of[source.stage], f"{stage} was made from another {source.stage}"
    for checker in TOPOLOGY.stages.values():
        refused = sum(row.stage == checker.name and row.state == "rejected" for row in rows)
        assert refused <= checker.rounds
    opened = sorted(row.opens for row in rows if row.opens)
    assert len(opened) == len(set(opened)), "every revision was opened once"
    if not fails:
        assert opened == list(range(2, len(opened) + 2))
    told = [name for name, _ in found.events.items()]
    assert len(told) == len(set(told))
    if rejects == 1.0 and not fails:
        assert {row.stage for row in rows if row.unmet} == {s.name for s in TOPOLOGY.stages.values() if s.rounds}
