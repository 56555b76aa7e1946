"""The names we refuse, one by one and together (trust.md S-20)."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.paths import MAX_FILES, UnsafePath, safe_path, safe_paths

GOOD = [
    "README.md", "src/app/main.py", ".gitignore", ".github/workflows/ci.yml", "a b.txt", "routes/[id].tsx",
    "ünï/cödé.py",
    "x" * 200, "console.py", "com.py", "nul_pointer.py", "auxiliary/x", "~home", "-rf", "a..b", "...x", ".env.example",
    "日本/語.md", "__init__.py", "git/hooks/pre-commit", "COM0", "$HOME/x", "a'b", "%2e%2e/x", "emoji😀.txt",
]  # fmt: skip

BAD = {
    "empty": "", "dot": ".", "dotdot": "..", "up": "../x", "inner up": "a/../b", "tail up": "a/..",
    "inner dot": "a/./b",
    "absolute": "/etc/passwd", "double": "a//b", "slashed": "a/", "backslash": "a\\b", "unc": "\\\\host\\x",
    "drive": "C:/x", "drive relative": "C:x", "stream": "a.txt:evil", "nul": "a\0b", "newline": "a\nb", "tab": "a\tb",
    "escape": "a\x1b[2Jb", "delete": "a\x7f", "c1": "a\x85b", "bidi": "a\u202egpj.exe", "zero width": "a\u200bb",
    "bom": "\ufeffa", "line sep": "a\u2028b", "surrogate": "a\ud800", "private": "a\ue000", "unassigned": "a\U000e0fff",
    "trailing dot": "a.", "trailing space": "a ", "inner trailing dot": "a./b", "inner trailing space": "a /b",
    "leading space": " a", "con": "con", "con ext": "CON.txt", "inner aux": "a/aux/b", "nul tar": "nul.tar.gz",
    "com1": "COM1", "lpt9": "lpt9.log", "com superscript": "com\u00b9", "con spaced": "con .txt", "conin": "CONIN$",
    "long part": "x" * 201, "long part utf8": "é" * 101, "300": "n" * 300, "long path": "/".join(["d" * 100] * 11),
    "decomposed": unicodedata.normalize("NFD", "é.py"), "wild": "a*", "question": "a?", "pipe": "a|b", "angle": "<a>",
    "quote": 'a"b', "git": ".git/config", "git case": ".GIT/hooks/x", "git short": "git~1/config",
    "inner git": "a/.git/x",
    "git file": ".git", "three dots": "...", "colon only": ":", "slash": "/", "root up": "/../x",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_an_ordinary_name_is_kept_as_it_is(name: str) -> None:
    assert safe_path(name) == name


def test_a_name_of_any_length_is_judged_by_its_length_first() -> None:
    """Looking at every character of a megabyte takes a sixth of a second."""
    with pytest.raises(UnsafePath, match="is longer than 1000 bytes"):
        safe_path("a" * 1_000_000 + "\0")


@pytest.mark.parametrize("name", BAD.values(), ids=BAD.keys())
def test_a_hostile_name_is_refused_with_a_reason_that_can_be_printed(name: str) -> None:
    with pytest.raises(UnsafePath) as refused:
        safe_path(name)
    assert refused.value.reason
    assert str(refused.value).isprintable()


@given(st.text(alphabet=st.sampled_from(list("ab./\\: \0~\u202e\u0301é%CONcon")), max_size=12))
def test_a_kept_name_stays_under_its_folder(name: str) -> None:
    try:
        kept = safe_path(name)
    except UnsafePath:
        return
    root = Path("/srv/project")
    joined = root / kept
    assert joined.is_relative_to(root)
    assert ".." not in joined.parts
    assert joined.as_posix() == f"/srv/project/{name}"


@pytest.mark.parametrize(
    "names",
    [
        ["a.py", "a.py"],
        ["a.py", "A.py"],
        ["straße", "STRASSE"],
        ["a", "a/b"],
        ["a/b", "a"],
        ["A", "a/b"],
        ["a/b/c", "a/B"],
        ["Src/a.py", "src/b.py"],
        ["ok.py", "../x"],
    ],
)
def test_names_that_clash_are_refused(names: list[str]) -> None:
    with pytest.raises(UnsafePath) as refused:
        safe_paths(names)
    assert refused.value.name == names[1]


def test_names_that_live_together_are_kept_in_order() -> None:
    names = ["b.py", "a/x.py", "a/y.py", "a/b/z.py", "ab"]
    assert safe_paths(names) == tuple(names)


def test_a_tree_may_hold_two_thousand_files_and_no_more() -> None:
    names = [f"f{number}" for number in range(MAX_FILES)]
    assert len(safe_paths(names)) == MAX_FILES
    with pytest.raises(UnsafePath, match="at most 2000"):
        safe_paths([*names, "one-more"])
