"""Forks: what a new workflow takes over from its parent, and what is done anew. Pure functions.

From a stage on means: what its ancestors made is taken over; the stage is done anew, or somebody wrote its artifact.
All other stages are looked up in the memo, so that what did not change is not done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec

from contracts.artifacts import Submission
from contracts.events import Ref, StageCompleted
from contracts.topology import Topology

from . import asks, standing
from .asks import Asking, Asks
from .drops import StoredEvent
from .news import stored
from .standing import Row, drop_id

Reason = Literal[
    "unknown_workflow",
    "unknown_stage",
    "stage_not_finished",
    "prompt_needs_first",
    "edit_last",
    "nobody_asks",
    "unknown_template",
    "full",
]

SHOWN = 200
"""The newest forks of a workflow that it tells of."""


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """The artifact that somebody wrote in a stage's place. `ref` is None in a plan, for nothing is stored yet."""

    sha256: str
    media_type: str
    ref: Ref | None = None


class Fork(msgspec.Struct, frozen=True, kw_only=True):
    """What is wished: the workflow `id`, done anew from `stage` of `parent` on; `prompt` '' keeps the parent's. `sent`
    is the sha256 of the artifact as it was sent, whatever the parent made of it: by it a wish is known again. `model`
    is asked by all stages that are done anew, by a repair too; `templates` (texts, by task) stand in the place of the
    tasks' own. `deadline_s` is until when (seconds from now) it must end, `wished_s` the same as it was asked for.
    """

    id: str
    tenant: str
    parent: str
    stage: str
    prompt: str = ""
    edited: Edited | None = None
    sent: str = ""
    model: str = ""
    templates: Mapping[str, str] = {}
    dry: bool = False
    deadline_s: float
    wished_s: float | None = None
    idempotency_key: str = ""
    traceparent: str = ""


