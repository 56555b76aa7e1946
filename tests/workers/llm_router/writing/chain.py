"""The whole chain of writing tasks in one process, held to the rules of the real stages, as files of a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from contracts.artifacts import Brief, Contract, Frd, Requirements, Submission, TestPlan
from workers.documentation.stage import PATHS as DOCUMENTS
from workers.frd_generation.stage import check as check_frd
from workers.kit.prompts.fenced import parse_files
from workers.llm_router.blueprint.model import Refusal, answer
from workers.project_structure.rules import check as check_contract
from workers.requirements_parsing.stage import check as check_requirements
from workers.test_generation.stage import FIXTURES
from workers.test_plan_generation.stage import check as check_plan

T = TypeVar("T", bound=msgspec.Struct)


class Built(NamedTuple):
    """Everything that the chain made of a brief."""

    frd: Frd
    requirements: Requirements
    contract: Contract
    plan: TestPlan
    files: dict[str, str]


def understood(prompt: str) -> Brief:
    """The brief that the understanding half makes of a prompt."""
    return asked("prompt_enhancement", {"submission": Submission(prompt=prompt)}, Brief)


def build(brief: Brief) -> Built:
    """Every artifact, each checked as its stage checks it."""
    frd = asked("frd_generation", {"brief": brief}, Frd)
    check_frd(frd, brief)
    requirements = asked("requirements_parsing", {"frd": frd}, Requirements)
    check_requirements(requirements, frd)
    contract = asked("project_structure", {"requirements": requirements}, Contract)
    check_contract(contract, requirements)
    known = {"contract": contract, "requirements": requirements}
    plan = asked("test_plan_generation", known, TestPlan)
    check_plan(plan, requirements)
    files: dict[str, str] = {}
    for file in contract.files:
        files |= written("code_generation", {**known, "path": file.path})
    for path in dict.fromkeys((FIXTURES, *(test.path for test in plan.tests))):
        files |= written("test_generation", {**known, "plan": plan, "path": path})
    files |= written("documentation", {**known, "paths": DOCUMENTS})
    return Built(frd, requirements, contract, plan, files)


def asked(task: str, inputs: Mapping[str, object], into: type[T]) -> T:
    said = answer(task, plain(inputs))
    assert not isinstance(said, Refusal), said
    return msgspec.json.decode(said, type=into)


def written(task: str, inputs: Mapping[str, object]) -> dict[str, str]:
    said = answer(task, plain(inputs))
    assert isinstance(said, str)
    return dict(parse_files(said))


def plain(inputs: Mapping[str, object]) -> dict[str, object]:
    """The inputs as they arrive: decoded JSON."""
    decoded: dict[str, object] = json.loads(msgspec.json.encode(inputs))
    return decoded


def lay_out(built: Built, folder: Path) -> Path:
    for path, text in built.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder


def run_tests(folder: Path) -> float:
    """Runs the generated tests as a user would, and gives the line coverage in percent."""
    python = (sys.executable, "-m", "coverage")
    tested = run(folder, *python, "run", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tested.returncode == 0, tested.stdout[-6000:] + tested.stderr[-2000:]
    run(folder, *python, "json", "-o", "coverage.json")
    report = json.loads((folder / "coverage.json").read_text())
    totals = report["totals"]
    return float(100 * totals["covered_lines"] / totals["num_statements"])


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    ours = {"PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment = {**os.environ, **ours, "HOME": str(folder)}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
