"""How the stages of one fork ask models: others than the roles' own, in other words than the tree's. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

import msgspec

from contracts.topology import Topology


class Asking(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stage's: `model` is a group or a model of the router, `template` is told in the place of the task's own."""

    model: str = ""
    template: str = ""

    @property
    def template_sha256(self) -> str:
        return sha256(self.template.encode()).hexdigest() if self.template else ""


Asks = Mapping[str, Asking]
"""By stage; a stage that is not in it asks as ever."""

NOTHING = Asking()


def asking(topology: Topology, stages: Collection[str]) -> tuple[str, ...]:
    """Those of the stages that ask a model, in pipeline order."""
    return tuple(name for name, row in topology.stages.items() if name in stages and row.asks_model)


def wished(model: str, templates: Mapping[str, str], stages: Collection[str]) -> dict[str, Asking]:
    """For these stages: the model, and each one's template."""
    wish = {name: Asking(model=model, template=templates.get(name, "")) for name in stages}
    return {name: one for name, one in wish.items() if one != NOTHING}


def joined(before: Asks, wish: Asks) -> dict[str, Asking]:
    """A fork keeps what its parent asked otherwise, but where the wish says something else."""
    return dict(before) | {
        name: Asking(
            model=one.model or before.get(name, NOTHING).model,
            template=one.template or before.get(name, NOTHING).template,
        )
        for name, one in wish.items()
    }


def column(asks: Asks) -> str | None:
    """As a workflow's row has it."""
    return msgspec.json.encode(asks, order="sorted").decode() if asks else None


def of_column(text: str | None) -> dict[str, Asking]:
    """From a workflow's row."""
    return msgspec.json.decode(text, type=dict[str, Asking]) if text else {}
