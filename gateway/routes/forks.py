"""Forks: a new workflow from a stage of another one, with what was done before it taken over."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal, Self

import msgspec
from fastapi import APIRouter, Body, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from contracts.artifacts import JSON, File, decode, encode
from contracts.artifacts.stand_ins import stand_ins
from contracts.paths import UnsafePath, safe_paths
from contracts.topology import TOPOLOGY
from gateway import ids
from gateway.models import DEADLINE, MAX_PROMPT, Seconds, Sent, Submit
from gateway.problems import ProblemError, responses
from gateway.questions import RouterDown
from gateway.routes.workflows import IdempotencyKey, within
from gateway.state import TENANT, Gateway
from observability.telemetry import traceparent
from workers.kit.stores.drops import ArtifactLost, KeyConflict
from workers.kit.stores.forks import Edited, Fork, NoFork, Plan, refused
from workers.kit.stores.forks import Forked as Done
from workers.kit.stores.keys import artifact_key

router = APIRouter(prefix="/v1/workflows", tags=["workflows"])

MODEL = "[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}"
MAX_TEMPLATE = 32_768
Template = Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE)]
EXAMPLE: dict[str, Any] = {"from": "code_generation", "dry_run": True}
PROBLEMS = {
    "unknown_workflow": (404, "workflow_not_found", "No such workflow"),
    "unknown_stage": (422, "unknown_stage", "No such stage"),
    "prompt_needs_first": (422, "prompt_needs_first", "Nobody there reads a prompt"),
    "nobody_asks": (422, "nobody_asks", "No model is asked"),
    "unknown_template": (422, "unknown_template", "No such template"),
    "edit_last": (422, "edit_last", "A capsule is not edited"),
    "stage_not_finished": (409, "stage_not_finished", "Nothing to begin with"),
    "full": (503, "too_many_active", "Too many active workflows"),
}


class ForkRequest(Sent):
    """From where, and with what change."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra={"examples": [EXAMPLE]})

    stage: str = Field(alias="from", max_length=64, description="The first stage that is done anew, or is edited")
    prompt: str | None = Field(None, max_length=MAX_PROMPT, description="Another prompt; only from the first stage")
    artifact: dict[str, Any] | None = Field(
        None, description="What stands in the place of the artifact of `from`, which is then not done anew"
    )
    model: str | None = Field(
        None,
        pattern=f"^{MODEL}$",
        description="A model of the routers, or a group of them, that all stages done anew ask, by a repair too",
    )
    templates: dict[str, Template] = Field(
        {}, max_length=32, description="Texts in the place of the templates of stages that are done anew, by stage"
    )
    deadline_s: Seconds | None = Field(None, description=DEADLINE)
    dry_run: bool = Field(False, description="Only say what would happen")


class ForkPlan(BaseModel):
    """What becomes of each stage."""

    stage: str = Field(validation_alias=AliasChoices("from", "stage"), serialization_alias="from")
    edited: str | None = None
    reused: list[str] = Field(description="Taken over from the parent")
    runs: list[str] = Field(description="Done anew; those after the first one only if what they are made from changes")
    unchanged: list[str] = Field(description="Depend on nothing that changes: taken over when their turn comes")
    calls: int = Field(description="Calls of models that `runs` took in the parent; most often a fork takes fewer")
    cost: float = Field(
        description="What the parent paid for them, in US dollars; another `model` may cost more or less"
    )

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """The plan as the store made it."""
        return cls(
            stage=plan.stage,
            edited=plan.edited or None,
            reused=list(plan.reused),
            runs=list(plan.runs),
            unchanged=list(plan.unchanged),
            calls=plan.calls,
            cost=plan.cost,
        )


class Forked(BaseModel):
    """The fork: it will be worked on whatever happens. Of a dry run only the plan."""

    parent: str
    plan: ForkPlan
    id: str | None = None
    state: Literal["active"] | None = None
    address: str | None = None
    events: str | None = None


