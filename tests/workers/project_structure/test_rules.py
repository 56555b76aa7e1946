"""Which contracts are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from contracts.artifacts import CliCommand, Contract, ContractFile, Export, InternalImport, Package, Route, RunCommands
from tests.workers.chain import contract, requirements, with_file
from workers.kit.stage import Unfit
from workers.project_structure.rules import check

HOSTILE = [
    "..", "../x.py", "src/../../x.py", "/etc/passwd", "a\0b.py", "n" * 300, "", "a//b.py", "C:/x.py", "a\\b.py",
    ".git/hooks/pre-commit", "src/con.py", "a\nb.py", "src/app/.", "\u202egpj.exe",
]  # fmt: skip
FOREIGN = [
    "tests/test_x.py", "Tests/x.py", "docs/x.md", ".quantumlayer/manifest.json", "README.md", "readme",
    "src/README.rst", "requirements.txt", "requirements-dev.lock", "uv.lock", "conftest.py", "src/sitecustomize.py",
    "pytest.ini", "manifest.json", "setup.cfg",
]  # fmt: skip


def test_a_sound_contract_passes() -> None:
    check(contract(), requirements())


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(Unfit, match=r"^the file") as refused:
        check(with_file(lambda file: replace(file, path=path)), requirements())
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("path", FOREIGN)
def test_a_path_that_belongs_to_another_stage_is_refused(path: str) -> None:
    with pytest.raises(Unfit, match="not for code"):
        check(with_file(lambda file: replace(file, path=path)), requirements())


@pytest.mark.parametrize("paths", [("src/a.py", "src/a.py"), ("src/a.py", "src/A.py"), ("src/a", "src/a/b.py")])
def test_paths_that_clash_are_refused(paths: tuple[str, str]) -> None:
    one, two = (replace(contract().files[0], path=path) for path in paths)
    with pytest.raises(Unfit, match="clashes"):
        check(replace(contract(), files=(*contract().files, one, two)), requirements())


def exporting(*symbols: str, path: str = "src/extra.py", internal: tuple[InternalImport, ...] = ()) -> ContractFile:
    return ContractFile(
        path=path,
        language="python",
        layer="infrastructure",
        purpose="more",
        exports=tuple(Export(symbol=symbol, kind="function") for symbol in symbols),
        internal=internal,
    )


def importing(path: str, symbol: str) -> ContractFile:
    return exporting(path="src/z.py", internal=(InternalImport(path=path, symbol=symbol),))


def more(*files: ContractFile) -> Callable[[Contract], Contract]:
    return lambda c: replace(c, files=(*c.files, *files))


def package(name: str, specifier: str = "", *modules: str) -> Callable[[Contract], Contract]:
    return lambda c: replace(
        c, packages=(*c.packages, Package(name=name, specifier=specifier, modules=modules or ("extra",)))
    )


CIRCLE = (
    exporting("a", path="src/a.py", internal=(InternalImport(path="src/b.py", symbol="b"),)),
    exporting("b", path="src/b.py", internal=(InternalImport(path="src/a.py", symbol="a"),)),
)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: replace(c, name="other"), "the name was settled"),
        (lambda c: replace(c, module="../x"), "the module '../x' is not a Python name"),
        (lambda c: replace(c, module="class"), "the module 'class' is not"),
        (lambda c: replace(c, module="json"), "would hide another"),
        (lambda c: replace(c, module="fastapi"), "would hide another"),
        (lambda c: replace(c, files=()), "1 to 200 files"),
        (lambda c: replace(c, python="three"), "Python has 'three' for a version range"),
        (more(exporting("not a name")), "the export of src/extra.py 'not a name'"),
        (more(exporting("f", "f")), "exports a name twice"),
        (more(importing("src/none.py", "f")), "names 'src/none.py'"),
        (
            more(
                exporting("g"), exporting(path="src/z.py", internal=(InternalImport(path="src/extra.py", symbol="f"),))
            ),
            "imports 'f' from src/extra.py, which does not export it",
        ),
        (more(*CIRCLE), "in a circle: src/[ab].py -> src/[ab].py"),
        (more(replace(exporting(), external=("left_pad",))), "imports 'left_pad', which no package"),
        (more(replace(exporting(), external=("pytest",))), "imports 'pytest', which no package"),
        (more(replace(exporting(), requirement_ids=("R-999",))), "names 'R-999'"),
        (more(replace(exporting(), layer="service")), "serves no requirement"),
        (
            lambda c: replace(c, files=tuple(replace(f, requirement_ids=(), layer="infrastructure") for f in c.files)),
            "no file serves R-001",
        ),
        (package("evil @ https://example.org/x.whl"), "is no name of a package"),
        (package("../evil"), "is no name of a package"),
        (package("--index-url=x"), "is no name of a package"),
        (package("x" * 300), "too long"),
        (package("extra", "@ file:///x"), "for a version range"),
        (package("extra", "===1"), "for a version range"),
        (package("extra", ">=1; python_version>'3'"), "for a version range"),
        (package("extra", "", "os"), "Python has that module itself"),
        (package("extra", "", "a.b"), "the module of extra 'a.b'"),
        (package("FastAPI"), "two packages are called 'fastapi'"),
        (lambda c: replace(c, run=RunCommands(start=("/bin/sh",), test=("pytest",))), "no bare name of a program"),
        (lambda c: replace(c, run=RunCommands(start=("python", "a\0"), test=("pytest",))), r"U\+0000"),
        (lambda c: replace(c, run=RunCommands(start=("python",), test=())), "no command runs the tests"),
        (lambda c: replace(c, run=RunCommands(start=(), test=("pytest",))), "no command starts it"),
        (lambda c: replace(c, routes=()), "needs routes"),
        (lambda c: replace(c, routes=c.routes * 2), "twice"),
        (lambda c: replace(c, routes=(Route(method="BREW", path="/", summary="", status=200),)), "none of HTTP"),
        (lambda c: replace(c, routes=(Route(method="GET", path="x", summary="", status=200),)), "none of HTTP"),
        (lambda c: replace(c, commands=(CliCommand(usage="a\nb", summary=""),)), "more than one line"),
        (lambda c: replace(c, files=tuple(replace(f, entry=False) for f in c.files)), "no file is marked as the entry"),
    ],
)
def test_a_contract_that_breaks_a_rule_is_refused(change: Callable[[Contract], Contract], sentence: str) -> None:
    with pytest.raises(Unfit, match=sentence):
        check(change(contract()), requirements())
