"""One question to a chain of models: best first, ill ones left out, and every one that gave no answer is named.

This is the one place that decides who is asked next. A question reaches at most `MOST_MODELS` models, each at most
twice by kind of error (litellm's Router asks again), and as often once more without schema or examples, where
a model says that it takes them not; the bus asks again only after the pause that the problem says.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Literal, Protocol

import msgspec

from workers.kit.llm.wire import Code, Problem, Question, Tried
from workers.kit.stores.drops import StoreDown

from .again import gated
from .breaker import Breaker, Fault
from .models import BLUEPRINT, PROVIDERS, Model
from .money import Purse
from .off import OFF_S, NoSwitches, Switches, reason
from .said import Completion, CutOff, Facts, Failed, Provider, Said, Tell, Vectors
from .windows import fit, without

MOST_MODELS = 3
RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
REMEDY_S = 30.0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A model's answer, or the problem, and who was tried before, with what was paid for it.

    `left_out` are the pieces of the question that did not fit into the model's window. `cut`: it would have written
    more, had we let it. `rest` are models to go on with, once there is money for them and what was paid is noted.
    """

    said: Completion | Problem
    model: Model | None = None
    tried: tuple[Tried, ...] = ()
    failed: tuple[Failed, ...] = ()
    left_out: tuple[str, ...] = ()
    cut: bool = False
    rest: tuple[Model, ...] = ()
    course: Course | None = None


class Watch(Protocol):
    """Lets somebody watch a text as it comes."""

    def writing(self, question: Question, model: Model) -> AbstractContextManager[Tell | None]:
        """Where to tell the pieces; None: do not stream."""
        ...


class Chain:
    """All models of this router: the built-in one and those of the providers."""

    def __init__(self, built_in: Provider, others: Provider | None, breaker: Breaker, watch: Watch) -> None:
        self._built_in = built_in
        self._others = others
        self._watch = watch
        self.breaker = breaker

    def facts(self, model: Model) -> Facts:
        """What is known of the model beforehand."""
        return self._provider(model).facts(model) if model.name == BLUEPRINT or self._others else Facts()

    def unpriced(self, models: Sequence[Model]) -> list[Model]:
        """Those that cost nothing as far as anybody knows: no budget holds for them."""
        facts = [(model, self.facts(model)) for model in models if model.name != BLUEPRINT]
        return [model for model, known in facts if not known.cost_in and not known.cost_out]

    async def ask(
        self,
        question: Question,
        models: Sequence[Model],
        purse: Purse | None = None,
        course: Course | None = None,
        switches: Switches | None = None,
    ) -> Told:
        """The first answer that one of them gives, for no more than what is in the `purse`, after a `course`."""
        course = course or Course()
        switches = switches or NoSwitches()
        for place, model in enumerate(models):
            if course.asked == MOST_MODELS:
                break
            if course.too_large and 0 < self.facts(model).context <= course.too_large:
                course.left_out(model, "the question is too long for it too")
                continue
            fitted = fit(question, self.facts(model).context)
            if isinstance(fitted, str):
                course.too_small(model, fitted)
                continue
            asked = purse.capped(fitted.question, self.facts(model)) if purse else fitted.question
            if asked is None and purse and purse.paid:
                return course.told(question, models[place:])
            if asked is None:  # no limit grants less than a call is expected to take
                course.failed(model, Failed(kind="fault", error="left out: the call may not take enough"), 0)
                continue
            if model.name != BLUEPRINT and (why := reason(await switches.off(question.tenant), model)):
                course.switched_off(model, why)
                continue
            if model.name != BLUEPRINT and not await self.breaker.admits(model.place):
                health = self.breaker.health(model.place)
                wait_s = self.breaker.wait_s(model.place)
                course.waiting(model, f"left out for {wait_s:.0f} s: {health.error}", wait_s, health.unusable)
                continue
            last = not any(self.breaker.wait_s(other.place) == 0 for other in models[place + 1 :])
            may_again = partial(_may, switches, question.tenant, model)
            try:
                with gated(may_again):
                    said = await self._asked(asked, model, last=last)
                    large = isinstance(said, Failed) and said.kind == "large"
                    if large and (bare := without(fitted)) and await may_again():
                        fitted = bare  # nobody knew its window, or how it counts
                        asked = msgspec.structs.replace(asked, messages=bare.question.messages)
                        said = await self._asked(asked, model, last=last)
            except CutOff as cut:
                course.failed(model, cut.failed, 0)
                raise
            if purse:
                purse.pay(said)
            if isinstance(said, Completion):
                return Told(
                    said=said,
                    model=model,
                    tried=tuple(course.tried),
                    failed=tuple(course.fell),
                    left_out=fitted.left_out,
                    cut=said.finish == "length" and _capped(asked, fitted.question, self.facts(model)),
                )
            course.failed(model, said, self.facts(model).context)
            if said.kind == "refused":
                break
        return course.told(question)

    async def embed(self, model: Model, texts: Sequence[str], tenant: str, switches: Switches) -> Vectors | Failed:
        """A vector for each text, where the model is well."""
        if why := reason(await switches.off(tenant), model):
            return Failed(kind="busy", error=f"it was switched off: {why}", pause_s=OFF_S)
        if not await self.breaker.admits(model.place):
            health, wait_s = self.breaker.health(model.place), self.breaker.wait_s(model.place)
            kind: Literal["unusable", "busy"] = "unusable" if health.unusable else "busy"
            return Failed(kind=kind, error=f"left out for {wait_s:.0f} s: {health.error}", pause_s=wait_s or None)
        decided = False
        try:
            with gated(partial(_may, switches, tenant, model)):
                said = await self._provider(model).embed(model, texts)
            await self._judge(model, said)
            decided = True
        finally:
            if not decided:
                await self.breaker.undecided(model.place)
        return said

    async def _asked(self, question: Question, model: Model, *, last: bool) -> Said:
        if model.name == BLUEPRINT:
            return await self._built_in.complete(model, question, None, last=last)
        decided = False
        try:
            with self._watch.writing(question, model) as tell:
                said = await self._provider(model).complete(model, question, tell, last=last)
            await self._judge(model, said)
            decided = True
        finally:
            if not decided:
                await self.breaker.undecided(model.place)
        return said

    async def _judge(self, model: Model, said: Said | Vectors) -> None:
        """A model that answers at all is well, whatever it says."""
        if not isinstance(said, Failed) or said.kind in {"large", "rejected", "refused"}:
            await self.breaker.works(model.place)
        elif said.kind == "busy":
            await self.breaker.undecided(model.place)
        else:
            unusable = said.kind == "unusable"
            error = said.of_nobody + (": its key or its name is refused" if unusable else "")
            await self.breaker.failed(model.place, Fault(error=error, pause_s=said.pause_s, unusable=unusable))

    def _provider(self, model: Model) -> Provider:
        if model.name == BLUEPRINT:
            return self._built_in
        if self._others is None:
            raise LookupError(f"no provider for {model.name}")
        return self._others


