"""Semantic validation on one sound project and on everything that can be wrong with it: file, line and rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from contracts.artifacts import File, Finding, Package, SourceTree, ValidationReport, encode
from workers.kit.parsing.treesitter import TreeSitterParser
from workers.kit.stage import Reject
from workers.semantic_validation import python_files
from workers.semantic_validation.stage import STAGE, _ordered

from .sample import CLI, FILES, MODELS, contract, tree

VALIDATE = STAGE(TreeSitterParser())
M = "src/plums/models.py"
C = "src/plums/cli.py"


async def errors(
    changes: Mapping[str, str | None] | None = None, packages: tuple[Package, ...] = ()
) -> set[tuple[str, int, str]]:
    verdict = await VALIDATE(tree(changes), contract(packages=packages))
    if isinstance(verdict, ValidationReport):
        return set()
    assert verdict.target == "code_generation"
    return {(f.path, f.line, f.rule) for f in verdict.findings}


async def test_a_sound_project_passes() -> None:
    report = await VALIDATE(tree(), contract())
    assert isinstance(report, ValidationReport), report
    assert (report.files_checked, report.findings) == (5, ())
    assert encode(report) == encode(await VALIDATE(tree(), contract()))


LATER = "\n\ndef later() -> int:\n    "


@pytest.mark.parametrize(
    ("path", "text", "line", "rule"),
    [
        (C, None, 0, "missing-file"),
        (C, "", 0, "empty-file"),
        (C, CLI + "def f(:\n    return 1\n", 21, "compile"),
        (C, CLI[: CLI.index(".plums).double")], 15, "compile"),
        (C, CLI + "x = '\x00'\n", 0, "compile"),
        (C, CLI + "return 3\n", 21, "compile"),
        (C, CLI + "x = " + "(" * 5000 + ")" * 5000 + "\n", 21, "compile"),
        (C, CLI + "x = " + "-" * 100_000 + "1\n", 0, "compile"),
        (C, CLI + "x = 1\n" * 200_000, 0, "too-large"),
        (C, CLI + "\n# TODO: the rest\n", 22, "placeholder"),
        (C, CLI + "\n# ... rest of the code unchanged\n", 22, "placeholder"),
        (C, CLI + "\n# ... \n", 22, "placeholder"),
        (C, CLI + "\n# your code here\n", 22, "placeholder"),
        (C, CLI + LATER + "...\n", 23, "placeholder"),
        (C, CLI + LATER + "pass\n", 23, "placeholder"),
        (C, CLI + LATER + '"""Later."""\n    raise NotImplementedError("later")\n', 25, "placeholder"),
        (C, CLI + "\ntry:\n    main()\nexcept:\n    pass\n", 24, "empty-handler"),
        (M, MODELS.replace("class Spoiled", "class Rotten"), 0, "missing-export"),
        (
            C,
            CLI.replace("def main(argv: list[str] | None = None) -> int:", "class main:\n  def f(argv):"),
            11,
            "wrong-export",
        ),
        (C, CLI.replace("Spoiled\n", "Spoiled, Pear\n"), 8, "unresolved-import"),
        (C, CLI.replace("from .models", "from .orchard"), 8, "unresolved-import"),
        (C, CLI.replace("from .models", "from ...models"), 8, "unresolved-import"),
        (C, CLI.replace("from .models", "from plums.orchard"), 8, "unresolved-import"),
        (C, CLI.replace("import sys", "import sys, requests"), 6, "unknown-import"),
        (C, CLI + LATER + "import requests.adapters\n    return 1\n", 24, "unknown-import"),
        (M, MODELS.replace("from dataclasses", "from .cli import main\nfrom dataclasses"), 0, "import-cycle"),
        ("pyproject.toml", FILES["pyproject.toml"] + "x = = 1\n", 22, "syntax"),
    ],
)
async def test_a_fault_is_named_with_its_line(path: str, text: str | None, line: int, rule: str) -> None:
    found = await errors(changes={path: text})
    expected_path = C if rule == "import-cycle" else path
    assert (expected_path, line, rule) in found, found


@pytest.mark.parametrize(
    ("path", "broken", "line"),
    [
        ("web/app.js", "let a = 1;\nfunction ( { }\n", 2),
        ("data/a.json", '{\n "a": 1,\n}\n', 3),
        ("a.go", "package a\nfunc (\n", 2),
    ],
)
async def test_other_languages_are_parsed_too(path: str, broken: str, line: int) -> None:
    verdict = await VALIDATE(tree({path: broken}), contract(path))
    assert isinstance(verdict, Reject)
    assert (path, line, "syntax") in {(f.path, f.line, f.rule) for f in verdict.findings}


@pytest.mark.parametrize(
    "name", ["../out.py", "/etc/passwd", "a/../../b.py", "a\x00b.py", "x" * 300 + ".py", "CON.py", "SRC/plums/cli.py"]
)
async def test_hostile_names_are_findings(name: str) -> None:
    verdict = await VALIDATE(tree({name: "x = 1\n"}), contract())
    assert isinstance(verdict, Reject)
    assert {"unsafe-path", "extra-file"} <= {f.rule for f in verdict.findings}
    encode(verdict.report)


async def test_a_file_that_nobody_asked_for_is_refused() -> None:
    assert ("src/plums/extra.py", 0, "extra-file") in await errors(changes={"src/plums/extra.py": "x = 1\n"})


async def test_imports_of_the_contracts_packages_pass_but_not_those_for_development() -> None:
    text = CLI.replace("import sys", "import sys\nimport yaml")
    package = Package(name="PyYAML", modules=("yaml",))
    assert await errors(changes={C: text}, packages=(package,)) == set()
    dev = Package(name="PyYAML", modules=("yaml",), dev=True)
    assert await errors(changes={C: text}, packages=(dev,)) == {(C, 7, "unknown-import")}


async def test_what_python_accepts_is_accepted() -> None:
    text = (
        CLI
        + '''

import abc
from typing import Protocol, overload


class Port(Protocol):
    def call(self) -> int: ...


class Half(abc.ABC):
    @abc.abstractmethod
    def call(self) -> int:
        raise NotImplementedError

    @overload
    def f(self, x: int) -> int: ...
    @overload
    def f(self, x: str) -> str: ...
    def f(self, x: object) -> object:
        """A todo list, and the rest of the day; see http://example.org/... for more."""
        return x