class NoFork(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is none, as a code and a sentence."""

    code: Reason
    detail: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of each stage: `reused` is taken over, `runs` is done anew unless its inputs turn out to be as they
    were, `unchanged` depends on nothing that changes.

    `calls` and `cost` (US dollars) are what `runs` took in the parent: a fork may take so much, and most often less.
    """

    stage: str
    reused: tuple[str, ...]
    runs: tuple[str, ...]
    unchanged: tuple[str, ...]
    edited: str = ""
    calls: int = 0
    cost: float = 0.0


class Forked(msgspec.Struct, frozen=True, kw_only=True):
    """The workflow; `created` is False when the same key came with the same wish before."""

    id: str
    created: bool
    plan: Plan
    events: tuple[StoredEvent, ...] = ()


def body_sha256(fork: Fork) -> bytes:
    """Of what is wished: the same Idempotency-Key must come with the same."""
    edited = fork.sent or (fork.edited.sha256 if fork.edited else "")
    wish: list[object] = ["fork", fork.parent, fork.stage, fork.prompt, edited]
    if fork.model or fork.templates:
        wish += [fork.model, fork.templates]
    if fork.wished_s is not None:
        wish.append(fork.wished_s)
    return sha256(msgspec.json.encode(wish, order="sorted")).digest()


def refused(topology: Topology, fork: Fork) -> NoFork | None:
    """What is wrong with the wish, whatever its parent has done."""
    if fork.stage not in topology.stages:
        known = ", ".join(topology.stages)
        return NoFork(code="unknown_stage", detail=f"There is no stage {fork.stage[:64]!r}; there are {known}.")
    if fork.prompt and fork.stage != topology.first.name:
        detail = f"Another prompt is read by {topology.first.name}: fork from there."
        return NoFork(code="prompt_needs_first", detail=detail)
    if fork.edited and fork.stage == topology.last.name:
        return NoFork(code="edit_last", detail=f"What {fork.stage} makes is sealed: edit what it is made from.")
    asking = asks.asking(topology, _may_run(topology, fork))
    if fork.model and not asking:
        detail = f"No stage that is done anew from {fork.stage} on asks a model."
        return NoFork(code="nobody_asks", detail=detail)
    if strange := sorted(set(fork.templates) - set(asking)):
        known = f"there are {', '.join(asking)}" if asking else "there is none"
        detail = f"No stage that is done anew from {fork.stage} on has the template {strange[0][:64]!r}; {known}."
        return NoFork(code="unknown_template", detail=detail)
    return None


def _anew(topology: Topology, fork: Fork) -> list[str]:
    """What is done anew, at least if its inputs change."""
    done = topology.ancestors(fork.stage) | ({fork.stage} if fork.edited else set())
    return [
        name
        for name in topology.stages
        if name not in done and (name == fork.stage or fork.stage in topology.ancestors(name))
    ]


def _may_run(topology: Topology, fork: Fork) -> set[str]:
    """What is done anew, and what was taken over but is done anew once a repair goes back to it or before it. What is
    `unchanged` is not in it: to ask in another way would change it."""
    anew = set(_anew(topology, fork))
    again: set[str] = set()
    while more := _repaired(topology, anew | again) - again:
        again |= more
    return anew | again & (topology.ancestors(fork.stage) | {fork.stage})


def _repaired(topology: Topology, stages: set[str]) -> set[str]:
    """What is done again when any of these sends its input back."""
    targets = {target for name in stages for target in topology[name].repairs}
    return targets | {name for name in topology.stages if targets & topology.ancestors(name)}


def asks_of(topology: Topology, fork: Fork, parent: Asks) -> dict[str, Asking]:
    """How the fork's stages ask models; `parent` is how those of its parent did."""
    return asks.joined(parent, asks.wished(fork.model, fork.templates, asks.asking(topology, _may_run(topology, fork))))


def planned(topology: Topology, fork: Fork, spent: Mapping[str, tuple[int, float]]) -> Plan:
    """The plan; `spent` are the parent's calls and their cost, by stage."""
    done = topology.ancestors(fork.stage) | ({fork.stage} if fork.edited else set())
    runs = _anew(topology, fork)
    return Plan(
        stage=fork.stage,
        reused=tuple(name for name in topology.stages if name in done and name != fork.stage),
        runs=tuple(runs),
        unchanged=tuple(name for name in topology.stages if name not in done and name not in runs),
        edited=fork.stage if fork.edited else "",
        calls=sum(spent[name][0] for name in runs if name in spent),
        cost=sum(spent[name][1] for name in runs if name in spent),
    )


def copies(topology: Topology, fork: Fork, rows: Sequence[Row], now: datetime) -> tuple[Row, ...] | NoFork:
    """The rows that the new workflow begins with, all at revision 1, in pipeline order.

    Those of the ancestors are their drops that are due in the parent; what only a repair got is no input any more.
    """
    due = {(row.stage, row.revision): row for row in rows}
    ancestors = topology.ancestors(fork.stage)
    found = {name: due.get((name, standing.due(topology, name, rows))) for name in topology.stages if name in ancestors}
    missing = [name for name, row in found.items() if row is None or row.state != "completed"]
    if missing:
        return NoFork(code="stage_not_finished", detail=f"In {fork.parent} {', '.join(missing)} is not completed.")
    copied = [_copy(topology, row, now) for row in found.values() if row is not None]
    if fork.edited:
        copied.append(_edited(topology, fork, fork.edited, found, now))
    return tuple(copied)


def _copy(topology: Topology, row: Row, now: datetime) -> Row:
    ancestors = topology.ancestors(row.stage)
    inputs = tuple(msgspec.structs.replace(each, revision=1) for each in row.inputs if each.stage in ancestors)
    return msgspec.structs.replace(
        row,
        revision=1,
        epoch=1,
        attempts=0,
        created_at=now,
        updated_at=now,
        inputs=inputs,
        error="",
        copied_of=(row.memo_of or row.revision) if row.copied_of is None else row.copied_of,
        memo_of=0,
    )


def _edited(topology: Topology, fork: Fork, edited: Edited, found: Mapping[str, Row | None], now: datetime) -> Row:
    needs = [row for name in topology[fork.stage].needs if (row := found[name]) is not None and row.artifact]
    return Row(
        stage=fork.stage,
        revision=1,
        state="completed",
        epoch=1,
        attempts=0,
        created_at=now,
        updated_at=now,
        artifact=edited.ref,
        media_type=edited.media_type,
        copied_of=0,
        inputs=tuple(msgspec.structs.replace(row.as_input().input, revision=1) for row in needs),
    )


def told(
    fork: Fork, topology: Topology, rows: Sequence[Row], copied: Sequence[Row], now: datetime
) -> list[StoredEvent]:
    """The events of the copies, which name the parent's drops."""
    return [
        _told(fork, row, 0 if _is_edit(fork, row) else standing.due(topology, row.stage, rows), now) for row in copied
    ]


def _is_edit(fork: Fork, row: Row) -> bool:
    return fork.edited is not None and row.stage == fork.stage


def _told(fork: Fork, row: Row, of: int, now: datetime) -> StoredEvent:
    """`of` is the revision in the parent; 0 for what somebody wrote."""
    if row.artifact is None:
        raise ValueError(f"{row.stage} has no artifact to take over")
    data = StageCompleted(
        tenant=fork.tenant,
        workflow=fork.id,
        drop=drop_id(fork.id, row.stage, 1),
        stage=row.stage,
        revision=1,
        artifact=row.artifact,
        media_type=row.media_type,
        inputs=row.inputs,
        unmet=row.unmet,
        reused=drop_id(fork.parent, row.stage, of) if of else "",
        edited=not of,
    )
    return stored(data, row.stage, "completed", 1, now, fork.traceparent)


def submission_of(fork: Fork, prompt: str, language: str) -> Submission:
    """What the new workflow is asked for."""
    return Submission(prompt=fork.prompt or prompt, language=language)
