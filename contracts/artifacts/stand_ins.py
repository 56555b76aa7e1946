"""Who stood in: what the bytes of an artifact tell beside its own fields, so that its readers need not know of it.

A model may stand in for the one that was wanted, as when the money is spent. What is made from its answer is made by
it too: a stage's artifact names the stand-ins of its own and of all that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

FIELD = "stood_in"
MOST = 100
"""Of those that are told."""
_KEY = f'"{FIELD}":'.encode()


class StandIn(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """`model` answered for `stage`, and why it did in place of the one that was wanted."""

    stage: str
    model: str
    reason: str


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    stood_in: tuple[StandIn, ...] = ()


def marked(body: bytes, stand_ins: Iterable[StandIn]) -> bytes:
    """The artifact's bytes, a JSON object, with these; in one order, so that equal ones give equal bytes."""
    told = sorted(set(stand_ins))[:MOST]
    if not told:
        return body
    inner = body[1:-1] + (b"," if len(body) > 2 else b"")
    return b"{" + inner + _KEY + msgspec.json.encode(told) + b"}"


def stand_ins(body: bytes) -> tuple[StandIn, ...]:
    """Those that an artifact's bytes tell of; raises `msgspec.DecodeError` for what is none of ours."""
    return msgspec.json.decode(body, type=_Told).stood_in if _KEY in body else ()
