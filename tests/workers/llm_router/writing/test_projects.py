"""Whole packages, from a brief to green tests, held to the contract and to the scanners."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.artifacts import Brief, File, SourceTree, ValidationReport
from contracts.paths import safe_paths
from workers.kit.parsing.treesitter import TreeSitterParser
from workers.semantic_validation.stage import SemanticValidation

from .briefs import COMPUTING, HOSTILE, LENDING, SHOP, TRACKER
from .chain import Built, build, lay_out, run, run_tests

BRIEFS = {
    "shop": SHOP,
    "tracker": TRACKER,
    "lending": LENDING,
    "computing": COMPUTING,
    "computing-cli": replace(COMPUTING, kind="cli"),
    "computing-api": replace(COMPUTING, kind="rest_api"),
    "hostile": HOSTILE,
    "hostile-cli": replace(HOSTILE, kind="cli"),
    "hostile-library": replace(HOSTILE, kind="library"),
}


@cache
def built(name: str) -> Built:
    return build(BRIEFS[name])


every_brief = pytest.mark.parametrize("name", BRIEFS)


@every_brief
def test_contract_tells_what_is_written(name: str) -> None:
    made = built(name)
    for file in made.contract.files:
        if file.path.endswith(".py"):
            tree = ast.parse(made.files[file.path])
            assert {export.symbol for export in file.exports} == set(_public(tree)), file.path
    safe_paths(made.files)


def _public(tree: ast.Module) -> list[str]:
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign):
            found += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(node.target.id)
    return [name for name in found if not name.startswith("_")]


@every_brief
async def test_the_real_check_finds_nothing(name: str) -> None:
    made = built(name)
    tree = SourceTree(files=tuple(File(path=file.path, text=made.files[file.path]) for file in made.contract.files))
    report = await SemanticValidation(parser=TreeSitterParser())(tree, made.contract)
    assert isinstance(report, ValidationReport)
    assert report.findings == ()


@every_brief
def test_planned_tests_exist_once(name: str) -> None:
    made = built(name)
    for path in {test.path for test in made.plan.tests}:
        defined = [node.name for node in ast.parse(made.files[path]).body if isinstance(node, ast.FunctionDef)]
        planned = [test.function for test in made.plan.tests if test.path == path]
        assert defined == planned


@every_brief
def test_names_in_source_and_tests_resolve(name: str, tmp_path: Path) -> None:
    """No unused import, no undefined name, no line that only a broken string could make."""
    lay_out(built(name), tmp_path)
    checked = run(
        tmp_path, sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=100", "--select=F,E7,E9,B,I", "."
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
@every_brief
def test_generated_tests_pass_and_cover(name: str, tmp_path: Path) -> None:
    assert run_tests(lay_out(built(name), tmp_path)) >= 85


def test_generated_tests_pass_and_cover_a_small_service(tmp_path: Path) -> None:
    assert run_tests(lay_out(small_service(), tmp_path)) >= 85


def test_generated_tests_notice_a_change_in_two_steps(tmp_path: Path) -> None:
    made = small_service()
    database = "src/book_shop/database.py"
    assert made.files[database].count("BEGIN IMMEDIATE") == 1
    folder = lay_out(made, tmp_path)
    (folder / database).write_text(made.files[database].replace("BEGIN IMMEDIATE", "BEGIN"), encoding="utf-8")
    tested = run(folder, sys.executable, "-m", "pytest", "-q", "tests/test_authors.py")
    failed = [line for line in tested.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, tested.stdout
    assert "test_update_author_lets_no_other_write_in_between" in failed[0]


def small_service() -> Built:
    author = next(entity for entity in SHOP.entities if entity.name == "Author")
    operations = tuple(operation for operation in SHOP.operations if operation.entity == "Author")
    return build(replace(SHOP, entities=(author,), operations=operations))


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy knows of the standard library, for all packages."""
    return str(tmp_path_factory.mktemp("types"))


@pytest.mark.parametrize("name", ["shop", "tracker", "lending", "hostile"])
def test_typed_and_nothing_for_the_scanners(name: str, tmp_path: Path, types: str) -> None:
    folder = lay_out(built(name), tmp_path)
    typed = run(folder, sys.executable, "-m", "mypy", "--strict", "--cache-dir", types, "src")
    assert typed.returncode == 0, typed.stdout
    banned = run(folder, sys.executable, "-m", "bandit", "-q", "-ll", "-r", "src", "tests")
    assert banned.returncode == 0, banned.stdout
    secrets = run(folder, sys.executable, "-m", "detect_secrets", "scan", "--all-files", "src", "tests", "README.md")
    assert json.loads(secrets.stdout)["results"] == {}


@every_brief
def test_same_brief_same_bytes(name: str) -> None:
    assert build(BRIEFS[name]) == built(name)


def test_same_bytes_under_another_hash_seed() -> None:
    """Sets are never walked unsorted."""
    script = (
        "import hashlib; from tests.workers.llm_router.writing import briefs, chain;"
        "files = chain.build(briefs.SHOP).files;"
        "print(hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest())"
    )
    argv = (sys.executable, "-c", script)
    seen = {
        subprocess.run(
            argv, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_two_briefs_differ_in_schema_routes_and_tests() -> None:
    first, second = built("shop"), built("hostile")
    assert set(first.contract.routes) & set(second.contract.routes) == {first.contract.routes[0]}  # /health
    assert first.files["src/book_shop/database.py"] != second.files["src/list_app/database.py"]
    assert not {test.function for test in first.plan.tests if "app" not in test.path} & {
        test.function for test in second.plan.tests if "app" not in test.path
    }


def test_assumptions_are_told() -> None:
    told = " ".join(built("hostile").frd.assumptions)
    assert "'class'" in told
    assert "optional: else no record could be the first" in told


def test_every_claim_says_where_it_comes_from() -> None:
    requirements = built("shop").requirements
    asked = [claim for claim in requirements.requirements if not claim.assumed]
    assert {claim.operation for claim in asked if claim.entity == "Book"} >= {"list", "export", "field price"}
    assert all(claim.source for claim in requirements.requirements)


@pytest.mark.parametrize("brief", [SHOP, TRACKER, LENDING], ids=["rest_api", "cli", "library"])
def test_readme_tells_how_to_install_test_and_start(brief: Brief) -> None:
    readme = build(brief).files["README.md"]
    for command in (
        "python3 -m venv .venv",
        ".venv/bin/pip install --require-hashes -r requirements-dev.lock",
        ".venv/bin/pip install --no-build-isolation --no-deps .",
        ".venv/bin/python -m pytest",
    ):
        assert f"\n{command}\n" in readme
