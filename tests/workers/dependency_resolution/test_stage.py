"""Dependency resolution with the real index: a lock for what exists, a finding that names what does not."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contracts.artifacts import Contract, Package
from tests.workers.semantic_validation.sample import contract
from workers.dependency_resolution.stage import STAGE
from workers.dependency_resolution.wanted import PYTHON, admits, wanted
from workers.kit.registry import Index


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    folder = Path(tempfile.mkdtemp(prefix="ql-registry-"))
    yield Index(folder)
    shutil.rmtree(folder)


def asking(*packages: Package, python: str = ">=3.11") -> Contract:
    return msgspec.structs.replace(contract(packages=packages), python=python)


async def test_a_lock_holds_exact_hashed_versions_and_their_licences(index: Index) -> None:
    lock = await STAGE(index)(asking(Package(name="iniconfig", specifier=">=2", modules=("iniconfig",))))
    assert lock.findings == ()
    assert re.search(r"^iniconfig==2\S* ", lock.requirements, re.MULTILINE)
    assert "pytest==" not in lock.requirements
    assert {"pytest", "coverage", "hatchling"} <= {one.name for one in lock.packages if one.dev and one.direct}
    assert "--hash=sha256:" in lock.requirements_dev
    (chosen,) = [one for one in lock.packages if one.name == "iniconfig"]
    assert (chosen.licence, chosen.dev, chosen.direct) == ("MIT", False, True)
    assert lock.wheels


async def test_a_package_that_does_not_exist_is_a_finding_that_names_it(index: Index) -> None:
    name = "no-such-package-of-quantumlayer-tests"
    lock = await STAGE(index)(asking(Package(name=name)))
    (finding,) = lock.findings
    assert (finding.rule, finding.severity) == ("unresolvable", "error")
    assert name in finding.message
    assert (lock.requirements, lock.requirements_dev, lock.wheels, lock.packages) == ("", "", "", ())


async def test_versions_that_do_not_exist_are_a_finding_too(index: Index) -> None:
    (finding,) = (await STAGE(index)(asking(Package(name="iniconfig", specifier=">=999")))).findings
    assert "iniconfig" in finding.message


async def test_a_python_that_is_not_here_is_a_finding(index: Index) -> None:
    (finding,) = (await STAGE(index)(asking(python=">=3.99"))).findings
    assert ">=3.99" in finding.message


@pytest.mark.parametrize(
    ("python", "fits"), [(">=3.11", True), (PYTHON, True), ("3.8", True), ("<3.9", False), ("4", False)]
)
def test_which_pythons_fit(python: str, fits: bool) -> None:
    assert admits(python) is fits


def test_tools_are_added_once_and_the_contracts_own_ranges_win() -> None:
    own = (
        Package(name="pytest", specifier=">=9", dev=True),
        Package(name="PyYAML"),
        Package(name="setuptools", dev=True),
    )
    asked = wanted(asking(*own))
    assert asked.runtime == ("PyYAML",)
    assert asked.dev == ("coverage>=7.10", "pytest>=9", "setuptools")
    assert wanted(asking()).dev == ("coverage>=7.10", "hatchling>=1.25", "pytest>=8")
