"""What a model may ask the index for: a name, extras, a version range, a marker. No address, no path, no option."""

from __future__ import annotations

from collections.abc import Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, canonicalize_name

from workers.kit.ports import Unresolvable

MAX_REQUIREMENTS = 100
_MAX_LENGTH = 300


def checked(requirements: Sequence[str]) -> list[Requirement]:
    """Each requirement, parsed; `Unresolvable` for the first that is anything but a package of the index."""
    if len(requirements) > MAX_REQUIREMENTS:
        raise Unresolvable(f"{len(requirements)} packages were asked for: at most {MAX_REQUIREMENTS} are allowed")
    return [_checked(text) for text in requirements]


def canonical(requirement: Requirement) -> str:
    """The name by which the index knows it."""
    return canonicalize_name(requirement.name)


def _checked(text: str) -> Requirement:
    shown = ascii(text[:80])
    if len(text) > _MAX_LENGTH or not text.isprintable():
        raise Unresolvable(f"{shown} is not a requirement")
    try:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name, validate=True)
    except (InvalidRequirement, InvalidName):
        raise Unresolvable(f"{shown} is not a requirement: a name, and perhaps a version range, is expected") from None
    if requirement.url is not None:
        raise Unresolvable(f"{shown} names an address: only packages of the index are taken", name)
    return requirement
