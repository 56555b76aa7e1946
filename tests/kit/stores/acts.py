"""What can be asked of a store, with what the oracle would answer: one `Act` each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from tests.kit.stores.oracle import ABOVE, NEEDS, REPAIRS, Oracle, Part, Taken, Told
from tests.kit.stores.world import TENANT, ref
from workers.kit.stores.drops import (
    Claim,
    Committed,
    Completed,
    Controlled,
    Drops,
    Failed,
    InputDrop,
    NoClaim,
    Outcome,
    ReadModel,
    Rejected,
    Retry,
    StoredEvent,
)
from workers.kit.stores.handover import Heir

LONG = 1e6
"""Seconds that never pass: a lease or a wait is over when the machine says so."""


@dataclass(frozen=True)
class Act:
    """One question to a store, and the same to the oracle."""

    workflow: str
    ask: Callable[[Drops, ReadModel], Awaitable[object]]
    rule: Callable[[Oracle], object]


def claiming(workflow: str, stage: str, attempts: int = 1000) -> Act:
    return Act(
        workflow,
        lambda drops, _: drops.claim(stage, TENANT, workflow, lease_s=LONG, attempts=attempts, takes=ABOVE[stage]),
        lambda oracle: oracle.claim(stage, attempts),
    )


def committing(claim: Claim, kind: str, oracle: Oracle, target: int, heirs: bool = False) -> Act:
    """The outcome `kind` of a claim; what is made again comes out as it was, unless `other` is asked for.

    With `heirs` the process has room for every stage behind it, also for those that wait for others too.
    """
    row = oracle.rows[claim.stage, claim.revision]
    targets = REPAIRS.get(claim.stage, ())
    kind = "completed" if kind == "rejected" and not targets else kind
    made = ref(f"{claim.drop} {'completed' if kind == 'retry' else kind}")
    if row.sha and kind != "other":
        known = (ref(f"{claim.drop} {each}") for each in ("completed", "rejected", "other"))
        made = next(each for each in known if each.sha256 == row.sha)
    aim = targets[target % len(targets)] if targets else ""
    outcomes: dict[str, Outcome] = {
        "completed": Completed(artifact=made, media_type="x/y"),
        "other": Completed(artifact=made, media_type="x/y"),
        "rejected": Rejected(artifact=made, media_type="x/y", target=aim, findings=1),
        "failed": Failed(error="no"),
        "retry": Retry(error="busy", after_s=LONG),
    }
    meant = "completed" if kind == "other" else kind
    names = frozenset(name for name, needs in NEEDS.items() if heirs and claim.stage in needs)
    room = [Heir(stage=name, takes=frozenset(ABOVE[name]), lease_s=LONG) for name in sorted(names)]
    return Act(
        claim.workflow,
        lambda drops, _: drops.commit(claim, outcomes[kind], heirs=room),
        lambda oracle: oracle.commit(taken(claim), meant, made.sha256, aim, names),
    )


def renewing(claim: Claim) -> Act:
    return Act(
        claim.workflow,
        lambda drops, _: drops.renew(claim, lease_s=LONG),
        lambda oracle: oracle.renew(taken(claim)),
    )


def releasing(claim: Claim) -> Act:
    return Act(claim.workflow, lambda drops, _: drops.release(claim), lambda oracle: oracle.release(taken(claim)))


def rearming(claim: Claim, lost: frozenset[str]) -> Act:
    return Act(
        claim.workflow,
        lambda drops, _: drops.rearm(claim, lost, after_s=LONG),
        lambda oracle: oracle.rearm(taken(claim), lost),
    )


def cancelling(workflow: str) -> Act:
    return Act(
        workflow,
        lambda _, reads: reads.cancel(TENANT, workflow, reason="enough"),
        lambda oracle: oracle.end("cancelled"),
    )


def resuming(workflow: str) -> Act:
    return Act(
        workflow, lambda _, reads: reads.resume(TENANT, workflow, deadline_s=LONG), lambda oracle: oracle.resume()
    )


def expiring(workflow: str) -> Act:
    return Act(workflow, lambda drops, _: drops.expire(limit=9), lambda oracle: oracle.end("expired").events)


def taken(claim: Claim) -> Taken:
    parts = [frozenset(map(_part, group.values())) for group in (claim.inputs, claim.repair)]
    return Taken(claim.stage, claim.revision, claim.epoch, claim.attempt, *parts)


def _part(drop: InputDrop) -> Part:
    told = drop.input
    return Part(told.stage, told.revision, told.sha256, told.unmet)


def plain(answer: object) -> object:
    """A store's answer in the oracle's words."""
    match answer:
        case Claim():
            return taken(answer)
        case NoClaim():
            return Told(answer.reason, _names(answer.events))
        case Committed():
            return Told(answer.state, _names(answer.events), frozenset(map(taken, answer.handed)))
        case Controlled():
            return Told(answer.workflow.state, _names(answer.events))
        case list() | tuple():
            return _names(answer)
        case _:
            return answer


def _names(events: Iterable[StoredEvent]) -> tuple[str, ...]:
    return tuple(event.id.partition(".")[2] for event in events)
