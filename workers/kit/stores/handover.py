"""Hand-over: the commit that completes a stage also claims the rows that waited for nothing else (ADR 0009).

Pure: what an heir gets is told by the claim that is committed, as long as no revision was opened since the beginning.
"""

from __future__ import annotations

import msgspec

from contracts.events import Input
from contracts.topology import Topology

from .drops import Claim, Completed, InputDrop
from .standing import drop_id


class Heir(msgspec.Struct, frozen=True, kw_only=True):
    """A stage for whose work the committing process has room; what it takes, and the lease of its claim."""

    stage: str
    takes: frozenset[str]
    lease_s: float


def inherited(topology: Topology, claim: Claim, outcome: Completed, heir: Heir) -> Claim | None:
    """The heir's first claim, once `outcome` is committed and if its row is absent.

    None where there is more to look at: it waits for others too, takes what `claim` does not name, or work was sent
    back before.
    """
    needs = topology[heir.stage].needs
    if needs != (claim.stage,) or claim.newest != 1:
        return None
    ref = outcome.artifact
    made = Input(stage=claim.stage, revision=claim.revision, sha256=ref.sha256)
    drop = InputDrop(input=made, ref=ref, media_type=outcome.media_type)
    known = {**claim.known, **claim.inputs, claim.stage: drop}
    wanted = {*needs, *heir.takes}
    if not wanted <= known.keys():
        return None
    return Claim(
        drop=drop_id(claim.workflow, heir.stage, 1),
        tenant=claim.tenant,
        workflow=claim.workflow,
        stage=heir.stage,
        revision=1,
        epoch=1,
        attempt=1,
        submission=claim.submission,
        inputs={name: known[name] for name in topology.stages if name in wanted},
        repair={},
        traceparent=claim.traceparent,
        known={name: known[name] for name in known.keys() - wanted},
        forked=claim.forked,
    )
