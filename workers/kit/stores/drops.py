"""The port of the drop store: workflows, drops and their events, and the transitions of the stage protocol.

Every method that changes a workflow locks its row first and decides on what it reads afterwards, or in the locked row
itself; renewing and handing back touch the claim's own row alone. Time is the database's. What may be done is decided
by the pure functions in `standing`; an adapter only carries it out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from contracts.artifacts import Submission
from contracts.events import Input, ModelCalls, Ref

from .asks import NOTHING, Asking, Asks
from .shown import DeadLetter as DeadLetter
from .shown import DropRow as DropRow
from .shown import DropState as DropState
from .shown import LetterHead as LetterHead
from .shown import WorkflowRow as WorkflowRow
from .shown import WorkflowState as WorkflowState
from .stream import Remembered as Remembered
from .stream import StreamLedger as StreamLedger
from .stream import StreamMemory as StreamMemory
from .stream import StreamRelay

if TYPE_CHECKING:
    from contracts.topology import Topology

    from .forks import Fork, Forked, NoFork, Plan
    from .handover import Heir


class NewWorkflow(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway writes: the ULID, whose, the prompt, and until when (seconds from now) it must end.

    `budget` is in US dollars; None: no limit but the tenant's. `wished_s` is the deadline as it was asked for.
    """

    id: str
    tenant: str
    submission: Submission
    deadline_s: float
    wished_s: float | None = None
    budget: float | None = None
    idempotency_key: str = ""
    traceparent: str = ""


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """The workflow that answers a submission; `created` is False when the same key and body came before."""

    id: str
    created: bool
    events: tuple[StoredEvent, ...] = ()


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event as the store keeps it: `body` is the structured CloudEvent, `seq` its place in the stream (0: none)."""

    workflow: str
    id: str
    tenant: str
    stage: str
    subject: str
    body: bytes
    seq: int = 0


class InputDrop(msgspec.Struct, frozen=True, kw_only=True):
    """One ancestor's drop, as an input of a claim."""

    input: Input
    ref: Ref
    media_type: str


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The right to do one stage's work at one revision, as long as `epoch` is the newest.

    `inputs` holds by stage the drops of the stage's needs and of the other ancestors that it takes; `repair` those
    that only a repair gets: the rejecting stage's report and this stage's own previous drop, by stage. `revision` is
    the one at which this stage is due, or that of a drop whose artifact is lost and made again; `newest` was the
    workflow's newest revision then. `known`: further ancestors' drops, which came along as it was handed over.
    `forked`: the stage from which the workflow, a fork, is done anew; '' in any other workflow. `again`: the row's
    artifact is lost, and its very bytes are to be made again: as they were at revision `memo_of`, if that is not 0.
    `asking`: how the stage asks models in this fork; no store fills it in, the runner does."""

    drop: str
    tenant: str
    workflow: str
    stage: str
    revision: int
    epoch: int
    attempt: int
    submission: Submission
    inputs: Mapping[str, InputDrop]
    repair: Mapping[str, InputDrop]
    traceparent: str = ""
    newest: int = 1
    known: Mapping[str, InputDrop] = {}
    forked: str = ""
    again: bool = False
    memo_of: int = 0
    asking: Asking = NOTHING


class NoClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to do, and why. `exhausted`: the row had no attempt left, so the claim ended the row and the workflow as
    failed with `error` and kept `letter`; `events` tell it and wait to be published."""

    reason: Literal["unknown", "ended", "inputs missing", "done", "leased", "waiting", "exhausted"]
    error: str = ""
    events: tuple[StoredEvent, ...] = ()
    letter: DeadLetter | None = None


class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """The stage wrote an artifact. The last stage tells of its capsule in `capsule` (name, grade, reasons).

    `memo` (sha256, hex) is what equal work has in common; `reused` is the drop that was taken over instead of working,
    and `memo_of` the revision at which that work was done, if that is another one.
    Here and below, `work_ms` is how long the attempt took.
    """

    artifact: Ref
    media_type: str
    capsule: CapsuleHead | None = None
    calls: tuple[ModelCalls, ...] = ()
    work_ms: int = 0
    memo: str = ""
    reused: str = ""
    memo_of: int = 0


