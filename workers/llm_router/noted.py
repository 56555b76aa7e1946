"""What the ledger is told of a call, and what is told to whoever asked."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Literal

import msgspec

from workers.kit.llm.wire import Answer, Embed, Embedded, Problem, Tried
from workers.kit.stores import calls
from workers.kit.stores.calls import Call, Spent

from .chain import Told
from .models import Model
from .said import Completion, Failed, Vectors

RETRY_S = 1.0


def told_of(
    answer: calls.Answer, call: Call, *, instead: str = "", tried: tuple[Tried, ...] = (), known: bool = True
) -> Answer:
    """`call` is the one whose question names the answer's entry; `instead` the asker's own reason for a stand-in."""
    finish: Literal["stop", "length"] = "length" if answer.finish_reason == "length" else "stop"
    return Answer(
        text=answer.text,
        model=answer.model,
        question=call.question,
        finish=finish,
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        cost=0.0 if known else answer.cost,
        known=known,
        tried=tried,
        instead=answer.instead and (instead or answer.instead),
    )


def spent_known(answer: calls.Answer) -> Spent:
    """What an answer takes that the ledger had."""
    return Spent(
        outcome="known",
        model=answer.model,
        provider=answer.model.partition("/")[0],
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        detail=answer.instead,
    )


def spent_for(outcome: calls.Outcome, told: Told, began: float, *, code: str = "", detail: str = "") -> Spent:
    said = told.said
    took: list[Completion | Failed] = [*told.failed]
    if isinstance(said, Completion):
        took.append(said)
    if isinstance(said, Problem):
        code, detail = code or said.code, detail or said.message
    name = told.model.name if told.model else (told.tried[-1].model if told.tried else "")
    return Spent(
        outcome=outcome,
        model=name,
        provider=name.partition("/")[0],
        tokens_in=sum(one.tokens_in for one in took),
        tokens_out=sum(one.tokens_out for one in took),
        cost=sum(one.cost for one in took),
        latency_ms=round((time.perf_counter() - began) * 1000),
        code=code,
        detail=detail,
        tried=told.tried,
    )


def embedding(asked: Embed, model: Model) -> Call:
    """Of no workflow: only the tenant's month pays. Nothing is kept under its question."""
    question = sha256(msgspec.json.encode(("embed", model.place, asked.texts))).hexdigest()
    return Call(tenant=asked.tenant, workflow="", stage="", task="embed", question=question)


def spent_on(model: Model, said: Vectors | Failed, began: float) -> Spent:
    failed = isinstance(said, Failed)
    return Spent(
        outcome="failed" if failed else "answered",
        model=model.name,
        provider=model.provider,
        tokens_in=said.tokens_in,
        cost=said.cost,
        latency_ms=round((time.perf_counter() - began) * 1000),
        detail=said.error if isinstance(said, Failed) else "",
    )


def vectors_of(model: Model, said: Vectors | Failed) -> Embedded | Problem:
    if not isinstance(said, Failed):
        return Embedded(vectors=said.vectors, model=model.name)
    if said.kind in {"fault", "busy"}:
        message = f"{model.name} makes no embeddings now: {said.error}"
        return Problem(kind="transient", message=message, retry_after=said.pause_s or RETRY_S)
    code: Literal["no_model", ""] = "no_model" if said.kind == "unusable" else ""
    return Problem(kind="permanent", message=f"{model.name} makes no embeddings: {said.error}", code=code)
