"""When a call is sent again and how long it waits before that: decided without a network, so both clients are alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from quantumlayer import (
    ArtifactLost,
    Conflict,
    EventsGone,
    Gone,
    NotNow,
    Problem,
    QuantumLayerError,
    Unreachable,
    Workflow,
    WorkflowNotFound,
)
from quantumlayer.calls import LONGEST_S, Answer, Calls, Pause, Send, Steps, answered

WORKFLOW = b'{"id": "w", "state": "active"}'
OK = Answer(httpx.Response(200), WORKFLOW)


def refused(status: int, retry_after: str = "") -> Answer:
    return Answer(httpx.Response(status, headers={"Retry-After": retry_after} if retry_after else {}), b"{}")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_it_waits_as_long_as_it_is_asked_to_and_says_the_same_again(status: int) -> None:
    call = Calls(60.0).submit("A shop.", {}, "")
    sent = next(call)
    pause = call.send(refused(status, "7"))
    assert isinstance(pause, Pause)
    assert 7 <= pause.seconds <= 7 + LONGEST_S
    assert call.send(None) == sent
    assert isinstance(sent, Send)
    assert len(sent.headers["Idempotency-Key"]) == 36
    with pytest.raises(StopIteration) as done:
        call.send(OK)
    assert done.value.value.id == "w"


def test_it_may_be_asked_by_a_date() -> None:
    call = Calls(900.0).workflow("w")
    next(call)
    at = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    pause = call.send(refused(503, at))
    assert isinstance(pause, Pause)
    assert 590 < pause.seconds <= 600 + LONGEST_S


def cut(call: Steps[Workflow]) -> float:
    """How long it waits after a connection was cut."""
    pause = call.throw(httpx.ConnectError("away"))
    assert isinstance(pause, Pause)
    assert isinstance(call.send(None), Send)
    return pause.seconds


def test_a_cut_connection_is_tried_again_until_patience_is_over() -> None:
    call = Calls(0.5).workflow("w")
    next(call)
    pauses: list[float] = []
    with pytest.raises(Unreachable):
        pauses.extend(cut(call) for _ in range(1000))
    assert max(pauses) <= 0.5


def test_more_patience_than_there_is_is_not_begun() -> None:
    call = Calls(5.0).workflow("w")
    next(call)
    with pytest.raises(NotNow) as late:
        call.send(refused(429, "6"))
    assert late.value.retry_after == 6


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 500])
def test_what_another_try_would_not_change_is_told_at_once(status: int) -> None:
    call = Calls(60.0).workflow("w")
    next(call)
    with pytest.raises(Problem) as problem:
        call.send(refused(status, "1"))
    assert problem.value.status == status


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (410, "events_gone", EventsGone),
        (410, "artifact_lost", ArtifactLost),
        (410, "of tomorrow", Gone),
        (404, "workflow_not_found", WorkflowNotFound),
        (409, "of tomorrow", Conflict),
        (418, "of tomorrow", Problem),
    ],
)
def test_a_code_has_its_type_and_one_of_tomorrow_that_of_its_status(
    status: int, code: str, kind: type[Problem]
) -> None:
    with pytest.raises(Problem) as problem:
        answered(Answer(httpx.Response(status), json.dumps({"code": code, "title": "No"}).encode()))
    assert (type(problem.value), problem.value.code) == (kind, code)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"[" * 100_000, b"<html>"])
def test_what_is_no_gateway_of_ours_is_told(body: bytes) -> None:
    call = Calls(60.0).workflow("w")
    next(call)
    with pytest.raises(QuantumLayerError, match="no gateway of ours"):
        call.send(Answer(httpx.Response(200), body))


def test_each_submission_has_a_key_of_its_own_and_yours_is_kept() -> None:
    calls = Calls(60.0)
    made = [calls.submit("A shop.", {}, key) for key in ("", "", "mine")]
    keys = [sent.headers["Idempotency-Key"] for sent in map(next, made) if isinstance(sent, Send)]
    assert (len(set(keys)), keys[2]) == (3, "mine")
    forks = [calls.fork("w", "documentation", {}, False, key) for key in ("", "mine")]
    keys = [sent.headers["Idempotency-Key"] for sent in map(next, forks) if isinstance(sent, Send)]
    assert (len(keys[0]), keys[1]) == (36, "mine")
