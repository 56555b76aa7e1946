"""Kill switches, of one tenant and of all."""

from __future__ import annotations

import asyncpg
import pytest

from workers.kit.stores import switchboard
from workers.kit.stores.pg import Pool
from workers.kit.stores.switchboard import SwitchBoard
from workers.kit.stores.switches import ALL, Switches


@pytest.mark.parametrize(
    ("switch", "mine", "others"),
    [
        (("default", "a"), {"a": "it leaks"}, {}),
        (("default", ALL), {ALL: "it leaks"}, {}),
        ((ALL, "a"), {"a": "it leaks"}, {"a": "it leaks"}),
        ((ALL, ALL), {ALL: "it leaks"}, {ALL: "it leaks"}),
    ],
)
async def test_a_switch_stops_what_it_names(
    worker_pool: Pool, switch: tuple[str, str], mine: dict[str, str], others: dict[str, str]
) -> None:
    board = SwitchBoard(worker_pool)
    await board.turn_off(*switch, "it leaks")
    asked = Switches(worker_pool)
    assert (await asked.off("default"), await asked.off("other"), await asked.off("")) == (mine, others, others)
    assert await board.turn_on(*switch)
    assert not await board.turn_on(*switch)
    assert await Switches(worker_pool).off("default") == {}


async def test_a_switch_is_seen_soon_and_without_a_look_at_each_call(worker_pool: Pool) -> None:
    asked, board = Switches(worker_pool), SwitchBoard(worker_pool)
    assert await asked.off("default") == {}
    await board.turn_off("default", "a", "")
    assert await asked.off("default") == {}
    asked._until = 0.0  # as after two seconds
    assert await asked.off("default") == {"a": "switched off"}


async def test_the_gateway_sets_its_own_tenant_s_and_sees_those_for_all(worker_pool: Pool, gateway_pool: Pool) -> None:
    await SwitchBoard(worker_pool).turn_off(ALL, "a", "for all")
    await SwitchBoard(worker_pool).turn_off("other", "b", "not yours")
    board = SwitchBoard(gateway_pool)
    await board.turn_off("default", "c", "mine")
    await board.turn_off("default", "c", "mine now")
    assert [(s.tenant, s.reason) for s in await board.all("default")] == [(ALL, "for all"), ("default", "mine now")]
    assert await board.turn_on("default", "c")
    async with gateway_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(switchboard.SET, ALL, "a", "mine")
