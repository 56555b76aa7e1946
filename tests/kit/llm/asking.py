"""A run, a small artifact to ask for, and models that say what they are told to."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workers.kit.llm import DirectLlm
from workers.kit.llm.wire import Problem
from workers.kit.stage import Run


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a shape."""

    left: int
    right: str = ""


def run(revision: int = 1) -> Run:
    return Run(tenant="default", workflow="01J0", stage="frd_generation", revision=revision, inputs={})


class Saying:
    """Says one text after the other; `heard` holds every (task, inputs)."""

    def __init__(self, *said: str | Problem) -> None:
        self._said = list(said)
        self.heard: list[tuple[str, Mapping[str, object]]] = []

    def __call__(self, task: str, inputs: Mapping[str, object]) -> str | Problem:
        self.heard.append((task, inputs))
        return self._said.pop(0)

    @property
    def llm(self) -> DirectLlm:
        return DirectLlm(self)
