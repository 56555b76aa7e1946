"""The blueprint model: each task's inputs, as plain JSON values, become the text that a model would answer with.

Pure: the same inputs give the same text, and nothing is kept between two calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from contracts.artifacts import Brief, Contract, Frd, Requirements, Submission, TestPlan
from workers.kit.prompts.fenced import render_files

from .understanding.refuse import Refusal

__all__ = ["Refusal", "UnknownTask", "answer"]

Inputs = Mapping[str, object]
T = TypeVar("T")


class UnknownTask(ValueError):
    """A task, or a file, that the blueprint model knows nothing of."""


def answer(task: str, inputs: Inputs) -> str | Refusal:
    """The model's text: one JSON document, or fenced files. Raises `UnknownTask`, or `msgspec.ValidationError`."""
    if task not in _TASKS:
        raise UnknownTask(f"the blueprint model has no task {task!a}")
    said = _TASKS[task](inputs)
    return msgspec.json.encode(said).decode() if not isinstance(said, str | Refusal) else said


def _taken(inputs: Inputs, name: str, kind: type[T]) -> T:
    return msgspec.convert(inputs.get(name), kind)


def _brief(inputs: Inputs) -> Brief | Refusal:
    from .understanding import understand

    return understand(_taken(inputs, "submission", Submission))


def _frd(inputs: Inputs) -> Frd:
    from .specification import frd

    return frd(_taken(inputs, "brief", Brief))


def _requirements(inputs: Inputs) -> Requirements:
    from .specification import requirements

    return requirements(_taken(inputs, "frd", Frd))


def _contract(inputs: Inputs) -> Contract:
    from .structure import contract

    return contract(_taken(inputs, "requirements", Requirements))


def _code(inputs: Inputs) -> str:
    """The file as the contract wants it. A repair gives the same text: what was damaged is whole again."""
    from . import kinds
    from .design import design

    plan = design(_taken(inputs, "contract", Contract))
    return _chosen(inputs, {draft.path: draft.text for draft in kinds.drafts(plan)})


def _test_plan(inputs: Inputs) -> TestPlan:
    from .testing import test_plan

    return test_plan(_taken(inputs, "contract", Contract), _taken(inputs, "requirements", Requirements))


def _tests(inputs: Inputs) -> str:
    from .testing import test_files

    return _chosen(inputs, test_files(_taken(inputs, "contract", Contract), _taken(inputs, "plan", TestPlan)))


def _documents(inputs: Inputs) -> str:
    from .documents import documents

    return _chosen(inputs, documents(_taken(inputs, "contract", Contract)))


def _chosen(inputs: Inputs, texts: Mapping[str, str]) -> str:
    """The files that `path` or `paths` ask for."""
    paths = [_taken(inputs, "path", str)] if "path" in inputs else _taken(inputs, "paths", list[str])
    unknown = [path for path in paths if path not in texts]
    if unknown:
        raise UnknownTask(f"the blueprint model knows no file {unknown[0]!a}")
    return render_files((path, texts[path]) for path in paths)


_TASKS: Mapping[str, Callable[[Inputs], object]] = {
    "prompt_enhancement": _brief,
    "frd_generation": _frd,
    "requirements_parsing": _requirements,
    "project_structure": _contract,
    "code_generation": _code,
    "test_plan_generation": _test_plan,
    "test_generation": _tests,
    "documentation": _documents,
}
