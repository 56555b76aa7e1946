"""Models: ask them, follow an answer as it is written, see what was asked, how models and roles do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from gateway import asked, ids
from gateway.answers import AnswerStream
from gateway.asked import Answered, Arm, Arms, Ask, Call, CallDetail, CallPage, Model, Models, Role, Roles
from gateway.models import When
from gateway.openapi import server_sent
from gateway.pages import Pages, Short, lines
from gateway.problems import ProblemError, responses
from gateway.questions import Ping, RouterDown
from gateway.routes.usage import utc
from gateway.state import TENANT, Gateway, State
from workers.kit.llm.wire import Answer, Problem, Question
from workers.kit.stage import Permanent, StageError, Transient
from workers.kit.stores.usage import HEALTH_DAYS, CallRow, Which

router = APIRouter(prefix="/v1/llm", tags=["models"])

ASKED = 256
"""Questions at once."""
STAGE = "gateway"
"""Whose calls these are, in the ledger's words."""
RETRY_S = 2.0
TEXT = {"event": "text", "data": '{"at":0,"text":"Telling","model":"openai/gpt-4o-mini"}'}
_TITLES = {
    "over_budget": (402, "The budget does not allow it"),
    "not_in_ledger": (409, "The ledger does not know the answer"),
    "no_model": (503, "No model can be asked"),
    "switched_off": (503, "The models are switched off"),
    "rate_limited": (429, "Too many calls"),
}
_KINDS = {
    "refused": (422, "model_refused", "The model refuses"),
    "permanent": (422, "not_answerable", "No model can answer this"),
    "transient": (503, "models_down", "No model answers now"),
}
_REFUSALS = responses(402, 404, 409, 413, 422, 429, 503)


def busy() -> ProblemError:
    """More questions came at once than are asked."""
    detail = f"{ASKED} questions are being asked, the most that one gateway asks at once; come back in some seconds."
    return ProblemError(503, "busy", "Too many questions at once", detail)


@router.post("/generate", operation_id="askModel", responses=_REFUSALS)
async def generate(body: Ask, gateway: Gateway) -> Answered:
    """Ask a model. The answer is kept before it is given: the same question again costs nothing."""
    question = await _question(gateway, body)
    with gateway.asked.place():
        try:
            said = await gateway.questions.ask(question)
        except StageError as error:
            raise _unreachable(error) from error
    if isinstance(said, Problem):
        raise _problem(said, question)
    return Answered.of(said, question.workflow)


@router.post(
    "/stream",
    operation_id="streamModel",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/event-stream": server_sent(["text", "answer", "problem"], TEXT)},
            "description": "`text` events (each from character `at`; a lower `at` than before begins again), then one "
            "`answer` with the whole answer, or one `problem`",
        },
        **_REFUSALS,
    },
)
async def stream(body: Ask, gateway: Gateway) -> StreamingResponse:
    """Ask a model, and get the text as it comes."""
    question = await _question(gateway, body)
    with ExitStack() as place:
        place.enter_context(gateway.asked.place())
        return AnswerStream(_frames(gateway, question), place.pop_all())


async def _frames(gateway: State, question: Question) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(gateway.questions.stream(question)) as told:
            async for news in told:
                if isinstance(news, Ping):
                    yield b": ping\n\n"
                elif isinstance(news, Answer):
                    yield _frame("answer", Answered.of(news, question.workflow).model_dump_json().encode())
                elif isinstance(news, Problem):
                    yield _failed(_problem(news, question))
                else:
                    yield _frame("text", msgspec.json.encode(news))
    except StageError as error:
        yield _failed(_unreachable(error))


def _frame(event: str, data: bytes) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)


def _failed(error: ProblemError) -> bytes:
    told = {"status": error.status, "code": error.code, "title": error.title, "detail": error.detail}
    return _frame("problem", msgspec.json.encode(told))


async def _question(gateway: State, body: Ask) -> Question:
    """One outside of a workflow gets an id of its own, so that its calls are found."""
    if body.workflow and await gateway.reads.workflow(TENANT, body.workflow) is None:
        raise ids.unknown(body.workflow)
    question = Question(
        tenant=TENANT,
        workflow=body.workflow or ids.new(),
        stage=STAGE,
        revision=1,
        task="",
        messages=body.turns,
        schema_name="answer" if body.answer_schema is not None else "",
        schema=body.answer_schema,
        nonce=body.nonce,
        group=body.group,
        temperature=body.temperature,
        max_tokens=body.max_tokens,
        strict=body.strict,
        skip=tuple(body.skip),
    )
    named = sha256(body.model_dump_json(exclude={"workflow"}).encode()).hexdigest()
    return msgspec.structs.replace(question, task=f"question-{named[:12]}")


