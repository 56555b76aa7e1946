"""A model that fails is left out, tried by one asker of all, and comes back or waits twice as long."""

from __future__ import annotations

import asyncio

import pytest

from workers.llm_router.breaker import FAILURES, LONGEST_S, PAUSE_S, PROBE_S, Alone, Breaker, Fault, Health

MODEL = "openai/x"
FAULT = Fault(error="500: oops")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def routers(clock: Clock) -> tuple[Breaker, Breaker]:
    """Two that share a bucket."""
    shared = Alone()
    return Breaker(shared, now=clock), Breaker(shared, now=clock)


async def opened(clock: Clock) -> tuple[Breaker, Breaker]:
    one, two = routers(clock)
    for breaker in (one, two, one):
        assert await breaker.admits(MODEL)
        await breaker.failed(MODEL, FAULT)
    return one, two


async def test_failures_in_a_row_on_any_router_open_it_for_all() -> None:
    clock = Clock()
    one, two = await opened(clock)
    assert not await one.admits(MODEL)
    assert not await two.admits(MODEL)
    assert two.wait_s(MODEL) == PAUSE_S
    assert two.health(MODEL).error == FAULT.error


async def test_an_answer_between_failures_closes_the_count() -> None:
    one, two = routers(Clock())
    for _ in range(FAILURES):
        await one.failed(MODEL, FAULT)
        await two.works(MODEL)
    assert await one.admits(MODEL)
    assert one.health(MODEL) == Health()


async def test_after_the_pause_one_asker_of_all_tries_it_and_its_answer_closes_it() -> None:
    clock = Clock()
    one, two = await opened(clock)
    clock.now += PAUSE_S
    admitted = await asyncio.gather(*(breaker.admits(MODEL) for breaker in (one, two) * 5))
    assert sum(admitted) == 1
    assert two.health(MODEL).state == "probing"
    await one.works(MODEL)
    assert await two.admits(MODEL)
    assert await one.admits(MODEL)


async def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    clock = Clock()
    one, two = await opened(clock)
    pauses = []
    for _ in range(9):
        clock.now += two.wait_s(MODEL)
        assert await two.admits(MODEL)
        await two.failed(MODEL, FAULT)
        pauses.append(one.wait_s(MODEL))
    assert pauses[:3] == [2 * PAUSE_S, 4 * PAUSE_S, 8 * PAUSE_S]
    assert pauses[-1] == LONGEST_S


async def test_a_probe_whose_router_died_is_somebody_else_s_later() -> None:
    clock = Clock()
    one, two = await opened(clock)
    clock.now += PAUSE_S
    assert await one.admits(MODEL)
    clock.now += PROBE_S - 1
    assert not await two.admits(MODEL)
    clock.now += 1
    assert await two.admits(MODEL)


async def test_a_probe_that_told_nothing_leaves_it_to_the_next() -> None:
    clock = Clock()
    one, two = await opened(clock)
    clock.now += PAUSE_S
    assert await one.admits(MODEL)
    await one.undecided(MODEL)
    assert await two.admits(MODEL)


@pytest.mark.parametrize(("named", "kept"), [(42, 42), (0.5, 0.5), (0, PAUSE_S), (1e9, LONGEST_S)])
async def test_a_pause_that_the_provider_names_is_kept_at_once(named: float, kept: float) -> None:
    one, two = routers(Clock())
    await one.failed(MODEL, Fault(error="429", pause_s=named))
    assert two.wait_s(MODEL) == kept
    assert not await two.admits(MODEL)


async def test_a_refused_key_opens_it_at_once_and_says_so() -> None:
    one, two = routers(Clock())
    await one.failed(MODEL, Fault(error="401", unusable=True))
    assert (two.health(MODEL).unusable, await two.admits(MODEL)) == (True, False)


async def test_questions_that_were_on_their_way_when_it_opened_do_not_lengthen_the_pause() -> None:
    clock = Clock()
    one, two = await opened(clock)
    for _ in range(20):
        await two.failed(MODEL, FAULT)
    assert one.wait_s(MODEL) == PAUSE_S


async def test_a_probe_is_the_asker_s_as_long_as_its_model_may_take() -> None:
    clock, shared = Clock(), Alone()
    one, two = (Breaker(shared, now=clock, probe_s=310) for _ in range(2))
    await one.failed(MODEL, Fault(error="429", pause_s=1))
    clock.now += 1
    assert await one.admits(MODEL)
    clock.now += 309
    assert not await two.admits(MODEL)
    clock.now += 1
    assert await two.admits(MODEL)
