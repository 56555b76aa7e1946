"""How a stage's question becomes messages and a model's text becomes an artifact, whatever carries them.

An answer that was cut off is gone on with. One that can't be used is asked for once more, with the sentence that says
why; then the group's next model is asked; then it is `Unfit`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from contracts.artifacts import File
from contracts.events import ModelCalls
from observability.metrics import model_call
from workers.kit import crash
from workers.kit.prompts import templates
from workers.kit.prompts.about import topic_of
from workers.kit.prompts.context import TooMuch, tell
from workers.kit.prompts.piece import tokens
from workers.kit.prompts.roles import NoRole, pick
from workers.kit.prompts.templates import NoPrompt
from workers.kit.stage import Permanent, Refused, Run, Transient, Unfit
from workers.kit.stores.calls import REFUSED
from workers.kit.stores.drops import StoreDown
from workers.kit.tally import count

from .reading import FilesForm, Form, JsonForm
from .wire import Answer, Message, Piece, Problem, Question

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")

MOST_MODELS = 2
MOST_PIECES = 4
"""An answer may be gone on with three times."""

_QUOTED = 16_000
"""Characters of an unfit answer that the model sees again."""

_TAIL = 200
"""Characters of a cut answer that it is asked to go on from."""

_FREE = frozenset({"no_model", "switched_off", "rate_limited"})
"""No model was called."""


class Waiting(Transient, StoreDown):
    """No model may be called for now: as with a store that is down, the attempt does not count."""


class Dialogue(ABC):
    """An `Llm`; adapters say how a question reaches a model. With `strict` only the ledger may answer."""

    strict = False

    @abstractmethod
    async def ask(self, question: Question) -> Answer | Problem:
        """One answer to one question, or why there is none."""

    async def complete(
        self,
        run: Run,
        *,
        task: str,
        inputs: Mapping[str, object],
        into: type[T],
        check: Callable[[T], None] | None = None,
    ) -> T:
        schema, text = _schema(into)
        form = ("answer_in_json", {"schema": text})
        question = replace(self._question(run, task, inputs, form), schema_name=into.__name__, schema=schema)
        return await self._usable(question, JsonForm(into), check)

    async def write(
        self,
        run: Run,
        *,
        task: str,
        inputs: Mapping[str, object],
        paths: Sequence[str],
        check: Callable[[tuple[File, ...]], None] | None = None,
    ) -> tuple[File, ...]:
        question = self._question(run, task, inputs, ("answer_in_files", {}))
        return await self._usable(question, FilesForm(paths, run.revision), check)

    async def _usable(self, question: Question, form: Form[R], check: Callable[[R], None] | None) -> R:
        faults: list[str] = []
        unfit: list[str] = []
        asked = question
        while len(unfit) < MOST_MODELS:
            try:
                return await self._twice(asked, form, check)
            except _NoOther:
                break
            except _Unusable as error:
                faults.append(f"{error.last.model}'s answer to {question.task} can't be used, {error}")
                unfit = list(dict.fromkeys([*unfit, error.first.model, error.last.model]))
                asked = replace(question, skip=tuple(unfit), pieces=(*question.pieces, _refused(error.last)))
        raise Unfit("; ".join(faults))

    async def _twice(self, question: Question, form: Form[R], check: Callable[[R], None] | None) -> R:
        def judged(answer: Answer) -> R:
            value = form.read(answer)
            if check is not None:
                check(value)
            return value

        first = await self._whole(question, form)
        try:
            return judged(first)
        except Unfit as fault:
            again = _again(question, first, str(fault))
        second = await self._whole(again, form)
        try:
            return judged(second)
        except Unfit as fault:
            raise _Unusable(f"also after one more try: {fault}", first, second) from None

    async def _whole(self, question: Question, form: Form[R]) -> Answer:
        """The answer, gone on with for as long as it was cut off."""
        answer = await self._answer(question)
        for _ in range(MOST_PIECES - 1):
            if answer.finish == "stop" and not form.is_cut(answer.text):
                break
            more = await self._answer(_go_on(question, answer))
            finish = more.finish if more.text.strip() else answer.finish  # after a cut, nothing is no end
            text = form.joined(answer, more)
            answer = replace(more, text=text, finish=finish, instead=answer.instead or more.instead)
        return answer

    async def _answer(self, question: Question) -> Answer:
        crash.at(question.stage, "before_llm")
        reply = await self.ask(question)
        if isinstance(reply, Answer):
            count(_calls(question, reply))
            model_call(question.stage, "ledger" if reply.known else "model")
            return reply
        raise _raised(reply, question)

    def _question(
        self, run: Run, task: str, inputs: Mapping[str, object], form: tuple[str, Mapping[str, str]]
    ) -> Question:
        try:
            role = pick(task, topic_of(inputs, run.revision))
            told = tell(role, task, form, inputs, instead=run.template)
        except (NoPrompt, NoRole, TooMuch) as error:
            raise Permanent(str(error)) from None
        return Question(
            tenant=run.tenant,
            workflow=run.workflow,
            stage=run.stage,
            revision=run.revision,
            task=task,
            messages=(Message(role="system", content=told.system), Message(role="user", content=told.user)),
            nonce="" if run.revision == 1 else str(run.revision),
            role=role.id,
            group=run.model or role.group,
            temperature=role.temperature,
            pieces=told.pieces,
            strict=self.strict,
        )


@cache
def _schema(into: type[msgspec.Struct]) -> tuple[dict[str, Any], str]:
    """The JSON Schema of an answer, and as the model reads it."""
    schema = msgspec.json.schema(into)
    return schema, msgspec.json.encode(schema).decode()


class _NoOther(Exception):
    """No other model may be asked."""


class _Unusable(Exception):
    """What was answered can't be used."""

    def __init__(self, sentence: str, first: Answer, last: Answer) -> None:
        super().__init__(sentence)
        self.first = first
        self.last = last


