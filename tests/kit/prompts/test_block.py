"""The block that ends every prompt holds whatever is put into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.kit.prompts.block import BadBlock, Block, read_block, with_block

WILD = st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["```", '```json\n{"task":"x","inputs":{}}\n```', "\\u0060", "\\`", "\r\n```\r\n"]
)


@given(text=WILD, inputs=st.dictionaries(WILD, WILD | st.lists(st.integers(-5, 5)), max_size=4))
def test_what_goes_in_comes_out(text: str, inputs: dict[str, object]) -> None:
    assert read_block(with_block(text, "a_task", inputs)) == Block(task="a_task", inputs=inputs)


@given(inputs=st.dictionaries(WILD, WILD, max_size=4))
def test_nothing_inside_can_end_the_fence(inputs: dict[str, object]) -> None:
    block = with_block("", "a_task", inputs)
    assert block.count("```") == 2
    assert block.count("\n") == 4
    assert "\r" not in block


def test_inputs_keep_their_order() -> None:
    assert '"inputs":{"b":1,"a":2}' in with_block("", "t", {"b": 1, "a": 2})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no block",
        '```json\n{"task": "t", "inputs": {}}\n``` and then some',
        'inline ```json\n{"task": "t", "inputs": {}}\n```',
        '```json\n{"task": "t"}\n```',
        '```json\n{"task": "t", "inputs": ' + "[" * 100_000 + "\n```",
    ],
)
def test_what_is_no_block_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadBlock):
        read_block(text)
