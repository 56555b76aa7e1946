"""One request's artifacts, as the blueprint model makes them: what the rules of the stages are tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from contracts.artifacts import (
    Brief,
    Contract,
    ContractFile,
    Docs,
    Frd,
    Lock,
    Requirements,
    SourceTree,
    Submission,
    TestPlan,
    TestSuite,
)
from workers.code_generation.stage import CodeGeneration
from workers.documentation.stage import Documentation
from workers.frd_generation.stage import FrdGeneration
from workers.kit.llm import DirectLlm
from workers.kit.llm.wire import Problem
from workers.kit.ports import Llm
from workers.kit.stage import Run
from workers.llm_router.blueprint.model import Refusal, answer
from workers.project_structure.stage import ProjectStructure
from workers.prompt_enhancement.stage import PromptEnhancement
from workers.requirements_parsing.stage import RequirementsParsing
from workers.test_generation.stage import TestGeneration
from workers.test_plan_generation.stage import TestPlanGeneration

T = TypeVar("T", bound=msgspec.Struct)

PROMPTS = Path(__file__).parents[1] / "flow" / "prompts"
LOCK = Lock(python="3.11", requirements="", requirements_dev="", wheels="")
SUBMISSION = Submission(prompt=(PROMPTS / "bookshelf.txt").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Everything the eight stages that ask a model have written."""

    brief: Brief
    frd: Frd
    requirements: Requirements
    contract: Contract
    source: SourceTree
    plan: TestPlan
    suite: TestSuite
    docs: Docs


def blueprint(task: str, inputs: Mapping[str, object]) -> str | Problem:
    said = answer(task, inputs)
    return Problem(kind="refused", message=said.sentence) if isinstance(said, Refusal) else said


def run(stage: str, revision: int = 1) -> Run:
    return Run(tenant="default", workflow="01J0", stage=stage, revision=revision, inputs={})


async def make(submission: Submission, llm: Llm) -> Made:
    brief = await PromptEnhancement(llm)(submission, run("prompt_enhancement"))
    frd = await FrdGeneration(llm)(brief, run("frd_generation"))
    requirements = await RequirementsParsing(llm)(frd, run("requirements_parsing"))
    contract = await ProjectStructure(llm)(requirements, run("project_structure"))
    plan = await TestPlanGeneration(llm)(contract, requirements, run("test_plan_generation"))
    return Made(
        brief=brief,
        frd=frd,
        requirements=requirements,
        contract=contract,
        source=await CodeGeneration(llm)(contract, requirements, LOCK, run("code_generation")),
        plan=plan,
        suite=await TestGeneration(llm)(plan, contract, requirements, run("test_generation")),
        docs=await Documentation(llm)(contract, requirements, run("documentation")),
    )


def _said(task: str, into: type[T], **inputs: msgspec.Struct) -> T:
    said = blueprint(task, {name: msgspec.to_builtins(value) for name, value in inputs.items()})
    assert isinstance(said, str)
    return msgspec.json.decode(said, type=into)


@cache
def brief() -> Brief:
    return _said("prompt_enhancement", Brief, submission=SUBMISSION)


@cache
def frd() -> Frd:
    return _said("frd_generation", Frd, brief=brief())


@cache
def requirements() -> Requirements:
    return _said("requirements_parsing", Requirements, frd=frd())


@cache
def contract() -> Contract:
    return _said("project_structure", Contract, requirements=requirements())


@cache
def plan() -> TestPlan:
    return _said("test_plan_generation", TestPlan, contract=contract(), requirements=requirements())


def direct() -> DirectLlm:
    return DirectLlm(blueprint)


def with_file(change: Callable[[ContractFile], ContractFile], index: int = -1) -> Contract:
    """The contract with one of its files changed."""
    files = list(contract().files)
    files[index] = change(files[index])
    return replace(contract(), files=tuple(files))
