"""Answers questions: from the ledger where it can, else from the model, whose answer is stored before it is returned.

Equal questions at the same time are one question to the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import structlog

from workers.kit import crash
from workers.kit.llm.wire import MAX_REPLY_BYTES, Answer, Message, Problem, Question, question_key
from workers.kit.stores import ledger as kept
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.ledger import AnswerTooLong, Ledger

RETRY_S = 1.0
MODEL_S = 600.0
_log = structlog.get_logger()


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model said, and what it took."""

    text: str
    finish: Literal["stop", "length"] = "stop"
    tokens_in: int = 0
    tokens_out: int = 0


class Provider(Protocol):
    """Reaches the models of one maker."""

    async def complete(
        self, model: str, messages: Sequence[Message], schema: dict[str, object] | None
    ) -> Completion | Problem:
        """One answer to a conversation; with `schema`, JSON that fits it."""
        ...


class Service:
    """One model behind one ledger. Another `version` of the model is never answered with what this one said."""

    def __init__(self, model: str, provider: Provider, ledger: Ledger, *, version: str = "") -> None:
        self.model = model
        self._identity = f"{model}@{version}" if version else model
        self._provider = provider
        self._ledger = ledger
        self._asked: dict[tuple[str, str], asyncio.Task[Answer | Problem]] = {}

    async def answer(self, question: Question) -> Answer | Problem:
        """The answer, or why there is none; raises nothing."""
        asked = (question.tenant, question_key(question, self._identity))
        task = self._asked.get(asked)
        if task is None:
            task = self._asked[asked] = asyncio.create_task(self._resolve(question, asked[1]))
            task.add_done_callback(lambda _: self._asked.pop(asked, None))
        return await asyncio.shield(task)

    async def _resolve(self, question: Question, key: str) -> Answer | Problem:
        try:
            known = await self._ledger.get(question.tenant, key)
            return _told(known, key) if known else await self._ask(question, key)
        except StoreDown as error:
            return Problem(kind="transient", message=f"the ledger can't be reached: {error}", retry_after=RETRY_S)
        except AnswerTooLong as error:
            return Problem(kind="permanent", message=f"{self.model} wrote too much for {question.task}: {error}")
        except TimeoutError:
            return Problem(kind="permanent", message=f"{self.model} took longer than {MODEL_S:.0f} s")
        except Exception as error:  # noqa: BLE001  # a fault of one question must not stop the service
            _log.exception("llm.fault", task=question.task, model=self.model)
            return Problem(kind="permanent", message=f"{self.model} failed at {question.task}: {type(error).__name__}")

    async def _ask(self, question: Question, key: str) -> Answer | Problem:
        async with asyncio.timeout(MODEL_S):
            said = await self._provider.complete(self.model, question.messages, question.schema)
        if isinstance(said, Problem):
            return said
        crash.at(question.stage, "after_llm")
        answer = kept.Answer(
            text=said.text,
            finish_reason=said.finish,
            model=self.model,
            tokens_in=said.tokens_in,
            tokens_out=said.tokens_out,
        )
        size = len(msgspec.json.encode(_told(answer, key)))
        if size > MAX_REPLY_BYTES:  # kept, it could never be told to anybody who asks again
            most = MAX_REPLY_BYTES // 1024
            raise AnswerTooLong(f"{size // 1024} KiB, more than the {most} KiB that fit on the bus")
        first = await self._ledger.put(question.tenant, key, answer, workflow=question.workflow, stage=question.stage)
        crash.at(question.stage, "after_journal")
        return _told(first, key)


def _told(answer: kept.Answer, key: str) -> Answer:
    finish: Literal["stop", "length"] = "length" if answer.finish_reason == "length" else "stop"
    return Answer(text=answer.text, model=answer.model, question=key, finish=finish)
