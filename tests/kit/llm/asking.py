"""A run, a small artifact to ask for, and models that say what they are told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from workers.kit.llm import DirectLlm
from workers.kit.llm.dialogue import Dialogue
from workers.kit.llm.wire import Answer, Problem, Question
from workers.kit.stage import Run

CUT = "<cut off>"


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


class Chain(Dialogue):
    """Models that say one thing after the other, the first one that is not to be skipped; `asked` holds what was asked.

    A text that ends with CUT is one that the provider cut off.
    """

    def __init__(self, **said: list[str | Problem]) -> None:
        self._said = said
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer | Problem:
        self.asked.append(question)
        model = next((name for name in self._said if name not in question.skip), "")
        if not model:
            return Problem(kind="permanent", message="there is no other model", code="no_model")
        said = self._said[model].pop(0)
        if isinstance(said, Problem):
            return said
        finish: Literal["stop", "length"] = "length" if said.endswith(CUT) else "stop"
        return Answer(text=said.removesuffix(CUT), model=model, question=f"q{len(self.asked)}", finish=finish)
