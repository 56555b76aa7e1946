"""CloudEvents 1.0 over msgspec: binary mode on the bus (attributes as ce- headers), structured JSON everywhere else.

Headers are written in lower case and read in any; values are percent-encoded as the HTTP and NATS bindings say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from urllib.parse import unquote

import msgspec

from .events import Data, Event, StageCompleted, StageFailed, StageRejected, data_type
from .subjects import parse_event

SPEC = "1.0"
CONTENT_TYPE = "application/json"
MAX_BYTES = 32 * 1024
"""Events carry references, never content; one above this is refused at both ends."""


class BadEvent(ValueError):
    """The message is no event of ours; the text says what is wrong with it."""


class UnknownVersion(BadEvent):
    """A well-formed event of a type or version that this reader does not know: wait for one that does."""


class _Structured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    time: str
    subject: str
    data: msgspec.Raw
    datacontenttype: str = CONTENT_TYPE
    traceparent: str = ""


_decode_structured = msgspec.json.Decoder(_Structured).decode
_encode = msgspec.json.Encoder().encode
_PLAIN = re.compile(r"[!#$&-~]*")
"""What stands in a header as it is: printable ASCII without space, quote and percent sign."""

_NEEDED = ("specversion", "id", "source", "type", "subject")
_HEADERS = {name: f"ce-{name}" for name in (*_NEEDED, "time")} | {"traceparent": "traceparent"}
_OURS = frozenset(_HEADERS.values())


def to_structured(event: Event) -> bytes:
    """The whole event as one JSON document (application/cloudevents+json)."""
    document = _Structured(
        specversion=SPEC,
        id=event.id,
        source=event.source,
        type=event.type,
        time=event.time,
        subject=event.subject,
        data=msgspec.Raw(_encode(event.data)),
        traceparent=event.traceparent,
    )
    return _encode(document)


def from_structured(body: bytes) -> Event:
    """The event in a JSON document; raises `BadEvent`."""
    if len(body) > MAX_BYTES:
        raise BadEvent(f"{len(body)} bytes are more than an event may have ({MAX_BYTES})")
    try:
        found = _decode_structured(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(f"not a CloudEvent: {error}") from None
    return _event({name: getattr(found, name) for name in _HEADERS}, bytes(found.data))


def to_binary(structured: bytes) -> tuple[str, dict[str, str], bytes]:
    """(subject, headers, body) for the bus, from the structured form that the store keeps."""
    found = _decode_structured(structured)
    headers = {
        "ce-specversion": found.specversion,
        "ce-id": found.id,
        "ce-source": found.source,
        "ce-type": found.type,
        "ce-time": found.time,
        "ce-subject": found.subject,
        "content-type": CONTENT_TYPE,
        "Nats-Msg-Id": found.id,
    }
    if found.traceparent:
        headers["traceparent"] = found.traceparent
    if not _PLAIN.fullmatch("".join(headers.values())):
        headers = {name: _percent(value) for name, value in headers.items()}
    return found.subject, headers, bytes(found.data)


def from_binary(headers: Mapping[str, str] | None, body: bytes) -> Event:
    """The event in a bus message; raises `BadEvent`, or `UnknownVersion` for one that may only be too new."""
    if len(body) > MAX_BYTES:
        raise BadEvent(f"{len(body)} bytes are more than an event may have ({MAX_BYTES})")
    if headers is None or not headers.keys() >= _OURS:
        headers = {name.lower(): value for name, value in (headers or {}).items()}
    attributes = {name: headers.get(header, "") for name, header in _HEADERS.items()}
    if "%" in "".join(attributes.values()):
        attributes = {name: unquote(value) for name, value in attributes.items()}
    return _event(attributes, body)


def _event(attributes: Mapping[str, str], body: bytes) -> Event:
    if missing := [name for name in _NEEDED if not attributes[name]]:
        raise BadEvent(f"a CloudEvent needs {', '.join(missing)}")
    if attributes["specversion"] != SPEC:
        raise BadEvent(f"CloudEvents {attributes['specversion'][:20]!r} is not {SPEC}")
    kind = data_type(attributes["type"])
    if kind is None:
        raise UnknownVersion(f"no reader here knows the type {attributes['type'][:200]!r}")
    event = Event(
        subject=attributes["subject"],
        type=attributes["type"],
        time=attributes["time"],
        data=_data(body, kind),
        traceparent=attributes["traceparent"],
        source=attributes["source"],
    )
    return _consistent(event, attributes["id"])


def _data(body: bytes, kind: type[Data]) -> Data:
    try:
        return _decoder(kind).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(f"the data is no {kind.__name__}: {error}") from None


@cache
def _decoder(kind: type[Data]) -> msgspec.json.Decoder[Data]:
    return msgspec.json.Decoder(kind)


def _consistent(event: Event, claimed_id: str) -> Event:
    try:
        parts = parse_event(event.subject)
    except ValueError as error:
        raise BadEvent(str(error)) from None
    if (parts.tenant, parts.workflow) != (event.data.tenant, event.data.workflow):
        raise BadEvent(f"the data tells of another tenant or workflow than the subject {event.subject!r}")
    told, drop = event.data, (parts.stage, parts.revision)
    if isinstance(told, StageCompleted | StageRejected | StageFailed) and (told.stage, told.revision) != drop:
        raise BadEvent(f"the data tells of {told.stage[:80]!r} {told.revision}, not of the subject {event.subject!r}")
    if parts.id != claimed_id:
        raise BadEvent(f"the id {claimed_id[:200]!r} does not belong to the subject {event.subject!r}")
    if not event.type.startswith(f"dev.quantumlayer.{parts.stage}.{parts.outcome}."):
        raise BadEvent(f"the type {event.type!r} does not belong to the subject {event.subject!r}")
    return event


def _percent(value: str) -> str:
    return "".join(_encoded(character) for character in value)


def _encoded(character: str) -> str:
    if "!" <= character <= "~" and character not in '"%':
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode())
