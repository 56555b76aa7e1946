"""What a topic is read off: the contract's file, the findings, the words of the requirements it serves."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.artifacts import (
    Acceptance,
    Contract,
    ContractFile,
    Finding,
    Operation,
    Package,
    PlannedTest,
    Requirement,
    Requirements,
    RunCommands,
    Submission,
    TestPlan,
)
from workers.kit.prompts.about import LONG, WORDS, topic_of
from workers.kit.prompts.roles import pick
from workers.kit.prompts.topic import Topic

STORE = ContractFile(
    path="src/shelf/books.py", language="python", layer="Storage", purpose="", requirement_ids=("R-001",)
)
ERRORS = ContractFile(path="src/shelf/errors.py", language="python", layer="domain", purpose="")
API = ContractFile(
    path="src/shelf/app.py", language="python", layer="interface", purpose="", external=("httpx", "fastapi"), entry=True
)
CONTRACT = Contract(
    name="shelf",
    title="Shelf",
    summary="",
    kind="rest_api",
    language="python",
    module="shelf",
    python=">=3.11",
    files=(STORE, API, ERRORS),
    packages=(Package(name="pytest", modules=("pytest",), dev=True), Package(name="fastapi", modules=("fastapi",))),
    run=RunCommands(start=("x",), test=("y",)),
)


def needs(*texts: str, operations: tuple[Operation, ...] = ()) -> Requirements:
    acceptance = (Acceptance(id="A-001", given="", when="", then="", observable="http"),)
    return Requirements(
        name="shelf",
        title="",
        summary="",
        kind="library",
        language="python",
        operations=operations,
        requirements=tuple(
            Requirement(id=f"R-{n:03}", kind="function", text=text, priority="must", acceptance=acceptance)
            for n, text in enumerate(texts, 1)
        ),
    )


def planned(*kinds: Literal["behaviour", "error", "boundary"]) -> TestPlan:
    return TestPlan(
        tests=tuple(
            PlannedTest(
                id="T-001", title="", path="tests/test_a.py", function=f"test_{n}", requirement_ids=(), kind=kind
            )
            for n, kind in enumerate(kinds)
        )
    )


@pytest.mark.parametrize(
    ("inputs", "topic"),
    [
        ({}, Topic()),
        ({"a": 1, "path": "x"}, Topic()),
        ({"contract": CONTRACT, "path": STORE.path}, Topic(language="python", layer="storage", kind="rest_api")),
        ({"contract": CONTRACT, "path": ERRORS.path}, Topic(language="python", layer="errors", kind="rest_api")),
        (
            {"contract": CONTRACT, "path": API.path},
            Topic(language="python", layer="interface", kind="rest_api", framework="fastapi", tags=("entry",)),
        ),
        (
            {"contract": CONTRACT, "path": "tests/conftest.py"},
            Topic(language="python", kind="rest_api", framework="fastapi", tags=("fixtures",)),
        ),
        (
            {"contract": CONTRACT, "path": STORE.path, "requirements": needs("Threads may write.", "A password.")},
            Topic(language="python", layer="storage", kind="rest_api", tags=("concurrency",)),
        ),
        ({"requirements": needs("A password.", "Low latency.")},
         Topic(language="python", kind="library", tags=("performance", "security"))),
        ({"requirements": needs("x", operations=(Operation(name="function", function="add"),))},
         Topic(language="python", kind="library", tags=("computation",))),
        ({"requirements": needs("x", operations=(Operation(name="transition", entity="A"), Operation(name="read")))},
         Topic(language="python", kind="library", tags=("transition",))),
        ({"submission": Submission(prompt="x" * LONG)}, Topic(language="python")),
        ({"submission": Submission(prompt="x" * (LONG + 1))}, Topic(language="python", tags=("long",))),
        ({"plan": planned("error", "boundary", "behaviour"), "path": "tests/test_a.py"}, Topic(tags=("boundary",))),
        ({"plan": planned("error", "behaviour"), "path": "tests/test_a.py"}, Topic()),
        ({"plan": planned("error"), "path": "tests/test_b.py"}, Topic()),
    ],
)  # fmt: skip
def test_the_topic_of_inputs(inputs: dict[str, object], topic: Topic) -> None:
    assert topic_of(inputs) == topic


@pytest.mark.parametrize(
    ("rule", "revision", "tags", "role"),
    [
        ("test-call", 2, ("repair",), "repairer"),
        ("B608", 2, ("repair", "unsafe"), "security_repairer"),
        ("secret", 2, ("repair", "unsafe"), "security_repairer"),
        ("test-call", 3, ("again", "repair"), "reviewer"),
    ],
)
def test_a_repair_is_about_its_findings(rule: str, revision: int, tags: tuple[str, ...], role: str) -> None:
    found = (Finding(rule=rule, message="is wrong"),)
    words = needs("Passwords and threads.")
    inputs = {"contract": CONTRACT, "requirements": words, "path": API.path, "findings": found, "previous": "text"}
    topic = topic_of(inputs, revision)
    assert topic.tags == tags
    assert pick("code_generation", topic).id == role


@given(prompt=st.text(), language=st.text())
def test_a_stranger_can_choose_among_our_roles_only(prompt: str, language: str) -> None:
    topic = topic_of({"submission": Submission(prompt=prompt, language=language)})
    assert set(topic.tags) <= {*WORDS, "long"}
    assert topic.language in {"", language.strip().lower().replace("-", "_").replace(" ", "_")}
    assert topic.language.isidentifier() or topic.language == ""
    assert "prompt_enhancement" in pick("prompt_enhancement", topic).tasks
