"""Contents, trace and grade become the archive."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.artifacts import Capsule, StandIn
from workers.kit.capsule import Manifest, StageEntry, build

from .contents import Inputs, contents
from .grade import grade
from .parts import Parts
from .trace import trace, unmet


def assembled(parts: Parts, inputs: Inputs, stood_in: Sequence[StandIn] = ()) -> Capsule:
    """The same parts and inputs give the same bytes."""
    inside = contents(parts, inputs)
    traced = trace(parts)
    mark, reasons = grade(parts, traced, inside.left_out, inputs, stood_in)
    manifest = Manifest(
        name=parts.contract.name,
        title=parts.contract.title,
        kind=parts.contract.kind,
        language=parts.contract.language,
        grade=mark,
        reasons=reasons,
        unmet=unmet(traced),
        stages=tuple(
            StageEntry(stage=name, revision=taken.revision, artifact=taken.sha256, unmet=taken.unmet)
            for name, taken in sorted(inputs.items())
        ),
        trace=traced,
        files=(),
    )
    archive = build(manifest, inside.bodies, inside.origins)
    return Capsule(name=manifest.name, grade=mark, reasons=reasons, files=len(inside.bodies), archive=archive)
