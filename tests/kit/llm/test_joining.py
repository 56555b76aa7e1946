"""However a model goes on after a cut, the files come out as it meant them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.kit.llm.joining import joined_files, joined_json, overlapping
from workers.kit.prompts.fenced import parse_files, render_files

_NAMES = st.from_regex(r"[a-z]{3,8}", fullmatch=True)
_BODIES = st.lists(_NAMES, min_size=3, max_size=12).map(
    lambda names: "".join(f"{'    ' * (n % 2)}{name}_{n} = '{name[::-1]}{n}'\n" for n, name in enumerate(names))
)
_FILES = st.lists(st.tuples(_NAMES.map("{}.py".format), _BODIES), min_size=1, max_size=3, unique_by=lambda f: f[0])


@given(_FILES, st.data())
def test_a_model_goes_on_somehow(files: list[tuple[str, str]], data: st.DataObject) -> None:
    paths = [path for path, _ in files]
    text = render_files(files)
    cut = data.draw(st.integers(text.index("\n") + 1, len(text.rstrip()) - 4))
    begun, rest = text[:cut], text[cut:]
    path = [path for path in paths if path in begun][-1]
    start = text.rindex("```python", 0, begun.rindex(path))
    inside = cut > text.index("\n", start) and cut <= text.index("\n```", start)
    ways = {
        "exactly": rest,
        "windows": rest.replace("\n", "\r\n"),
        "repeats": begun[-min(60, cut) :] + rest,
        "all": text,
    }
    if inside:
        ways |= {
            "file": text[start:],
            "talk and file": f"Sorry, again:\n\n{text[start:]}",
            "fence": f"```python\n{rest}",
            "talk and fence": f"Continuing:\n\n```python\n{rest}",
        }
    way = data.draw(st.sampled_from(sorted(ways)))
    assert parse_files(joined_files(begun, ways[way], paths), paths) == tuple(files)


BEGUN = "```python a.py\ndef double(count: int) -> int:\n    return cou"


@pytest.mark.parametrize(
    "more",
    [
        "nt * 2\n```",
        "    return count * 2\n```",
        "return count * 2\n```\nThat's all.",
        "```python\nnt * 2\n```",
        "```python\n    return count * 2\n```",
        "```\nnt * 2\n```",
        "```python\ndef double(count: int) -> int:\n    return count * 2\n```",
        "```python a.py\ndef double(count: int) -> int:\n    return count * 2\n```",
        "Here is the rest of `a.py`:\n\n```python\n    return count * 2\n```\n",
        "def double(count: int) -> int:\n    return count * 2\n```",
    ],
)
def test_ways_that_were_seen(more: str) -> None:
    found = parse_files(joined_files(BEGUN, more, ["a.py"]), ["a.py"])
    assert found == (("a.py", "def double(count: int) -> int:\n    return count * 2\n"),)


def test_a_document_goes_on_with_a_fence_of_its_own() -> None:
    begun = "````markdown README.md\n# Plums\n\nRun:\n\n"
    found = parse_files(joined_files(begun, "```sh\nplums\n```\n````\n", ["README.md"]), ["README.md"])
    assert found == (("README.md", "# Plums\n\nRun:\n\n```sh\nplums\n```\n"),)


@pytest.mark.parametrize(
    ("begun", "more", "whole"),
    [
        ('{"a": [1, ', "2]}", '{"a": [1, 2]}'),
        ('```json\n{"a": "one', ' two"}\n```', '{"a": "one two"}'),
        ('{"a": "one', '```json\n two"}\n```', '{"a": "one two"}'),
        ('{"a": [1, ', '{"a": [1, 2]}', '{"a": [1, 2]}'),
        ('{"a": [1, ', 'Again:\n```json\n{"a": [1, 2]}\n```', '{"a": [1, 2]}'),
        ('{"a": [{"b": 1}, ', '{"b": 2}]}', '{"a": [{"b": 1}, {"b": 2}]}'),
    ],
)
def test_json_in_pieces(begun: str, more: str, whole: str) -> None:
    assert whole in joined_json(begun, more)


def test_rows_that_are_alike_go_on() -> None:
    row = "    (0, 0, 0, 0, 0, 0, 0),\n"
    assert overlapping(row * 3, row * 2) == row * 5
    assert overlapping("-" * 30, "-" * 30) == "-" * 60
