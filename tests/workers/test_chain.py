"""The eight stages that ask a model, one after the other, in process with the blueprint model."""

from __future__ import annotations

import json
import re

import pytest

from contracts.artifacts import Submission
from contracts.paths import safe_paths
from workers.kit.stage import Permanent, Refused

from .chain import PROMPTS, direct, make

SAMPLES = sorted(path.name for path in PROMPTS.glob("*.txt"))
LABELLED = [
    entry
    for entry in json.loads((PROMPTS / "labelled.json").read_text(encoding="utf-8"))
    if not entry["held_out"]  # those are kept from everybody who could tune on them
]


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_prompt_becomes_code_tests_and_documents_that_obey_every_rule(name: str) -> None:
    made = await make(Submission(prompt=(PROMPTS / name).read_text(encoding="utf-8")), direct())
    assert [file.path for file in made.source.files] == [file.path for file in made.contract.files]
    written = (*made.source.files, *made.suite.files, *made.docs.files)
    safe_paths(file.path for file in written)
    assert all(file.model == "direct/test" and re.fullmatch("[0-9a-f]{64}", file.question) for file in written)
    assert made.suite.tests == made.plan.tests
    must = {r.id for r in made.requirements.requirements if r.priority == "must"}
    assert must <= {name for file in made.contract.files for name in file.requirement_ids}
    assert must <= {name for test in made.plan.tests for name in test.requirement_ids}


@pytest.mark.parametrize("labelled", LABELLED, ids=[entry["id"] for entry in LABELLED])
async def test_every_labelled_prompt_gets_through_the_rules(labelled: dict[str, str]) -> None:
    made = await make(Submission(prompt=labelled["prompt"]), direct())
    assert made.source.files


@pytest.mark.parametrize("prompt", ["write me a poem", "An iOS game about birds."])
async def test_what_can_not_be_built_is_refused_with_what_can(prompt: str) -> None:
    with pytest.raises(Refused, match="REST API"):
        await make(Submission(prompt=prompt), direct())


@pytest.mark.parametrize("language", ["cobol", "Python 2", "../python", ""])
async def test_an_unknown_language_is_told_before_any_model_is_asked(language: str) -> None:
    with pytest.raises(Permanent, match="packages are written in python"):
        await make(Submission(prompt="A library.", language=language), direct())
