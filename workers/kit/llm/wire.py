"""What goes over `ql.svc.llm.*`: a question, signs of life while it is worked on, an answer or a problem.

What is larger than the bus takes goes `ByReference`.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from workers.kit.prompts.piece import Piece as Piece

COMPLETE = "ql.svc.llm.complete"
MODELS = "ql.svc.llm.models"
EMBED = "ql.svc.llm.embed"
QUEUE = "llm"
BREAKER_BUCKET = "QL_LLM"
"""The key-value bucket where all routers share what they know of a model's health."""
BREAKER_NEWS = "ql.svc.llm.health"
"""The bucket's values are republished under this prefix."""

PROVIDERS = ("anthropic", "azure", "bedrock", "blueprint", "groq", "ollama", "openai", "vllm")
"""Whose models a router can ask: what stands before the slash of a model's name."""

WATCH_S = 5.0
"""So often a gateway tells that a workflow is watched. Only such a workflow's answers are streamed."""

MAX_QUESTION_BYTES = 900 * 1024
"""Below the server's max_payload of 1 MiB, with room for headers."""

MAX_REPLY_BYTES = 1000 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="question"):
    """What a model is asked, and for whom. `schema` is the JSON Schema of the answer, named `schema_name`.

    `nonce` is '' at revision 1 and the revision in a repair, so that a repair is never answered from the ledger's past.
    `group` names a chain of models ('' is the default one); `pieces` is the context manifest; with `strict` only the
    ledger may answer. `skip` names models (as in `Answer.model`) that must not be asked, nor stand in: what they said
    could not be used. When that leaves none, the reply is a permanent `Problem` with code `no_model`.
    """

    tenant: str
    workflow: str
    stage: str
    revision: int
    task: str
    messages: tuple[Message, ...]
    schema_name: str = ""
    schema: dict[str, object] | None = None
    nonce: str = ""
    role: str = ""
    group: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    pieces: tuple[Piece, ...] = ()
    strict: bool = False
    skip: tuple[str, ...] = ()


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A model that gave no answer before another one did, and why."""

    model: str
    error: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="answer"):
    """What the model said. `question` is the ledger's key; `finish` 'length' means that it was cut off.

    `cost` is in US dollars; `known`: from the ledger, without a call; `instead` says why a stand-in answered.
    """

    text: str
    model: str
    question: str
    finish: Literal["stop", "length"] = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    known: bool = False
    tried: tuple[Tried, ...] = ()
    instead: str = ""


Code = Literal["", "over_budget", "not_in_ledger", "no_model", "switched_off", "rate_limited"]
"""A transient problem with one of the last three says that no model was called: waiting costs no attempt.
One whose call failed has the code '', and counts."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="problem"):
    """Why there is no answer, in one sentence; `transient`: ask again in `retry_after` seconds."""

    kind: Literal["refused", "transient", "permanent"]
    message: str
    retry_after: float | None = None
    code: Code = ""


class Working(msgspec.Struct, frozen=True, kw_only=True, tag="working"):
    """A sign of life: the question is being worked on."""


class ByReference(msgspec.Struct, frozen=True, kw_only=True, tag="reference"):
    """A question or a reply that the bus can't carry: the artifact which holds its JSON, below its tenant's prefix."""

    key: str
    sha256: str
    length: int


class Embed(msgspec.Struct, frozen=True, kw_only=True):
    """Asked on `ql.svc.llm.embed`: a vector for each text."""

    tenant: str
    texts: tuple[str, ...]


class Embedded(msgspec.Struct, frozen=True, kw_only=True, tag="embedded"):
    """One vector a text, in their order. Where no model is set the reply is a `Problem` with code `no_model`."""

    vectors: tuple[tuple[float, ...], ...]
    model: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What the routers know of one model; costs are US dollars a token, `context` is in tokens (0: unknown).

    `state`: 'open' is left out until `again_s` from now, 'probing' is tried by one question, 'off' was switched off.
    """

    name: str
    provider: str
    groups: tuple[str, ...]
    state: Literal["closed", "open", "probing", "off"] = "closed"
    error: str = ""
    again_s: float = 0.0
    cost_in: float = 0.0
    cost_out: float = 0.0
    context: int = 0


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The answer on `ql.svc.llm.models`: the models of the default group, best first, and what is known of all."""

    models: tuple[str, ...]
    known: tuple[Model, ...] = ()
    embeddings: str = ""


Reply = Answer | Problem | Working
Carried = Reply | ByReference
"""What may come on the inbox; `ByReference` holds an `Answer`."""

EmbedReply = Embedded | Problem


WITHIN_A_LIMIT = " within a limit"
"""After a model's identity: its answer was cut for the sake of a limit."""


def question_asked(question: Question, model: str) -> bytes:
    """Everything that the model's answer may depend on, and the nonce, as JSON: the ledger keeps it with the answer.

    `model` is the identity of the group's first model: who answers in its place does not change the question.
    """
    parameters = (question.temperature, question.max_tokens)
    asked: tuple[object, ...] = (
        model,
        parameters,
        question.messages,
        question.schema_name,
        question.schema,
        question.nonce,
    )
    if question.skip:
        asked = (*asked, question.skip)
    return msgspec.json.encode(asked, order="sorted")


def read_asked(body: bytes) -> Question | ByReference:
    """What was asked; raises msgspec.DecodeError. A question without a tag is of a version that knew no reference."""
    try:
        return msgspec.json.decode(body, type=Question | ByReference)
    except msgspec.ValidationError:
        return msgspec.json.decode(body, type=Question)


def question_key(question: Question, model: str) -> str:
    """The ledger's key: the sha256 of what was asked."""
    return hashlib.sha256(question_asked(question, model)).hexdigest()
