"""The router's service where a tenant has a limit, or an operator switched something off."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.workers.llm_router.serving import Counting, chain, question
from tests.workers.llm_router.test_service import answered, refused
from workers.kit.llm.wire import Answer, Problem
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.memory.paces import MemoryPaces
from workers.llm_router.limits import Limits
from workers.llm_router.models import read_chains
from workers.llm_router.said import Completion, Failed, Said
from workers.llm_router.service import Service


async def test_a_provider_that_was_switched_off_is_not_asked() -> None:
    class Off:
        async def off(self, tenant: str) -> dict[str, str]:
            return {"openai": "too dear"} if tenant == "default" else {"*": "closed"}

    provider = Counting()
    one = Service(read_chains("openai/a,groq/b"), chain(provider), MemoryLedger(), switches=Off())
    assert (await answered(one, question())).model == "groq/b"
    problem = await refused(one, question(tenant="t2"))
    assert (problem.kind, problem.code, "closed" in problem.message) == ("transient", "switched_off", True)


class Board:
    """Switches that are set while calls run."""

    def __init__(self) -> None:
        self.set: dict[str, str] = {}

    async def off(self, tenant: str) -> dict[str, str]:
        return self.set


async def test_what_is_switched_off_while_questions_wait_for_their_turn_is_asked_nothing_more() -> None:
    provider, board, ledger = Counting(seconds=0.05), Board(), MemoryLedger()
    one = Service(read_chains("openai/a"), chain(provider), ledger, limits=Limits(1, 0), switches=board)
    asking = [asyncio.create_task(one.answer(question(str(n)))) for n in range(5)]
    while not provider.calls:  # noqa: ASYNC110  a count can't tell
        await asyncio.sleep(0.001)
    board.set = {"*": "an incident"}
    first, *others = await asyncio.gather(*asking)
    assert isinstance(first, Answer)
    assert {(other.kind, other.code) for other in others if isinstance(other, Problem)} == {
        ("transient", "switched_off")
    }
    assert provider.calls == 1
    board.set = {}
    await answered(one, question("4"))


async def test_a_call_that_is_cut_off_while_it_waits_for_its_turn_is_no_failure_of_its_role() -> None:
    provider, ledger = Counting(seconds=60), MemoryLedger()
    one = Service(read_chains("openai/a"), chain(provider), ledger, limits=Limits(1, 0))
    asked = ("first", "waits")
    asking = [asyncio.create_task(one.answer(question(name, workflow=name))) for name in asked]
    while not provider.calls or len(ledger.running) < 2:  # noqa: ASYNC110  a count can't tell
        await asyncio.sleep(0.001)
    for name in reversed(asked):
        one.leave("default", name)
    assert [isinstance(reply, Problem) for reply in await asyncio.gather(*asking)] == [True, True]
    assert {used.call.workflow: used.spent.code for used in ledger.used} == dict.fromkeys(asked, "given_up")
    assert provider.calls == 1


async def test_a_fallback_that_is_switched_off_while_the_first_model_fails_is_not_asked() -> None:
    board = Board()

    class Failing(Counting):
        async def complete(self, *args: Any, **more: Any) -> Said:
            board.set = {"groq": "an incident"}
            return await super().complete(*args, **more)

    provider = Failing(Failed(kind="fault", error="503"))
    one = Service(read_chains("openai/a,groq/b"), chain(provider), MemoryLedger(), switches=board)
    problem = await refused(one, question())
    assert provider.asked == ["openai/a"]
    assert (problem.kind, problem.code) == ("transient", "")
    assert "groq/b: it was switched off: an incident" in problem.message


async def test_a_tenant_over_its_limit_is_told_when_to_come_back_and_others_go_on() -> None:
    provider = Counting()
    limits = Limits(0, 1, MemoryPaces(), wait_s=0.01)
    one = Service(read_chains("openai/a"), chain(provider), MemoryLedger(), limits=limits)
    await answered(one, question("1"))
    problem = await refused(one, question("2"))
    assert (problem.kind, problem.code) == ("transient", "rate_limited")
    assert problem.retry_after
    assert 50 < problem.retry_after <= 60
    await answered(one, question("2", tenant="t2"))


async def test_who_is_given_another_s_answer_takes_nothing_from_the_tenant_s_limit() -> None:
    ledger, provider = MemoryLedger(), Counting(seconds=0.1)
    routers = [
        Service(read_chains("openai/a"), chain(provider), ledger, limits=Limits(1, 0, wait_s=0.01)) for _ in range(2)
    ]
    first = asyncio.create_task(routers[0].answer(question("1")))
    await asyncio.sleep(0.02)
    waiting = asyncio.create_task(routers[1].answer(question("1", workflow="w2")))
    await asyncio.sleep(0.02)
    assert isinstance(await routers[1].answer(question("2")), Answer)
    assert isinstance(await first, Answer)
    assert isinstance(await waiting, Answer)


async def test_limits_remember_no_tenant_that_asks_nothing() -> None:
    limits = Limits(1, 9, MemoryPaces())
    async with limits.turn("t1"):
        assert set(limits._tenants) == {"t1"}
    assert not limits._tenants


async def test_calls_at_once_wait_for_each_other() -> None:
    most, running = 0, 0

    class Narrow(Counting):
        async def complete(self, *args: object, **more: object) -> Completion:
            nonlocal most, running
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return Completion(text="a")

    one = Service(read_chains("openai/a"), chain(Narrow()), MemoryLedger(), limits=Limits(2, 0))
    replies = await asyncio.gather(*(one.answer(question(str(n))) for n in range(8)))
    assert all(isinstance(reply, Answer) for reply in replies)
    assert most == 2