class CapsuleHead(msgspec.Struct, frozen=True, kw_only=True):
    """What `workflow.completed` says about the capsule."""

    name: str
    grade: str
    reasons: tuple[str, ...]


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """The stage refused its input; `artifact` is its report. With no round left it is kept as completed and unmet."""

    artifact: Ref
    media_type: str
    target: str
    findings: int
    calls: tuple[ModelCalls, ...] = ()
    work_ms: int = 0


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The stage can't do this work; the workflow ends with it. `refused`: what the person asked for can't be done; all
    else is a dead letter, for an operator to mend and resend."""

    error: str
    refused: bool = False
    work_ms: int = 0


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt did not succeed; the row may be claimed again in `after_s` seconds."""

    error: str
    after_s: float


Outcome = Completed | Rejected | Failed | Retry


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an outcome. `lost`: the epoch is another's, or the workflow has ended; nothing was written.
    `letter`: the dead letter that was kept with a row that failed for good. `handed`: the claims that came with it."""

    state: DropState | Literal["lost"]
    events: tuple[StoredEvent, ...] = ()
    letter: DeadLetter | None = None
    handed: tuple[Claim, ...] = ()


class Controlled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a wish to cancel or resume: the workflow as it stands now. `done` is False where its state did not
    allow it, and nothing was written; `events` wait to be published."""

    workflow: WorkflowRow
    done: bool
    events: tuple[StoredEvent, ...] = ()


LetterWriter = Callable[[str, str], DeadLetter]
"""Makes the dead letter of given-up work from the reason and the drop's id."""


