"""Dead letters: list, show, edit, send again, drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Path, Query, Request, Response

from gateway import ids
from gateway.models import Letter, LetterDetail, Letters, Resent
from gateway.pages import Pages, lines
from gateway.problems import ProblemError, responses
from gateway.publish import BusDown
from gateway.routes.workflows import resumed
from gateway.state import TENANT, Gateway, State
from workers.kit.runner.receive import KEPT_BYTES, Look, read
from workers.kit.stores.drops import DeadLetter, LetterHead

router = APIRouter(prefix="/v1/deadletters", tags=["dead letters"])

ID_FORM = "[A-Za-z0-9_.-]{1,200}"
Id = Annotated[str, Path(pattern=f"^{ID_FORM}$")]


@router.get(
    "", operation_id="listDeadLetters", response_model=Letters, responses={**lines(Letter), **responses(422, 503)}
)
async def list_letters(
    gateway: Gateway,
    pages: Pages,
    cursor: Annotated[str, Query(pattern=f"^([0-9]{{20}}_{ID_FORM})?$", description="`next` of the page before")] = "",
    workflow: Annotated[str, Query(pattern=f"^({ids.ULID_FORM})?$", description="Only this workflow's")] = "",
) -> Response:
    """Your dead letters, newest first."""

    async def read(before: str, limit: int) -> Sequence[LetterHead]:
        return await gateway.reads.letters(TENANT, before=before, limit=limit, workflow=workflow)

    return await pages.pages(Letters, read, Letter.of, cursor, lambda letter: letter.place)


@router.get("/{letter}", operation_id="getDeadLetter", responses=responses(404, 422, 503))
async def show(letter: Id, gateway: Gateway) -> LetterDetail:
    """One dead letter with its message: the bytes that came, and why no stage could use them."""
    return LetterDetail.whole(await _known(gateway, letter))


@router.put(
    "/{letter}/body",
    operation_id="editDeadLetter",
    responses=responses(404, 409, 413, 422, 503),
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
async def edit(letter: Id, gateway: Gateway, request: Request) -> LetterDetail:
    """Put these bytes in the place of the message's body. Resend it afterwards."""
    if (await _known(gateway, letter)).kind == "work":
        raise ProblemError(409, "deadletter_is_work", "There is no message to edit", _WORK)
    body = await request.body()
    if len(body) > KEPT_BYTES:
        detail = f"A message may have {KEPT_BYTES} bytes; this body has {len(body)}."
        raise ProblemError(413, "body_too_large", "The body is too large", detail)
    edited = await gateway.reads.edit_letter(TENANT, letter, body)
    if edited is None:
        raise _unknown(letter)
    return LetterDetail.whole(edited)


_ADVICE = "edit the body first, or drop the letter: its workflow goes on without it."
_WORK = "Its message was read well, the work failed: resume the workflow, or submit another prompt."


@router.post(
    "/{letter}/resend", status_code=202, operation_id="resendDeadLetter", responses=responses(404, 409, 422, 503)
)
async def resend(letter: Id, gateway: Gateway) -> Resent:
    """Let the work go on: resume the workflow that failed, or have the stage look at the (edited) message's one."""
    found = await _known(gateway, letter)
    if found.kind == "work":
        await _gone_on(gateway, found.workflow)
    else:
        await _woken(gateway, found)
    await gateway.reads.discard_letter(TENANT, letter)
    return Resent(workflow=found.workflow, address=f"/v1/workflows/{found.workflow}")


async def _gone_on(gateway: State, workflow: str) -> None:
    """Resume it, unless somebody has: only a resume takes a workflow out of `failed`, so the letter came after it."""
    row = await gateway.reads.workflow(TENANT, workflow)
    if row is not None and row.state != "failed":
        return
    await resumed(gateway, workflow)


async def _woken(gateway: State, letter: DeadLetter) -> None:
    look = read(letter.subject, _headers(letter), letter.body)
    if not isinstance(look, Look):
        said = look.reason if hasattr(look, "reason") else f"{look.type} is of a later version than this gateway reads"
        raise ProblemError(422, "deadletter_unreadable", "No stage could read it", f"{said}; {_ADVICE}")
    row = await gateway.reads.workflow(TENANT, look.workflow) if look.tenant == TENANT else None
    if row is None:
        detail = f"There is no workflow {look.workflow!r} of yours; drop the letter."
        raise ProblemError(422, "deadletter_unreadable", "Nobody waits for it", detail)
    if row.state != "active":
        detail = f"Workflow {row.id} is {row.state}, so no stage would use the message; drop the letter."
        raise ProblemError(409, "workflow_ended", "Nobody waits for it", detail)
    try:
        await gateway.publisher.wake(letter.stage, TENANT, look.workflow)
    except BusDown as error:
        raise ProblemError(503, "bus_down", "Not now", f"{error}; the letter is kept.") from error


def _headers(letter: DeadLetter) -> dict[str, str]:
    """As they came; those that were cut can't be read, and `read` then says what is missing."""
    try:
        return msgspec.json.decode(letter.headers, type=dict[str, str])
    except msgspec.DecodeError:
        return {}


@router.delete(
    "/{letter}", status_code=204, operation_id="dropDeadLetter", response_class=Response, responses=responses(404, 503)
)
async def drop(letter: Id, gateway: Gateway) -> None:
    """Forget a dead letter; its workflow stays as it is."""
    if not await gateway.reads.discard_letter(TENANT, letter):
        raise _unknown(letter)


async def _known(gateway: State, letter: str) -> DeadLetter:
    found = await gateway.reads.letter(TENANT, letter)
    if found is None:
        raise _unknown(letter)
    return found


def _unknown(letter: str) -> ProblemError:
    detail = f"There is no dead letter {letter[:64]!r}; GET /v1/deadletters lists yours."
    return ProblemError(404, "deadletter_not_found", "No such dead letter", detail)
