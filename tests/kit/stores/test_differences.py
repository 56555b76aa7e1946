"""What `strict` says: the first piece in which two questions differ."""

from __future__ import annotations

import asyncio
import copy
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.stores.test_calls import ask, call
from workers.kit.llm.wire import Message, Question, question_asked
from workers.kit.prompts.block import with_block
from workers.kit.stores.calls import Call
from workers.kit.stores.differences import first_difference, missed, nearest
from workers.kit.stores.memory.ledger import MemoryLedger

INPUTS: dict[str, object] = {"brief": {"title": "Shop", "fields": ["a", "b"]}, "path": "shop/app.py"}


def asked(
    *, model: str = "a/x", system: str = "Be exact.\nWrite code.", intro: str = "Do it.", task: str = "code",
    inputs: dict[str, object] = INPUTS, more: tuple[Message, ...] = (), temperature: float | None = None,
    schema: dict[str, object] | None = None, schema_name: str = "", nonce: str = "", max_tokens: int | None = None,
) -> bytes:  # fmt: skip
    messages = (Message(role="system", content=system), Message(role="user", content=with_block(intro, task, inputs)))
    question = Question(
        tenant="t", workflow="w", stage="s", revision=1, task=task, messages=(*messages, *more), nonce=nonce,
        schema=schema, schema_name=schema_name, temperature=temperature, max_tokens=max_tokens,
    )  # fmt: skip
    return question_asked(question, model)


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (asked(model="b/y"), "the model: 'a/x' then, 'b/y' now"),
        (asked(temperature=0.2), "temperature: null then, 0.2 now"),
        (asked(max_tokens=9), "max_tokens: null then, 9 now"),
        (asked(system="Be exact.\nWrite prose."), "the system prompt, line 2: 'Write code.' then, 'Write prose.' now"),
        (asked(intro="Do that."), "message 2: 'Do it.\\n\\n```json"),
        (asked(inputs={"brief": {"title": "Shop", "fields": ["a", "c"]}}), "inputs.brief.fields[1]: 'b' then, 'c' now"),
        (asked(inputs={**INPUTS, "plan": 1}), "inputs.plan: nothing then, 1 now"),
        (asked(inputs={"brief": INPUTS["brief"]}), 'inputs.path: "shop/app.py" then, nothing now'),
        (asked(inputs=dict(reversed(INPUTS.items()))), "the order of the keys of inputs"),
        (asked(more=(Message(role="user", content="x"),)), "the number of its messages: 2 then, 3 now"),
        (asked(schema_name="Frd"), "the schema's name: '' then, 'Frd' now"),
        (asked(schema={"type": "object"}), 'the schema: null then, {"type":"object"} now'),
        (asked(nonce="2"), "the nonce: '' then, '2' now"),
        (b"\xff", "its form: it is not a question of this release"),
        (asked() + b" ", "the form of its JSON"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_the_first_difference_is_named(new: bytes, sentence: str) -> None:
    assert first_difference(asked(), new).startswith(sentence)
    assert first_difference(new, new) == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("xyz"), VALUES), st.dictionaries(st.sampled_from("xyz"), VALUES))
def test_it_is_silent_for_equal_questions_only(one: dict[str, object], other: dict[str, object]) -> None:
    before, after = asked(inputs=one), asked(inputs=other)
    said = first_difference(before, after)
    assert (said == "") == (before == after)
    assert not said or said.startswith(("inputs", "the order of the keys of inputs"))


@given(VALUES.filter(lambda v: isinstance(v, dict | list) and v), st.data())
def test_the_path_leads_to_what_was_changed(value: object, data: st.DataObject) -> None:
    changed, path = copy.deepcopy(value), ""
    at: object = changed
    while True:
        assert isinstance(at, dict | list)
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        path += f".{key}" if isinstance(at, dict) else f"[{key}]"
        inner = at[key]
        if not (isinstance(inner, dict | list) and inner):
            at[key] = "quite another"
            break
        at = inner
    said = first_difference(asked(inputs={"it": value}), asked(inputs={"it": changed}))
    assert said.startswith(f"inputs.it{path}: ")


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_whatever_a_file_brought_in_is_compared(one: bytes, other: bytes) -> None:
    assert (first_difference(one, other) == "") == (one == other)


@given(VALUES, VALUES)
def test_any_json_is_compared(one: object, other: object) -> None:
    before, after = (msgspec.json.encode(["m", [None], value]) for value in (one, other))
    assert (first_difference(before, after) == "") == (before == after)


def test_the_nearest_agrees_in_most() -> None:
    far, near = asked(model="b/y", system="Other."), asked(inputs={})
    assert nearest([far, near], asked()) == near
    assert nearest([near, far], asked()) == near


async def test_a_miss_names_the_first_difference() -> None:
    ledger = MemoryLedger()
    new = _call(asked(system="Be brief."))
    assert (await missed(ledger, new)).endswith("none of its task was ever answered")
    await asyncio.gather(*(ask(ledger, _call(asked(model=model))) for model in ("a/x", "b/y")))
    assert "differs first in the system prompt: 'Be exact." in await missed(ledger, new)


def _call(body: bytes) -> Call:
    return msgspec.structs.replace(call(), asked=body, question=sha256(body).hexdigest())