def _problem(said: Problem, question: Question) -> ProblemError:
    detail = said.message.replace(question.task, "this question")
    if "blueprint/default can't" in detail and said.code != "over_budget":
        detail += "; the built-in model knows our stages' questions only: name another in QL_MODELS"
    retry = {"Retry-After": str(round(max(1.0, said.retry_after or RETRY_S)))} if said.kind == "transient" else None
    if said.code:
        status, title = _TITLES[said.code]
        return ProblemError(status, said.code, title, detail, retry)
    status, code, title = _KINDS[said.kind]
    return ProblemError(status, code, title, detail, retry)


def _unreachable(error: StageError) -> ProblemError:
    if isinstance(error, Permanent):
        return ProblemError(422, "not_answerable", "No model can answer this", str(error))
    pause = error.retry_after if isinstance(error, Transient) and error.retry_after else RETRY_S
    return _down(str(error), pause)


def _down(sentence: str, pause_s: float = RETRY_S) -> ProblemError:
    return ProblemError(503, "router_down", "Not now", f"{sentence}.", {"Retry-After": str(round(max(1.0, pause_s)))})


@router.get(
    "/calls", operation_id="listCalls", response_model=CallPage, responses={**lines(Call), **responses(422, 503)}
)
async def list_calls(
    gateway: Gateway,
    pages: Pages,
    cursor: Annotated[str, Query(pattern="^([0-9]{1,18})?$", description="`next` of the page before")] = "",
    workflow: Annotated[str, Query(pattern=f"^({ids.ULID_FORM})?$", description="Only this workflow's")] = "",
    stage: Annotated[str, Query(pattern="^([a-z_]{1,64})?$")] = "",
    role: Annotated[str, Query(pattern="^([a-z0-9_-]{1,64})?$")] = "",
    model: Annotated[str, Query(pattern=f"^({asked.MODEL_FORM})?$", description="<provider>/<model>")] = "",
    outcome: Annotated[str, Query(pattern="^(answered|known|failed|stand_in)?$")] = "",
) -> Response:
    """Your calls to models, newest first; `tried` tells who failed before another model answered."""
    which = Which(workflow=workflow, stage=stage, role=role, model=model, outcome=outcome)

    async def read(before: str, limit: int) -> Sequence[CallRow]:
        return await gateway.usage.calls(TENANT, before=before, limit=limit, which=which)

    return await pages.pages(CallPage, read, Call.of, cursor)


@router.get("/calls/{call}", operation_id="getCall", responses=responses(404, 503))
async def show_call(call: str, gateway: Gateway) -> CallDetail:
    """One call with what was asked and answered."""
    row = await gateway.usage.call(TENANT, call) if call.isascii() and call.isdigit() and len(call) < 19 else None
    if row is None:
        detail = f"There is no call {call[:64]!r}; GET /v1/llm/calls lists yours."
        raise ProblemError(404, "call_not_found", "No such call", detail)
    return CallDetail.whole(row, await gateway.recordings.entry(TENANT, row.question))


@router.get("/models", operation_id="listModels", responses=responses(503))
async def models(gateway: Gateway) -> Models:
    """The models that may be asked: their groups, their health, what they cost."""
    try:
        found = await gateway.questions.models()
    except RouterDown as error:
        raise _down(str(error)) from error
    off = {switch.provider: switch.reason for switch in await gateway.switches.all(TENANT)}
    known = [Model.model_validate(msgspec.structs.asdict(model)) for model in found.known]
    for model in known:
        reason = off.get(model.provider, off.get("*"))
        if reason is not None:
            model.state, model.error = "off", reason or "switched off"
    return Models(default=list(found.models), models=known, embeddings=found.embeddings or None)


@router.get("/roles", operation_id="listRoles", response_model=Roles, responses={**lines(Role), **responses(422, 503)})
async def roles(
    gateway: Gateway,
    pages: Short,
    since: Annotated[When | None, Query(description=f"Only calls from then on; {HEALTH_DAYS} days if left out")] = None,
) -> Response:
    """How each role did of late: success, repairs, cost, latency."""
    begin = utc(since) if since else datetime.now(UTC) - timedelta(days=HEALTH_DAYS)
    return pages.whole(Roles(items=[Role.of(role) for role in await gateway.usage.roles(TENANT, since=begin)]))


@router.get("/arms", operation_id="listArms", response_model=Arms, responses={**lines(Arm), **responses(503)})
async def arms(gateway: Gateway, pages: Short) -> Response:
    """What examples of earlier work are worth: workflows that got them against those that were held out."""
    return pages.whole(Arms(items=[Arm(**msgspec.structs.asdict(arm)) for arm in await gateway.usage.arms(TENANT)]))
