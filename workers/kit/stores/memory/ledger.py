"""The ledger's twin; filled from a file it stands for a recorded run, so that a test needs no key and no model."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from workers.kit.stores.bodies import MAX_REFERRED, packed
from workers.kit.stores.calls import Answer, AnswerTooLong, Begun, Call, Entry, Over, Spent


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """A call, and what it took."""

    call: Call
    spent: Spent


@dataclass(slots=True)
class _Running:
    call: Call
    token: str
    estimate: float
    until: float


@dataclass(slots=True)
class MemoryLedger:
    """The twin; `used` holds every call, in order. `budgets` are US dollars by workflow, `months` by tenant."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    used: list[Usage] = field(default_factory=list)
    budgets: dict[str, float] = field(default_factory=dict)
    months: dict[str, float] = field(default_factory=dict)
    asked: dict[tuple[str, str], Call] = field(default_factory=dict)
    running: dict[tuple[str, str], _Running] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)

    async def known(self, call: Call) -> Answer | None:
        answer = self.answers.get((call.tenant, call.question))
        if answer is not None:
            spent = Spent(
                outcome="known",
                model=answer.model,
                tokens_in=answer.tokens_in,
                tokens_out=answer.tokens_out,
                detail=answer.instead,
            )
            self.used.append(Usage(call=call, spent=spent))
        return answer

    async def kept(self, call: Call) -> Answer | None:
        return self.answers.get((call.tenant, call.question))

    async def told(self, calls: Sequence[Call]) -> tuple[str, str]:
        asked = {call.question for call in calls}
        mine = [one for one in self.used if one.call.workflow == calls[0].workflow and one.call.question in asked]
        last = next((one.call.question for one in reversed(mine) if one.spent.outcome != "failed"), "")
        stood_in = [one for one in mine if one.call.question == last and one.spent.outcome == "stand_in"]
        return last, stood_in[-1].spent.detail if stood_in else ""

    async def begin(self, call: Call, token: str, *, estimate: float, lease_s: float, most: float = 0.0) -> Begun:
        key, now = (call.tenant, call.question), time.monotonic()
        if answer := await self.known(call):
            return Begun(verdict="known", answer=answer)
        running = self.running.get(key)
        if running is not None and running.until >= now and running.token != token:
            return Begun(verdict="theirs")
        granted = most = max(most, estimate)
        limits = [*self._limits(call, estimate)] if estimate > 0 else []
        for over in limits:
            if over.spent + estimate > over.allowed:
                return Begun(verdict="over", over=over)
            if over.held and over.spent + over.held + granted > over.allowed:
                return Begun(verdict="wait", over=over)
            granted = min(granted, over.allowed - over.spent - over.held)
        self.running[key] = _Running(call, token, granted, now + lease_s)
        return Begun(verdict="yours", granted=granted if limits else None)

    def _limits(self, call: Call, estimate: float) -> Iterable[Over]:
        if call.workflow in self.budgets:
            mine = [used for used in self.used if used.call.workflow == call.workflow]
            held = [r.estimate for r in self._alive(call.tenant) if r.call.workflow == call.workflow]
            yield _over("workflow", self.budgets[call.workflow], mine, held, estimate)
        if call.tenant in self.months:
            mine = [used for used in self.used if used.call.tenant == call.tenant]
            held = [r.estimate for r in self._alive(call.tenant)]
            yield _over("month", self.months[call.tenant], mine, held, estimate)

    def _alive(self, tenant: str) -> list[_Running]:
        now = time.monotonic()
        return [r for r in self.running.values() if r.call.tenant == tenant and r.until >= now]

    async def renew(self, tokens: Collection[str], *, lease_s: float) -> None:
        for running in self.running.values():
            if running.token in tokens:
                running.until = time.monotonic() + lease_s

    async def settle(self, call: Call, token: str, text: str, finish: str, spent: Spent) -> Answer:
        if len(await packed(text.encode("utf-8", "surrogatepass"))) > MAX_REFERRED:
            raise AnswerTooLong(f"a text of {len(text)} characters is more than the ledger keeps")
        await self.note(call, token, spent)
        answer = Answer(
            text=text,
            finish_reason=finish,
            model=spent.model,
            tokens_in=spent.tokens_in,
            tokens_out=spent.tokens_out,
            cost=spent.cost,
            instead=spent.detail if spent.outcome == "stand_in" else "",
        )
        self.asked.setdefault((call.tenant, call.question), call)
        return self.answers.setdefault((call.tenant, call.question), answer)

    async def note(self, call: Call, token: str, spent: Spent) -> None:
        if token not in self.settled:
            self.used.append(Usage(call=call, spent=spent))
        if token:
            self.settled.add(token)
        running = self.running.get((call.tenant, call.question))
        if running is not None and running.token == token:
            del self.running[call.tenant, call.question]

    async def nearest(self, call: Call, limit: int = 16) -> Sequence[bytes]:
        same = [
            other
            for other in reversed(self.asked.values())
            if (other.tenant, other.task, other.stage) == (call.tenant, call.task, call.stage)
        ]
        same.sort(key=lambda other: (other.workflow != call.workflow, other.revision != call.revision))
        return [other.asked for other in same[:limit] if other.asked]


def _over(
    scope: Literal["workflow", "month"], allowed: float, used: list[Usage], held: list[float], estimate: float
) -> Over:
    spent = sum(one.spent.cost for one in used)
    return Over(scope=scope, allowed=allowed, spent=spent, held=sum(held), estimate=estimate)


def recorded(entries: Iterable[Entry], tenant: str = "default") -> MemoryLedger:
    """A recorded run as a ledger: what a test asks that was asked then is answered, with no key and no model."""
    ledger = MemoryLedger()
    for entry in entries:
        key = (tenant, entry.question)
        ledger.answers[key] = Answer(
            text=entry.answer,
            finish_reason=entry.finish_reason,
            model=entry.model,
            tokens_in=entry.tokens_in,
            tokens_out=entry.tokens_out,
            cost=entry.cost,
            instead=entry.instead,
        )
        ledger.asked[key] = Call(
            tenant=tenant,
            workflow="",
            stage=entry.stage,
            task=entry.task,
            question=entry.question,
            asked=entry.asked.encode(),
            revision=entry.revision,
            role=entry.role,
            schema_name=entry.schema_name,
        )
    return ledger
