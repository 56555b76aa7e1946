"""What a provider gives back, and the port that gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from workers.kit.llm.wire import Question

from .models import Model

Tell = Callable[[str], None]
"""Hears each piece of a text as it comes."""


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said, and what it took; `cost` in US dollars."""

    text: str
    finish: Literal["stop", "length"] = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class Vectors(msgspec.Struct, frozen=True, kw_only=True):
    """A vector for each text, and what they took."""

    vectors: tuple[tuple[float, ...], ...]
    tokens_in: int = 0
    cost: float = 0.0


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """Why a model said nothing. What it means:

    fault     the model or the way to it is ill: leave it out after a few, for `pause_s` at once where it says so
    unusable  an operator must do something: its key is refused, there is no such model
    busy      we may not ask it now, by a limit of our own, for `pause_s`
    large     the question is too long for this model
    rejected  this question is wrong for this model
    refused   it will not answer such a question, and no other should be asked

    `error` begins with our own word or a status, then a colon and perhaps what the provider said, which may repeat
    what the tenant asked. What it took must be paid all the same.
    """

    kind: Literal["fault", "unusable", "busy", "large", "rejected", "refused"]
    error: str
    pause_s: float | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0

    @property
    def of_nobody(self) -> str:
        """The error without a word of any tenant's: all tenants see a model's health."""
        return self.error.partition(":")[0][:80]


Said = Completion | Failed


class CutOff(asyncio.CancelledError):
    """Whoever waited has left, and a model was asked: `failed` says what it took until then."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.error)
        self.failed = failed


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a model beforehand; US dollars a token, `context` and `most_out` in tokens, 0: unknown."""

    cost_in: float = 0.0
    cost_out: float = 0.0
    context: int = 0
    most_out: int = 0


class Provider(Protocol):
    """Reaches models."""

    def facts(self, model: Model) -> Facts:
        """What is known of the model."""
        ...

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        """One answer to a conversation, streamed to `tell` where there is one; with `last`, nobody else can answer."""
        ...

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        """A vector for each text."""
        ...
