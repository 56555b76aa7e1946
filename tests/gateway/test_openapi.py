"""The OpenAPI document says everything, and its examples are what could be sent and answered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from gateway.app import create_app
from gateway.examples import EXAMPLES
from gateway.openapi import TAGS
from workers.kit.settings import Settings

Json = dict[str, Any]
NO_EXAMPLE = {
    "importLedger",
    "exportLedger",
    "putArtifact",
    "editDeadLetter",
    "exportWorkflow",
    "getArtifact",
    "getCapsule",
    "getAsyncApi",
}
"""Bytes, or a whole document, that no example would tell anything about."""


@cache
def document() -> Json:
    return create_app(Settings()).openapi()


def operations() -> Iterator[Json]:
    for methods in document()["paths"].values():
        yield from methods.values()


def contents(operation: Json) -> Iterator[Json]:
    for said in (operation.get("requestBody", {}), *operation["responses"].values()):
        yield from said.get("content", {}).values()


def valid(schema: Json, example: object) -> None:
    Draft202012Validator({**schema, "components": document()["components"]}).validate(example)


def test_every_operation_says_what_it_is_and_every_error_it_may_answer() -> None:
    named = [operation["operationId"] for operation in operations()]
    assert len(named) == len(set(named))
    for operation in operations():
        assert set(operation["tags"]) <= TAGS.keys()
        assert operation["summary"]
        assert len(operation["summary"]) < 130
        for status, answer in operation["responses"].items():
            assert int(status) < 400 or answer == {"$ref": f"#/components/responses/{status}"}, operation["operationId"]
        wanted = {"421", "500", "503"} | ({"400", "413", "422"} if "requestBody" in operation else set())
        assert wanted <= operation["responses"].keys()


def test_what_the_description_says_is_not_sent_again_is_what_has_an_etag() -> None:
    unsent = {operation["operationId"] for operation in operations() if "304" in operation["responses"]}
    single = {"getWorkflow", "getArtifact", "getCapsule", "getFile", "getAsyncApi", "getSchema"}
    lists = {one["operationId"] for one in operations() if one["operationId"].startswith("list")}
    assert unsent == single | lists - {"listModels"}  # what a router knows at this moment


def test_every_example_is_valid_and_nothing_lacks_one() -> None:
    lacking = set()
    for operation in operations():
        for content in contents(operation):
            if "example" in content:
                valid(content["schema"], content["example"])
            else:
                lacking.add(operation["operationId"])
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                valid(parameter["schema"], parameter["example"])
    assert lacking == NO_EXAMPLE
    for answer in document()["components"]["responses"].values():
        (content,) = answer["content"].values()
        valid(content["schema"], content["example"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_an_example_is_one_of_its_model_still_after_it_was_sent(example: BaseModel) -> None:
    told = example.model_dump_json(by_alias=True, exclude_unset=True)
    assert type(example).model_validate_json(told) == example