class Drops(StreamRelay, Protocol):
    """The workers' side: claims, commits, the outbox, and what the sweeper needs."""

    async def claim(
        self,
        stage: str,
        tenant: str,
        workflow: str,
        *,
        lease_s: float,
        attempts: int,
        takes: Collection[str] = (),
        letter: LetterWriter | None = None,
    ) -> Claim | NoClaim:
        """Take the stage's due row, if its inputs are completed and it is absent, expired, closed or to be retried.
        Its inputs are its needs and those further ancestors that it `takes`: once a need is completed at the due
        revision, so are the ancestors of that need."""
        ...

    async def renew(self, claim: Claim, *, lease_s: float) -> bool:
        """Prolong the lease; False when the epoch, the due revision or the workflow has gone on: stop working.
        A row that is no longer due becomes `superseded`."""
        ...

    async def commit(
        self, claim: Claim, outcome: Outcome, letter: LetterWriter | None = None, heirs: Sequence[Heir] = ()
    ) -> Committed:
        """Write the outcome with its events in one transaction, if the claim still stands, and claim the rows of those
        `heirs` that waited for it alone. `letter` makes the dead letter of a row that fails for good, not by a refusal.
        """
        ...

    async def disown(self, claim: Claim, heirs: Sequence[Heir]) -> None:
        """Hand back the rows that came with this claim's own commit, whose answer was lost; none of another commit."""
        ...

    async def asked(self, tenant: str, workflow: str) -> Asks:
        """How the stages of a fork ask models; empty where all ask as ever."""
        ...

    async def recall(self, tenant: str, memo: str) -> DropRow | None:
        """The tenant's newest completed drop with this memo key; none whose findings stand (`unmet`)."""
        ...

    async def release(self, claim: Claim, *, after_s: float = 0) -> None:
        """Hand the work back undone, runnable in `after_s` seconds; the attempt does not count."""
        ...

    async def rearm(self, claim: Claim, lost: Collection[str], *, after_s: float) -> bool:
        """The artifacts of these inputs are gone or changed: their stages make them again, which the ledger answers,
        and this claim's row waits `after_s` seconds at least. False when the claim no longer stands.

        A row made again keeps its sha256: its commit must bring the same bytes, tells no event a second time, and fails
        the workflow when they differ.
        """
        ...

    async def admit(self, *, most: int, limit: int) -> Sequence[StoredEvent]:
        """Let waiting workflows onto the bus, oldest first and each tenant in turn, so that none has more than `most`
        there; their `submitted` events, to be published. The gateway admits at once while there is room."""
        ...

    async def runnable(
        self, stage: str, *, absent_s: float | None, limit: int, takes: Collection[str] = ()
    ) -> Sequence[tuple[str, str]]:
        """(tenant, workflow) whose due row a claim that `takes` these could have now, oldest first: expired leases and
        passed retries, and absent rows that have been runnable for over `absent_s` seconds (None: none of those)."""
        ...

    async def on_duty(self, duty: str, *, for_s: float) -> bool:
        """Whether this process does the duty now; until `for_s` seconds have passed no other is told so."""
        ...

    async def ranks(self, process: str, stages: Sequence[str], *, for_s: float) -> Mapping[str, int]:
        """This process works at the stages for another `for_s` seconds: how many began before it, of those that do too.
        Only a preference: two may be told the same."""
        ...

    async def leave(self, process: str) -> None:
        """This process works at nothing any more."""
        ...

    async def paused(self) -> frozenset[str]:
        """The stages that take no work now, for any tenant."""
        ...

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        """End the active workflows whose deadline has passed; their events."""
        ...

    async def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter; the same id twice is one."""
        ...


class ReadModel(StreamMemory, Protocol):
    """The gateway's side: it submits, cancels, resumes and reads; every call is for one tenant."""

    async def submit(self, new: NewWorkflow, *, most: int) -> Submitted:
        """Write the workflow and its `submitted` event. Raises `KeyConflict` for a used key with another body. Where
        the tenant has `most` workflows on the bus already, it waits to be admitted and `events` is empty."""
        ...

    async def cancel(self, tenant: str, workflow: str, *, reason: str) -> Controlled | None:
        """End an active workflow as cancelled, and close what is open; None for an unknown one."""
        ...

    async def fork(self, fork: Fork, topology: Topology, *, most: int) -> Forked | Plan | NoFork:
        """A new workflow that begins with what its parent had done; only the plan of it where it is `dry`."""
        ...

    async def forks(self, tenant: str, workflow: str) -> Sequence[str]:
        """The workflows forked from this one, oldest first."""
        ...

    async def resume(self, tenant: str, workflow: str, *, deadline_s: float) -> Controlled | None:
        """Let a failed workflow go on from the stage that failed, at a new revision; None for an unknown one. A
        deadline that is nearer than `deadline_s` seconds is moved there; the dead letters of its work are gone."""
        ...

    async def letters(self, tenant: str, *, before: str, limit: int, workflow: str = "") -> Sequence[LetterHead]:
        """Dead letters (of one workflow), newest first, after the `place` `before` ('': the first page)."""
        ...

    async def letter(self, tenant: str, letter: str) -> DeadLetter | None: ...

    async def edit_letter(self, tenant: str, letter: str, body: bytes) -> DeadLetter | None:
        """Put another body in the place of the one that could not be read; the letter keeps its id."""
        ...

    async def discard_letter(self, tenant: str, letter: str) -> bool:
        """Forget a dead letter; False when it is not there."""
        ...

    async def workflow(self, tenant: str, workflow: str) -> WorkflowRow | None: ...

    async def workflows(self, tenant: str, *, before: str, limit: int, state: str = "") -> Sequence[WorkflowRow]:
        """Newest first, with ids below `before` ('' for the first page)."""
        ...

    async def drops(self, tenant: str, workflow: str) -> Sequence[DropRow]:
        """In the order in which they were begun."""
        ...

    async def events(self, tenant: str, workflow: str) -> Sequence[StoredEvent]:
        """In the order in which they were written."""
        ...

    async def artifact(self, tenant: str, sha256: str) -> tuple[Ref, str] | None:
        """Where the tenant's artifact lies, and its media type."""
        ...

    async def expire(self, *, limit: int) -> Sequence[StoredEvent]:
        """End active workflows whose deadline has passed, of the tenants that this process serves; their events."""
        ...

    async def unpublished(
        self, stages: Sequence[str], *, older_s: float, limit: int, without: Collection[str] = ()
    ) -> Sequence[StoredEvent]: ...

    async def published(self, events: Sequence[StoredEvent]) -> None: ...


class KeyConflict(Exception):
    """The idempotency key was used for another submission."""


class Artifacts(Protocol):
    """Bytes by their sha256."""

    async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref:
        """Store `body` (where the store likes, unless `key` is given); putting twice is harmless."""
        ...

    async def get(self, ref: Ref) -> bytes:
        """The bytes, checked against their sha256; may be answered from memory. Raises `ArtifactLost`."""
        ...

    async def held(self, ref: Ref) -> bool:
        """Whether the store has the object now; its bytes are not looked at. Raises `StoreDown` within seconds."""
        ...

    def chunks(self, ref: Ref) -> AsyncIterator[bytes]:
        """The bytes as they lie in the store, never from memory: unchecked until the end, where `ArtifactLost` is
        raised if they were changed."""
        ...


class ArtifactLost(Exception):
    """An artifact is missing or its bytes are not the ones that were written; the message names its key."""


class StoreDown(Exception):
    """A store can't be reached or can't serve now; the same call may succeed later."""