class Empty(Exception):
    pass


def late() -> str:
    from . import cli

    match [1, 2]:
        case [a, *_]:
            return f"{a!r:>{10}} {cli.main}"
    return ""
'''
    )
    assert await errors(changes={C: text}) == set()


async def test_a_name_that_the_contract_does_not_promise_is_only_a_warning() -> None:
    verdict = await VALIDATE(
        tree({M: MODELS + "\n\nLIMIT = 3\n", C: CLI.replace("Spoiled\n", "LIMIT, Spoiled\n")}), contract()
    )
    assert isinstance(verdict, ValidationReport)
    (warning,) = verdict.findings
    assert (warning.rule, warning.severity, warning.line) == ("uncontracted-import", "warning", 8)


async def test_an_import_in_a_function_or_for_types_only_makes_no_circle() -> None:
    text = MODELS.replace("from dataclasses", "from typing import TYPE_CHECKING\nfrom dataclasses")
    text += "\n\nif TYPE_CHECKING:\n    from .cli import main\n"
    text += "\n\ndef f() -> int:\n    from .cli import main\n\n    return main()\n"
    assert await errors(changes={M: text}) == set()


async def test_no_line_of_the_code_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    await errors(changes={C: CLI + f"\nopen({str(mark)!r}, 'w').close()\n"})
    assert not mark.exists()


CRASHING = """\
import json, os, sys
for path, text in json.load(sys.stdin):
    if "boom" in text:
        os.abort()
    print(json.dumps([path, [[1, "compile", "seen"]]]), flush=True)
"""


async def test_what_brings_the_compiler_down_is_a_finding_and_the_rest_is_still_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "inspection.py"
    script.write_text(CRASHING)
    monkeypatch.setattr(python_files, "_SCRIPT", script)
    told = await python_files.check([File(path=n, text=t) for n, t in [("a.py", ""), ("b.py", "boom"), ("c.py", "")]])
    assert [(f.path, f.message) for f in told.findings] == [
        ("a.py", "seen"),
        ("b.py", "brings Python's compiler down"),
        ("c.py", "seen"),
    ]


def test_the_same_finding_stands_once() -> None:
    finding = Finding(rule="r", message="m")
    assert _ordered([finding, finding]) == (finding,)


async def test_no_files_at_all() -> None:
    verdict = await VALIDATE(SourceTree(files=()), contract())
    assert isinstance(verdict, Reject)
    assert {f.rule for f in verdict.findings} == {"missing-file"}
