"""Answers questions: from the ledger where it can, else from a chain of models; what they say is stored, then told.

Equal questions at the same time are one call, on however many routers. Money is held before the call and paid after it;
where it does not suffice, the built-in model stands in and the answer says so. A stand-in's answer is kept apart: only
`strict` gives it again, for a workflow with money the question deserves better. So is one that was cut for a limit's
sake: it is for those that have a limit.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256

import msgspec
import structlog

from workers.kit import crash
from workers.kit.llm.wire import WITHIN_A_LIMIT, Answer, Embed, Embedded, Models, Problem, Question, question_asked
from workers.kit.llm.wire import Model as Known
from workers.kit.stores.calls import AnswerTooLong, Call, Ledger, Over, Spent
from workers.kit.stores.differences import missed
from workers.kit.stores.drops import ArtifactLost, StoreDown
from workers.kit.stores.turns import MoneyHeld, Turn, Turns

from .chain import Chain, Course, Told
from .limits import Limited, Limits
from .models import BLUEPRINT, Chains, Model
from .money import Purse, need, to_embed
from .noted import RETRY_S, embedding, spent_for, spent_known, spent_on, told_of, vectors_of
from .off import OFF_S, NoSwitches, Switches, reason
from .said import Failed
from .windows import marked

HELD_S = 5.0
_log = structlog.get_logger()


@dataclass(slots=True)
class _Asking:
    """A call that runs, and the workflows that wait for it."""

    task: asyncio.Task[Answer | Problem]
    workflows: set[str]


class Service:
    """Chains of models behind one ledger. Another `version` of the built-in one never gives what this one said."""

    def __init__(
        self,
        chains: Chains,
        chain: Chain,
        ledger: Ledger,
        *,
        limits: Limits | None = None,
        switches: Switches | None = None,
        embeddings: Model | None = None,
        version: str = "",
        strict: bool = False,
    ) -> None:
        self._chains = chains
        self._chain = chain
        self._ledger = ledger
        self._turns = Turns(ledger)
        self._limits = limits or Limits()
        self._switches = switches or NoSwitches()
        self._embeddings = embeddings
        self._version = version
        self._strict = strict
        self._asked: dict[tuple[str, str], _Asking] = {}
        self._ended = False

    async def answer(self, question: Question) -> Answer | Problem:
        """The answer, or why there is none; raises nothing."""
        call = self._call(question)
        asked = (question.tenant, call.question)
        while (asking := self._asked.get(asked)) is not None:
            asking.workflows.add(question.workflow)
            reply = await _waited(asking.task)
            if isinstance(reply, Answer) and not reply.instead:
                return await self._resolved(question, call)  # from the ledger, which notes who else was told
            if question.workflow not in asking.workflows:
                return reply  # it has ended, and was left behind
            self._forget(asked, asking)  # money and `strict` are each workflow's own: what stopped one stops no other
        if self._ended:
            return Problem(kind="transient", message="this model router is being stopped", retry_after=RETRY_S)
        made = self._asked[asked] = _Asking(asyncio.create_task(self._resolved(question, call)), {question.workflow})
        made.task.add_done_callback(lambda _: self._forget(asked, made))
        return await _waited(made.task)

    def asks_for(self, tenant: str, workflow: str) -> bool:
        """Whether a call runs for which this workflow waits."""
        return any(of == tenant and workflow in asking.workflows for (of, _), asking in self._asked.items())

    def leave(self, tenant: str, workflow: str) -> None:
        """The workflow has ended: the calls for which nobody else waits are cut off."""
        for asked, asking in list(self._asked.items()):
            if asked[0] == tenant and workflow in asking.workflows:
                asking.workflows.discard(workflow)
                if not asking.workflows:
                    self._forget(asked, asking)  # who asks the same from now on begins anew
                    asking.task.cancel()

    async def end(self, within_s: float) -> None:
        """Begin no more calls, and cut off those that run: what they took is noted, for so long it is waited for."""
        self._ended = True
        if tasks := [asking.task for asking in self._asked.values()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=within_s)

    def _forget(self, asked: tuple[str, str], asking: _Asking) -> None:
        if self._asked.get(asked) is asking:
            del self._asked[asked]

    async def embed(self, asked: Embed) -> Embedded | Problem:
        """A vector for each text, where a model is set for that; raises nothing."""
        try:
            return await self._embedded(asked)
        except StoreDown as error:
            return Problem(kind="transient", message=f"the ledger can't be reached: {error}", retry_after=RETRY_S)
        except MoneyHeld as error:
            return Problem(kind="transient", message=str(error), retry_after=HELD_S, code="rate_limited")
        except Exception as error:  # noqa: BLE001  # an asker without a reply waits, and a subscriber without one ends
            _log.error("llm.fault", task="embed", error=type(error).__name__, at=place(error))
            message = f"the model router failed at embeddings: {type(error).__name__}"
            return Problem(kind="transient", message=message, retry_after=RETRY_S)

    async def _embedded(self, asked: Embed) -> Embedded | Problem:
        model = self._embeddings
        if model is None or self._strict:
            why = "QL_EMBEDDINGS names no model" if model is None else "only the ledger answers: it has no vectors"
            return Problem(kind="permanent", message=why, code="no_model")
        off = await self._switches.off(asked.tenant)
        if why := reason(off, model):
            message = f"{model.name} was switched off: {why}"
            return Problem(kind="transient", message=message, retry_after=OFF_S, code="switched_off")
        needed = to_embed(asked.texts, self._chain.facts(model))
        call = embedding(asked, model)
        async with self._turns.turn(call, estimate=needed.guess, most=needed.most) as turn:
            if isinstance(turn, Over):
                return Problem(kind="permanent", message=turn.sentence, code="over_budget")
            if not isinstance(turn, Turn):
                raise LookupError("a vector lies in the ledger")
            began = time.perf_counter()
            try:
                async with self._limits.turn(asked.tenant):
                    said = await self._chain.embed(model, asked.texts, asked.tenant, self._switches)
            except Limited as error:
                said = Failed(kind="busy", error=str(error), pause_s=error.retry_after)
            await turn.note(spent_on(model, said, began))
        return vectors_of(model, said)

    async def models(self) -> Models:
        """All models, how they are and what they cost."""
        try:
            off = await self._switches.off("")
        except StoreDown:
            off = {}
        return Models(
            models=tuple(model.name for model in self._chains.of("")),
            known=tuple(self._known(model, off) for model in self._chains.all),
            embeddings=self._embeddings.name if self._embeddings else "",
        )

    def _known(self, model: Model, off: Mapping[str, str]) -> Known:
        breaker = self._chain.breaker
        health, facts = breaker.health(model.place), self._chain.facts(model)
        why = reason(off, model)
        return Known(
            name=model.name,
            provider=model.provider,
            groups=tuple(group or "default" for group, chain in self._chains.groups.items() if model in chain),
            state="off" if why else health.state,
            error=why or health.error,
            again_s=breaker.wait_s(model.place),
            cost_in=facts.cost_in,
            cost_out=facts.cost_out,
            context=facts.context,
        )

    def _call(self, question: Question, *, stand_in: bool = False, cut: bool = False) -> Call:
        chain = self._chains.of(question.group)
        first = self._chains.identity(chain[0]) if chain else question.group
        built_in = f"{BLUEPRINT}@{self._version}" if self._version else BLUEPRINT
        identity = built_in if first == BLUEPRINT else first
        identity = f"{built_in} for {first}" if stand_in else identity
        asked = question_asked(question, f"{identity}{WITHIN_A_LIMIT}" if cut else identity)
        return Call(
            tenant=question.tenant,
            workflow=question.workflow,
            stage=question.stage,
            revision=question.revision,
            task=question.task,
            role=question.role,
            schema_name=question.schema_name,
            pieces=question.pieces,
            question=sha256(asked).hexdigest(),
            asked=asked,
        )

    async def _resolved(self, question: Question, call: Call) -> Answer | Problem:
        try:
            if question.strict or self._strict:
                return await self._again(question, call)
            return await self._new(question, call)
        except StoreDown as error:
            return Problem(kind="transient", message=f"the ledger can't be reached: {error}", retry_after=RETRY_S)
        except (AnswerTooLong, ArtifactLost) as error:
            return Problem(
                kind="permanent", message=f"the ledger can't keep or give the answer to {call.task}: {error}"
            )
        except Limited as error:
            return Problem(kind="transient", message=str(error), retry_after=error.retry_after, code="rate_limited")
        except MoneyHeld as error:
            return Problem(kind="transient", message=str(error), retry_after=HELD_S, code="rate_limited")
        except Exception as error:  # noqa: BLE001  # a fault of one question must not stop the service
            _log.error("llm.fault", task=call.task, error=type(error).__name__, at=place(error))
            message = f"the model router failed at {call.task}: {type(error).__name__}"
            return Problem(kind="transient", message=message, retry_after=RETRY_S)

    async def _again(self, question: Question, call: Call) -> Answer | Problem:
        """What this workflow was told before, else the best that the ledger has."""
        calls = (call, self._call(question, cut=True), self._call(question, stand_in=True))
        told, instead = await self._ledger.told(calls)
        for one in sorted(calls, key=lambda one: one.question != told):
            if kept := await self._ledger.known(one):
                return told_of(kept, one, instead=instead if one.question == told else "")
        return Problem(kind="permanent", message=await missed(self._ledger, call), code="not_in_ledger")

    async def _new(self, question: Question, call: Call) -> Answer | Problem:
        """From the ledger, else from a model: who takes the turn sees both in one look."""
        allowed = await self._allowed(question, call)
        if isinstance(allowed, Problem):
            return told_of(kept, call) if (kept := await self._ledger.known(call)) else allowed
        told = await self._begun(question, call, allowed, None)
        while isinstance(told, Told):
            if told.course is None:
                raise LookupError("nobody says what was paid")
            course = told.course.noted()
            try:
                told = await self._begun(question, call, told.rest, course)
            except (Limited, MoneyHeld) as error:  # what was paid before makes this an attempt that counts
                return Problem(kind="transient", message=str(error), retry_after=HELD_S)
        return told

    async def _begun(
        self, question: Question, call: Call, models: Sequence[Model], course: Course | None
    ) -> Answer | Problem | Told:
        """`Told`: what the call was granted is spent, and noted; the limit says whether its rest may be asked."""
        needed = need(question, [self._chain.facts(model) for model in models])
        async with self._turns.turn(call, estimate=needed.guess, most=needed.most, full=needed.full) as turn:
            if isinstance(turn, Over):
                return await self._stand_in(question, call, turn)
            if not isinstance(turn, Turn):
                return told_of(turn, call)
            purse = None if turn.granted is None else Purse(turn.granted, needed)
            if purse and (kept := await self._ledger.kept(cut := self._call(question, cut=True))):
                await turn.note(spent_known(kept), under=cut)
                return told_of(kept, cut)
            async with self._limited(question.tenant, turn):
                return await self._asking(question, call, turn, models, purse, course)

    async def _allowed(self, question: Question, call: Call) -> Sequence[Model] | Problem:
        models = [model for model in self._chains.of(question.group) if model.name not in question.skip]
        if not models:
            message = f"QL_MODELS does not name {question.group}, which {call.task} has to ask"
            if question.skip:
                message = f"no model is left for {call.task}: what {', '.join(question.skip)} said could not be used"
            return Problem(kind="permanent", message=message, code="no_model")
        off = await self._switches.off(question.tenant)
        if allowed := [model for model in models if not reason(off, model)]:
            return allowed
        reasons = "; ".join(dict.fromkeys(f"{model.provider}: {reason(off, model)}" for model in models))
        message = f"every model for {call.task} was switched off: {reasons}"
        return Problem(kind="transient", message=message, retry_after=OFF_S, code="switched_off")

    @asynccontextmanager
    async def _limited(self, tenant: str, turn: Turn) -> AsyncIterator[None]:
        """Only who calls a model counts: an answer that another call gets takes nothing from the tenant's limit."""
        try:
            async with self._limits.turn(tenant):
                yield
        except Limited as error:
            await turn.note(Spent(outcome="failed", code="rate_limited", detail=str(error)))
            raise

    async def _asking(
        self,
        question: Question,
        call: Call,
        turn: Turn,
        models: Sequence[Model],
        purse: Purse | None,
        course: Course | None,
    ) -> Answer | Problem | Told:
        began = time.perf_counter()
        course = course or Course()
        try:
            told = await self._chain.ask(question, models, purse, course, self._switches)
        except BaseException:
            turn.spent = spent_for("failed", course.told(question), began, code="given_up")
            raise
        if isinstance(told.said, Problem):
            await turn.note(spent_for("failed", told, began))
            if told.rest:
                return told
            return purse.excused(told.said) if purse else told.said
        crash.at(question.stage, "after_llm")
        said = told.said
        if told.left_out:
            turn.told(marked(question.pieces, told.left_out))
        text = said.text.encode(errors="replace").decode()  # half of a surrogate pair could never be told
        try:
            spent = spent_for("answered", told, began)
            cut = self._call(question, cut=True) if told.cut else None
            kept = await turn.settle(text, said.finish, spent, under=cut)
        except AnswerTooLong:
            await turn.note(spent_for("failed", told, began, detail="the answer is longer than the ledger keeps"))
            raise
        crash.at(question.stage, "after_journal")
        answer = told_of(kept, cut or call, tried=told.tried, known=False)
        return msgspec.structs.replace(answer, cost=answer.cost + course.cost)

    async def _stand_in(self, question: Question, call: Call, over: Over) -> Answer | Problem:
        """The built-in model costs nothing. The reason that is told is this workflow's own, whoever was over before."""
        cut = self._call(question, cut=True)
        if kept := await self._ledger.known(cut):
            return told_of(kept, cut)
        built_in = Model(name=BLUEPRINT)
        began = time.perf_counter()
        told = Told(said=Problem(kind="permanent", message=f"{BLUEPRINT} must not be asked"))
        if BLUEPRINT not in question.skip:
            told = await self._chain.ask(question, [built_in])
        if isinstance(told.said, Problem):
            message = f"{over.sentence}; and the built-in model can't stand in: {told.said.message}"
            await self._ledger.note(call, "", spent_for("failed", told, began, code="over_budget", detail=message))
            return Problem(kind="permanent", message=message, code="over_budget")
        said = told.said
        spent = spent_for("stand_in", told, began, detail=over.sentence)
        mine = self._call(question, stand_in=True)
        kept = await self._ledger.settle(mine, uuid.uuid4().hex, said.text, said.finish, spent)
        return told_of(kept, mine, instead=over.sentence, known=False)


async def _waited(task: asyncio.Task[Answer | Problem]) -> Answer | Problem:
    """What it says; whoever leaves takes it from nobody."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        me = asyncio.current_task()
        if not task.cancelled() or (me is not None and me.cancelling()):
            raise
    return Problem(
        kind="transient", message="the call was cut off: its workflow has ended, or its router", retry_after=RETRY_S
    )


def place(error: BaseException) -> str:
    """Where it was raised: a traceback's text may hold what must not be logged."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
