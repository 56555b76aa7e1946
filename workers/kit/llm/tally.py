"""What the models did for one attempt of a stage: counted where they are asked, told in the stage's event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from contracts.events import ModelCalls

from .wire import Answer, Question

MOST_TOLD = 20
"""Of the pairs of a role and a model, and of the models tried before: an event stays small."""


class Tally:
    """Grows while the stage works, also in tasks that it starts."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], ModelCalls] = {}

    def add(self, question: Question, answer: Answer) -> None:
        """One answer more."""
        key = (question.role, answer.model)
        before = self._calls.get(key) or ModelCalls(role=question.role, model=answer.model)
        tried = dict.fromkeys([*before.tried, *(each.model for each in answer.tried)])
        self._calls[key] = ModelCalls(
            role=question.role,
            model=answer.model,
            calls=before.calls + 1,
            known=before.known + answer.known,
            tokens_in=before.tokens_in + answer.tokens_in,
            tokens_out=before.tokens_out + answer.tokens_out,
            cost=before.cost + answer.cost,
            tried=tuple(tried)[:MOST_TOLD],
            instead=before.instead or answer.instead,
        )

    def told(self) -> tuple[ModelCalls, ...]:
        """By role and model, so that equal work tells the same."""
        return tuple(self._calls[key] for key in sorted(self._calls))[:MOST_TOLD]


_open: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def tally() -> Iterator[Tally]:
    """Counts what is asked inside."""
    token = _open.set(counted := Tally())
    try:
        yield counted
    finally:
        _open.reset(token)


def count(question: Question, answer: Answer) -> None:
    """Where nobody counts, nothing is done."""
    if (counted := _open.get()) is not None:
        counted.add(question, answer)
