"""TreeSitterParser on real grammars: what breaks is found where it breaks, what is sound stays silent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.artifacts import File
from workers.kit.parsing.languages import LANGUAGES, language_of
from workers.kit.parsing.treesitter import MAX_BYTES, TreeSitterParser

PARSER = TreeSitterParser()

# name of a file -> (a sound text, a broken one, the line of the break)
SAMPLES = {
    "a.py": ("def f(x):\n    return x\n", "def f(x):\n    return 1\n\nx = = 2\n", 4),
    "a.js": ("const f = (x) => x + 1;\n", "const a = 1;\nfunction f( { return 1; }\n", 2),
    "a.ts": ("const f = (x: number): number => x;\n", "let a: number = 1;\nlet b: = ;\n", 2),
    "a.tsx": ("const a = <b>{1}</b>;\n", "const c = 1;\nconst a = <b>{1}</c;\n", 2),
    "a.json": ('{"a": [1, 2]}\n', '{\n"a": [1,,]\n}\n', 2),
    "a.toml": ('[a]\nb = "c"\n', "[a]\nb = = 3\n", 2),
    "a.yaml": ("a:\n  - 1\n", "a: 1\nb: [1, 2\n", 1),
    "a.html": ("<p>hi</p>\n", "<p>ok</p>\n<p <b>\n", 2),
    "a.css": ("a { color: red; }\n", "a { color: red; }\nb { : ; }\n", 2),
    "a.sh": ("if true; then\n  echo hi\nfi\n", "echo hi\nif true; then\necho\n", 4),
    "a.go": ("package a\n\nfunc f() int { return 1 }\n", "package a\n\nfunc f( int { return 1 }\n", 3),
    "a.rs": ("fn f() -> i32 { 1 }\n", "fn g() {}\nfn f( -> i32 { 1 }\n", 2),
    "a.java": ("class A { int f() { return 1; } }\n", "class A {\nint f( { return 1; }\n}\n", 2),
    "a.kt": ("fun f(): Int = 1\n", "val a = 1\nfun f(: Int = 1\n", 2),
    "a.c": ("int f(void) { return 1; }\n", "int a;\nint f(void { return 1; }\n", 2),
    "a.cpp": ("class A { public: int f(); };\n", "int a;\nclass A { public: int f( };\n", 2),
    "a.cs": ("class A { int F() { return 1; } }\n", "class A {\nint F( { return 1; }\n}\n", 2),
    "a.rb": ("def f(x)\n  x\nend\n", "a = 1\ndef f(x\n  x\nend\n", 2),
    "a.php": ("<?php\nfunction f($x) { return $x; }\n", "<?php\nfunction f( { return 1; }\n", 2),
    "a.scala": ("object A { def f(x: Int) = x }\n", "object B {}\nobject A { def f(x: = x }\n", 2),
    "a.hs": ("f :: Int -> Int\nf x = x + 1\n", "f x = x\ng = let in in )\n", 2),
    "a.ex": ("defmodule A do\n  def f(x), do: x\nend\n", "a = 1\nb = ]\n", 2),
    "a.sql": ("SELECT a FROM b WHERE c = 1;\n", "SELECT a FROM b;\nSELECT a FROM b WHERE (;\n", 2),
    "Dockerfile": ("FROM a:1\nRUN echo hi\n", "FROM a:1\nNONSENSE here\n", 2),
    "Makefile": ("a: b\n\techo hi\n", "a: b\n\techo hi\nifeq (\n", 3),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sound_file_has_no_errors(name: str) -> None:
    assert PARSER.syntax_errors(File(path=name, text=SAMPLES[name][0])) == ()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_broken_file_is_reported_at_its_line(name: str) -> None:
    _, broken, line = SAMPLES[name]
    findings = PARSER.syntax_errors(File(path=name, text=broken))
    assert findings
    assert {(f.rule, f.path) for f in findings} == {("syntax", name)}
    assert line in {f.line for f in findings}


def test_every_named_language_has_a_grammar_that_loads() -> None:
    from workers.kit.parsing.grammars import parse

    assert len(LANGUAGES) >= 40
    for language in LANGUAGES:
        assert parse(language, b"").root_node.type


@pytest.mark.parametrize(
    ("path", "language"),
    [("src/a.PY", "python"), ("go.mod", "gomod"), ("x/Makefile", "make"), (".gitignore", None), ("LICENSE", None)],
)
def test_language_by_name(path: str, language: str | None) -> None:
    assert language_of(path) == language
    assert PARSER.language_of(path) == language


def test_a_missing_token_is_named() -> None:
    (finding,) = PARSER.syntax_errors(File(path="a.c", text="int a;\nint f(void) { return 1 }\n"))
    assert (finding.line, finding.message) == (2, "';' is missing")


def test_a_file_cut_off_in_the_middle_is_an_error() -> None:
    text = "import os\n\ndef f(a):\n    return (a,\n"
    assert PARSER.syntax_errors(File(path="a.py", text=text))


def test_findings_of_one_file_are_bounded() -> None:
    text = "x = = 1\n\n" * 500
    assert 1 <= len(PARSER.syntax_errors(File(path="a.py", text=text))) <= 20


def test_hostile_files_end_in_a_finding_or_in_silence() -> None:
    deep = "(" * 200_000
    assert PARSER.syntax_errors(File(path="a.py", text=deep))
    assert PARSER.symbols(File(path="a.py", text=deep)) == ()
    assert PARSER.imports(File(path="a.py", text="if x:\n" * 10 + deep)) == ()
    (large,) = PARSER.syntax_errors(File(path="a.py", text="x = 1\n" * MAX_BYTES))
    assert large.rule == "too-large"
    assert PARSER.syntax_errors(File(path="a.py", text="x = '\ud800'\n")) is not None


SOURCE = """\
from __future__ import annotations
import os, a.b as c
from . import x, y as z
from ..p.k import (q,
                   r)
