"""Front matter is read strictly: what can't be meant is refused, not guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.kit.prompts.front import BadPrompt, read


def test_keys_lists_and_the_text_below() -> None:
    front, text = read("x.md", "---\nid: a\nskills: [one thing, another]\nnone: []\n---\n\nText.\n---\nMore.\n")
    assert front == {"id": "a", "skills": ["one thing", "another"], "none": []}
    assert text == "Text.\n---\nMore."


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("id: a\n---\ntext", "does not begin with a line '---'"),
        ("\ufeff---\nid: a\n---\ntext", "does not begin with a line '---'"),
        ("---\nid: a\ntext\n", "has no end"),
        ("---\nid: a\nid: b\n---\ntext", "says id twice"),
        ("---\nid:\n---\ntext", "is not 'key: value'"),
        ("---\nid: a\n  nested: b\n---\ntext", "is not 'key: value'"),
        ("---\n- a\n---\ntext", "is not 'key: value'"),
        ("---\nlist: [a, , b]\n---\ntext", "an empty item, or one twice"),
        ("---\nlist: [a, a]\n---\ntext", "an empty item, or one twice"),
        ("---\nid: a\n---\n \n", "holds no text"),
    ],
)
def test_what_is_refused(raw: str, said: str) -> None:
    with pytest.raises(BadPrompt, match=said):
        read("x.md", raw)


@given(raw=st.text() | st.lists(st.sampled_from(["---", "\n", "a: b", "[", "]", ",", "x"])).map("".join))
def test_anything_else_is_read_or_refused(raw: str) -> None:
    try:
        front, text = read("x.md", raw)
    except BadPrompt:
        return
    assert text.strip() == text != ""
    assert raw.startswith("---\n")
    assert all(isinstance(value, str | list) for value in front.values())
