"""Questions to models and what they took, as they go in and out over HTTP."""

from __future__ import annotations

from typing import Any, Literal, Self

import msgspec
from pydantic import BaseModel, Field, field_validator, model_validator

from gateway import ids
from gateway.models import Sent, readable
from workers.kit.llm import wire
from workers.kit.stores.calls import Entry
from workers.kit.stores.usage import Budget as Limit
from workers.kit.stores.usage import CallRow, RoleHealth, Total

MAX_TEXT = 500_000
GROUP_FORM = "[a-z][a-z0-9_-]{0,31}"
MODEL_FORM = "[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}"


class Message(Sent):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1, max_length=MAX_TEXT)

    _readable = field_validator("content")(readable)


class Ask(Sent):
    """A question to a model: a `prompt`, or the `messages` of a conversation.

    The same question has the same answer, from the ledger, for which no model is asked again; another `nonce` wants
    another opinion.
    """

    prompt: str = Field("", max_length=MAX_TEXT, examples=["Name three uses of a message bus."])
    messages: list[Message] = Field([], max_length=1000)
    group: str = Field("", pattern=f"^({GROUP_FORM})?$", description="Group of models; the default one when empty")
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    answer_schema: dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema of the answer, for models that can be held to one"
    )
    nonce: str = Field("", max_length=200, description="Another one asks again")
    workflow: str = Field(
        "",
        pattern=f"^({ids.ULID_FORM})?$",
        description="Whose budget pays; only the tenant's own limits hold when empty",
    )
    skip: list[str] = Field([], max_length=100, description="Models that must not be asked")
    strict: bool = Field(False, description="Only the ledger may answer")

    _readable = field_validator("prompt", "nonce")(readable)

    @field_validator("answer_schema")
    @classmethod
    def _plain(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            msgspec.json.encode(schema)
        except (RecursionError, OverflowError, UnicodeError, TypeError):
            raise ValueError("can't be sent to a model: too deep, or a number or text that is none") from None
        return schema

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.prompt.strip()) == bool(self.messages):
            raise ValueError("needs a prompt, or messages, and not both")
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        return self

    @property
    def turns(self) -> tuple[wire.Message, ...]:
        """The conversation."""
        given = [(message.role, message.content) for message in self.messages] or [("user", self.prompt)]
        return tuple(msgspec.convert({"role": role, "content": text}, wire.Message) for role, text in given)


class Tried(BaseModel):
    """A model that gave no answer before another one did, and why."""

    model: str
    error: str


class Answered(BaseModel):
    """What the model said."""

    text: str
    model: str
    question: str = Field(description="The ledger's key: the sha256 of the question")
    workflow: str = Field(description="The workflow, or an id of this question alone: its calls are found by it")
    finish: Literal["stop", "length"] = Field(description="`length`: it was cut off")
    tokens_in: int
    tokens_out: int
    cost: float = Field(description="In US dollars; 0 for what the ledger knew")
    known: bool = Field(description="From the ledger: no model was asked")
    tried: list[Tried] = []
    instead: str | None = Field(None, description="Why a stand-in answered")

    @classmethod
    def of(cls, answer: wire.Answer, workflow: str) -> Self:
        """As the router tells it."""
        told = msgspec.to_builtins(answer) | {"instead": answer.instead or None, "workflow": workflow}
        # `omit_defaults` leaves out what is as usual.
        names = ("finish", "tokens_in", "tokens_out", "cost", "known")
        return cls.model_validate({name: getattr(answer, name) for name in names} | told)


class Call(BaseModel):
    """One call to a model, or one answer of the ledger."""

    id: str
    created_at: str
    workflow: str
    stage: str
    revision: int
    task: str
    role: str
    question: str
    outcome: Literal["answered", "known", "failed", "stand_in"]
    model: str
    provider: str
    tokens_in: int
    tokens_out: int
    cost: float = Field(description="In US dollars")
    latency_ms: int
    code: str = ""
    detail: str = Field("", description="Why there is no answer, or why a stand-in gave it")
    tried: list[Tried] = Field([], description="Models that gave no answer before")

    @classmethod
    def of(cls, row: CallRow) -> Self:
        """As the store has it."""
        return cls.model_validate(
            {name: value for name, value in msgspec.structs.asdict(row).items() if name != "pieces"}
        )


class Pieced(BaseModel):
    """A part of the context that the model was given, or would have been."""

    name: str
    sha256: str
    tokens: int
    left_out: bool = Field(False, description="It did not fit into the model's window")