@router.post(
    "/{workflow}/forks",
    status_code=202,
    operation_id="forkWorkflow",
    responses={
        200: {"model": Forked, "description": "A dry run: what would happen"},
        **responses(400, 404, 409, 413, 422, 503),
    },
)
async def fork(
    workflow: str,
    body: Annotated[ForkRequest, Body()],
    gateway: Gateway,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Forked:
    """Begin a new workflow from a stage of this one, which stays as it is."""
    wish = Fork(
        id=ids.new(),
        tenant=TENANT,
        parent=ids.checked(workflow),
        stage=body.stage,
        prompt=_prompt(body.prompt),
        model=body.model or "",
        templates={name: _storable(name, text) for name, text in body.templates.items()},
        dry=body.dry_run,
        deadline_s=within(gateway, body.deadline_s),
        wished_s=body.deadline_s,
        idempotency_key="" if body.dry_run else idempotency_key or "",
        traceparent=traceparent(),
    )
    try:
        done = await _done(gateway, wish, body.artifact)
    except KeyConflict:
        detail = "Send a new Idempotency-Key with a new wish."
        raise ProblemError(422, "idempotency_key_reused", "The key was used before", detail) from None
    return _answer(gateway, response, workflow, done)


async def _done(gateway: Gateway, wish: Fork, artifact: dict[str, Any] | None) -> Done | Plan | NoFork:
    """Looked at first where something else is asked or stored for it: a key that was used answers alone."""
    edit = b""
    if artifact is not None:
        wish, edit = await _edited(gateway, wish, artifact)
    if wish.model or wish.edited:
        seen = await _forked(gateway, msgspec.structs.replace(wish, dry=True))
        if not isinstance(seen, Plan):  # refused, or answered before
            return seen
        if wish.model:
            await _knows(gateway, wish.model)
    if wish.edited and not wish.dry:
        ref = await gateway.artifacts.put(TENANT, edit, key=artifact_key(TENANT, wish.edited.sha256))
        wish = msgspec.structs.replace(wish, edited=msgspec.structs.replace(wish.edited, ref=ref))
    return await _forked(gateway, wish)


async def _forked(gateway: Gateway, wish: Fork) -> Done | Plan | NoFork:
    return await gateway.reads.fork(wish, TOPOLOGY, most=gateway.settings.tenant_active)


def _answer(gateway: Gateway, response: Response, workflow: str, done: Done | Plan | NoFork) -> Forked:
    if isinstance(done, NoFork):
        raise _problem(workflow, done)
    if isinstance(done, Plan):
        response.status_code = 200
        return Forked(parent=workflow, plan=ForkPlan.of(done))
    gateway.publisher.soon(done.events)
    address = f"/v1/workflows/{done.id}"
    response.headers["Location"] = address
    if not done.created:
        response.headers["Idempotency-Replayed"] = "true"
    return Forked(
        parent=workflow,
        plan=ForkPlan.of(done.plan),
        id=done.id,
        state="active",
        address=address,
        events=f"{address}/events",
    )


def _problem(workflow: str, no: NoFork) -> ProblemError:
    if no.code == "unknown_workflow":
        return ids.unknown(workflow)
    status, code, title = PROBLEMS[no.code]
    return ProblemError(status, code, title, no.detail, {"Retry-After": "5"} if status == 503 else None)


async def _knows(gateway: Gateway, model: str) -> None:
    """Raises the problem when the routers have no such model or group."""
    try:
        told = await gateway.questions.models()
    except RouterDown as error:
        raise ProblemError(503, "router_down", "Not now", f"{error}.", {"Retry-After": "5"}) from error
    names = {name for one in told.known for name in (one.name, *one.groups)}
    if model not in names:
        detail = f"The routers know {', '.join(sorted(names))}."
        raise ProblemError(422, "unknown_model", "No such model", detail)


def _storable(name: str, text: str) -> str:
    try:
        if "\0" not in text + name and text.encode() and name.encode():
            return text
    except UnicodeEncodeError:
        pass
    detail = "/body/templates: one holds a NUL or half of a surrogate pair"
    raise ProblemError(422, "invalid_request", "The request is not valid", detail)


def _prompt(prompt: str | None) -> str:
    """A prompt is what may be submitted."""
    if prompt is None:
        return ""
    try:
        return Submit(prompt=prompt, language="python", budget=None, deadline_s=None).prompt
    except ValueError as error:
        raise ProblemError(422, "invalid_request", "The request is not valid", f"/body/prompt: {error}") from None


async def _edited(gateway: Gateway, wish: Fork, artifact: dict[str, Any]) -> tuple[Fork, bytes]:
    """The wish with the artifact, and its bytes, which are not stored yet."""
    if wish.prompt:
        detail = "Send another prompt or an artifact, not both: the artifact would stand in the prompt's place."
        raise ProblemError(422, "prompt_and_artifact", "Two changes at once", detail)
    checked, before = _checked(wish, artifact), await _before(gateway, wish)
    # Who edits what a stand-in answered has not made it the wanted model's.
    body, _ = encode(_by_hand(checked, before), stand_ins(before) if before else ())
    digest = sha256(body).hexdigest()
    sent = sha256(msgspec.json.encode(artifact, order="sorted")).hexdigest()
    return msgspec.structs.replace(wish, edited=Edited(sha256=digest, media_type=JSON), sent=sent), body


def _checked(wish: Fork, artifact: dict[str, Any]) -> msgspec.Struct:
    """As the stage itself would have made it."""
    wrong = refused(TOPOLOGY, msgspec.structs.replace(wish, edited=Edited(sha256="", media_type=JSON)))
    if wrong is not None:
        raise _problem(wish.parent, wrong)
    try:
        msgspec.json.encode(artifact)
        made = msgspec.convert(artifact, TOPOLOGY[wish.stage].produces)
        safe_paths([file.path for file in getattr(made, "files", ()) if hasattr(file, "path")])
    except UnicodeEncodeError:
        detail = "It has half of a surrogate pair, which is no text."
        raise ProblemError(422, "artifact_invalid", "The artifact can't be used", detail) from None
    except (msgspec.ValidationError, UnsafePath) as error:
        detail = f"It is no {TOPOLOGY[wish.stage].produces.__name__}: {error}"
        raise ProblemError(422, "artifact_invalid", "The artifact can't be used", detail) from None
    return made


def _by_hand(made: msgspec.Struct, before: bytes) -> msgspec.Struct:
    """With no model named for a file that is not as a model wrote it, whatever the artifact claims."""
    files = getattr(made, "files", ())
    if not files or not all(isinstance(file, File) for file in files):
        return made
    old = {(file.path, file.text): file for file in _files(before, type(made))}
    told = tuple(old.get((file.path, file.text)) or File(path=file.path, text=file.text) for file in files)
    return msgspec.structs.replace(made, files=told)


def _files(before: bytes, kind: type[msgspec.Struct]) -> tuple[File, ...]:
    try:
        found: tuple[File, ...] = getattr(decode(before, kind), "files", ())
    except msgspec.DecodeError:
        return ()
    return found


async def _before(gateway: Gateway, wish: Fork) -> bytes:
    """What the stage itself wrote in the end."""
    drops = await gateway.reads.drops(TENANT, wish.parent)
    mine = [drop for drop in drops if drop.stage == wish.stage and drop.state == "completed" and drop.artifact]
    if not mine or (ref := max(mine, key=lambda drop: drop.revision).artifact) is None:
        return b""
    try:
        return await gateway.artifacts.get(ref)
    except ArtifactLost:
        return b""
