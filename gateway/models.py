"""What goes in and out over HTTP; pydantic at the edge only."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from contracts.events import ModelCalls
from workers.kit.stores.drops import DeadLetter, DropRow, LetterHead, WorkflowRow

MAX_PROMPT = 65_536
Language = Literal["python"]
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SURROGATE = re.compile("[\ud800-\udfff]")


def readable(text: str) -> str:
    """`text`; raises ValueError for what is no plain text."""
    if _CONTROL.search(text):
        raise ValueError("holds control characters or bytes that are no text: send plain UTF-8 text")
    if _SURROGATE.search(text):
        raise ValueError("holds half a character (a lone surrogate): send plain UTF-8 text")
    return text


class Sent(BaseModel):
    """What comes in: no field but the known ones, and no number where a text is meant or the other way round."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _written(given: object) -> object:
    if not isinstance(given, str) or not _DATE.match(given):
        raise ValueError("is no date and time as RFC 3339 writes them, 2026-01-31T12:00:00Z")
    return given


When = Annotated[datetime, BeforeValidator(_written), Field(strict=False, examples=["2026-01-31T12:00:00Z"])]
"""A moment; pydantic alone would take a bare number for one."""


Seconds = Annotated[float, Field(gt=0, le=10**9, allow_inf_nan=False)]
DEADLINE = (
    "Seconds until it ends as expired, at most the server's own limit, which holds without this, and after a resume."
)


class Submit(Sent):
    """A prompt to be made into a package."""

    prompt: str = Field(
        max_length=MAX_PROMPT,
        description="What to build, in English.",
        examples=["A REST API for a library: books with a title, an ISBN that must be unique and a status."],
    )
    language: Language = Field("python", description="The language of the package.")
    budget: float | None = Field(
        None,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="US dollars that models may take; beyond it the built-in one does what it can. null: no limit.",
    )

    deadline_s: Seconds | None = Field(None, description=DEADLINE, examples=[1800])

    @field_validator("prompt")
    @classmethod
    def _readable(cls, prompt: str) -> str:
        if not prompt.strip():
            raise ValueError("is empty: say in a sentence or more what to build")
        return readable(prompt)


class Cancel(Sent):
    """Why a workflow is cancelled; people see it as its error."""

    reason: str = Field("", max_length=500, examples=["The prompt was the wrong one."])

    @field_validator("reason")
    @classmethod
    def _readable(cls, reason: str) -> str:
        return readable(reason)


class Artifact(BaseModel):
    """Bytes that a stage made; fetch them at `address`."""

    sha256: str
    size: int
    media_type: str
    address: str


class Calls(BaseModel):
    """What one model did in one role for a drop."""

    role: str
    model: str
    calls: int
    known: int = Field(description="Answers that the ledger already had")
    tokens_in: int
    tokens_out: int
    cost: float = Field(description="In US dollars")
    tried: list[str] = Field([], description="Models that gave no answer before this one did")
    instead: str | None = Field(None, description="Why it stood in for the model that was wanted")

    @classmethod
    def of(cls, made: ModelCalls) -> Self:
        """As the event tells it."""
        return cls(
            role=made.role,
            model=made.model,
            calls=made.calls,
            known=made.known,
            tokens_in=made.tokens_in,
            tokens_out=made.tokens_out,
            cost=made.cost,
            tried=list(made.tried),
            instead=made.instead or None,
        )


class Drop(BaseModel):
    """One stage's work at one revision."""

    id: str
    stage: str
    revision: int
    state: str
    attempts: int
    created_at: str
    updated_at: str
    artifact: Artifact | None = None
    opens: int | None = Field(None, description="The revision that this rejection opened")
    target: str | None = Field(None, description="The stage that this rejection sent the work back to")
    unmet: bool = Field(False, description="Its findings stand: no round of repair was left")
    error: str | None = None
    calls: list[Calls] = Field([], description="What models did for it, by role and model")
    reused: str | None = Field(None, description="The drop whose artifact it took over, without any work")
    edited: bool = Field(False, description="A person put its artifact there, in a fork")

    @classmethod
    def of(cls, row: DropRow, calls: Sequence[ModelCalls] = (), reused: str = "", edited: bool = False) -> Self:
        """The drop as the store has it, and what its event tells of models."""
        artifact = None
        if row.artifact is not None:
            artifact = Artifact(
                sha256=row.artifact.sha256,
                size=row.artifact.length,
                media_type=row.media_type,
                address=f"/v1/artifacts/{row.artifact.sha256}",
            )
        return cls(
            id=row.id,
            stage=row.stage,
            revision=row.revision,
            state=row.state,
            attempts=row.attempts,
            created_at=row.created_at,
            updated_at=row.updated_at,
            artifact=artifact,
            opens=row.opens or None,
            target=row.target or None,
            unmet=row.unmet,
            error=row.error or None,
            calls=[Calls.of(each) for each in calls],
            reused=reused or None,
            edited=edited,
        )