async def _may(switches: Switches, tenant: str, model: Model) -> bool:
    """Whether it may be asked once more: somebody may have switched it off since."""
    try:
        return not reason(await switches.off(tenant), model)
    except StoreDown:
        return False


def _capped(asked: Question, wanted: Question, model: Facts) -> bool:
    """Whether the model was allowed less than what was wanted of it, or than it can."""
    most = asked.max_tokens
    return most is not None and most != wanted.max_tokens and not 0 < model.most_out <= most


class Course:
    """What became of the models so far."""

    def __init__(self) -> None:
        self.paid = False
        self.cost = 0.0
        """What the ledger knows of already."""
        self.tried: list[Tried] = []
        self.asked = 0
        self.too_large = 0
        self.fell: list[Failed] = []
        self._pauses: list[float] = []
        self._unusable: list[Model] = []
        self._off = 0

    def left_out(self, model: Model, why: str) -> None:
        self.tried.append(Tried(model=model.name, error=why))

    def too_small(self, model: Model, why: str) -> None:
        self.left_out(model, why)
        self.fell.append(Failed(kind="large", error=why))

    def switched_off(self, model: Model, why: str) -> None:
        self._off += 1
        self.waiting(model, f"it was switched off: {why}", OFF_S, unusable=False)

    def waiting(self, model: Model, why: str, wait_s: float, unusable: bool) -> None:
        self.left_out(model, why)
        if unusable:
            self._unusable.append(model)
        self.fell.append(Failed(kind="unusable" if unusable else "busy", error=why))
        self._pauses.append(wait_s)

    def failed(self, model: Model, failed: Failed, context: int) -> None:
        self.asked += 1
        if failed.kind == "unusable":
            self._unusable.append(model)
        self.left_out(model, failed.error)
        self.fell.append(failed)
        self.paid = self.paid or failed.cost > 0
        if failed.kind == "large":
            self.too_large = max(self.too_large, context)
        if failed.kind in {"fault", "busy"}:
            self._pauses.append(failed.pause_s or RETRY_S)

    def told(self, question: Question, rest: Sequence[Model] = ()) -> Told:
        """Nobody has answered, and only the `rest` may."""
        return Told(
            said=self.problem(question),
            tried=tuple(self.tried),
            failed=tuple(self.fell),
            rest=tuple(rest),
            course=self,
        )

    def noted(self) -> Course:
        """The same, once the ledger knows of what was paid."""
        self.cost += sum(one.cost for one in self.fell)
        self.fell = [msgspec.structs.replace(one, tokens_in=0, tokens_out=0, cost=0.0) for one in self.fell]
        return self

    def problem(self, question: Question) -> Problem:
        """Why nobody answered, for whoever asked."""
        kinds = {failed.kind for failed in self.fell}
        if "refused" in kinds:
            return Problem(kind="refused", message=self.fell[-1].error)
        told = "; ".join(f"{one.model}: {one.error}" for one in self.tried)
        if kinds <= {"unusable"} and question.skip:
            message = f"no other model can be used for {question.task}: {told}"
            return Problem(kind="permanent", message=message, code="no_model")
        if kinds <= {"unusable"}:
            message = f"no model can be used for {question.task}: {told}; {self._remedy()}"
            return Problem(
                kind="transient", message=message, retry_after=REMEDY_S, code="" if self.paid else "no_model"
            )
        if kinds & {"fault", "busy"}:
            pause = min(max(RETRY_S, min(self._pauses)), LONGEST_RETRY_S)
            called = self.paid or any(failed.kind == "fault" for failed in self.fell)
            message = f"no model answers {question.task} now: {told}"
            free: Code = "switched_off" if self._off == len(self.fell) else "no_model"
            return Problem(kind="transient", message=message, retry_after=pause, code="" if called else free)
        if kinds == {"rejected"} and len(self.tried) == 1:
            return Problem(kind="permanent", message=self.fell[0].error)
        return Problem(kind="permanent", message=f"no model can answer {question.task}: {told}")

    def _remedy(self) -> str:
        """What an operator has to do; meanwhile the questions wait."""
        keys = [names[0] for model in self._unusable for names in PROVIDERS[model.provider].needs.values()]
        look = f"check {', '.join(dict.fromkeys(keys))} and" if keys else "check"
        return f"{look} the models' names in QL_MODELS, or what the provider's account still holds"
