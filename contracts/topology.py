"""The pipeline, as data: who wakes on whom, who may send work back to whom. Nobody executes this table.

Each worker reads its own row. Subjects, durables, the README's picture and the AsyncAPI document come from here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from . import artifacts as a

LIFECYCLE = "workflow"
"""The name that stands in a stage's place in subjects and event types of the workflow itself."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One row. It wakes when all of `needs` have completed (none: when a workflow is submitted) and writes `produces`.

    `repairs` are the stages it may send its input back to, at most `rounds` times a workflow. `version` goes into the
    memo key: raise it when the same input would now give another artifact. `limit_s` is the longest that one attempt
    may take, in seconds: more than the limits of what it does inside, and time to wait there behind others.
    """

    name: str
    needs: tuple[str, ...]
    produces: type[msgspec.Struct]
    asks_model: bool = False
    repairs: tuple[str, ...] = ()
    rounds: int = 0
    version: int = 1
    limit_s: float = 900


class Opening(NamedTuple):
    """A rejection's commit opened `revision`, to be redone from stage `target` on."""

    revision: int
    target: str


ANSWER_S = 1500
"""Two models may be asked twice each, since an answer may be of no use, with five minutes for every one. Where that is
not enough (long answers, models that fall back), the next attempt finds in the ledger what was said."""
FILES_S = 2400
"""A call a file, all at once: a provider that limits their rate draws them out."""
INDEX_S = 1200
"""Two locks, each asked for with and without the network, and a download of ten minutes at most."""
PARSING_S = 600
"""Seconds of computing, behind all others that this process was given."""
SANDBOX_S = 900
"""The sandbox has a limit of 300 s itself; before it, one of a few places on the machine has to come free."""

PIPELINE: tuple[Stage, ...] = (
    Stage(name="prompt_enhancement", needs=(), produces=a.Brief, asks_model=True, limit_s=ANSWER_S),
    Stage(name="frd_generation", needs=("prompt_enhancement",), produces=a.Frd, asks_model=True, limit_s=ANSWER_S),
    Stage(
        name="requirements_parsing",
        needs=("frd_generation",),
        produces=a.Requirements,
        asks_model=True,
        limit_s=ANSWER_S,
    ),
    Stage(
        name="project_structure",
        needs=("requirements_parsing",),
        produces=a.Contract,
        asks_model=True,
        limit_s=ANSWER_S,
    ),
    Stage(name="dependency_resolution", needs=("project_structure",), produces=a.Lock, limit_s=INDEX_S),
    Stage(
        name="code_generation",
        needs=("dependency_resolution",),
        produces=a.SourceTree,
        asks_model=True,
        limit_s=FILES_S,
    ),
    Stage(
        name="semantic_validation",
        needs=("code_generation",),
        produces=a.ValidationReport,
        repairs=("code_generation",),
        rounds=3,
        limit_s=PARSING_S,
    ),
    Stage(
        name="test_plan_generation",
        needs=("project_structure",),
        produces=a.TestPlan,
        asks_model=True,
        limit_s=ANSWER_S,
    ),
    # Its fixtures first, then the files that use them.
    Stage(
        name="test_generation",
        needs=("test_plan_generation",),
        produces=a.TestSuite,
        asks_model=True,
        limit_s=2 * ANSWER_S,
    ),
    Stage(
        name="security_scanning",
        needs=("semantic_validation",),
        produces=a.SecurityReport,
        repairs=("code_generation",),
        rounds=2,
        limit_s=PARSING_S,
    ),
    Stage(name="performance_analysis", needs=("semantic_validation",), produces=a.PerformanceReport, limit_s=PARSING_S),
    Stage(name="documentation", needs=("semantic_validation",), produces=a.Docs, asks_model=True, limit_s=ANSWER_S),
    Stage(
        name="test_execution",
        needs=("semantic_validation", "test_generation"),
        produces=a.TestReport,
        repairs=("code_generation", "test_generation"),
        rounds=3,
        limit_s=SANDBOX_S,
    ),
    Stage(
        name="packaging",
        needs=("test_execution", "security_scanning", "performance_analysis", "documentation"),
        produces=a.Capsule,
        limit_s=PARSING_S,
    ),
)


