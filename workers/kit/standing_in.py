"""From what the models did for an attempt, and from its inputs, to the stand-ins that its artifact tells of."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.artifacts.stand_ins import StandIn, stand_ins
from contracts.events import ModelCalls


def inherited(bodies: Iterable[bytes]) -> tuple[StandIn, ...]:
    """Those of all inputs. Raises `msgspec.DecodeError`."""
    return tuple(sorted({each for body in bodies for each in stand_ins(body)}))


def own(stage: str, calls: Iterable[ModelCalls]) -> tuple[StandIn, ...]:
    """Those that answered this stage. After a colon come the numbers of one call, which another attempt has not."""
    return tuple(
        StandIn(stage=stage, model=made.model, reason=made.instead.partition(": ")[0]) for made in calls if made.instead
    )