class CallDetail(Call):
    """A call with its question and its answer, as the ledger has them; null: it has none."""

    pieces: list[Pieced] = []
    asked: str | None = Field(None, description="JSON: model, parameters, messages, schema, nonce")
    answer: str | None = None

    @classmethod
    def whole(cls, row: CallRow, entry: Entry | None) -> Self:
        """As the stores have it."""
        pieces = [{name: p[name] for name in Pieced.model_fields if name in p} for p in row.pieces]
        theirs = row.outcome == "failed"  # another call got an answer to the same question later
        texts = {"asked": entry.asked or None, "answer": None if theirs else entry.answer} if entry else {}
        return cls.model_validate({**Call.of(row).model_dump(), "pieces": pieces, **texts})


class CallPage(BaseModel):
    """One page of calls, newest first; `next` is the cursor of the one after."""

    items: list[Call]
    next: str | None = None


class Model(BaseModel):
    """A model, and how it is."""

    name: str
    provider: str
    groups: list[str]
    state: Literal["closed", "open", "probing", "off"] = Field(
        description="`open` is left out for `again_s`, `probing` is tried by one question, `off` was switched off"
    )
    error: str
    again_s: float
    cost_in: float = Field(description="US dollars a token")
    cost_out: float
    context: int = Field(description="Tokens; 0: unknown")


class Models(BaseModel):
    """The default group's chain, best first, and all models that the router knows."""

    default: list[str]
    models: list[Model]
    embeddings: str | None = None


class Role(BaseModel):
    """How a role does: shares from 0 to 1 of its calls that reached a model, latencies of answered ones."""

    role: str
    calls: int
    success: float = Field(description="Those whose first answer could be used, without being asked for once more")
    repairs: float = Field(description="Of those that were answered, whose work a check sent back to their stage")
    cost: float
    p50_ms: int
    p95_ms: int

    @classmethod
    def of(cls, role: RoleHealth) -> Self:
        """As the store has it."""
        return cls(**msgspec.structs.asdict(role))


class Roles(BaseModel):
    """Every role that was asked for, by name."""

    items: list[Role]


class Arm(BaseModel):
    """The workflows of one arm that ended: with `examples`, `held_out` from them to compare, or the store was `away`.

    Means of a workflow: `grade` (4 for A to 0 for F; null: none has one), `repairs`, `cost`.
    """

    arm: str
    workflows: int
    told: int = Field(description="Those that got at least one example")
    failed: int
    grade: float | None
    repairs: float
    cost: float


class Arms(BaseModel):
    """What examples of earlier work are worth."""

    items: list[Arm]


class Sum(BaseModel):
    """Of the calls with one value each of what they are grouped by."""

    by: dict[str, str]
    calls: int
    known: int
    failed: int
    stand_ins: int
    tokens_in: int = Field(description="That were paid for")
    tokens_out: int
    cost: float = Field(description="In US dollars")

    @classmethod
    def of(cls, total: Total) -> Self:
        """As the store has it."""
        return cls(**msgspec.structs.asdict(total))


class Budget(BaseModel):
    """A limit in US dollars; null: there is none."""

    scope: Literal["workflow", "month"]
    limit: float | None
    spent: float
    held: float = Field(description="What the calls that run now may cost")

    @classmethod
    def of(cls, budget: Limit) -> Self:
        """As the store has it."""
        return cls(scope=budget.scope, limit=budget.allowed, spent=budget.spent, held=budget.held)


class Usage(BaseModel):
    """What models took, the dearest first, and the limits."""

    items: list[Sum]
    budgets: list[Budget]


class Month(Sent):
    """What the tenant may spend each month from now on."""

    limit: float | None = Field(ge=0, le=1_000_000_000, allow_inf_nan=False, description="US dollars; null: any")


class Budgets(BaseModel):
    """The limits as they are now."""

    budgets: list[Budget]


class Off(Sent):
    """Why a provider is not to be asked."""

    reason: str = Field("", max_length=500)

    _readable = field_validator("reason")(readable)


class Switch(BaseModel):
    """A provider that is not asked; provider `*` is every one, tenant `*` means for everybody."""

    tenant: str
    provider: str
    reason: str
    created_at: str


class Switches(BaseModel):
    """What is switched off."""

    items: list[Switch]


class Imported(BaseModel):
    """A recorded ledger was kept: `new` of its entries were not there yet."""

    workflow: str
    entries: int
    new: int
