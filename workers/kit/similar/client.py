"""The Similar port over NATS: whoever holds the store is asked; where nobody answers soon, there are no examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client

from workers.kit.ports import CodeSample, PastPrompt
from workers.kit.stage import Run

from .wire import FIND, MOST_TEXTS, Collection, Find, Found

T = TypeVar("T", bound=msgspec.Struct)

WITHIN_S = 4.0
"""More than the service takes at most (`service.LOOK_S` and two small statements)."""

BUILT_IN = "blueprint/"
log = structlog.get_logger(__name__)


class SimilarClient:
    """Asks whoever holds the store. With `strict` only the ledger may answer, as with a model's."""

    def __init__(self, nc: Client, *, strict: bool = False) -> None:
        self._nc = nc
        self._strict = strict

    async def prompts(self, run: Run, prompt: str) -> tuple[PastPrompt, ...]:
        return (await self._found(run, "prompts", (prompt,), PastPrompt)).get(0, ())

    async def code(self, run: Run, wanted: Mapping[str, str]) -> Mapping[str, tuple[CodeSample, ...]]:
        asked = dict(islice(wanted.items(), MOST_TEXTS))
        found = await self._found(run, "code_samples", tuple(asked.values()), CodeSample)
        return {path: found[place] for place, path in enumerate(asked) if found.get(place)}

    async def _found(
        self, run: Run, collection: Collection, texts: Sequence[str], kind: type[T]
    ) -> dict[int, tuple[T, ...]]:
        """The examples by the place of their text."""
        if not texts:
            return {}
        find = Find(
            tenant=run.tenant,
            workflow=run.workflow,
            stage=run.stage,
            collection=collection,
            texts=tuple(texts),
            # What the first attempt has asked of a model, and paid for, must not be another question now.
            known=self._strict or run.attempt > 1,
        )
        try:
            found = await self.found(find)
            examples = [msgspec.json.decode(body, type=kind) for body in found.examples]
            return {place: tuple(examples[n] for n in nearest) for place, nearest in enumerate(found.nearest)}
        except (nats.errors.Error, msgspec.DecodeError, UnicodeError, RecursionError, IndexError) as error:
            log.info("similar.none", stage=run.stage, error=str(error) or type(error).__name__)
            return {}

    async def found(self, find: Find) -> Found:
        """What the holder of the store says."""
        reply = await self._nc.request(FIND, msgspec.json.encode(find), timeout=WITHIN_S)
        return msgspec.json.decode(reply.data, type=Found)


def reads_examples(models: str) -> bool:
    """Whether any model of QL_MODELS is more than the built-in one."""
    groups = (group.partition("=")[2] if "=" in group.partition("/")[0] else group for group in models.split(";"))
    names = (name.strip() for group in groups for name in group.split(","))
    return any(name and not name.startswith(BUILT_IN) for name in names)
