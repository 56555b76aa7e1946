"""What a delivered message means for a stage: look at a workflow, leave it to a newer worker, or a dead letter."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from contracts import cloudevents
from contracts.events import STAGE_EVENTS, TYPE_PREFIX, Event, StageCompleted, StageRejected
from contracts.subjects import BadSubject, parse_event, parse_wake, token
from contracts.topology import LIFECYCLE
from workers.kit.stores.drops import Claim, DeadLetter

KEPT_BYTES = 64 * 1024
KEPT_SUBJECT = 1024

"""What a dead letter is: a message that can't be read, or the one whose work was given up."""

UNKNOWN = "unknown"
"""Stands for a tenant or workflow that can't be read from a dead message."""

_NEWER = re.compile(rf"{re.escape(TYPE_PREFIX)}\.([a-z0-9_-]+)\.([a-z]+)\.v([0-9]{{1,4}})")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """See whether something is due for this workflow; `event` is None for a wake."""

    tenant: str
    workflow: str
    event: Event | None = None


class Newer(msgspec.Struct, frozen=True, kw_only=True):
    """An event of ours in a version that this worker can't read."""

    type: str


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """No worker will ever understand it."""

    reason: str


def read(subject: str, headers: Mapping[str, str] | None, body: bytes) -> Look | Newer | Dead:
    """Judge one message; never raises."""
    try:
        if subject.startswith("ql.wake."):
            _, tenant, workflow = parse_wake(subject)
            return Look(tenant=tenant, workflow=workflow)
        parse_event(subject)
        event = cloudevents.from_binary(headers, body)
    except cloudevents.UnknownVersion as error:
        return _newer(subject, headers) or Dead(reason=str(error))
    except (cloudevents.BadEvent, BadSubject) as error:
        return Dead(reason=str(error))
    if event.subject != subject:
        return Dead(reason=f"the event says that its subject is {event.subject!r}")
    return Look(tenant=event.data.tenant, workflow=event.data.workflow, event=event)


def _newer(subject: str, headers: Mapping[str, str] | None) -> Newer | None:
    """Only a later version of an event that we know may wait; any other type is nobody's."""
    named = {name.lower(): value for name, value in (headers or {}).items()}.get("ce-type", "")
    match = _NEWER.fullmatch(named)
    parts = parse_event(subject)
    if match is None or (match[1], match[2]) != (parts.stage, parts.outcome) or int(match[3]) < 2:
        return None
    known = match[1] == LIFECYCLE or match[2] in STAGE_EVENTS
    return Newer(type=named) if known else None


def contradiction(event: Event, claim: Claim) -> str:
    """Why the event can't be true, given the drops that the claim was made from; '' when nothing speaks against it."""
    data = event.data
    if not isinstance(data, StageCompleted | StageRejected):
        return ""
    drop = claim.inputs.get(data.stage) or claim.repair.get(data.stage)
    if drop is None or drop.input.revision != data.revision or drop.input.sha256 == data.artifact.sha256:
        return ""
    return f"the event names the sha256 {data.artifact.sha256[:64]!r}, but {data.stage} wrote {drop.input.sha256}"


def letter(
    subject: str, headers: Mapping[str, str] | None, body: bytes, stage: str, reason: str, drop: str = ""
) -> DeadLetter:
    """The dead letter of a message, or of the work at `drop` that it asked for; the same again gives the same one."""
    kept = msgspec.json.encode({_text(name): _text(value) for name, value in (headers or {}).items()})
    digest = hashlib.sha256(body).hexdigest()
    parts = (stage.encode(), _text(subject).encode(), kept, digest.encode(), drop.encode())
    identity = hashlib.sha256(b"\0".join(parts))
    tenant, workflow = _whose(subject)
    return DeadLetter(
        id=identity.hexdigest()[:32],
        tenant=tenant,
        workflow=workflow,
        stage=stage,
        subject=_text(subject)[:KEPT_SUBJECT],
        headers=kept[:KEPT_BYTES].decode(errors="replace"),
        body=body[:KEPT_BYTES],
        sha256=digest,
        reason=_text(reason)[:2000],
        kind="work" if drop else "message",
    )


def _text(text: str) -> str:
    """What a text column can hold: no NUL and no lone surrogate."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _whose(subject: str) -> tuple[str, str]:
    """Tenant and workflow by the place where every subject of ours has them."""
    parts = subject.split(".")
    places = parts[3:5] if subject.startswith("ql.wake.") else parts[2:4]
    try:
        tenant, workflow = (token(part) for part in places)
    except ValueError:
        return UNKNOWN, UNKNOWN
    return tenant, workflow
