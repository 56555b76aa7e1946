"""Vectors are made like answers: noted, paid, limited, switched off, and left to a model that is well."""

from __future__ import annotations

import pytest

from tests.workers.llm_router.serving import Counting, chain, service
from workers.kit.llm.wire import Embed, Embedded, Problem
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.memory.paces import MemoryPaces
from workers.llm_router.limits import Limits
from workers.llm_router.models import read_chains, read_model
from workers.llm_router.said import Facts, Failed
from workers.llm_router.service import Service


async def test_embeddings_come_from_the_model_that_is_set_or_nobody() -> None:
    asked = Embed(tenant="t", texts=("a", "bcd"))
    problem = await service(Counting()).embed(asked)
    assert isinstance(problem, Problem)
    assert problem.code == "no_model"
    model = read_model("openai/e", "QL_EMBEDDINGS")
    one = Service(read_chains("openai/a"), chain(Counting()), MemoryLedger(), embeddings=model)
    assert await one.embed(asked) == Embedded(vectors=((1.0, 1.0), (3.0, 1.0)), model="openai/e")


class _Off:
    looks = 0

    async def off(self, tenant: str) -> dict[str, str]:
        self.looks += tenant == "late"
        return {"openai": "too dear"} if tenant == "off" or self.looks > 1 else {}


def embedding(
    provider: Counting, ledger: MemoryLedger, *, strict: bool = False, limits: Limits | None = None
) -> Service:
    model, chains = read_model("openai/e", "QL_EMBEDDINGS"), read_chains("openai/a")
    parts = (chains, chain(provider), ledger)
    return Service(*parts, embeddings=model, strict=strict, switches=_Off(), limits=limits)


async def test_embeddings_are_noted_paid_limited_and_switched_off_like_any_call() -> None:
    provider = Counting(facts=Facts(cost_in=0.01))
    ledger = MemoryLedger(months={"poor": 0.001})
    one = embedding(provider, ledger, limits=Limits(0, 1, MemoryPaces(), wait_s=0.01))
    codes: list[str] = []
    for tenant in ("t", "t", "off", "poor"):
        reply = await one.embed(Embed(tenant=tenant, texts=("abcdef",)))
        codes.append(reply.code if isinstance(reply, Problem) else "vectors")
    assert codes == ["vectors", "", "switched_off", "over_budget"]
    assert [(used.call.tenant, used.spent.outcome, used.spent.cost) for used in ledger.used] == [
        ("t", "answered", 0.25),
        ("t", "failed", 0.0),
    ]
    assert provider.calls == 1


async def test_embeddings_that_are_switched_off_while_they_wait_are_not_asked_for() -> None:
    provider = Counting()
    reply = await embedding(provider, MemoryLedger()).embed(Embed(tenant="late", texts=("a",)))
    assert isinstance(reply, Problem)
    assert (reply.kind, provider.calls) == ("transient", 0)
    assert "it was switched off: too dear" in reply.message


@pytest.mark.parametrize(
    ("failed", "kind", "calls"),
    [
        (Failed(kind="fault", error="500"), "transient", 3),
        (Failed(kind="unusable", error="401"), "permanent", 1),
        (Failed(kind="rejected", error="400"), "permanent", 4),
    ],
)
async def test_a_model_of_embeddings_that_is_ill_is_left_out(failed: Failed, kind: str, calls: int) -> None:
    provider, ledger = Counting(failed), MemoryLedger()
    one = embedding(provider, ledger)
    for _ in range(4):
        reply = await one.embed(Embed(tenant="t", texts=("a",)))
        assert isinstance(reply, Problem)
        assert reply.kind == kind
    assert provider.calls == calls
    assert {used.spent.outcome for used in ledger.used} == {"failed"}


async def test_embeddings_are_refused_where_only_the_ledger_answers_and_every_fault_gets_a_reply() -> None:
    strict = await embedding(Counting(), MemoryLedger(), strict=True).embed(Embed(tenant="t", texts=("a",)))
    fault = await embedding(Counting(ValueError("no")), MemoryLedger()).embed(Embed(tenant="t", texts=("a",)))
    assert isinstance(strict, Problem)
    assert isinstance(fault, Problem)
    assert (strict.kind, strict.code, fault.kind) == ("permanent", "no_model", "transient")