class Topology:
    """A pipeline with its derived tables. The product has one, `TOPOLOGY`; tests and benchmarks make small ones."""

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages: Mapping[str, Stage] = {stage.name: stage for stage in stages}
        self._ancestors = {name: self._reach(name) for name in self.stages}

    def _reach(self, name: str) -> frozenset[str]:
        found: set[str] = set()
        front = list(self.stages[name].needs)
        while front:
            need = front.pop()
            if need not in found and need in self.stages:
                found.add(need)
                front.extend(self.stages[need].needs)
        return frozenset(found)

    def __getitem__(self, name: str) -> Stage:
        return self.stages[name]

    def ancestors(self, name: str) -> frozenset[str]:
        """Every stage whose artifact this one may ask for, itself not among them."""
        return self._ancestors[name]

    @property
    def first(self) -> Stage:
        """The stage that wakes on `workflow.submitted`."""
        return next(stage for stage in self.stages.values() if not stage.needs)

    @property
    def last(self) -> Stage:
        """The stage that nobody needs; its completion completes the workflow."""
        needed = {need for stage in self.stages.values() for need in stage.needs}
        return next(stage for stage in self.stages.values() if stage.name not in needed)

    def checkers_of(self, target: str) -> tuple[str, ...]:
        """The stages that may send work back to `target`, in pipeline order."""
        return tuple(stage.name for stage in self.stages.values() if target in stage.repairs)

    def producer_of(self, produced: type[msgspec.Struct]) -> str | None:
        """The stage that writes this type; None for the submission and for types nobody writes."""
        return next((stage.name for stage in self.stages.values() if stage.produces is produced), None)

    def due(self, name: str, openings: Collection[Opening], until: int | None = None) -> int:
        """The revision at which `name` is due: the newest opened for itself or an ancestor, 1 if none.

        With `until`, as of that revision: `due(u, openings, due(t, openings))` is the input that stage t takes from u.
        """
        if not openings:
            return 1
        reach = self._ancestors[name] | {name}
        return max(
            (o.revision for o in openings if o.target in reach and (until is None or o.revision <= until)), default=1
        )

    def inputs(self, name: str, revision: int, openings: Collection[Opening]) -> dict[str, int]:
        """Each ancestor's revision that row (name, revision) is made from."""
        return {need: self.due(need, openings, revision) for need in self._ancestors[name]}

    def problems(self) -> list[str]:
        """Everything wrong with the table, a sentence each; none for a sound one."""
        found = [
            f"{stage.name} needs {need}, which is no stage"
            for stage in self.stages.values()
            for need in stage.needs
            if need not in self.stages
        ]
        found += [f"{name} needs itself by way of others" for name in self.stages if name in self._ancestors[name]]
        found += self._repair_problems() + self._end_problems()
        products = [stage.produces for stage in self.stages.values()]
        found += [f"two stages produce {kind.__name__}" for kind in set(products) if products.count(kind) > 1]
        return found

    def _repair_problems(self) -> list[str]:
        found = []
        for stage in self.stages.values():
            found += [
                f"{stage.name} sends work back to {target}, which is none of its ancestors"
                for target in stage.repairs
                if target not in self._ancestors[stage.name]
            ]
            if bool(stage.repairs) != (stage.rounds > 0):
                found.append(f"{stage.name} must have both repairs and rounds, or neither")
        return found

    def _end_problems(self) -> list[str]:
        needed = {need for stage in self.stages.values() for need in stage.needs}
        firsts = [stage.name for stage in self.stages.values() if not stage.needs]
        lasts = [name for name in self.stages if name not in needed]
        found = [] if len(firsts) == 1 else [f"there must be one first stage, not {firsts}"]
        return found if len(lasts) == 1 else [*found, f"there must be one last stage, not {lasts}"]

    def mermaid(self) -> str:
        """The picture of the README: solid lines wake, dotted ones send back."""
        lines = ["flowchart LR", f"  {LIFECYCLE}([workflow.submitted]) --> {self.first.name}"]
        for stage in self.stages.values():
            lines += [f"  {need} --> {stage.name}" for need in stage.needs]
            lines += [f"  {stage.name} -. {stage.rounds} rounds .-> {target}" for target in stage.repairs]
        lines.append(f"  {self.last.name} --> completed([workflow.completed])")
        return "\n".join(lines) + "\n"


TOPOLOGY = Topology(PIPELINE)
