"""Whatever the fences look like that a model uses, the files inside of them are read back as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.kit.prompts.fenced import parse_files

Files = list[tuple[str, str]]

_LINES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=20),
    st.sampled_from(["```", "```sh", "````python x.py", "   ```", "~~~", "~~~~ a", "# a.py", "**b.py**:", "\ufeff"]),
)
_TEXTS = st.lists(_LINES, max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))
_PATHS = st.from_regex(r"[a-z_]{1,8}(/[a-z_]{1,8}){0,2}\.(py|md|toml|x)", fullmatch=True)
_FILES = st.lists(st.tuples(_PATHS, _TEXTS), min_size=1, max_size=4, unique_by=lambda file: file[0])
_PROSE = st.sampled_from(["", "Sure! Here you are:", "I hope that this helps.\n\nTell me if not.", "1. `other.py`:"])

# The line above the fence, and what stands behind it.
STYLES: dict[str, tuple[str, str]] = {
    "language path": ("", "python {0}"),
    "path": ("", "{0}"),
    "colon": ("", "python:{0}"),
    "title": ("", "python title={0}"),
    "quoted title": ("", 'python title="{0}"'),
    "file": ("", "python file={0} linenums=1"),
    "braces": ("", "{{.python file='{0}'}}"),
    "label": ("", "python file: {0}"),
    "comment": ("", "python # {0}"),
    "quotes": ("", "python '{0}'"),
    "backticks": ("", "python `{0}`"),
    "dot": ("", "python ./{0}"),
    "bold": ("**{0}**", ""),
    "bold colon": ("**`{0}`:**", ""),
    "heading": ("### {0}", ""),
    "numbered": ("#### 2. `{0}`", ""),
    "item": ("1. **{0}**:", ""),
    "bare": ("{0}", ""),
    "labelled": ("File: `./{0}`", ""),
    "sentence": ("Here is `{0}`:", ""),
}


def mangled(files: Files, style: str, mark: str, longer: int, trail: str, prose: str) -> str:
    parts = [prose] if prose else []
    above, behind = STYLES[style]
    for path, text in files:
        longest = max((len(line.strip()) for line in text.split("\n") if line.strip().startswith(mark)), default=0)
        fence = mark * (max(3, longest + 1) + longer)
        heading = f"{above.format(path)}\n\n" if above else ""
        parts.append(f"{heading}{fence}{behind.format(path)}{trail}\n{text}{fence}{trail}\n")
    return "\n".join([*parts, prose])


@given(
    _FILES,
    st.sampled_from(sorted(STYLES)),
    st.sampled_from("`~"),
    st.integers(0, 3),
    st.sampled_from(["", " ", "\t ", "   "]),
    _PROSE,
    st.booleans(),
    st.booleans(),
)
def test_mangled_files_are_read_back(
    files: Files, style: str, mark: str, longer: int, trail: str, prose: str, windows: bool, marked: bool
) -> None:
    text = mangled(files, style, mark, longer, trail, prose)
    text = text.replace("\n", "\r\n") if windows else text
    text = f"\ufeff{text}" if marked else text
    assert parse_files(text, [path for path, _ in files]) == tuple(files)


@given(_FILES, st.sampled_from(sorted(STYLES)), st.integers(1, 8))
def test_indented_blocks_come_out_as_their_fences(files: Files, style: str, indent: int) -> None:
    text = mangled(files, style, "`", 0, "", "")
    text = "\n".join(" " * indent + line for line in text.split("\n"))
    assert parse_files(text, [path for path, _ in files]) == tuple(files)


@given(_TEXTS.filter(lambda text: "`" not in text), st.sampled_from(["x", "md"]))
def test_the_only_file_needs_no_name(text: str, suffix: str) -> None:
    path = f"a.{suffix}"
    assert parse_files(f"Here:\n```\n{text}```\n", [path]) == ((path, text),)
    assert parse_files(f"Here:\n```\n{text}```\n", [path, "other.py"]) == ()


CODE = "def main() -> None:\n    print(1)\n"


@pytest.mark.parametrize(
    "first", ["# {0}", "#{0}", "# file: {0}", "// {0}", "/* {0} */", "<!-- {0} -->", "-- {0}", "{0}"]
)
def test_a_first_line_that_is_the_path_names_the_file_and_is_no_part_of_it(first: str) -> None:
    path = "src/main.py"
    text = f"```python\n{first.format(path)}\n{CODE}```\n"
    assert parse_files(text, [path, "b.py"]) == ((path, CODE),)


def test_a_title_names_a_document_and_stays() -> None:
    text = "```markdown\n# README.md\n\nIt counts.\n```\n"
    assert parse_files(text, ["README.md", "b.py"]) == (("README.md", "# README.md\n\nIt counts.\n"),)


@pytest.mark.parametrize(
    "above", ["Run `a.py` like this:", "### a.py", "**a.py**"], ids=["sentence", "heading", "bold"]
)
def test_a_command_below_a_name_is_not_the_file(above: str) -> None:
    text = f"```python a.py\n{CODE}```\n\n{above}\n\n```sh\npython a.py\n```\n"
    assert parse_files(text, ["a.py"]) == (("a.py", CODE),)


def test_paths_that_nobody_asked_for_are_seen_behind_fences_only() -> None:
    text = f"### other.py\n```python\n{CODE}```\n```python\n# other.py\n{CODE}```\n"
    assert parse_files(text, ["a.py", "b.py"]) == ()
    assert parse_files(f"```python:../../x.py\n{CODE}```\n", ["a.py"]) == (("../../x.py", CODE),)


README = "# Plums\n\n```sh\nplums add\n```\n\nIt prints:\n\n```\n1\n```\n\nThat is all.\n"


@pytest.mark.parametrize("tail", ["", "\nThat was the README.\n", "\n```python a.py\nx = 1\n```\n"])
def test_a_document_with_fences_as_long_as_its_own(tail: str) -> None:
    found = dict(parse_files(f"Here:\n\n```markdown README.md\n{README}```\n{tail}", ["README.md", "a.py"]))
    assert found["README.md"] == README
    assert found.get("a.py", "x = 1\n") == "x = 1\n"


def test_code_with_fences_as_long_as_its_own_ends_where_it_can_be_read() -> None:
    inside = f'"""Counts:\n\n```\nplums\n```\n"""\n\n{CODE}'
    usage = "\nRun it:\n\n```\npython a.py\n```\n"
    for tail in ("", "\nThat's it.\n"):
        assert parse_files(f"```python a.py\n{inside}```\n{tail}", ["a.py"]) == (("a.py", inside),)
    assert parse_files(f"```python a.py\n{CODE}```\n{usage}", ["a.py"]) == (("a.py", CODE),)


@pytest.mark.parametrize(
    ("path", "text", "is_file"),
    [
        ("a.py", CODE, True),
        ("a.py", "Sorry", False),
        ("a.py", "I can't do that.", False),
        ("a.json", '{"a": 1}\n', True),
        ("a.json", "1\n", False),
        ("a.toml", "a = 1\n", True),
        ("a.toml", "a\n", False),
        ("a.md", "# Title\n", False),
        ("a.py", "x" * 300_000 + " = 1\n", False),
    ],
)
def test_without_any_fence_only_what_is_plainly_the_file_is_taken(path: str, text: str, is_file: bool) -> None:
    assert bool(parse_files(text, [path])) == is_file
