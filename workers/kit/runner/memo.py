"""The memo key: what work that comes out the same has in common. A fork takes over a drop that has its key.

Not in it: the revision, which is only told to models in a repair, whose reports and previous artifact stand in the key;
and what is outside of the tenant's artifacts, as an index of packages: work done once is good enough for a fork.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

from contracts.artifacts import Capsule
from workers.kit.binding import Binding
from workers.kit.prompts import roles, templates
from workers.kit.prompts.templates import NoPrompt
from workers.kit.stores.asks import NOTHING
from workers.kit.stores.drops import Claim


class Memo:
    """The keys of one stage. `models` is how this factory's models are chosen (QL_MODELS), as written."""

    def __init__(self, binding: Binding, models: str) -> None:
        row = binding.row
        self._last = row.produces is Capsule
        self._submission = bool(binding.submission)
        self._takes = sorted(binding.inputs.values())
        asked = _told(row.name, models) if row.asks_model else ()
        self._who = (row.name, row.version, asked)

    def serves(self, claim: Claim) -> bool:
        """Whether the claim's work may have been done before: in a fork, but not of the stage that is to be done anew,
        and not of what is made again because its bytes are lost. A capsule names its workflow.
        """
        return claim.forked not in {"", claim.stage} and not claim.again and not self._last

    def key(self, claim: Claim) -> str:
        """Sha256, in hex; '' for what is never taken over."""
        if self._last:
            return ""
        submission = claim.submission if self._submission else None
        inputs = [(name, claim.inputs[name].input.sha256) for name in self._takes]
        repair = [(name, drop.input.sha256) for name, drop in sorted(claim.repair.items())]
        key: tuple[object, ...] = (self._who, submission, inputs, repair)
        if claim.asking != NOTHING:
            key = (*key, claim.asking)
        return sha256(msgspec.json.encode(key)).hexdigest()


def _told(task: str, models: str) -> tuple[str, ...]:
    """What a model's answer depends on beside its inputs: who is asked, and all that stands in the prompts."""
    try:
        told = [templates.template(name).text for name in (task, *templates.ASKED_FOR)]
    except NoPrompt:  # a stage that is no part of the product asks in words of its own
        told = []
    told += [f"{role.settings}\n{role.system()}" for role in roles.roles().values() if task in role.tasks]
    return "".join(models.split()), sha256(msgspec.json.encode(told)).hexdigest()
