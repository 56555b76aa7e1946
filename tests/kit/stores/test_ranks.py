"""Which process comes first at a stage: the one that is longest there."""

from __future__ import annotations

import asyncio

from tests.kit.stores.world import World


async def test_the_older_come_first_at_the_stages_that_they_share(world: World) -> None:
    ranks = world.drops.ranks
    assert await ranks("first", ["plan", "code"], for_s=60) == {"plan": 0, "code": 0}
    assert await ranks("second", ["code", "check"], for_s=60) == {"code": 1, "check": 0}
    assert await ranks("third", ["plan", "code"], for_s=60) == {"plan": 1, "code": 2}
    assert await ranks("first", ["plan", "code"], for_s=60) == {"plan": 0, "code": 0}, "as long as it says so"
    for rank, left in (({"plan": 0, "code": 1}, "first"), ({"plan": 0, "code": 0}, "second")):
        await world.drops.leave(left)
        assert await ranks("third", ["plan", "code"], for_s=60) == rank
    await world.drops.leave("third")


async def test_who_is_not_heard_of_loses_its_place(world: World) -> None:
    ranks = world.drops.ranks
    await ranks("first", ["plan"], for_s=0.05)
    assert await ranks("second", ["plan"], for_s=60) == {"plan": 1}
    await asyncio.sleep(0.1)
    assert await ranks("second", ["plan"], for_s=60) == {"plan": 0}
    assert await ranks("first", ["plan"], for_s=60) == {"plan": 1}, "it comes last now"
    for name in ("first", "second"):
        await world.drops.leave(name)


async def test_many_that_ask_at_once_get_an_answer_each(world: World) -> None:
    names = [f"process {number}" for number in range(8)]
    await asyncio.gather(*(world.drops.ranks(name, ["plan"], for_s=60) for name in names))
    again = await asyncio.gather(*(world.drops.ranks(name, ["plan"], for_s=60) for name in names))
    assert sorted(told["plan"] for told in again) == list(range(8))
