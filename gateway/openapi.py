"""The OpenAPI document: what FastAPI reads off the routes, and what holds for all of them and it can't know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI

from gateway.pages import NDJSON
from gateway.problems import MEDIA_TYPE, Problem

Json = dict[str, Any]

DESCRIPTION = """\
Errors are problems (RFC 9457) with a `code` that programs can match. Lists come in pages, whose `next` is in a `Link` \
header too, or with `Accept: application/x-ndjson` as lines of JSON, all of them; what is newer than a page never \
shifts those after it. What has an `ETag` \
(a workflow, pages of JSON, an artifact, a capsule and its files, the AsyncAPI document, schemas) is not sent again, \
if it is unchanged, to whoever sends `If-None-Match`. There is no authentication yet, so that a gateway \
listens on loopback only."""
TAGS = {
    "workflows": "Prompts on their way to a package.",
    "history": "What a workflow did when, and all of it as one file.",
    "events": "Events as they happen, and durable subscriptions on NATS.",
    "artifacts": "Bytes by their sha256, files of a package, and capsules.",
    "stages": "The pipeline's stages: what waits for them, and pausing one.",
    "stages of others": "Drops and artifacts of stages outside of the pipeline.",
    "dead letters": "Messages and work that were given up.",
    "models": "Questions to models, the calls that were made, and kill switches.",
    "usage": "What models took, and the limits.",
    "ledger": "Every answer that a workflow used, as a file.",
    "webhooks": "Addresses that hear of events.",
    "documents": "AsyncAPI and JSON Schemas.",
    "health": "Probes.",
}
PROBLEMS = {
    400: ("unreadable_body", "The body can't be read", "There was an error parsing the body"),
    402: ("over_budget", "The budget does not allow it", "The month's limit of 5.0000 USD is used up."),
    403: (
        "not_yours",
        "The limit is not yours to set",
        "This server has several tenants: an operator sets their limits.",
    ),
    404: (
        "workflow_not_found",
        "No such workflow",
        "There is no workflow '01JD4Z3N8W1V9T0M6K5Q2R7XAB'; GET /v1/workflows lists yours.",
    ),
    409: ("workflow_ended", "The workflow has ended", "It was cancelled at 2026-01-31T12:00:00.000000Z."),
    410: ("artifact_lost", "The bytes are gone or damaged", "Nothing is at its key; run the workflow again."),
    413: ("body_too_large", "The request is too large", "At most 1048576 bytes are taken."),
    421: (
        "misdirected_request",
        "Not the host that was asked for",
        "This gateway listens on loopback: ask for 127.0.0.1 or localhost.",
    ),
    422: (
        "invalid_request",
        "The request is not valid",
        "/body/prompt: is empty: say in a sentence or more what to build",
    ),
    429: (
        "too_many_requests",
        "Too many requests",
        "60000 requests in a minute are taken of one tenant; come back in 12 s.",
    ),
    500: ("internal_error", "Something broke on our side", "It was logged; please try again."),
    503: (
        "store_down",
        "Not now",
        "A store does not answer; nothing was lost. Send the request again in a few seconds.",
    ),
}
HEADERS: dict[str, tuple[str, Json, str]] = {
    "ETag": ("Of these bytes; send it back as If-None-Match", {"type": "string"}, '"9f86d081884c7d65"'),
    "Link": (
        "The next page, where there is one (RFC 8288)",
        {"type": "string"},
        '</v1/workflows?cursor=01J>; rel="next"',
    ),
    "Location": (
        "Where it is",
        {"type": "string", "format": "uri-reference"},
        "/v1/workflows/01JD4Z3N8W1V9T0M6K5Q2R7XAB",
    ),
    "Idempotency-Replayed": ("`true`: this repeats an earlier answer", {"type": "string", "const": "true"}, "true"),
    "RateLimit-Policy": ("So many requests (q) in so many seconds (w)", {"type": "string"}, '"requests";q=60000;w=60'),
    "RateLimit": ("So many are left (r) for so many seconds (t)", {"type": "string"}, '"requests";r=59999;t=60'),
    "Retry-After": ("Seconds after which to come back", {"type": "string", "pattern": "^[0-9]+$"}, "2"),
}
NAMED = {
    "workflow": "01JD4Z3N8W1V9T0M6K5Q2R7XAB",
    "webhook": "01JD4YPX7Q2M3N4R5S6T7V8W9Z",
    "delivery": "01JD4Z3N8W1V9T0M6K5Q2R7XAB:workflow:completed:1",
    "letter": "code_generation.81234",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "path": "README.md",
    "provider": "openai",
    "stage": "frd_generation",
    "family": "events",
    "call": "4711",
}
"""Examples of what stands in an address."""
EVENT = {
    "event": "dev.quantumlayer.workflow.completed.v1",
    "id": "1769860800000000-42",
    "data": '{"specversion":"1.0","id":"01JD4Z3N8W1V9T0M6K5Q2R7XAB.workflow.completed.1","source":"/quantumlayer"}',
}
TEXTS: Json = {
    "text/plain": "# Library\n",
    "application/schema+json": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
}
LOCATED = {"submitWorkflow": ("202",), "forkWorkflow": ("202",), "addDrop": ("201", "200"), "addWebhook": ("201",)}
"""Operations that say where what they made is."""
REPLAYED = {"submitWorkflow", "forkWorkflow"}
EVERYWHERE = (421, 500, 503)
WITH_BODY = (400, 413, 422)


def install(app: FastAPI) -> None:
    """Have `app` tell the whole document."""
    original = app.openapi
    told: list[Json] = []

    def openapi() -> Json:
        if not told:
            told.append(_completed(original()))
        return told[0]

    app.openapi = openapi  # type: ignore[method-assign]


def server_sent(names: Sequence[str] = (), example: Json = EVENT) -> Json:
    """What each of a stream's events is."""
    name: Json = {"enum": list(names)} if names else {"type": "string"}
    data = {"type": "string", "contentMediaType": "application/json"}
    schema = {"type": "object", "properties": {"event": name, "id": {"type": "string"}, "data": data}}
    return {"schema": schema, "example": example}


