"""A state machine that drives PostgreSQL, the memory twin and the oracle side by side, and holds them to each other.

What is asked in one step is asked at once, so that it shares transactions; what processes race for may come out in any
order of theirs, but in one.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TypeAlias, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ulid import ULID

from contracts.artifacts import Brief, Submission
from contracts.topology import Stage, Topology
from tests.kit.stores import acts
from tests.kit.stores.acts import LONG, Act
from tests.kit.stores.oracle import ABOVE, NEEDS, OPEN, REPAIRS, ROUNDS, Oracle
from tests.kit.stores.watch import Connection, Seen, Sight, Watch, sights
from tests.kit.stores.world import TENANT
from workers.kit.stores.drops import Claim, Committed, DropRow, Drops, NewWorkflow, ReadModel
from workers.kit.stores.memory import Memory, MemoryDrops, MemoryReads
from workers.kit.stores.pg import PgDrops, PgReads, Pool

T = TypeVar("T")
Process: TypeAlias = tuple[Drops, ReadModel]

SHAPE = Topology(
    Stage(name=name, needs=needs, produces=Brief, repairs=REPAIRS.get(name, ()), rounds=ROUNDS.get(name, 0))
    for name, needs in NEEDS.items()
)
STAGES = tuple(NEEDS)
LAPSE = """
    UPDATE drops SET lease_until = lease_until - interval '1 year', retry_at = retry_at - interval '1 year'
    WHERE workflow_id = $1 AND stage = ANY($2) AND state IN ('running', 'retry')
