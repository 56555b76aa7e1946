"""What the models did for one attempt of a stage: counted where they are asked, told in the stage's event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from msgspec.structs import replace

from contracts.events import ModelCalls
from workers.kit.stores.news import plain

MOST_TOLD = 20
"""Of the pairs of a role and a model, and of the models tried before: an event stays small."""

MOST_LETTERS = 500
"""Of why a model stood in: the manifest has it whole."""


class Tally:
    """Grows while the stage works, also in tasks that it starts."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], ModelCalls] = {}

    def add(self, made: ModelCalls) -> None:
        """What was done is added to what the same model did in the same role before, in whatever order it is told."""
        key = (made.role, made.model)
        before = self._calls.get(key) or ModelCalls(role=made.role, model=made.model)
        self._calls[key] = replace(
            before,
            calls=before.calls + made.calls,
            known=before.known + made.known,
            tokens_in=before.tokens_in + made.tokens_in,
            tokens_out=before.tokens_out + made.tokens_out,
            cost=before.cost + made.cost,
            tried=tuple(dict.fromkeys((*before.tried, *made.tried)))[:MOST_TOLD],
            instead=min(filter(None, (before.instead, plain(made.instead, MOST_LETTERS))), default=""),
        )

    def told(self) -> tuple[ModelCalls, ...]:
        """By role and model."""
        return tuple(self._calls[key] for key in sorted(self._calls))[:MOST_TOLD]


_open: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def tally() -> Iterator[Tally]:
    """Counts what is done inside."""
    token = _open.set(counted := Tally())
    try:
        yield counted
    finally:
        _open.reset(token)


def count(made: ModelCalls) -> None:
    """Where nobody counts, nothing is done."""
    if (counted := _open.get()) is not None:
        counted.add(made)
