"""Which packages a contract needs, for use and for work on it, and for which Python."""

from __future__ import annotations

import sys

import msgspec
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from contracts.artifacts import Contract, Package

# What building and testing a package takes here; a range of the contract's own wins.
_TOOLS = {"pytest": ">=8", "coverage": ">=7.10"}
_BUILDERS = {"hatchling": ">=1.25"}
_OTHER_BUILDERS = frozenset(["setuptools", "flit-core", "poetry-core", "pdm-backend", "uv-build"])

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The sandbox's interpreter is a copy of ours, so the lock is for it."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Requirements as an index is asked for them, sorted, each once."""

    runtime: tuple[str, ...]
    dev: tuple[str, ...]


def wanted(contract: Contract) -> Wanted:
    """The contract's packages, with the test runner and the build back end if it names none."""
    runtime = [package for package in contract.packages if not package.dev]
    dev = [package for package in contract.packages if package.dev]
    named = {canonicalize_name(package.name) for package in contract.packages}
    tools = _TOOLS if named & _OTHER_BUILDERS else _TOOLS | _BUILDERS
    added = [f"{name}{specifier}" for name, specifier in tools.items() if name not in named]
    return Wanted(runtime=_requirements(runtime), dev=tuple(sorted([*_requirements(dev), *added])))


def admits(python: str) -> bool:
    """Whether a contract for `python` ('3.11', or a range) can be built and tested by ours."""
    return SpecifierSet(python if not python[:1].isdigit() else f">={python}").contains(PYTHON)


def _requirements(packages: list[Package]) -> tuple[str, ...]:
    return tuple(sorted({f"{package.name}{package.specifier}" for package in packages}))
