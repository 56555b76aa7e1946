"""A released schema stays: only optional fields are added to it, and the check sees whatever else is done."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.compatibility import RELEASED, all_breaks, breaks, main
from contracts.generate import json_schemas

NAMES = st.text("abcdef", min_size=1, max_size=3)
LEAVES: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{"type": "string"}, {"type": "integer", "minimum": 0}, {"enum": ["a", "b"]}, {"$ref": "#/$defs/thing"}]
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    properties = draw(st.dictionaries(NAMES, inner, min_size=1, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    return {"type": "object", "properties": properties, "required": required}


SCHEMAS = objects(
    st.recursive(
        LEAVES, lambda inner: objects(inner) | inner.map(lambda items: {"type": "array", "items": items}), max_leaves=8
    )
).map(lambda body: body | {"$defs": {"thing": {"type": "object", "properties": {}, "required": []}}})


def parts(schema: Any) -> list[dict[str, Any]]:
    """Every object's schema in it, itself the first."""
    if isinstance(schema, list):
        return [found for each in schema for found in parts(each)]
    if not isinstance(schema, dict):
        return []
    mine = [schema] if schema.get("type") == "object" else []
    return mine + [found for each in schema.values() for found in parts(each)]


@given(SCHEMAS, st.data())
def test_optional_fields_and_words_may_be_added_anywhere(old: dict[str, Any], data: st.DataObject) -> None:
    new = copy.deepcopy(old)
    for part in parts(new):
        added = {
            f"new_{name}": schema for name, schema in data.draw(st.dictionaries(NAMES, LEAVES, max_size=2)).items()
        }
        part["properties"] |= added
        part["description"] = "other words"
    new["$defs"]["other"] = {"type": "string"}
    assert list(breaks(old, new)) == []


@given(SCHEMAS, st.data())
def test_nothing_else_may_be_done(old: dict[str, Any], data: st.DataObject) -> None:
    new = copy.deepcopy(old)
    part = data.draw(st.sampled_from([part for part in parts(new) if part["properties"]]))
    name = data.draw(st.sampled_from(sorted(part["properties"])))
    match data.draw(st.sampled_from(["remove", "retype", "require", "release", "narrow", "close", "default"])):
        case "remove":
            del part["properties"][name]
        case "retype":
            part["properties"][name] = {"type": "boolean"}
        case "require":
            part["properties"]["new"] = {"type": "string"}
            part["required"].append("new")
        case "release":
            part["required"] = (
                [each for each in part["required"] if each != name]
                if name in part["required"]
                else [
                    *part["required"],
                    name,
                ]
            )
        case "narrow":
            part["properties"][name]["maxLength"] = 3
        case "close":
            part["additionalProperties"] = False
        case _:
            part["properties"][name]["default"] = {}
    assert list(breaks(old, new))


def test_an_enum_may_not_grow_and_a_closed_object_may_not_either() -> None:
    assert list(breaks({"enum": ["a"]}, {"enum": ["a", "b"]}))
    assert not list(breaks({"enum": ["a", "b"]}, {"enum": ["b", "a"]}))
    closed: dict[str, Any] = {"properties": {"a": {}}, "additionalProperties": False}
    assert list(breaks(closed, closed | {"properties": {"a": {}, "b": {}}}))


def test_the_tree_keeps_what_is_released() -> None:
    assert all_breaks(json_schemas()) == []
    assert {file.parent.name for file in RELEASED.rglob("*.json")} == {"events", "artifacts"}


def test_what_is_recorded_is_valid_by_the_released_schema() -> None:
    """Or the baseline would be of something nobody ever said."""
    file = RELEASED / "events" / "WorkflowSubmitted.v1.json"
    schema = msgspec.json.decode(file.read_bytes())
    examples = sorted((RELEASED.parent / "examples").rglob("dev.quantumlayer.workflow.submitted.v1*.json"))
    assert examples
    for example in examples:
        jsonschema.validate(msgspec.json.decode(example.read_bytes())["data"], schema)


def test_a_break_is_named_and_can_not_be_accepted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--accept"], tmp_path) == 0
    assert {file.name for file in tmp_path.rglob("*.json")} == {Path(name).name for name in json_schemas()}
    file = tmp_path / "events" / "StageCompleted.v1.json"
    released = msgspec.json.decode(file.read_bytes())
    released["properties"]["dropped_since"] = {"type": "string"}
    file.write_bytes(msgspec.json.encode(released))
    (tmp_path / "events" / "Forgotten.v1.json").write_bytes(b"{}")
    for arguments in ([], ["--accept"]):
        assert main(arguments, tmp_path) == 1
        said = capsys.readouterr().err
        assert "events/StageCompleted.v1.json/properties/dropped_since: gone" in said
        assert "events/Forgotten.v1.json: gone" in said
    assert msgspec.json.decode(file.read_bytes()) == released
