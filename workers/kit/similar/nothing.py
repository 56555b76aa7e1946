"""The Similar port where there is nothing to tell: tests, and factories whose only model is the built-in one."""

from __future__ import annotations

from collections.abc import Mapping

from workers.kit.ports import CodeSample, PastPrompt
from workers.kit.stage import Run


class NoSimilar:
    """No examples: the built-in model reads none, so its questions and its packages stay as they are."""

    async def prompts(self, run: Run, prompt: str) -> tuple[PastPrompt, ...]:
        return ()

    async def code(self, run: Run, wanted: Mapping[str, str]) -> Mapping[str, tuple[CodeSample, ...]]:
        return {}


NO_SIMILAR = NoSimilar()
