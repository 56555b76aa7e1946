"""A provider's limit: all of its models together, beside a tenant's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.providers.calling import LITELLM_WARNS
from tests.providers.server import KEY, Provider
from tests.workers.llm_router.serving import Counting, Unwatched, question
from workers.kit.llm.wire import Answer, Problem
from workers.kit.settings import Settings
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.memory.paces import MemoryPaces
from workers.llm_router.breaker import Alone, Breaker
from workers.llm_router.chain import Chain
from workers.llm_router.limits import Limits
from workers.llm_router.models import Limit, Model, read_chains
from workers.llm_router.pace import Paced
from workers.llm_router.providers import Blueprint
from workers.llm_router.reach import reach
from workers.llm_router.said import Completion, Failed
from workers.llm_router.service import Service
from workers.llm_router.serving import _litellm, _others

pytestmark = LITELLM_WARNS
A, B, OTHER = Model(name="openai/a"), Model(name="openai/b"), Model(name="groq/c")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_calls_are_counted_for_all_models_of_a_provider_together() -> None:
    clock = Clock()
    one = Paced(Counting(), {"openai": Limit(rpm=2)}, MemoryPaces(clock))
    for model in (A, B):
        assert isinstance(await one.complete(model, question(), None, last=False), Completion)
    clock.now = 20.0
    busy = await one.embed(A, ["text"])
    assert isinstance(busy, Failed)
    assert (busy.kind, busy.pause_s) == ("busy", 40.0)
    assert isinstance(await one.complete(OTHER, question(), None, last=False), Completion)
    clock.now = 60.0
    assert isinstance(await one.complete(B, question(), None, last=False), Completion)


async def test_tokens_are_counted_as_calls_end() -> None:
    clock = Clock()
    provider = Counting(Completion(text="a", tokens_in=60, tokens_out=40))
    one = Paced(provider, {"openai": Limit(tpm=200)}, MemoryPaces(clock))
    for second, model in enumerate((A, B)):
        clock.now = float(second)
        assert isinstance(await one.complete(model, question(), None, last=False), Completion)
    busy = await one.complete(A, question(), None, last=False)
    assert isinstance(busy, Failed)
    assert busy.pause_s == 59.0  # then the first one's tokens count no more
    clock.now = 60.0
    assert isinstance(await one.complete(A, question(), None, last=False), Completion)


async def test_what_runs_counts_before_it_ends() -> None:
    clock = Clock()
    provider = Counting(Completion(text="a", tokens_in=20_000, tokens_out=1_000))
    one = Paced(provider, {"openai": Limit(tpm=100_000)}, MemoryPaces(clock))
    long = question("abcd" * 20_000)
    said = await asyncio.gather(*(one.complete(A, long, None, last=False) for _ in range(100)))
    assert sum(isinstance(each, Completion) for each in said) == provider.calls == 5
    (pause,) = {each.pause_s for each in said if isinstance(each, Failed)}
    assert pause is not None
    assert pause < 5  # what they will have taken in truth is known soon
    busy = await one.complete(A, long, None, last=False)
    assert isinstance(busy, Failed)
    assert busy.pause_s == 60.0


async def test_a_call_that_was_cut_off_holds_nothing() -> None:
    one = Paced(Counting(seconds=60), {"openai": Limit(tpm=1)}, MemoryPaces(Clock()))
    running = asyncio.create_task(one.complete(A, question(), None, last=False))
    await asyncio.sleep(0)
    assert isinstance(await one.complete(A, question(), None, last=False), Failed)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    again = asyncio.create_task(one.complete(A, question(), None, last=False))
    assert not (await asyncio.wait([again], timeout=0.02))[0]
    again.cancel()


async def test_over_a_provider_s_limit_the_next_one_is_asked_and_then_the_question_waits() -> None:
    paced = Paced(Counting(), {"openai": Limit(rpm=1), "groq": Limit(rpm=1)}, MemoryPaces())
    one = Service(
        read_chains("openai/a,groq/c"), Chain(Blueprint(), paced, Breaker(Alone()), Unwatched()), MemoryLedger()
    )
    replies = [await one.answer(question(str(n))) for n in range(3)]
    assert [reply.model for reply in replies if isinstance(reply, Answer)] == ["openai/a", "groq/c"]
    assert isinstance(replies[2], Problem)
    assert (replies[2].kind, replies[2].code) == ("transient", "no_model")  # the attempt does not count
    assert "1 calls a minute" in replies[2].message
    assert replies[2].retry_after is not None
    assert replies[2].retry_after > 50


async def test_a_tenant_s_limit_and_a_provider_s_hold_both() -> None:
    provider = Counting()
    paced = Paced(provider, {"openai": Limit(rpm=3)}, MemoryPaces())
    one = Service(
        read_chains("openai/a"),
        Chain(Blueprint(), paced, Breaker(Alone()), Unwatched()),
        MemoryLedger(),
        limits=Limits(0, 2, MemoryPaces(), wait_s=0.01),
    )
    told = [await one.answer(question(f"{n}", tenant=tenant)) for tenant in ("t1", "t2") for n in range(3)]
    assert [isinstance(each, Answer) for each in told] == [True, True, False, True, False, False]
    assert [each.code for each in told if isinstance(each, Problem)] == ["rate_limited", "no_model", "rate_limited"]


@pytest.fixture
async def fake() -> AsyncIterator[Provider]:
    async with Provider() as provider:
        yield provider


async def test_as_the_settings_say_it(fake: Provider, litellm: Any) -> None:
    """`openai` for both of its models; one of them has a limit of its own too."""
    at = f"@{fake.url}/v1"
    settings = Settings(models=f"openai/a{at},openai/b{at}", model_limits="openai=2rpm;openai/a=1rpm")
    reached = reach(settings, {"OPENAI_API_KEY": KEY})
    others = _others(settings, reached, MemoryPaces(), _litellm)
    assert others is not None
    a, b = reached.chains.all
    said = [await others.complete(model, question(), None, last=False) for model in (a, a, b, b)]
    assert [isinstance(each, Completion) for each in said] == [True, False, True, False]
    errors = [each.error for each in said if isinstance(each, Failed)]
    assert errors[1].startswith("its provider's limit: 2 calls")
    assert errors[0].startswith("its limit: 1 calls")
    assert len(fake.calls) == 2


async def test_each_try_counts(litellm: Any) -> None:
    """litellm's Router asks again after a 500: not where the limit is reached."""
    async with Provider("500,500,500,500,500,500,500,500") as ill:
        settings = Settings(models=f"openai/a@{ill.url}/v1", model_limits="openai=3rpm")
        reached = reach(settings, {"OPENAI_API_KEY": KEY})
        (a,) = reached.chains.all
        others = _others(settings, reached, MemoryPaces(), _litellm)
        assert others is not None
        said = await asyncio.gather(*(others.complete(a, question(), None, last=True) for _ in range(4)))
        assert len(ill.calls) == 3
    assert {each.kind for each in said if isinstance(each, Failed)} == {"fault", "busy"}
