"""The pipeline that is put under faults: root → left and right at once → join; left may send root's work back once.

Every stage asks the model once. A workflow's prompt is its `Plan`: what each of its stages shall do wrong, so that the
same workers serve every case.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from contracts.artifacts import Capsule, Finding, Submission
from contracts.topology import Stage, Topology
from workers.kit.binding import Binding, bind
from workers.kit.ports import Llm
from workers.kit.stage import Permanent, Reject, Run, Transient

TASK = "frd_generation"
"""Any task with a prompt: the counting model reads the block of inputs only."""

PADDING = "x" * 2048


class Do(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one stage does. The model takes `model_s` and refuses `problems` times with a transient problem; afterwards
    the stage sleeps `after_s`, blocks its process for `block_s` at the first attempt, and raises at `raises` attempts.
    """

    model_s: float = 0
    problems: int = 0
    after_s: float = 0
    block_s: float = 0
    raises: int = 0
    fault: Literal["bug", "transient", "permanent"] = "bug"
    retry_after: float = 0.2
    rejects: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the stages of one workflow do, by name; the others just ask the model."""

    do: Mapping[str, Do] = {}
    model_s: float = 0

    def of(self, stage: str) -> Do:
        """The stage's part."""
        return self.do.get(stage) or Do(model_s=self.model_s)

    @property
    def prompt(self) -> str:
        """As it is submitted."""
        return msgspec.json.encode(self).decode()


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The model's answer: it names the question, so that a mixed-up answer shows."""

    workflow: str
    stage: str
    revision: int


class Root(Said, frozen=True, kw_only=True):
    """What root makes."""

    padding: str = PADDING


class Left(Said, frozen=True, kw_only=True):
    """What left makes: it names the root it was made from."""

    root: int
    padding: str = PADDING


class Right(Said, frozen=True, kw_only=True):
    """What right makes."""

    root: int
    padding: str = PADDING


@dataclass(frozen=True, slots=True)
class _Asks:
    llm: Llm

    async def ask(self, submission: Submission, run: Run) -> Said:
        do = msgspec.json.decode(submission.prompt, type=Plan).of(run.stage)
        asked = {
            "workflow": run.workflow,
            "stage": run.stage,
            "revision": run.revision,
            "model_s": do.model_s,
            "problems": do.problems,
        }
        said = await self.llm.complete(run, task=TASK, inputs=asked, into=Said)
        await asyncio.sleep(do.after_s)
        if do.block_s and run.attempt == 1:
            time.sleep(do.block_s)  # noqa: ASYNC251  # the fault: nothing of this process runs meanwhile
        if run.attempt <= do.raises:
            raise _fault(do)
        return said


def _fault(do: Do) -> Exception:
    if do.fault == "transient":
        return Transient("transient on purpose", do.retry_after)
    return Permanent("permanent on purpose") if do.fault == "permanent" else ZeroDivisionError("a bug on purpose")


@dataclass(frozen=True, slots=True)
class MakesRoot(_Asks):
    async def __call__(self, submission: Submission, run: Run, left: Left | None = None) -> Root:
        said = await self.ask(submission, run)
        return Root(workflow=said.workflow, stage=said.stage, revision=said.revision)


@dataclass(frozen=True, slots=True)
class MakesLeft(_Asks):
    async def __call__(self, submission: Submission, run: Run, root: Root) -> Left | Reject:
        said = await self.ask(submission, run)
        made = Left(workflow=said.workflow, stage=said.stage, revision=said.revision, root=root.revision)
        if msgspec.json.decode(submission.prompt, type=Plan).of(run.stage).rejects:
            return Reject(report=made, findings=(Finding(rule="chaos", message="rejected on purpose"),), target="root")
        return made


@dataclass(frozen=True, slots=True)
class MakesRight(_Asks):
    async def __call__(self, submission: Submission, run: Run, root: Root) -> Right:
        said = await self.ask(submission, run)
        return Right(workflow=said.workflow, stage=said.stage, revision=said.revision, root=root.revision)


@dataclass(frozen=True, slots=True)
class Joins(_Asks):
    async def __call__(self, submission: Submission, run: Run, left: Left, right: Right) -> Capsule:
        """Raises `Permanent` when the branches were not made from the same root: a mixed revision ends as failed."""
        said = await self.ask(submission, run)
        if (left.workflow, left.root) != (right.workflow, right.root) or said.workflow != left.workflow:
            raise Permanent(f"left is of {left.workflow} {left.root}, right of {right.workflow} {right.root}")
        made = hashlib.sha256(f"{left}{right}{said}".encode()).hexdigest()
        return Capsule(name="chaos", grade="A", reasons=(), files=0, archive=(made + PADDING).encode())


TOPOLOGY = Topology(
    [
        Stage(name="root", needs=(), produces=Root, asks_model=True),
        Stage(name="left", needs=("root",), produces=Left, asks_model=True, repairs=("root",), rounds=1),
        Stage(name="right", needs=("root",), produces=Right, asks_model=True),
        Stage(name="join", needs=("left", "right"), produces=Capsule, asks_model=True),
    ]
)
STAGES = {"root": MakesRoot, "left": MakesLeft, "right": MakesRight, "join": Joins}


def bindings(names: list[str] | None = None) -> list[Binding]:
    """The named stages, bound; all of them by default."""
    return [bind(STAGES[name], name, TOPOLOGY) for name in names or list(STAGES)]
