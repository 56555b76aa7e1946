"""Writes contracts/schemas/ from the registry: a JSON Schema per event and artifact, and the AsyncAPI document.

`python -m contracts.generate` writes them; with `--check` it only names the files that differ, and exits 1.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import msgspec.yaml

from . import subjects
from .artifacts import Capsule, StandIn, Submission
from .artifacts.stand_ins import FIELD
from .cloudevents import CONTENT_TYPE, SPEC
from .events import LIFECYCLE_EVENTS, STAGE_EVENTS, TYPES, Data
from .topology import LIFECYCLE, TOPOLOGY

FOLDER = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI = "3.1.0"

Json = dict[str, Any]


def documents() -> dict[str, bytes]:
    """Every generated file's name below contracts/schemas/ and its bytes. (A capsule is an archive: it has none.)"""
    files = json_schemas()
    files["asyncapi.yaml"] = msgspec.yaml.encode(asyncapi())
    return files


def json_documents() -> dict[str, bytes]:
    """The same as JSON throughout, as the gateway serves them."""
    return json_schemas() | {"asyncapi.json": msgspec.json.encode(asyncapi())}


def json_schemas() -> dict[str, bytes]:
    """The schemas of events and artifacts by file name."""
    files = {f"events/{kind.__name__}.v1.json": _pretty(_schema(kind, "events")) for kind in _event_structs()}
    stages = [stage.produces for stage in TOPOLOGY.stages.values() if stage.produces is not Capsule]
    produced: list[type[msgspec.Struct]] = [Submission, *stages]
    bodies = {kind.__name__: _schema(kind, "artifacts") for kind in produced}
    for kind in stages:
        _tell_of_stand_ins(bodies[kind.__name__])
    return files | {f"artifacts/{name}.v1.json": _pretty(body) for name, body in bodies.items()}


def _tell_of_stand_ins(artifact: Json) -> None:
    """Every stage's artifact may name them, beside its own fields."""
    _, components = msgspec.json.schema_components([StandIn], ref_template="#/$defs/{name}")
    artifact["properties"][FIELD] = {"type": "array", "items": {"$ref": "#/$defs/StandIn"}, "default": []}
    artifact.setdefault("$defs", {}).update(components)


def asyncapi() -> Json:
    """The AsyncAPI document: what is said on the bus, to whom, and how to listen."""
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "QuantumLayer events",
            "version": "1.0.0",
            "description": (
                "CloudEvents 1.0 in binary mode on NATS JetStream: attributes are ce- headers, the body is JSON. "
                "Follow the stream with a consumer of your own, or live on the republished subjects (ql.res.…)."
            ),
            "contact": {"name": "QuantumLayer"},
            "tags": [{"name": LIFECYCLE}, *({"name": name} for name in TOPOLOGY.stages)],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "nats": {"host": "{host}", "protocol": "nats", "variables": {"host": {"default": "127.0.0.1:4222"}}},
            "gateway": {
                "host": "{host}",
                "protocol": "http",
                "description": "Paths in events, such as a capsule's address, are relative to this.",
                "variables": {"host": {"default": "127.0.0.1:8080"}},
            },
        },
        "channels": dict(_channels()),
        "operations": dict(_operations()),
        "components": {
            "schemas": _component_schemas(),
            "messages": {_identifier(name): _message(name, kind) for name, kind in TYPES.items()},
            "messageTraits": {"cloudevent": {"headers": _headers()}},
        },
    }


def _event_structs() -> tuple[type[Data], ...]:
    return tuple(dict.fromkeys((*LIFECYCLE_EVENTS.values(), *STAGE_EVENTS.values())))


def _schema(kind: type[msgspec.Struct], family: str) -> Json:
    (reference,), components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    name = reference["$ref"].rsplit("/", 1)[1]
    body = components.pop(name)
    document = {"$schema": DIALECT, "$id": f"/schemas/{family}/{kind.__name__}.v1.json", **body}
    if components:
        document["$defs"] = components
    return document


def _component_schemas() -> Json:
    _, components = msgspec.json.schema_components(_event_structs(), ref_template="#/components/schemas/{name}")
    return components


def _pretty(document: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _identifier(name: str) -> str:
    return name.removeprefix("dev.quantumlayer.").replace(".", "_")


def _parts(name: str) -> tuple[str, str]:
    stage, outcome, _version = name.removeprefix("dev.quantumlayer.").split(".")
    return stage, outcome


def _channels() -> Iterator[tuple[str, Json]]:
    for name in TYPES:
        stage, outcome = _parts(name)
        listeners = _listeners(stage, outcome)
        yield (
            _identifier(name),
            {
                "address": f"ql.evt.{{tenant}}.{{workflow}}.{stage}.{outcome}.{{revision}}",
                "servers": [{"$ref": "#/servers/nats"}],
                "parameters": {
                    "tenant": {"description": "Whose it is; * for all that your credential allows."},
                    "workflow": {"description": "A ULID."},
                    "revision": {"description": "From 1; one more with each repair."},
                },
                "messages": {"event": {"$ref": f"#/components/messages/{_identifier(name)}"}},
                "x-jetstream": {
                    "stream": subjects.STREAM,
                    "republishedAs": f"ql.res.{{tenant}}.{{workflow}}.{stage}.{outcome}.{{revision}}",
                    "wakes": listeners,
                },
            },
        )


def _listeners(stage: str, outcome: str) -> list[str]:
    probe = f"ql.evt.*.*.{stage}.{outcome}.*"
    return [name for name in TOPOLOGY.stages if probe in subjects.wakes(name, TOPOLOGY)]


def _operations() -> Iterator[tuple[str, Json]]:
    for name in TYPES:
        key, (stage, outcome) = _identifier(name), _parts(name)
        woken = ", ".join(_listeners(stage, outcome))
        operation = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{key}"},
            "summary": _summary(name),
            "description": f"Wakes {woken}." if woken else "Wakes no stage of the pipeline.",
            "tags": [{"name": stage}],
        }
        yield f"send_{key}", operation


def _summary(name: str) -> str:
    stage, outcome = _parts(name)
    if stage == LIFECYCLE:
        return f"The workflow is {outcome}."
    return f"Stage {stage} has {outcome}."


def _message(name: str, kind: type[Data]) -> Json:
    return {
        "name": name,
        "title": _summary(name),
        "summary": (kind.__doc__ or "").strip().splitlines()[0],
        "contentType": CONTENT_TYPE,
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _headers() -> Json:
    text: Mapping[str, str] = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-subject"],
        "properties": {
            "ce-specversion": {"type": "string", "const": SPEC},
            "ce-id": {**text, "description": "<workflow>.<stage>.<outcome>.<revision>; the same event, the same id."},
            "ce-source": dict(text),
            "ce-type": dict(text),
            "ce-time": {**text, "format": "date-time"},
            "ce-subject": {**text, "description": "The subject it was published on."},
            "traceparent": {**text, "description": "W3C trace context of the whole workflow."},
        },
    }


def main(arguments: list[str]) -> int:
    """Write, or with --check compare; returns the exit status."""
    wanted = documents()
    present = {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    if "--check" in arguments:
        wrong = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        sys.stderr.writelines(
            f"contracts/schemas/{name} has drifted: run python -m contracts.generate\n" for name in wrong
        )
        return 1 if wrong else 0
    for name in present.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, body in wanted.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
