"""What each kind of message means to a stage; hostile ones become dead letters with a reason, and never raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import cloudevents
from contracts.artifacts import Submission
from contracts.events import Input, Ref, StageCompleted, event
from workers.kit.runner.receive import KEPT_BYTES, Dead, Look, Newer, contradiction, letter, read
from workers.kit.stores.drops import Claim, InputDrop

WORKFLOW = "01JABCDEFGHJKMNPQRSTVWXYZ0"
REF = Ref(key="artifacts/default/aa/aa", offset=0, length=2, sha256="a" * 64)
COMPLETED = event(
    StageCompleted(
        tenant="default",
        workflow=WORKFLOW,
        drop="d",
        stage="frd_generation",
        revision=1,
        artifact=REF,
        media_type="application/json",
    ),
    stage="frd_generation",
    outcome="completed",
    revision=1,
    time="2026-01-01T00:00:00Z",
)
SUBJECT, HEADERS, BODY = cloudevents.to_binary(cloudevents.to_structured(COMPLETED))


def test_an_event_tells_where_to_look() -> None:
    assert read(SUBJECT, HEADERS, BODY) == Look(tenant="default", workflow=WORKFLOW, event=COMPLETED)


def test_a_wake_tells_where_to_look_whatever_its_body() -> None:
    assert read(f"ql.wake.packaging.default.{WORKFLOW}", None, b"\xff") == Look(tenant="default", workflow=WORKFLOW)


def test_a_newer_version_is_left_to_a_newer_worker() -> None:
    newer = HEADERS | {"ce-type": "dev.quantumlayer.frd_generation.completed.v2"}
    assert read(SUBJECT, newer, b"{}") == Newer(type="dev.quantumlayer.frd_generation.completed.v2")


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


@pytest.mark.parametrize(
    ("subject", "headers", "body", "reason"),
    [
        (SUBJECT, HEADERS, b"not json", "the data is no StageCompleted"),
        (SUBJECT, HEADERS, b"\xff\x00", "the data is no StageCompleted"),
        (SUBJECT, HEADERS, b"[" * 20_000, "the data is no StageCompleted"),
        (SUBJECT, HEADERS, BODY.replace(b'"drop":"d",', b""), "missing required field `drop`"),
        (SUBJECT, HEADERS, b"x" * 40_000, "more than an event may have"),
        (SUBJECT, None, BODY, "needs specversion"),
        (SUBJECT, without("ce-id"), BODY, "needs id"),
        (SUBJECT, HEADERS | {"ce-type": "com.example.hello"}, BODY, "knows the type"),
        (SUBJECT, HEADERS | {"ce-type": "dev.quantumlayer.frd_generation.exploded.v2"}, BODY, "knows the type"),
        (SUBJECT, HEADERS | {"ce-type": "dev.quantumlayer.packaging.completed.v2"}, BODY, "knows the type"),
        (SUBJECT, HEADERS | {"ce-id": "another"}, BODY, "does not belong to the subject"),
        (SUBJECT.replace("default", "other"), HEADERS, BODY, "says that its subject is"),
        (SUBJECT, HEADERS, BODY.replace(b"default", b"other"), "another tenant or workflow"),
        ("ql.evt.too.short", HEADERS, BODY, "is not ql.evt"),
        ("ql.wake.packaging.default", None, b"", "is not ql.wake"),
        ("ql.wake.packaging.def*ult.w", None, b"", "is no subject token"),
    ],
)
def test_what_nobody_can_read_is_dead(subject: str, headers: dict[str, str] | None, body: bytes, reason: str) -> None:
    found = read(subject, headers, body)
    assert isinstance(found, Dead)
    assert reason in found.reason


@given(st.text(max_size=80), st.dictionaries(st.text(max_size=20), st.text(max_size=40)), st.binary(max_size=200))
def test_nothing_makes_reading_or_burying_raise(tail: str, headers: dict[str, str], body: bytes) -> None:
    for subject in (SUBJECT, f"ql.evt.{tail}", f"ql.wake.{tail}", tail):
        read(subject, HEADERS | headers, body)
        kept = letter(subject, headers, body, "packaging", tail)
        assert "\0" not in kept.subject + kept.headers + kept.reason


def test_a_dead_letter_is_the_same_for_the_same_message() -> None:
    first, again = (letter(SUBJECT, HEADERS, b"x" * 100_000, "packaging", r) for r in ("one", "two"))
    other = letter(SUBJECT, HEADERS, b"x" * 100_000, "documentation", "one")
    assert first.id == again.id != other.id
    assert (first.tenant, first.workflow, len(first.body)) == ("default", WORKFLOW, KEPT_BYTES)


def claim(sha256: str) -> Claim:
    told = Input(stage="frd_generation", revision=1, sha256=sha256)
    return Claim(
        drop="d",
        tenant="default",
        workflow=WORKFLOW,
        stage="requirements_parsing",
        revision=1,
        epoch=1,
        attempt=1,
        submission=Submission(prompt="p"),
        inputs={"frd_generation": InputDrop(input=told, ref=REF, media_type="application/json")},
        repair={},
    )


def test_an_event_with_a_sha256_that_was_never_written_is_told_apart() -> None:
    assert contradiction(COMPLETED, claim("a" * 64)) == ""
    assert "frd_generation wrote bbbb" in contradiction(COMPLETED, claim("b" * 64))
