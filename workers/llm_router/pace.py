"""What a provider takes a minute from this router, all its models together; a model's own limit is litellm's to keep.

Who is over is busy, and not ill: the next model of the chain is asked, or the question waits. Each try counts, the
Router's second one too. What a call takes is estimated as it begins and put right as it ends: however many begin at
once, the tokens are over by one call at most, and by what the estimates were short.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workers.kit.llm.wire import Question
from workers.kit.prompts.piece import tokens

from .again import gated
from .models import Limit, Model
from .said import CutOff, Facts, Failed, Provider, Said, Tell, Vectors
from .windows import TOKENS_OUT, about

MINUTE_S = 60.0
SOON_S = 2.0
"""Until some of the calls that run have ended, which may take less than was thought."""


@dataclass(slots=True, eq=False)
class _Took:
    """A call's tokens: an estimate while it runs."""

    moment: float
    tokens: int
    runs: bool = True


class _Window:
    """The last minute of one provider."""

    def __init__(self, limit: Limit, now: Callable[[], float]) -> None:
        self._limit = limit
        self._now = now
        self._begun: deque[float] = deque()
        self._took: deque[_Took] = deque()

    def begin(self, estimate: int) -> Failed | _Took:
        """Count a call; or why there must be none."""
        now = self._now()
        self._forget(now - MINUTE_S)
        if self._limit.rpm and len(self._begun) >= self._limit.rpm:
            return _busy(f"{self._limit.rpm} calls", self._begun[-self._limit.rpm] + MINUTE_S - now)
        if self._limit.tpm and sum(one.tokens for one in self._took) >= self._limit.tpm:
            since = self._over()
            return _busy(f"{self._limit.tpm} tokens", SOON_S if since is None else since + MINUTE_S - now)
        self._begun.append(now)
        took = _Took(now, estimate)
        self._took.append(took)
        return took

    async def again(self) -> bool:
        """Count one more try of a call; False where there must be none."""
        now = self._now()
        self._forget(now - MINUTE_S)
        if self._limit.rpm and len(self._begun) >= self._limit.rpm:
            return False
        self._begun.append(now)
        return True

    def ended(self, took: _Took, tokens: int) -> None:
        """What a call took in truth counts from its end."""
        if took in self._took:
            self._took.remove(took)
        if tokens:
            self._took.append(_Took(self._now(), tokens, runs=False))

    def _over(self) -> float | None:
        """The moment whose tokens are too many; a minute after it there are few enough. None: too many only run."""
        taken = 0
        for one in reversed([one for one in self._took if not one.runs]):
            taken += one.tokens
            if taken >= self._limit.tpm:
                return one.moment
        return None

    def _forget(self, before: float) -> None:
        while self._begun and self._begun[0] <= before:
            self._begun.popleft()
        if any(not one.runs and one.moment <= before for one in self._took):
            self._took = deque(one for one in self._took if one.runs or one.moment > before)


class Paced:
    """A `Provider`. `limits` are by provider; who has none is asked at any pace."""

    def __init__(
        self, reached: Provider, limits: Mapping[str, Limit], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._reached = reached
        self._windows = {provider: _Window(limit, now) for provider, limit in limits.items()}

    def facts(self, model: Model) -> Facts:
        return self._reached.facts(model)

    async def complete(self, model: Model, question: Question, tell: Tell | None, *, last: bool) -> Said:
        window = self._windows.get(model.provider)
        if window is None:
            return await self._reached.complete(model, question, tell, last=last)
        begun = window.begin(about(question.messages) + min(question.max_tokens or TOKENS_OUT, TOKENS_OUT))
        if isinstance(begun, Failed):
            return begun
        taken = 0
        try:
            with gated(window.again):
                said = await self._reached.complete(model, question, tell, last=last)
            taken = said.tokens_in + said.tokens_out
        except CutOff as cut:
            taken = cut.failed.tokens_in + cut.failed.tokens_out
            raise
        finally:
            window.ended(begun, taken)
        return said

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        window = self._windows.get(model.provider)
        if window is None:
            return await self._reached.embed(model, texts)
        begun = window.begin(sum(map(tokens, texts)))
        if isinstance(begun, Failed):
            return begun
        taken = 0
        try:
            with gated(window.again):
                said = await self._reached.embed(model, texts)
            taken = said.tokens_in
        finally:
            window.ended(begun, taken)
        return said


def _busy(most: str, pause_s: float) -> Failed:
    return Failed(kind="busy", error=f"its provider's limit: {most} a minute, as many as it may take", pause_s=pause_s)
