"""Bytes: artifacts by their sha256, single files of a package, and capsules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import StreamingResponse

from contracts.artifacts import TAR_GZ, Docs, File, SourceTree, TestSuite, decode
from contracts.events import Ref
from contracts.topology import TOPOLOGY
from gateway import ids
from gateway.conditional import NOT_MODIFIED, IfNoneMatch, answer, has, tag
from gateway.problems import ProblemError, responses
from gateway.state import TENANT, Gateway, State
from workers.kit.stores.drops import ArtifactLost, DropRow

router = APIRouter(prefix="/v1", tags=["artifacts"])

CHECKED_BYTES = 8 << 20
"""Up to this size, bytes are checked before the first one is sent; above, a damaged object ends in a cut connection."""

Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
BINARY: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The bytes, as what they are",
    },
    **NOT_MODIFIED,
}


@router.get(
    "/artifacts/{sha256}",
    operation_id="getArtifact",
    response_class=StreamingResponse,
    responses={**BINARY, **responses(404, 410, 422, 503)},
)
async def artifact(sha256: Sha256, gateway: Gateway, if_none_match: IfNoneMatch = "") -> Response:
    """What a stage wrote, by the sha256 of its bytes."""
    found = await gateway.reads.artifact(TENANT, sha256) or await gateway.foreign.artifact(TENANT, sha256)
    if found is None:
        raise ProblemError(404, "artifact_not_found", "No such artifact", f"Nothing of yours has the sha256 {sha256}.")
    return await _bytes(gateway, *found, if_none_match=if_none_match)


@router.get(
    "/workflows/{workflow}/capsule",
    operation_id="getCapsule",
    response_class=StreamingResponse,
    responses={**BINARY, **responses(404, 409, 410, 503)},
)
async def capsule(workflow: str, gateway: Gateway, if_none_match: IfNoneMatch = "") -> Response:
    """The finished package, as a tar.gz."""
    row = await gateway.reads.workflow(TENANT, ids.checked(workflow))
    if row is None:
        raise ids.unknown(workflow)
    done = [drop for drop in await gateway.reads.drops(TENANT, workflow) if drop.stage == TOPOLOGY.last.name]
    ref = next((drop.artifact for drop in reversed(done) if drop.state == "completed"), None)
    if ref is None:
        said = f": {row.error}" if row.error else ""
        raise ProblemError(409, "no_capsule", "There is no capsule (yet)", f"The workflow is {row.state}{said}.")
    return await _bytes(gateway, ref, TAR_GZ, if_none_match=if_none_match, filename=f"{workflow}.tar.gz")


@router.get(
    "/workflows/{workflow}/files/{path:path}",
    operation_id="getFile",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The file's text"},
        **NOT_MODIFIED,
        **responses(404, 410, 503),
    },
)
async def file(workflow: str, path: str, gateway: Gateway, if_none_match: IfNoneMatch = "") -> Response:
    """One file of the package as it stands now, also while the workflow is running."""
    if await gateway.reads.workflow(TENANT, ids.checked(workflow)) is None:
        raise ids.unknown(workflow)
    for written in await _files(gateway, await gateway.reads.drops(TENANT, workflow)):
        if written.path == path:
            told = answer(written.text.encode(), "text/plain; charset=utf-8", if_none_match)
            told.headers.update(_SAFE)
            return told
    raise ProblemError(404, "file_not_found", "No such file", f"The package has no file {path[:200]!r} (yet).")


_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
_WITH_FILES: dict[str, type[SourceTree | TestSuite | Docs]] = {
    stage.name: stage.produces
    for stage in TOPOLOGY.stages.values()
    if issubclass(stage.produces, SourceTree | TestSuite | Docs)
}


async def _files(gateway: State, drops: Sequence[DropRow]) -> list[File]:
    newest = {drop.stage: drop.artifact for drop in drops if drop.state == "completed" and drop.artifact}
    files: list[File] = []
    for stage, kind in _WITH_FILES.items():
        if stage in newest:
            files += decode(await _whole(gateway, newest[stage]), kind).files
    return files


async def _whole(gateway: State, ref: Ref) -> bytes:
    try:
        return b"".join([chunk async for chunk in gateway.artifacts.chunks(ref)])  # the object itself, no memory of it
    except ArtifactLost as error:
        raise _lost(error) from error


def _lost(error: ArtifactLost) -> ProblemError:
    return ProblemError(410, "artifact_lost", "The bytes are gone or damaged", f"{error}; run the workflow again.")


async def _bytes(gateway: State, ref: Ref, media_type: str, *, if_none_match: str = "", filename: str = "") -> Response:
    headers = {"ETag": tag(ref.sha256), **_SAFE}
    if has(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    if filename:
        headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    if ref.length <= CHECKED_BYTES:
        return Response(await _whole(gateway, ref), media_type=media_type, headers=headers)
    headers["Content-Length"] = str(ref.length)
    return StreamingResponse(gateway.artifacts.chunks(ref), media_type=media_type, headers=headers)
