"""docs/blueprint.md says what is true: its prompts are read as it claims."""

import re
from pathlib import Path

import pytest

from contracts.artifacts.brief import Brief
from tests.workers.llm_router.understanding.reading import read, refused

DOCUMENT = (Path(__file__).parents[4] / "docs" / "blueprint.md").read_text(encoding="utf-8")
READ = re.findall(r"```prompt\n(.*?)```\n```read\n(.*?)```", DOCUMENT, re.DOTALL)
REFUSED = re.findall(r"```refused\n(.*?)```", DOCUMENT, re.DOTALL)


def shown(brief: Brief) -> str:
    """A brief as the document writes it."""
    lines: list[str] = [brief.kind]
    lines += [
        f"{entity.name}: " + ", ".join(f"{field.name} {field.type}" for field in entity.fields)
        for entity in brief.entities
    ]
    for entity in brief.entities:
        names = {operation.name for operation in brief.operations if operation.entity == entity.name}
        lines.append(f"{entity.name} can: {', '.join(sorted(names))}")
    if functions := sorted(operation.function for operation in brief.operations if operation.function):
        lines.append(f"functions: {', '.join(functions)}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("prompt", "expected"), READ)
def test_it_is_read_as_the_document_says(prompt: str, expected: str) -> None:
    assert shown(read(prompt)) == expected


@pytest.mark.parametrize("prompt", REFUSED)
def test_it_is_refused_as_the_document_says(prompt: str) -> None:
    assert refused(prompt)


def test_the_document_has_examples() -> None:
    assert len(READ) >= 6
    assert len(REFUSED) >= 4
