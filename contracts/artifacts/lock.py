"""dependency_resolution writes a Lock: what will be installed, to the byte, and under which licences."""

from __future__ import annotations

import msgspec

from .findings import Finding


class LockedPackage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One distribution: exact version, the wheel chosen for this platform with its sha256, licence as stated by it."""

    name: str
    version: str
    wheel: str
    sha256: str
    licence: str = ""
    dev: bool = False
    direct: bool = False


class Lock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`requirements` and `requirements_dev` are the hashed lock files' texts; `wheels` names their wheelhouse folder.

    `findings` names what could not be had; then the texts are empty, and `unmet` says that the package can't be built.
    """

    python: str
    requirements: str
    requirements_dev: str
    wheels: str
    packages: tuple[LockedPackage, ...] = ()
    findings: tuple[Finding, ...] = ()