"""
OVERDUE = "UPDATE workflows SET deadline = now() - interval '1 year' WHERE id = $1"

numbers = st.integers(0, 999)
stages = st.sampled_from(STAGES)
kinds = st.sampled_from(["completed"] * 5 + ["rejected"] * 5 + ["retry", "failed", "other"])
checks = st.sampled_from(["completed", "rejected", "rejected"])
wishes = st.tuples(st.sampled_from(["claim", "commit", "lose", "cancel", "resume"]), numbers, kinds)


@dataclass(frozen=True)
class Servers:
    """The event loop that all steps share, its connections, and the store under test."""

    runner: asyncio.Runner
    worker: Pool
    gateway: Pool
    admin: Connection
    drops: Callable[[Pool, Topology], PgDrops] = PgDrops


@dataclass
class Flow:
    """One workflow: what is believed of it, and what was seen."""

    oracle: Oracle = field(default_factory=Oracle)
    watch: Watch = field(default_factory=Watch)


class Machine(RuleBasedStateMachine):
    """Up to three workflows, three processes of workers, and whatever may befall them."""

    def __init__(self, servers: Servers) -> None:
        super().__init__()
        self.servers = servers
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.memory = Memory(clock=self._tick)
        self.twin: Process = (MemoryDrops(self.memory, SHAPE), MemoryReads(self.memory))
        reads = PgReads(servers.gateway)
        self.processes: list[Process] = [(servers.drops(servers.worker, SHAPE), reads) for _ in range(3)]
        self.flows: dict[str, Flow] = {}
        self.held: list[Claim] = []
        self.epochs: set[tuple[str, int]] = set()
        self.sound = True

    def _tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    # rules

    @initialize()
    def begin(self) -> None:
        self.submit()
        self.submit()

    @precondition(lambda self: len(self.flows) < 3)
    @rule()
    def submit(self) -> None:
        new = NewWorkflow(id=str(ULID()), tenant=TENANT, submission=Submission(prompt="do it"), deadline_s=LONG)
        self._run(self.processes[0][1].submit(new, most=10**6))
        self._run(self.twin[1].submit(new, most=10**6))
        self.flows[new.id] = Flow()

    @rule(asked=st.lists(st.tuples(numbers, stages), min_size=1, max_size=4), attempts=st.sampled_from([2, 5, 5]))
    def claim(self, asked: list[tuple[int, str]], attempts: int) -> None:
        self._ask([acts.claiming(self._flow(place), stage, attempts) for place, stage in asked])

    @rule(twice=st.booleans())
    def claim_everything(self, twice: bool) -> None:
        """By two workers a stage, or one."""
        self._ask([acts.claiming(flow, stage) for flow in self.flows for stage in STAGES for _ in range(1 + twice)])

    @rule(rounds=st.integers(1, 3), lint=checks, join=checks)
    def advance(self, rounds: int, lint: str, join: str) -> None:
        """All who can work do; what lies idle meanwhile is somebody's who hangs."""
        before = len(self.held)
        for _ in range(rounds):
            self.claim_everything(twice=False)
            new = range(before, len(self.held))
            chosen = {"lint": lint, "join": join}
            self._ask(
                [self._commit(place, chosen.get(self.held[place].stage, "completed")) for place in new], forget=new
            )

    @rule(
        picks=st.lists(st.tuples(numbers, kinds), min_size=1, max_size=5), keeps=st.sampled_from([False, False, True])
    )
    def commit(self, picks: list[tuple[int, str]], keeps: bool) -> None:
        """Whoever `keeps` its claim will come back with it after its end."""
        found = [(self._place(pick), kind) for pick, kind in picks if self.held]
        self._ask([self._commit(*each) for each in found], forget=[] if keeps else [place for place, _ in found])

    @rule(pick=numbers, kind=kinds)
    def come_back(self, pick: int, kind: str) -> None:
        """A worker hangs, another takes its row, and then the first commits."""
        for claim in self._held(pick):
            self._lapse(claim.workflow, frozenset({claim.stage}))
            self._ask([acts.claiming(claim.workflow, claim.stage)])
            self._ask([acts.committing(claim, kind, self.flows[claim.workflow].oracle, pick)])

    @rule(picks=st.lists(numbers, min_size=1, max_size=3))
    def renew(self, picks: list[int]) -> None:
        for pick in picks:
            self._ask([acts.renewing(claim) for claim in self._held(pick)])

    @rule(pick=numbers)
    def release(self, pick: int) -> None:
        self._ask([acts.releasing(claim) for claim in self._held(pick)])

    @rule(pick=numbers, which=numbers)
    def lose(self, pick: int, which: int) -> None:
        self._ask([self._rearm(claim, which) for claim in self._held(pick) if claim.inputs])

    @rule(pick=numbers, names=st.frozensets(stages, min_size=1))
    def lapse(self, pick: int, names: frozenset[str]) -> None:
        self._lapse(self._flow(pick), names)

    @rule(pick=numbers)
    def resume(self, pick: int) -> None:
        self._ask([acts.resuming(self._flow(pick))])

    @rule(pick=numbers, how=st.sampled_from(["cancel", "expire", *["neither"] * 4]))
    def end(self, pick: int, how: str) -> None:
        workflow = self._flow(pick)
        if how == "cancel":
            self._ask([acts.cancelling(workflow)])
        if how == "expire":
            self._run(self.servers.admin.execute(OVERDUE, workflow))
            self.memory.workflows[workflow].deadline = self.now
            self._ask([acts.expiring(workflow)])

    @rule(pick=numbers, wished=st.lists(wishes, min_size=2, max_size=3))
    def race(self, pick: int, wished: list[tuple[str, int, str]]) -> None:
        """Processes that know nothing of each other, at one workflow."""
        workflow = self._flow(pick)
        self._race(workflow, [self._wish(workflow, *wish) for wish in wished])

    @invariant()
    def laws(self) -> None:
        if not self.flows:
            return
        self.sound = False
        found = self._run(sights(self.servers.admin, list(self.flows)))
        for workflow, flow in self.flows.items():
            flow.watch.see(found[workflow])
            assert seen(found[workflow]) == believed(flow.oracle)
            assert sum(name.startswith("workflow.completed") for name in found[workflow].told) == (
                found[workflow].state == "completed"
            )
        self.sound = True

    def teardown(self) -> None:
        """All that can be done is done: then every workflow has ended, and PostgreSQL and the twin tell the same."""
        if not self.sound:
            return
        for _ in range(200):
            going = [name for name, flow in self.flows.items() if flow.oracle.state in {"active", "failed"}]
            if not going:
                break
            self._finish(going)
            self.laws()
        assert {flow.oracle.state for flow in self.flows.values()} <= {"completed", "cancelled", "expired"}, "it hangs"
        for workflow in self.flows:
            self._run(self._same(workflow))

    def _finish(self, going: Sequence[str]) -> None:
        for workflow in going:
            if self.flows[workflow].oracle.state == "failed":
                self._ask([acts.resuming(workflow)])
            self._lapse(workflow, frozenset(STAGES))
        runnable = [acts.claiming(workflow, stage) for workflow, stage in self._runnable()]
        assert runnable, "it hangs: nothing can run"
        self.held.clear()
        self._ask(runnable)
        self._ask([self._commit(place, "completed") for place in range(len(self.held))])

    def _runnable(self) -> list[tuple[str, str]]:
        """What the sweeper would wake, on which all agree."""
        found = []
        for stage in STAGES:
            named, twin = (
                {w for _, w in self._run(drops.runnable(stage, absent_s=0, limit=1000, takes=ABOVE[stage]))}
                for drops in (self.processes[0][0], self.twin[0])
            )
            mine = {w for w, flow in self.flows.items() if not isinstance(flow.oracle.look(stage), str)}
            assert named & self.flows.keys() == twin == mine, stage
            found += [(workflow, stage) for workflow in sorted(mine)]
        return found

    async def _same(self, workflow: str) -> None:
        reads, twin = self.processes[0][1], self.twin[1]
        drops = [{drop.id: _timeless(drop) for drop in await each.drops(TENANT, workflow)} for each in (reads, twin)]
        assert drops[0] == drops[1]

    # what the rules are made of

    def _run(self, asked: Coroutine[object, object, T]) -> T:
        return self.servers.runner.run(asked)

    def _flow(self, pick: int) -> str:
        return list(self.flows)[pick % len(self.flows)]

    def _place(self, pick: int) -> int:
        return pick % len(self.held)

    def _held(self, pick: int) -> list[Claim]:
        """One claim, if there are any. (What may be drawn can't depend on that: races may end in two ways.)"""
        return [self.held[self._place(pick)]] if self.held else []

    def _commit(self, place: int, kind: str) -> Act:
        claim = self.held[place]
        return acts.committing(claim, kind, self.flows[claim.workflow].oracle, place, heirs=place % 2 == 0)

    def _rearm(self, claim: Claim, which: int) -> Act:
        """One of its inputs is lost, or two."""
        names = sorted({**claim.inputs, **claim.repair})
        return acts.rearming(claim, frozenset({names[which % len(names)], names[which // 7 % len(names)]}))

    def _wish(self, workflow: str, wish: str, number: int, kind: str) -> Act:
        mine = [place for place, claim in enumerate(self.held) if claim.workflow == workflow]
        place = mine[number % len(mine)] if mine else 0
        match wish:
            case "commit" if mine:
                return self._commit(place, kind)
            case "lose" if mine and self.held[place].inputs:
                return self._rearm(self.held[place], number)
            case "resume":
                return acts.resuming(workflow)
            case "cancel" if number % 8 == 0:
                return acts.cancelling(workflow)
            case _:
                return acts.claiming(workflow, STAGES[number % len(STAGES)])

    def _ask(self, asked: Sequence[Act], forget: Collection[int] = ()) -> None:
        """Of one process: about all workflows at once, about each in this order."""
        self.sound = False
        self.held = [claim for place, claim in enumerate(self.held) if place not in forget]
        answers = self._run(self._in_turn(asked))
        self._compare(asked, answers, [act.rule(self.flows[act.workflow].oracle) for act in asked])

    def _race(self, workflow: str, asked: Sequence[Act]) -> None:
        """Each of a process of its own: there is an order of theirs that explains all that happened."""
        self.sound = False
        answers = self._run(self._together(asked, self.processes))
        found = self._run(sights(self.servers.admin, [workflow]))[workflow]
        for order in permutations(range(len(asked))):
            oracle = copy.deepcopy(self.flows[workflow].oracle)
            rules = [asked[place].rule(oracle) for place in order]
            if seen(found) == believed(oracle) and rules == [acts.plain(answers[place]) for place in order]:
                self.flows[workflow].oracle = oracle
                self._compare([asked[place] for place in order], [answers[place] for place in order], rules)
                return
        raise AssertionError(f"no order explains {[acts.plain(answer) for answer in answers]}")

    async def _in_turn(self, asked: Sequence[Act]) -> list[object]:
        answers: list[object] = [None] * len(asked)

        async def about(workflow: str) -> None:
            for place, act in enumerate(asked):
                if act.workflow == workflow:
                    answers[place] = await act.ask(*self.processes[0])

        await asyncio.gather(*map(about, {act.workflow for act in asked}))
        return answers

    async def _together(self, asked: Sequence[Act], of: Sequence[Process]) -> list[object]:
        return await asyncio.gather(*(act.ask(*each) for act, each in zip(asked, of, strict=False)))

    def _compare(self, asked: Sequence[Act], answers: Sequence[object], rules: Sequence[object]) -> None:
        for act, answer, rule_says in zip(asked, answers, rules, strict=True):
            twin = self._run(self._together([act], [self.twin]))[0]
            assert acts.plain(answer) == rule_says, f"the rules say {rule_says}, PostgreSQL {answer}"
            assert acts.plain(twin) == rule_says, f"the rules say {rule_says}, the twin {twin}"
            for mine, its in zip(given(answer), given(twin), strict=True):
                assert mine == its
                assert (mine.drop, mine.epoch) not in self.epochs, "an epoch is given away once"
                self.epochs.add((mine.drop, mine.epoch))
                self.held.append(mine)

    def _lapse(self, workflow: str, names: frozenset[str]) -> None:
        """The leases and the waits of these stages are over."""
        self._run(self.servers.admin.execute(LAPSE, workflow, list(names)))
        self.flows[workflow].oracle.lapse(names)
        rows, past = self.memory.workflows[workflow].rows, datetime(2000, 1, 1, tzinfo=UTC)
        for key, row in rows.items():
            if row.stage in names and row.state in OPEN:
                lease, retry = row.lease_until and past, row.retry_at and past
                rows[key] = msgspec.structs.replace(row, lease_until=lease, retry_at=retry)


def given(answer: object) -> list[Claim]:
    """The claims that came with an answer."""
    found = (answer,) if isinstance(answer, Claim) else answer.handed if isinstance(answer, Committed) else ()
    return sorted(found, key=lambda claim: claim.stage)


def believed(oracle: Oracle) -> tuple[str, dict[tuple[str, int], Seen], list[str]]:
    """The oracle's workflow as it should lie in the tables."""
    return (
        oracle.state,
        {
            key: Seen(**{name: getattr(row, name) for name in Seen.__struct_fields__})
            for key, row in oracle.rows.items()
        },
        oracle.events,
    )


def seen(sight: Sight) -> tuple[str, dict[tuple[str, int], Seen], list[str]]:
    """The same of one that does."""
    return sight.state, sight.rows, sight.told


def _timeless(drop: DropRow) -> DropRow:
    return msgspec.structs.replace(drop, created_at="", updated_at="")