from m import *
if TYPE_CHECKING:
    from t import T
else:
    from u import U
A, B = 1, 2
C: int = D = 3
try:
    E = 1
except ValueError:
    E = 2
@dec
async def f():
    from late import L
    local = 1
class K:
    attribute = 1
    def method(self): ...
A.b = 1
with x as y:
    def g(): ...
"""


def test_symbols_are_the_names_of_the_module() -> None:
    found = [(s.name, s.kind, s.line) for s in PARSER.symbols(File(path="a.py", text=SOURCE))]
    assert found == [
        ("A", "constant", 11),
        ("B", "constant", 11),
        ("C", "constant", 12),
        ("D", "constant", 12),
        ("E", "constant", 14),
        ("E", "constant", 16),
        ("f", "function", 18),
        ("K", "class", 21),
        ("g", "function", 26),
    ]


def test_imports_at_any_depth_say_whether_they_run_at_import() -> None:
    found = [(i.module, i.name, i.level, i.line, i.deferred) for i in PARSER.imports(File(path="a.py", text=SOURCE))]
    assert found == [
        ("__future__", "annotations", 0, 1, False),
        ("os", "", 0, 2, False),
        ("a.b", "", 0, 2, False),
        ("", "x", 1, 3, False),
        ("", "y", 1, 3, False),
        ("p.k", "q", 2, 4, False),
        ("p.k", "r", 2, 4, False),
        ("m", "*", 0, 6, False),
        ("t", "T", 0, 8, True),
        ("u", "U", 0, 10, False),
        ("late", "L", 0, 19, True),
    ]


def test_threads_may_share_one_parser() -> None:
    files = [File(path=name, text=text) for name, (_, text, _) in SAMPLES.items()] * 8
    alone = [PARSER.syntax_errors(file) for file in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(PARSER.syntax_errors, files)) == alone