def _raised(problem: Problem, question: Question) -> Exception:
    if question.skip and problem.kind == "permanent" and problem.code in {"no_model", "not_in_ledger"}:
        return _NoOther()
    match problem.kind:
        case "refused":
            return Refused(problem.message)
        case "transient" if problem.code in _FREE:
            return Waiting(problem.message, problem.retry_after)
        case "transient":
            return Transient(problem.message, problem.retry_after)
        case "permanent":
            return Permanent(problem.message)


def _calls(question: Question, answer: Answer) -> ModelCalls:
    return ModelCalls(
        role=question.role,
        model=answer.model,
        calls=1,
        known=int(answer.known),
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        cost=answer.cost,
        tried=tuple(each.model for each in answer.tried),
        instead=answer.instead,
    )


def _again(question: Question, answer: Answer, fault: str) -> Question:
    """The same question after its unfit answer; it still ends with the block."""
    asked = question.messages[-1].content
    again = _after(question, answer.text[:_QUOTED], f"{templates.render('answer_again', fault=fault)}\n\n{asked}")
    return replace(again, pieces=(*question.pieces, _refused(answer)))


def _refused(answer: Answer) -> Piece:
    """In the manifest of what is asked in its place: the answer that can't be used, by its question in the ledger."""
    return Piece(name=REFUSED, sha256=answer.question, tokens=tokens(answer.text[:_QUOTED]))


def _go_on(question: Question, answer: Answer) -> Question:
    """The same question after an answer that was cut off. The task stands above: here it would say to begin anew."""
    return _after(question, answer.text, templates.render("go_on", tail=_sendable(answer.text[-_TAIL:])))


def _after(question: Question, said: str, then: str) -> Question:
    more = (
        Message(role="assistant", content=_sendable(said) or "(an empty answer)"),
        Message(role="user", content=then),
    )
    return replace(question, messages=(*question.messages, *more))


def _sendable(text: str) -> str:
    """As a bus and a provider take it."""
    return text.encode(errors="replace").decode()
