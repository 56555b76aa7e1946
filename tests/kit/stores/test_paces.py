"""What is taken a minute, by names: each test runs on the twin and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.servers import Database
from workers.kit.stores.memory.paces import MemoryPaces
from workers.kit.stores.paces import SOON_S, Counted, Later, Pace, Paces
from workers.kit.stores.pg import Pool
from workers.kit.stores.pg.paces import PgPaces

Older = Callable[[int], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
def paces(request: pytest.FixtureRequest) -> tuple[Paces, Older]:
    """The port, and what lets seconds pass."""
    if request.param == "memory":
        clock = [0.0]

        async def wait(seconds: int) -> None:
            clock[0] += seconds

        return MemoryPaces(lambda: clock[0]), wait
    pool: Pool = request.getfixturevalue("worker_pool")

    async def older(seconds: int) -> None:
        async with pool.acquire() as connection:
            await connection.execute("UPDATE paces SET second = second - $1", seconds)

    return PgPaces(pool), older


def over(told: Counted | Later) -> Later:
    assert isinstance(told, Later), told
    return told


def within(told: Counted | Later) -> Counted:
    assert isinstance(told, Counted), told
    return told


async def test_calls_of_a_minute(paces: tuple[Paces, Older]) -> None:
    port, older = paces
    two = [Pace(name="a", calls=2)]
    within(await port.begin(two))
    await older(40)
    within(await port.begin(two))
    later = over(await port.begin(two))
    assert (later.over, later.pace) == ("calls", two[0])
    assert 18 < later.pause_s <= 21
    assert later.sentence == "2 calls a minute, as many as it may take"
    within(await port.begin([Pace(name="b", calls=2)]))
    await older(21)
    within(await port.begin(two))
    over(await port.begin(two))


async def test_who_is_over_for_one_name_is_counted_for_none(paces: tuple[Paces, Older]) -> None:
    port, _ = paces
    both = [Pace(name="b", calls=9), Pace(name="a", calls=1)]
    within(await port.begin(both))
    for _ in range(20):
        assert over(await port.begin(both)).pace.name == "a"
    within(await port.begin([Pace(name="b", calls=2)]))
    over(await port.begin([Pace(name="b", calls=2)]))


async def test_tokens_count_as_estimated_until_they_are_known(paces: tuple[Paces, Older]) -> None:
    port, older = paces
    most = [Pace(name="a", tokens=100)]
    first = within(await port.begin(most, 100))
    later = over(await port.begin(most, 1))
    assert (later.over, later.pause_s) == ("tokens", SOON_S)
    await port.ended(first, 60)
    second = within(await port.begin(most, 100))
    await port.ended(second, 60)
    assert 50 < over(await port.begin(most, 1)).pause_s <= 61
    await older(61)
    within(await port.begin(most, 100))
    await older(61)  # its router has died
    within(await port.begin(most, 1))


async def test_however_many_begin_at_once_there_are_only_so_many(paces: tuple[Paces, Older]) -> None:
    port, _ = paces
    told = await asyncio.gather(*(port.begin([Pace(name="a", calls=7), Pace(name="b", calls=30)]) for _ in range(40)))
    assert sum(isinstance(one, Counted) for one in told) == 7


async def test_a_clock_that_was_set_back_stops_nobody(worker_pool: Pool) -> None:
    port, one = PgPaces(worker_pool), [Pace(name="a", calls=1)]
    within(await port.begin(one))
    over(await port.begin(one))
    await worker_pool.execute("UPDATE paces SET second = second + 300")
    within(await port.begin(one))
    over(await port.begin(one))


async def test_names_that_nobody_asks_for_any_more_are_forgotten(worker_pool: Pool) -> None:
    for name, ago in (("old", 3700), ("a", 0)):
        await PgPaces(worker_pool).begin([Pace(name=name, calls=1)])
        await worker_pool.execute("UPDATE paces SET second = second - $1", ago)
    assert [row["name"] for row in await worker_pool.fetch("SELECT name FROM paces")] == ["a"]


async def test_a_tenant_s_role_sees_none_of_it(shared: Database, gateway_pool: Pool) -> None:
    async with gateway_pool.acquire() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM paces")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT begin_paced(ARRAY['a'], ARRAY[1], ARRAY[1], 1)")
