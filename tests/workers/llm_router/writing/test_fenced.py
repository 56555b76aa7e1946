"""Fenced files: what is rendered is read back, and what models add around them is tolerated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.kit.prompts.fenced import CutOff, parse_files, render_files

_LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=20)
_TEXTS = st.lists(st.one_of(_LINES, st.sampled_from(["```", "````python x.py", "   ```", "~~~"])), max_size=8).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)
_PATHS = st.from_regex(r"[a-z_]{1,8}(/[a-z_]{1,8}){0,2}\.(py|md|toml|x)", fullmatch=True)


@given(st.lists(st.tuples(_PATHS, _TEXTS), max_size=4))
def test_round_trip(files: list[tuple[str, str]]) -> None:
    assert parse_files(render_files(files)) == tuple(files)


@given(st.lists(st.tuples(_PATHS, _TEXTS), min_size=1, max_size=3))
def test_windows_line_ends_byte_order_mark_and_prose(files: list[tuple[str, str]]) -> None:
    text = "\ufeffHere you are:\n\n" + render_files(files) + "\nThat is all.\n"
    assert parse_files(text.replace("\n", "\r\n")) == tuple(files)


def test_an_end_of_line_is_added_where_it_is_missing() -> None:
    assert parse_files(render_files([("a.py", "x = 1")])) == (("a.py", "x = 1\n"),)


def test_fences_without_a_path_are_prose() -> None:
    text = "```sh\nls\n```\n```python\nprint()\n```\n```a.py\nx\n```\n"
    assert parse_files(text) == (("a.py", "x\n"),)


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_text_that_ends_inside_a_file_is_told(cut: int) -> None:
    text = render_files([("a.py", "x = 1\n"), ("b.py", "y = 2\n")])
    with pytest.raises(CutOff, match=r"b\.py") as caught:
        parse_files(text.rstrip()[:-cut])
    assert caught.value.path == "b.py"


@pytest.mark.parametrize("path", ["", " a.py", "a`.py", "a\n.py"])
def test_a_path_that_a_fence_can_not_carry(path: str) -> None:
    with pytest.raises(ValueError, match="fence"):
        render_files([(path, "")])
