"""A router in this process with a model of the test's own, and what a question is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from workers.kit.llm.wire import Message, Question
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.models import Model, read_chains
from workers.llm_router.providers import Blueprint
from workers.llm_router.said import Completion, Facts, Failed, Said, Tell, Vectors
from workers.llm_router.service import Service

CENT = Facts(cost_in=0.0, cost_out=0.01)


def question(text: str = "write", *, tenant: str = "default", nonce: str = "", workflow: str = "w1") -> Question:
    messages = (Message(role="user", content=text),)
    return Question(tenant=tenant, workflow=workflow, stage="s", revision=1, task="t", messages=messages, nonce=nonce)


class Counting:
    """A provider that takes a moment, counts, and says what it is told to: for all models, or by name."""

    def __init__(self, said: Said | Exception | None = None, *, seconds: float = 0.01, facts: Facts = CENT) -> None:
        self.said = said
        self.by_name: dict[str, Said] = {}
        self.asked: list[str] = []
        self._seconds = seconds
        self._facts = facts

    @property
    def calls(self) -> int:
        return len(self.asked)

    def facts(self, model: Model) -> Facts:
        return self._facts

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        self.asked.append(model.name)
        await asyncio.sleep(self._seconds)
        if isinstance(self.said, Exception):
            raise self.said
        said = self.by_name.get(model.name) or self.said
        return said or Completion(text=f"answer {self.calls}", tokens_in=3, tokens_out=5, cost=0.01)

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        self.asked.append(model.name)
        if isinstance(self.said, Exception):
            raise self.said
        if isinstance(self.said, Failed):
            return self.said
        return Vectors(vectors=tuple((float(len(text)), 1.0) for text in texts), tokens_in=4, cost=0.25)


class Unwatched:
    """Nobody watches."""

    @contextmanager
    def writing(self, question: Question, model: Model) -> Iterator[Tell | None]:
        yield None


def chain(provider: Counting, *, now: Callable[[], float] | None = None) -> Chain:
    breaker = Breaker(Alone(), now=now) if now else Breaker(Alone())
    return Chain(Blueprint(), provider, breaker, Unwatched())


def service(provider: Counting, ledger: MemoryLedger | None = None, models: str = "openai/x") -> Service:
    return Service(read_chains(models), chain(provider), MemoryLedger() if ledger is None else ledger)
