"""What a provider takes a minute, all its models together, and what one model takes: counted for all routers.

Who is over is busy, and not ill: the next model of the chain is asked, or the question waits. Each try counts, the
Router's second one too. What a call takes is estimated as it begins and put right as it ends: however many begin at
once, the tokens are over by one call at most, and by what the estimates were short.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from workers.kit.llm.wire import Question
from workers.kit.prompts.piece import tokens
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.paces import Later, Pace, Paces

from .again import gated
from .models import Limit, Model
from .said import CutOff, Facts, Failed, Provider, Said, Tell, Vectors
from .windows import TOKENS_OUT, about


@dataclass(slots=True)
class _Count:
    """The tokens of one call, once they are known."""

    took: int = 0


class Paced:
    """A `Provider`. `limits` are by provider or model; who has none is asked at any pace, and nothing is counted."""

    def __init__(self, reached: Provider, limits: Mapping[str, Limit], paces: Paces) -> None:
        self._reached = reached
        self._limits = {name: Pace(name=name, calls=one.rpm, tokens=one.tpm) for name, one in limits.items()}
        self._paces = paces

    def facts(self, model: Model) -> Facts:
        return self._reached.facts(model)

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        if not (paces := self._of(model)):
            return await self._reached.complete(model, question, tell, last=last)
        estimate = about(question.messages) + min(question.max_tokens or TOKENS_OUT, TOKENS_OUT)
        async with self._counted(model, paces, estimate) as count:
            if isinstance(count, Failed):
                return count
            said = await self._reached.complete(model, question, tell, last=last)
            count.took = said.tokens_in + said.tokens_out
        return said

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        if not (paces := self._of(model)):
            return await self._reached.embed(model, texts)
        async with self._counted(model, paces, sum(map(tokens, texts))) as count:
            if isinstance(count, Failed):
                return count
            said = await self._reached.embed(model, texts)
            count.took = said.tokens_in
        return said

    def _of(self, model: Model) -> list[Pace]:
        return [self._limits[name] for name in (model.provider, model.name) if name in self._limits]

    @asynccontextmanager
    async def _counted(self, model: Model, paces: Sequence[Pace], estimate: int) -> AsyncIterator[_Count | Failed]:
        begun = await self._paces.begin(paces, estimate)
        if isinstance(begun, Later):
            whose = "its provider's limit" if begun.pace.name == model.provider else "its limit"
            yield Failed(kind="busy", error=f"{whose}: {begun.sentence}", pause_s=begun.pause_s)
            return
        count = _Count()
        try:
            with gated(partial(self._again, paces)):
                yield count
        except CutOff as cut:
            count.took = cut.failed.tokens_in + cut.failed.tokens_out
            raise
        finally:
            if any(pace.tokens for pace in paces):
                with contextlib.suppress(StoreDown):  # the estimate goes by itself
                    await self._paces.ended(begun, count.took)

    async def _again(self, paces: Sequence[Pace]) -> bool:
        """Count one more try of a call; False where there must be none."""
        calls = [Pace(name=pace.name, calls=pace.calls) for pace in paces if pace.calls]
        try:
            return not calls or not isinstance(await self._paces.begin(calls), Later)
        except StoreDown:
            return False
