"""A file of the package to be, before it is known which requirements it serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from .text import Module

Key = tuple[str, str]
"""What a requirement is about: (entity, operation), ('', …) for the package as a whole."""


INFRASTRUCTURE = "infrastructure"
"""The layer of files that serve no requirement by themselves."""


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file with its text. `serves` are the keys it helps with; layer "infrastructure" needs none."""

    path: str
    layer: str
    purpose: str
    text: str
    serves: tuple[Key, ...] = ()
    entry: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test function: what it shows, its lines (decorators included), and what they import.

    `uses` are (module, name) for `from module import name`, ('module', '') for `import module`.
    """

    function: str
    title: str
    lines: tuple[str, ...]
    serves: tuple[Key, ...]
    kind: Literal["behaviour", "error", "boundary"] = "behaviour"
    uses: tuple[tuple[str, str], ...] = ()


class TestDraft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file below tests/ with its cases and the constants that they share, or (conftest) just a text."""

    path: str
    doc: str = ""
    package: str = ""
    constants: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()
    text: str = ""

    __test__ = False

    def written(self, cases: Sequence[Case]) -> str:
        """The file with some of its cases."""
        if self.text:
            return self.text
        module = Module(self.doc, self.package)
        if self.constants:
            module.add(*self.constants)
        for case in cases:
            if any("pytest." in line for line in case.lines):
                module.load("pytest")
            for name, symbol in case.uses:
                if symbol:
                    module.use(name, symbol)
                else:
                    module.load(name)
            module.add(list(case.lines))
        return str(module)
