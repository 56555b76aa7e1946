"""What a task is about, as far as the choice of a role depends on it."""

from __future__ import annotations

import msgspec


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """`layer` is the contract's (model, service, …), `kind` the package's; '' and () where a task has none."""

    language: str = ""
    layer: str = ""
    framework: str = ""
    kind: str = ""
    tags: tuple[str, ...] = ()
