"""The codec: round trips, what it refuses, and the official SDK as its judge."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import msgspec
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event, to_binary_event
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given

from contracts import cloudevents
from contracts.cloudevents import BadEvent, UnknownVersion
from contracts.events import TYPES, Event, Ref, StageCompleted, WorkflowFailed, event

NOW = "2026-11-21T05:19:00.000000Z"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def completed(revision: int = 1) -> Event:
    ref = Ref(key="artifacts/default/aa/aabb", offset=0, length=4, sha256="aabb")
    data = StageCompleted(
        tenant="default",
        workflow="01JD",
        drop=f"01JD.frd_generation.{revision}",
        stage="frd_generation",
        revision=revision,
        artifact=ref,
        media_type="application/json",
    )
    return event(data, stage="frd_generation", outcome="completed", revision=revision, time=NOW, traceparent=TRACE)


@given(error=st.text(max_size=300), revision=st.integers(1, 10**6))
def test_both_modes_bring_back_the_same_event(error: str, revision: int) -> None:
    data = WorkflowFailed(tenant="default", workflow="01JD", stage="packaging", error=error)
    made = event(data, stage="workflow", outcome="failed", revision=revision, time=NOW, traceparent=TRACE)
    structured = cloudevents.to_structured(made)
    subject, headers, body = cloudevents.to_binary(structured)
    assert cloudevents.from_structured(structured) == made
    assert cloudevents.from_binary(headers, body) == made
    assert subject == made.subject
    assert headers["Nats-Msg-Id"] == made.id


@given(source=st.text(min_size=1, max_size=40), traceparent=st.text(max_size=40))
def test_any_text_in_an_attribute_crosses_the_bus_as_plain_ascii(source: str, traceparent: str) -> None:
    made = msgspec.structs.replace(completed(), source=source, traceparent=traceparent)
    _, headers, body = cloudevents.to_binary(cloudevents.to_structured(made))
    assert all("!" <= character <= "~" for value in headers.values() for character in value)
    assert cloudevents.from_binary(headers, body) == made
    shouted = {name.upper(): value for name, value in headers.items()}
    assert cloudevents.from_binary(shouted, body) == made


def test_headers_are_read_in_any_case() -> None:
    _, headers, body = cloudevents.to_binary(cloudevents.to_structured(completed()))
    shouted = {name.upper(): value for name, value in headers.items()}
    assert cloudevents.from_binary(shouted, body) == completed()


def test_the_official_sdk_reads_ours() -> None:
    _, headers, body = cloudevents.to_binary(cloudevents.to_structured(completed()))
    theirs = from_binary_event(HTTPMessage(headers=headers, body=body))
    assert theirs.get_id() == completed().id
    assert theirs.get_type() == "dev.quantumlayer.frd_generation.completed.v1"
    assert theirs.get_subject() == completed().subject
    assert theirs.get_data() == json.loads(body)
    read = JSONFormat().read(None, cloudevents.to_structured(completed()))
    assert read.get_attributes()["source"] == completed().source


def test_we_read_what_the_official_sdk_writes() -> None:
    _, headers, body = cloudevents.to_binary(cloudevents.to_structured(completed()))
    message = to_binary_event(from_binary_event(HTTPMessage(headers=headers, body=body)))
    assert cloudevents.from_binary(dict(message.headers), message.body).data == completed().data


def _told(stage: str, revision: int) -> Event:
    """The event of frd_generation's first revision, whose data tells of another."""
    data = msgspec.structs.replace(completed().data, stage=stage, revision=revision)
    return event(data, stage="frd_generation", outcome="completed", revision=1, time=NOW)


@pytest.mark.parametrize(("stage", "revision"), [("packaging", 1), ("frd_generation", 2)])
def test_data_of_another_drop_than_the_subjects_is_refused(stage: str, revision: int) -> None:
    structured = cloudevents.to_structured(_told(stage, revision))
    _, headers, body = cloudevents.to_binary(structured)
    with pytest.raises(BadEvent, match=f"tells of '{stage}' {revision}, not of the subject"):
        cloudevents.from_structured(structured)
    with pytest.raises(BadEvent, match=f"tells of '{stage}' {revision}, not of the subject"):
        cloudevents.from_binary(headers, body)


def test_an_event_of_the_workflow_may_name_any_stage() -> None:
    failed = WorkflowFailed(tenant="default", workflow="01JD", stage="packaging", error="e")
    made = event(failed, stage="workflow", outcome="failed", revision=2, time=NOW)
    assert cloudevents.from_structured(cloudevents.to_structured(made)) == made


def _broken(**change: str | None) -> dict[str, str]:
    _, headers, _ = cloudevents.to_binary(cloudevents.to_structured(completed()))
    merged = headers | {name.replace("_", "-"): value for name, value in change.items() if value is not None}
    gone = {name.replace("_", "-") for name, value in change.items() if value is None}
    return {name: value for name, value in merged.items() if name not in gone}


@pytest.mark.parametrize(
    ("headers", "body", "says"),
    [
        (None, b"{}", "needs specversion, id, source, type, subject"),
        (_broken(ce_id=None), b"{}", "needs id"),
        (_broken(ce_specversion="0.3"), b"{}", "is not 1.0"),
        (_broken(), b"", "no StageCompleted"),
        (_broken(), b"\xff\xfe\x00", "no StageCompleted"),
        (_broken(), b'{"tenant":"default","workflow":"01JD"}', "missing required field"),
        (_broken(), b"[" * 20_000, "no StageCompleted"),
        (_broken(ce_subject="ql.evt.a.b"), None, "is not ql.evt"),
        (_broken(ce_subject="ql.evt.other.01JD.frd_generation.completed.1"), None, "another tenant"),
        (_broken(ce_id="01JD.frd_generation.completed.2"), None, "does not belong"),
        (_broken(ce_type="dev.quantumlayer.packaging.completed.v1"), None, "does not belong"),
        (_broken(), b" " * (cloudevents.MAX_BYTES + 1), "more than an event may have"),
    ],
)
def test_what_is_no_event_of_ours_is_refused_with_the_reason(
    headers: dict[str, str] | None, body: bytes | None, says: str
) -> None:
    if body is None:
        body = cloudevents.to_binary(cloudevents.to_structured(completed()))[2]
    with pytest.raises(BadEvent, match=says):
        cloudevents.from_binary(headers, body)


@pytest.mark.parametrize("name", ["dev.quantumlayer.frd_generation.completed.v2", "org.example.thing", ""])
def test_an_unknown_type_is_told_apart(name: str) -> None:
    _, _, body = cloudevents.to_binary(cloudevents.to_structured(completed()))
    with pytest.raises(UnknownVersion if name else BadEvent):
        cloudevents.from_binary(_broken(ce_type=name), body)


@given(headers=st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8), body=st.binary(max_size=400))
def test_noise_never_raises_anything_else(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadEvent):
        cloudevents.from_binary(headers, body)


def test_every_type_of_the_registry_is_lower_case_and_versioned() -> None:
    assert all(name == name.lower() and name.endswith(".v1") for name in TYPES)