def _completed(document: Json) -> Json:
    document["tags"] = [{"name": name, "description": said} for name, said in TAGS.items()]
    schemas = document["components"]["schemas"]
    model = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**model.pop("$defs", {}), "Problem": model}
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own shape of a 422
        schemas.pop(unused, None)
    document["components"]["responses"] = {str(status): _problem(status) for status in PROBLEMS}
    from gateway.examples import by_name  # reads the routes, which read this

    examples = by_name()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, counted=path.startswith("/v1/"))
            _exemplify(operation, examples)
    return document


def _exemplify(operation: Json, examples: Json) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in NAMED:
            parameter["example"] = NAMED[parameter["name"]]
    said = [operation.get("requestBody", {}), *operation["responses"].values()]
    for kind, content in ((kind, content) for one in said for kind, content in one.get("content", {}).items()):
        name = str(_referred(content.get("schema", {}))).rpartition("/")[2]
        if name in examples:
            content["example"] = examples[name]
        elif kind in TEXTS:
            content["example"] = TEXTS[kind]


def _referred(schema: Json) -> str:
    """What a schema stands for; a body that may be left out is one of two."""
    choices = (schema, *schema.get("anyOf", ()))
    return next((choice["$ref"] for choice in choices if "$ref" in choice), "")


def _complete(operation: Json, *, counted: bool) -> None:
    operation["summary"] = re.split(r"[.:;](?:\s|$)", operation["description"])[0].replace("\n", " ")
    answers = operation["responses"]
    declared = {int(status) for status in answers if int(status) >= 400}
    general = {*EVERYWHERE, *(WITH_BODY if "requestBody" in operation else ()), *((429,) if counted else ())}
    for status in declared | general:
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}
    named = operation["operationId"]
    for status in LOCATED.get(named, ()):
        _header(answers[status], "Location", required=True)
    if named in REPLAYED:
        _header(answers["202"], "Idempotency-Replayed")
    if "304" in answers:
        _header(answers["200"], "ETag", required=NDJSON not in answers["200"]["content"])
        _header(answers["304"], "ETag", required=True)
    if any(parameter["name"] == "cursor" for parameter in operation.get("parameters", ())):
        _header(answers["200"], "Link")
    if NDJSON in answers.get("200", {}).get("content", {}) and "application/json" in answers["200"]["content"]:
        answers["200"]["description"] = "One page; or as NDJSON a line for each"
    for status, answer in answers.items():
        if counted and int(status) < 400:
            _header(answer, "RateLimit-Policy")
            _header(answer, "RateLimit")
    operation["responses"] = dict(sorted(answers.items()))


def _header(answer: Json, name: str, *, required: bool = False) -> None:
    said, schema, example = HEADERS[name]
    must = {"required": True} if required else {}
    answer.setdefault("headers", {})[name] = {"description": said, **must, "schema": schema, "example": example}


def _problem(status: int) -> Json:
    code, title, detail = PROBLEMS[status]
    example = Problem(
        type=f"/problems/{code}", title=title, status=status, detail=detail, code=code, instance="/v1/workflows"
    )
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example.model_dump()}
    answer: Json = {"description": title, "content": {MEDIA_TYPE: content}}
    if status in {429, 503}:
        _header(answer, "Retry-After", required=True)
    _header(answer, "RateLimit-Policy")
    _header(answer, "RateLimit")
    return answer
