"""What is said to the gateway, without a word of how: each call is a generator of steps, which the synchronous and the
asynchronous client carry out alike. Whatever is sent is safe to be sent again."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias, TypedDict, TypeVar
from urllib.parse import quote

import httpx

from .errors import NOT_NOW, Problem, QuantumLayerError, TimedOut, Unreachable, problem
from .shapes import Artifact, Drop, Fork, Json, Workflow, artifact_of, drop_of, fork_of, workflow_of

T = TypeVar("T")
FIRST_S, LONGEST_S = 0.25, 10.0
MOST_WAIT_S = 2.0
PAGE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """One request."""

    method: str
    path: str
    body: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    response: httpx.Response
    body: bytes


Steps: TypeAlias = Generator[Send | Pause, Answer | None, T]


def back_off(tried: int) -> float:
    """Full jitter: those who were refused together do not come back together."""
    return random.uniform(0, min(LONGEST_S, FIRST_S * 2.0**tried))  # noqa: S311  not a secret


def asked(send: Send, patience_s: float) -> Steps[Answer]:
    """Send until it is answered: again after a cut connection or `NOT_NOW`, for at most `patience_s` seconds."""
    until = time.monotonic() + patience_s
    tried = 0
    while True:
        try:
            return answered((yield send))
        except httpx.TransportError as error:
            fault: QuantumLayerError = Unreachable(f"no gateway answers ({error!r})")
            pause = back_off(tried)
        except Problem as error:
            if error.status not in NOT_NOW:
                raise
            fault, pause = error, error.retry_after + back_off(tried)
        if time.monotonic() + pause > until:
            raise fault
        yield Pause(pause)
        tried += 1


def answered(answer: Answer | None) -> Answer:
    """The answer, if it is what was asked for; raises the problem that it is."""
    if answer is None:
        raise QuantumLayerError("a request was carried out without an answer")
    if answer.response.status_code >= 400:
        raise problem(answer.response, answer.body)
    return answer


def told(send: Send, patience_s: float, shape: Callable[[Json], T]) -> Steps[T]:
    """The JSON that answers, in its shape."""
    answer = yield from asked(send, patience_s)
    try:
        return shape(json.loads(answer.body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise QuantumLayerError(f"what answers is no gateway of ours: {error!r}") from None


class Wishes(TypedDict, total=False):
    """What a workflow may be given: the package's `language`, a `budget` in US dollars, seconds until it expires."""

    language: str
    budget: float
    deadline_s: float


class Changes(TypedDict, total=False):
    """What a fork does otherwise than its parent.

    `prompt`: another one, only from the first stage. `artifact`: what stands in the place of the stage's own. `model`:
    that all stages done anew ask. `templates`: other texts to ask by, for stages done anew. `deadline_s`: seconds
    until it expires.
    """

    prompt: str
    artifact: Json
    model: str
    templates: Mapping[str, str]
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Calls:
    """Every call; `patience_s` is for how long each of them is tried."""

    patience_s: float

    def submit(self, prompt: str, wishes: Wishes, key: str) -> Steps[Workflow]:
        body = {"prompt": prompt} | wishes
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return told(Send(method="POST", path="/v1/workflows", body=body, headers=headers), self.patience_s, workflow_of)

    def workflow(self, id_: str) -> Steps[Workflow]:
        return told(Send(method="GET", path=_of(id_)), self.patience_s, workflow_of)

    def wait(self, id_: str, timeout_s: float) -> Steps[Workflow]:
        until = time.monotonic() + timeout_s
        pause = FIRST_S
        while not (found := (yield from self.workflow(id_))).ended:
            if time.monotonic() + pause > until:
                raise TimedOut(f"workflow {id_} is still running after {timeout_s:g} s")
            yield Pause(pause)
            pause = min(MOST_WAIT_S, pause * 1.5)
        return found

    def cancel(self, id_: str, reason: str) -> Steps[Workflow]:
        return told(
            Send(method="POST", path=f"{_of(id_)}/cancel", body={"reason": reason}), self.patience_s, workflow_of
        )

    def fork(self, id_: str, stage: str, changes: Changes, dry_run: bool, key: str) -> Steps[Fork]:
        body = {"from": stage, "dry_run": dry_run} | changes
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return told(Send(method="POST", path=f"{_of(id_)}/forks", body=body, headers=headers), self.patience_s, fork_of)

    def drops(self, id_: str) -> Steps[tuple[Drop, ...]]:
        found: list[Drop] = []
        after = ""
        while True:
            path = f"{_of(id_)}/drops?limit={PAGE}" + (f"&cursor={quote(after, safe='')}" if after else "")
            page, after = yield from told(Send(method="GET", path=path), self.patience_s, _page)
            found += page
            if not after:
                return tuple(found)

    def add_drop(self, id_: str, drop: Json, traceparent: str) -> Steps[Drop]:
        headers = {"traceparent": traceparent} if traceparent else {}
        return told(Send(method="POST", path=f"{_of(id_)}/drops", body=drop, headers=headers), self.patience_s, drop_of)

    def put_artifact(self, body: bytes) -> Steps[Artifact]:
        path = f"/v1/artifacts/{sha256(body).hexdigest()}"
        headers = {"Content-Type": "application/octet-stream"}
        return told(Send(method="PUT", path=path, content=body, headers=headers), self.patience_s, artifact_of)

    def artifact(self, digest: str) -> Steps[bytes]:
        answer = yield from asked(Send(method="GET", path=f"/v1/artifacts/{quote(digest, safe='')}"), self.patience_s)
        if sha256(answer.body).hexdigest() != digest:
            raise QuantumLayerError(f"what came is not the artifact {digest}")
        return answer.body

    def capsule(self, id_: str) -> Steps[tuple[bytes, str]]:
        """The archive, and the sha256 that the gateway promises."""
        answer = yield from asked(Send(method="GET", path=f"{_of(id_)}/capsule"), self.patience_s)
        return answer.body, answer.response.headers.get("etag", "").strip('"')


def _of(id_: str) -> str:
    return f"/v1/workflows/{quote(id_, safe='')}"


def _page(found: Json) -> tuple[list[Drop], str]:
    """Drops, and where those after them begin; '' for the last ones."""
    return [drop_of(each) for each in found["items"]], found.get("next") or ""
