"""The evaluation prompts agree with themselves and with the rules in prompts/README.md."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

PROMPTS = Path(__file__).parent / "prompts"
LABELLED: list[dict[str, Any]] = json.loads((PROMPTS / "labelled.json").read_text(encoding="utf-8"))
REFUSED: list[dict[str, Any]] = json.loads((PROMPTS / "refused.json").read_text(encoding="utf-8"))
KINDS = {"rest_api", "cli", "library"}
TYPES = {"text", "integer", "number", "boolean", "date", "datetime", "email", "url", "enum", "reference"}
FIELD_KEYS = {
    *("name", "type", "required", "unique", "minimum", "maximum", "exclusive_minimum"),
    *("choices", "references", "aliases", "also"),
}
OPERATION_KEYS = {
    "create": set(),
    "read": set(),
    "list": {"filters"},
    "update": set(),
    "delete": set(),
    "search": {"fields"},
    "export": {"format"},
    "transition": {"field", "to"},
    "function": {"function", "aliases"},
}
SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
CAMEL = re.compile(r"([A-Z][a-z0-9]*)+")
each_prompt = pytest.mark.parametrize("item", LABELLED, ids=lambda item: item["id"])


def normal(name: str) -> str:
    return re.sub(r"[_\- ]", "", name.lower())


def unique(names: list[str]) -> bool:
    return len({normal(name) for name in names}) == len(names)


def fields_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [field for entity in item["entities"] for field in entity["fields"]]


def test_sixty_prompts_of_which_twenty_are_held_out() -> None:
    assert len(LABELLED) == 60
    assert sum(item["held_out"] for item in LABELLED) == 20
    assert Counter(item["kind"] for item in LABELLED) == {"rest_api": 26, "cli": 18, "library": 16}
    assert Counter(item["kind"] for item in LABELLED if item["held_out"]) == {"rest_api": 9, "cli": 6, "library": 5}
    assert sum(not item["entities"] for item in LABELLED) <= 10


def test_ids_and_prompts_are_unique() -> None:
    everything = LABELLED + REFUSED
    assert len({item["id"] for item in everything}) == len(everything)
    assert len({item["prompt"].strip().lower() for item in everything}) == len(everything)


def test_twenty_prompts_are_to_be_refused() -> None:
    assert len(REFUSED) == 20
    assert all(set(item) == {"id", "prompt", "why"} and item["prompt"].strip() for item in REFUSED)


@each_prompt
def test_item_has_its_shape(item: dict[str, Any]) -> None:
    assert set(item) == {"id", "held_out", "prompt", "kind", "entities", "operations"}
    assert isinstance(item["held_out"], bool)
    assert item["kind"] in KINDS
    assert item["prompt"] == item["prompt"].strip() != ""
    assert item["operations"]


@each_prompt
def test_entities_are_named_once_in_camel_case(item: dict[str, Any]) -> None:
    names = [name for entity in item["entities"] for name in (entity["name"], *entity.get("aliases", []))]
    assert all(CAMEL.fullmatch(name) for name in names)
    assert unique(names)
    assert all(entity["fields"] for entity in item["entities"])


@each_prompt
def test_fields_are_named_once_in_snake_case(item: dict[str, Any]) -> None:
    for entity in item["entities"]:
        names = [name for field in entity["fields"] for name in (field["name"], *field.get("aliases", []))]
        assert all(SNAKE.fullmatch(name) for name in names)
        assert unique(names)
        assert "id" not in names


@each_prompt
def test_fields_have_a_type_from_the_list(item: dict[str, Any]) -> None:
    for field in fields_of(item):
        assert set(field) <= FIELD_KEYS
        assert field["type"] in TYPES
        assert set(field.get("also", [])) <= TYPES - {field["type"]}
        bounds = {"minimum", "maximum", "exclusive_minimum"} & set(field)
        assert not bounds or field["type"] in {"integer", "number"}
        assert field.get("minimum", float("-inf")) <= field.get("maximum", float("inf"))


@each_prompt
def test_references_and_choices_are_there(item: dict[str, Any]) -> None:
    entities = {entity["name"] for entity in item["entities"]}
    for field in fields_of(item):
        assert ("references" in field) == (field["type"] == "reference")
        assert ("choices" in field) == (field["type"] == "enum")
        assert field.get("references") in {None, *entities}
        choices = field.get("choices", ["one", "two"])
        assert len(set(choices)) == len(choices) >= 2
        assert all(SNAKE.fullmatch(choice) for choice in choices)


@each_prompt
def test_operations_name_labelled_entities_and_fields(item: dict[str, Any]) -> None:
    entities = {entity["name"]: {field["name"]: field for field in entity["fields"]} for entity in item["entities"]}
    for operation in item["operations"]:
        if operation["name"] == "function":
            continue
        assert set(operation) - OPERATION_KEYS[operation["name"]] <= {"name", "entity", "optional"}
        fields = entities[operation["entity"]]
        assert set(operation.get("filters", []) + operation.get("fields", [])) <= set(fields)
        assert operation.get("format", "csv") in {"csv", "json"}
        if operation["name"] == "search":
            assert operation["fields"]
        if operation["name"] == "transition":
            assert operation["to"] in fields[operation["field"]].get("choices", ["true", "false"])


@each_prompt
def test_operations_are_labelled_once(item: dict[str, Any]) -> None:
    keys = [
        (operation["name"], operation["entity"], operation.get("to"), operation.get("function"))
        for operation in item["operations"]
    ]
    assert len(set(keys)) == len(keys)


@each_prompt
def test_a_prompt_without_entities_has_only_functions(item: dict[str, Any]) -> None:
    functions = [operation for operation in item["operations"] if operation["name"] == "function"]
    assert (functions == item["operations"]) == (not item["entities"])
    names = [name for function in functions for name in (function["function"], *function["aliases"])]
    assert all(SNAKE.fullmatch(name) for name in names)
    assert unique(names)
    assert all(function["entity"] == "" for function in functions)


@each_prompt
def test_every_entity_can_come_into_being(item: dict[str, Any]) -> None:
    created = {operation["entity"] for operation in item["operations"] if operation["name"] == "create"}
    assert created == {entity["name"] for entity in item["entities"]}


def test_there_are_five_sample_prompts() -> None:
    samples = {path.stem: path.read_text(encoding="utf-8") for path in PROMPTS.glob("*.txt")}
    assert set(samples) == {"bookshelf", "helpdesk", "expenses", "inventory", "geometry"}
    assert all(200 < len(text) < 1000 for text in samples.values())
