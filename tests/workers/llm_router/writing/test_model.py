"""The blueprint model's door: tasks, refusals, repairs, and inputs that are not what they should be."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from contracts.artifacts import Finding, Submission
from workers.kit.prompts.fenced import parse_files
from workers.llm_router.blueprint.model import Refusal, UnknownTask, answer

from .briefs import SHOP
from .chain import build, plain


def test_a_poem_is_refused_with_a_sentence() -> None:
    said = answer("prompt_enhancement", plain({"submission": Submission(prompt="write me a poem")}))
    assert isinstance(said, Refusal)
    assert said.sentence


def test_unknown_task_and_unknown_file() -> None:
    with pytest.raises(UnknownTask, match="no task"):
        answer("compose", {})
    contract = build(SHOP).contract
    with pytest.raises(UnknownTask, match="no file"):
        answer("code_generation", plain({"contract": contract, "path": "../secrets.py"}))


@pytest.mark.parametrize("brief", [None, 7, {"name": "x"}, {**plain({"b": SHOP})["b"], "kind": "game"}])  # type: ignore[dict-item]
def test_inputs_of_another_shape_are_refused(brief: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        answer("frd_generation", {"brief": brief})


def test_a_repair_gives_the_whole_file_again() -> None:
    made = build(SHOP)
    path = "src/book_shop/database.py"
    findings = (Finding(rule="syntax", message="cut off", path=path, line=3),)
    inputs = {"contract": made.contract, "requirements": made.requirements, "path": path, "previous": "import sq"}
    said = answer("code_generation", plain({**inputs, "findings": findings}))
    assert isinstance(said, str)
    assert parse_files(said) == ((path, made.files[path]),)


def test_importing_the_model_loads_nothing_heavy() -> None:
    script = (
        "import sys, workers.llm_router.blueprint.model;"
        "print([m for m in ('pydantic', 'fastapi', 'nats', 'faststream', 'asyncpg', 'litellm') if m in sys.modules])"
    )
    run = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
