"""What a provider takes a minute from this router, all its models together; a model's own limit is litellm's to keep.

Who is over is busy, and not ill: the next model of the chain is asked, or the question waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from workers.kit.llm.wire import Question

from .models import Limit, Model
from .said import Facts, Failed, Provider, Said, Tell, Vectors

MINUTE_S = 60.0


class _Window:
    """The last minute of one provider."""

    def __init__(self, limit: Limit, now: Callable[[], float]) -> None:
        self._limit = limit
        self._now = now
        self._begun: deque[float] = deque()
        self._took: deque[tuple[float, int]] = deque()

    def begin(self) -> Failed | None:
        """Count a call; or why there must be none."""
        now = self._now()
        self._forget(now - MINUTE_S)
        if self._limit.rpm and len(self._begun) >= self._limit.rpm:
            return _busy(f"{self._limit.rpm} calls", self._begun[-self._limit.rpm] + MINUTE_S - now)
        if self._limit.tpm and (since := self._over()) is not None:
            return _busy(f"{self._limit.tpm} tokens", since + MINUTE_S - now)
        self._begun.append(now)
        return None

    def took(self, tokens: int) -> None:
        """What a call took, as it ends."""
        if self._limit.tpm and tokens:
            self._took.append((self._now(), tokens))

    def _over(self) -> float | None:
        """The moment whose tokens are too many; a minute after it there are few enough."""
        tokens = 0
        for moment, some in reversed(self._took):
            tokens += some
            if tokens >= self._limit.tpm:
                return moment
        return None

    def _forget(self, before: float) -> None:
        while self._begun and self._begun[0] <= before:
            self._begun.popleft()
        while self._took and self._took[0][0] <= before:
            self._took.popleft()


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
        if busy := window.begin():
            return busy
        said = await self._reached.complete(model, question, tell, last=last)
        window.took(said.tokens_in + said.tokens_out)
        return said

    async def embed(self, model: Model, texts: Sequence[str]) -> Vectors | Failed:
        window = self._windows.get(model.provider)
        if window is None:
            return await self._reached.embed(model, texts)
        if busy := window.begin():
            return busy
        said = await self._reached.embed(model, texts)
        window.took(said.tokens_in)
        return said


def _busy(most: str, pause_s: float) -> Failed:
    return Failed(kind="busy", error=f"its provider's limit: {most} a minute, as many as it may take", pause_s=pause_s)
