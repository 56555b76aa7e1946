"""What goes over `ql.svc.llm.complete`: a question, signs of life while it is worked on, an answer or a problem."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

COMPLETE = "ql.svc.llm.complete"
MODELS = "ql.svc.llm.models"
QUEUE = "llm"
MAX_QUESTION_BYTES = 900 * 1024
"""Below the server's max_payload of 1 MiB, with room for headers."""

MAX_REPLY_BYTES = 1000 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model is asked, and for whom. `schema` is the JSON Schema of the answer, named `schema_name`.

    `nonce` is '' at revision 1 and the revision in a repair, so that a repair is never answered from the ledger's past.
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


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="answer"):
    """What the model said. `question` is the ledger's key; `finish` 'length' means that it was cut off."""

    text: str
    model: str
    question: str
    finish: Literal["stop", "length"] = "stop"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="problem"):
    """Why there is no answer, in one sentence; `transient`: ask again in `retry_after` seconds."""

    kind: Literal["refused", "transient", "permanent"]
    message: str
    retry_after: float | None = None


class Working(msgspec.Struct, frozen=True, kw_only=True, tag="working"):
    """A sign of life: the question is being worked on."""


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """The answer on `ql.svc.llm.models`: the models in use, best first."""

    models: tuple[str, ...]


Reply = Answer | Problem | Working


def question_key(question: Question, model: str) -> str:
    """The ledger's key: sha256 over everything that the model's answer may depend on, and the nonce."""
    asked = (model, question.messages, question.schema_name, question.schema, question.nonce)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()
