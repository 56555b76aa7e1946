"""A month ends while calls run: what was spent in it is over, what is paid from then on is the new one's."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg

from tests.kit.stores.limits import WORKFLOW, set_limits
from tests.kit.stores.test_budgets import ask, spent
from tests.kit.stores.test_calls import call
from tests.servers import Database
from workers.kit.stores.calls import Answer
from workers.kit.stores.pg import Pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.usage import PgUsage
from workers.kit.stores.turns import Turns

LAST = "to_char(now() AT TIME ZONE 'UTC' - interval '1 month', 'YYYY-MM')"
PASSES = (
    "UPDATE usage SET created_at = created_at - interval '1 month'",
    f"UPDATE budgets SET scope = {LAST} WHERE scope = to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')",  # noqa: S608
    f"UPDATE charges SET scope = {LAST}",  # noqa: S608
    f"UPDATE calls_running SET month = {LAST}",  # noqa: S608
)


async def a_month_passes(database: Database) -> None:
    admin = await asyncpg.connect(database.admin)
    try:
        for one in PASSES:
            await admin.execute(one)
    finally:
        await admin.close()


async def test_a_month_ends_while_a_call_runs(worker_pool: Pool, gateway_pool: Pool, shared: Database) -> None:
    await set_limits(worker_pool, gateway_pool, None, 1.0)
    ledger, usage = PgLedger(worker_pool), PgUsage(gateway_pool)
    for name in ("first", "second"):
        assert isinstance(await ask(Turns(ledger), name, WORKFLOW, 0.375, 0.375), Answer)
    assert (await ledger.begin(call("long"), "long", estimate=0.125, lease_s=60)).verdict == "yours"
    assert (await ledger.begin(call("more"), "more", estimate=0.375, lease_s=60)).verdict == "over"
    await a_month_passes(shared)

    assert [(one.spent, one.held) for one in await usage.budgets("default")] == [(0.0, 0.125)]
    held = await ledger.begin(call("more"), "more", estimate=0.9375, lease_s=60)
    assert held.over is not None
    assert (held.verdict, held.over.spent, held.over.held) == ("wait", 0.0, 0.125)

    await ledger.settle(call("long"), "long", "answer", "stop", spent(0.25))
    over = await ledger.begin(call("more"), "more", estimate=0.9375, lease_s=60)
    assert over.over is not None
    assert (over.verdict, over.over.spent, over.over.held) == ("over", 0.25, 0.0)
    assert (await ledger.begin(call("more"), "more", estimate=0.75, lease_s=60)).verdict == "yours"
    assert [(one.spent, one.held) for one in await usage.budgets("default")] == [(0.25, 0.75)]

    this = datetime.now(UTC).strftime("%Y-%m")
    totals = {one.by["month"]: one.cost for one in await usage.totals("default", by=["month"])}
    assert len(totals) == 2
    assert (totals.pop(this), *totals.values()) == (0.25, 0.75)
    rows = await worker_pool.fetch("SELECT scope = $1 AS this, spent::float FROM budgets", this)
    assert {row["this"]: row["spent"] for row in rows} == {True: 0.25, False: 0.75}
