"""Packages from a model: names and versions only. An address, a path, an extra or a marker is never taken."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name

from contracts.artifacts import Package
from workers.kit.stage import Unfit

from . import naming
from .naming import shown

MAX_PACKAGES = 60
_PYTHON = re.compile(r"[0-9]+(\.[0-9]+){0,2}")


def check_packages(packages: Sequence[Package]) -> None:
    """Raises `Unfit` for the first that no index could know, or that is listed twice."""
    if len(packages) > MAX_PACKAGES:
        raise Unfit(f"there are more than {MAX_PACKAGES} packages")
    naming.distinct("packages", [_canonical(package.name) for package in packages])
    for package in packages:
        check_specifier(f"the package {package.name}", package.specifier)
        for module in package.modules:
            naming.symbol(f"module of {package.name}", module)
            if module in sys.stdlib_module_names:
                raise Unfit(f"the package {package.name} can't be imported as {module}: Python has that module itself")


def check_specifier(what: str, specifier: str) -> None:
    """'' or something like '>=2,<3'; not '===', which compares text."""
    try:
        SpecifierSet(specifier)
    except InvalidSpecifier:
        raise Unfit(f"{what} has {shown(specifier)} for a version range") from None
    if "===" in specifier or len(specifier) > 100:
        raise Unfit(f"{what} has {shown(specifier)} for a version range")


def check_python(version: str) -> None:
    """A version such as '3.11', or a range of them."""
    if not version:
        raise Unfit("no version of Python is named")
    if not _PYTHON.fullmatch(version):
        check_specifier("Python", version)


def _canonical(name: str) -> str:
    try:
        canonical = canonicalize_name(name, validate=True)
    except InvalidName:
        raise Unfit(f"{shown(name)} is no name of a package") from None
    if len(name) > naming.MAX_NAME:
        raise Unfit(f"the name of the package {shown(name)} is too long")
    return canonical