class Asking(BaseModel):
    """Another model or group than the stage's roles ask, and the sha256 of the text in its template's place."""

    model: str | None = None
    template_sha256: str | None = None


class Workflow(BaseModel):
    """A prompt on its way."""

    id: str
    state: str
    prompt: str
    language: str
    created_at: str
    deadline: str
    ended_at: str | None = None
    error: str | None = None
    parent: str | None = Field(None, description="The workflow that it was forked from")
    asks: dict[str, Asking] = Field({}, description="How stages of this fork ask models in another way, by stage")

    @classmethod
    def of(cls, row: WorkflowRow) -> Self:
        """The workflow as the store has it."""
        return cls(
            id=row.id,
            state=row.state,
            prompt=row.prompt,
            language=row.language,
            created_at=row.created_at,
            deadline=row.deadline,
            ended_at=row.ended_at or None,
            error=row.error or None,
            parent=row.parent or None,
            asks={
                name: Asking(model=one.model or None, template_sha256=one.template_sha256 or None)
                for name, one in row.asks.items()
            },
        )


class Spent(BaseModel):
    """US dollars that models took for a workflow, of its limit (null: the tenant's limits only)."""

    limit: float | None = None
    spent: float = 0.0
    held: float = Field(default=0.0, description="What the calls that run now may cost")


class WorkflowDetail(Workflow):
    """A workflow with its stages, in the order in which they began."""

    budget: Spent = Spent()

    drops: list[Drop] = []
    forks: list[str] = Field([], description="The workflows forked from it, oldest first")


class Page(BaseModel):
    """One page of workflows, newest first; `next` is the cursor of the one after."""

    items: list[Workflow]
    next: str | None = None


class Drops(BaseModel):
    """One page of a workflow's drops, oldest first; `next` is the cursor of the one after."""

    items: list[Drop]
    next: str | None = None


class Letter(BaseModel):
    """What no stage can use: a message that can't be read, or the message whose work was given up (`kind`)."""

    id: str
    kind: Literal["message", "work"]
    workflow: str = Field(description="The workflow that its subject names")
    stage: str = Field(description="The stage that it woke")
    reason: str
    created_at: str

    @classmethod
    def of(cls, letter: LetterHead) -> Self:
        """The letter as the store has it, in one line."""
        return cls(**_head(letter))


class LetterDetail(Letter):
    """A dead letter with its message."""

    subject: str
    headers: str = Field(description="The message's headers as a JSON object; cut when they were very long")
    body: str
    encoding: Literal["text", "base64"] = Field(description="How `body` stands for the bytes")
    size: int = Field(description="Bytes kept, at most 65,536")
    sha256: str = Field(description="Of the body as it came")

    @classmethod
    def whole(cls, letter: DeadLetter) -> Self:
        """The letter as the store has it."""
        try:
            body, encoding = letter.body.decode(), "text"
        except UnicodeDecodeError:
            body, encoding = base64.b64encode(letter.body).decode(), "base64"
        message = {"subject": letter.subject, "headers": letter.headers, "sha256": letter.sha256}
        return cls.model_validate(
            {**_head(letter), **message, "body": body, "encoding": encoding, "size": len(letter.body)}
        )


def _head(letter: LetterHead) -> dict[str, Any]:
    return {name: getattr(letter, name) for name in ("id", "kind", "workflow", "stage", "reason", "created_at")}


class Letters(BaseModel):
    """One page of dead letters, newest first; `next` is the cursor of the one after."""

    items: list[Letter]
    next: str | None = None


class Resent(BaseModel):
    """The dead letter is gone, and this workflow goes on, or has gone on without it."""

    workflow: str
    address: str


class Accepted(BaseModel):
    """The submission is safe: it will be worked on whatever happens."""

    id: str
    state: Literal["active"] = "active"
    address: str
    events: str
