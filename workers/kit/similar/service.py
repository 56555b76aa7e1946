"""Answers `Find`: from the ledger where it was asked before, else from the store, and keeps what was answered.

Never raises: examples are a help, and a workflow goes on without them.
"""

from __future__ import annotations

import asyncio
import hashlib

import msgspec
import structlog

from contracts.subjects import BadSubject
from workers.kit.stores.calls import Call, Ledger, Spent
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.retrievals import Retrievals

from .embedding import Away, Embedder
from .store import Store
from .wire import AT_MOST, MOST_TEXTS, Arm, Find, Found, find_asked

NOTHING = Found(arm="away")
LOOK_S = 2.5
log = structlog.get_logger(__name__)


def arm(workflow: str, holdout: float) -> Arm:
    """Which workflows get none, to compare with: a fixed share of them, told by their ids alone."""
    place = int.from_bytes(hashlib.sha256(f"holdout/{workflow}".encode()).digest()[:8]) / 2**64
    return "held_out" if place < holdout else "examples"


class Finder:
    """One embedder, one store, and the ledger of what was found."""

    def __init__(
        self, store: Store, embedder: Embedder, ledger: Ledger, retrievals: Retrievals, *, holdout: float
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._ledger = ledger
        self._retrievals = retrievals
        self._holdout = holdout

    async def find(self, find: Find) -> Found:
        """What to tell the stage. The first answer to a question is its answer for ever, also one without examples;
        that the store was away is none. Only the one who looked counts in the comparison: who asks the same later gets
        the first one's arm, and its answers for nothing."""
        try:
            kept, call = await self._known(find)
            if kept or find.known:
                return kept or NOTHING
            chosen = arm(find.workflow, self._holdout)
            found = await self._look(find, chosen)
            if found.arm != "away":
                found = await self._settle(call, found)
            if found.arm in {chosen, "away"}:
                await self._retrievals.note(
                    find.tenant, find.workflow, find.stage, arm=found.arm, found=len(found.examples)
                )
        except (StoreDown, msgspec.DecodeError) as error:
            log.warning("similar.failed", error=str(error))
            return NOTHING
        return found

    async def _known(self, find: Find) -> tuple[Found | None, Call]:
        asked = find_asked(find, self._embedder.name)
        call = Call(
            tenant=find.tenant,
            workflow=find.workflow,
            stage=find.stage,
            task=f"similar_{find.collection}",
            question=hashlib.sha256(asked).hexdigest(),
            asked=asked,
        )
        kept = await self._ledger.known(call)
        return msgspec.json.decode(kept.text, type=Found) if kept else None, call

    async def _settle(self, call: Call, found: Found) -> Found:
        """What is kept: another's, where somebody asked the same at the same moment."""
        spent = Spent(outcome="answered", model=self._embedder.name, provider="similar")
        kept = await self._ledger.settle(call, "", msgspec.json.encode(found).decode(), "stop", spent)
        return msgspec.json.decode(kept.text, type=Found)

    async def _look(self, find: Find, chosen: Arm) -> Found:
        if chosen == "held_out" or not 0 < len(find.texts) <= MOST_TEXTS:
            return Found(arm=chosen)
        try:
            async with asyncio.timeout(LOOK_S):
                vectors = await self._embedder.embed(find.tenant, find.texts)
                near = await self._store.near(find.collection, find.tenant, vectors, AT_MOST)
        except (Away, BadSubject, TimeoutError) as error:
            log.warning("similar.away", error=str(error) or type(error).__name__)
            return NOTHING
        bodies = list(dict.fromkeys(body for bodies in near for body in bodies))
        places = {body: place for place, body in enumerate(bodies)}
        return Found(
            arm="examples",
            nearest=tuple(tuple(places[body] for body in own) for own in near),
            examples=tuple(map(msgspec.Raw, bodies)),
        )
