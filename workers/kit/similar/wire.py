"""What goes over `ql.svc.similar.find`: what a stage is about to do, and what was like it."""

from __future__ import annotations

from typing import Literal

import msgspec

FIND = "ql.svc.similar.find"
QUEUE = "similar"

Collection = Literal["prompts", "code_samples"]
Arm = Literal["examples", "held_out", "away"]
"""What became of a question: it was looked up, held out to compare with, or could not be looked up."""

AT_MOST = 3
"""Examples for one text."""

MOST_TEXTS = 32
MOST_BYTES = 8192
"""Of one example: `MOST_TEXTS * AT_MOST` of them fit into one message with room to spare."""


class Find(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The nearest examples for each text. With `known`, only what was found before counts: this is a second attempt."""

    tenant: str
    workflow: str
    stage: str
    collection: Collection
    texts: tuple[str, ...]
    known: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Each example once, as its collection's struct in JSON; `nearest` has for each text the places of its own."""

    arm: Arm
    nearest: tuple[tuple[int, ...], ...] = ()
    examples: tuple[msgspec.Raw, ...] = ()


def find_asked(find: Find, embedder: str) -> bytes:
    """The ledger's question. Whose attempt it is does not count: the same work is told the same examples, for ever, so
    that its questions to a model stay the same too."""
    return msgspec.json.encode(("similar", find.collection, embedder, AT_MOST, find.texts))
