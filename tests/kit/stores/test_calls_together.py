"""Calls of one moment on two routers: each is begun once, paid once, and none takes another along."""

from __future__ import annotations

import asyncio
import random
import uuid
from hashlib import sha256

import asyncpg
import pytest

from tests.kit.stores.limits import begin_workflow
from workers.kit.stores.calls import Answer, Call, Over, Spent
from workers.kit.stores.pg import Pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.turns import Turn, Turns

WORKFLOWS = [f"01JD000000000000000000000{n}" for n in range(6)]
QUESTIONS = 24
COST = 0.25
SPENT = Spent(outcome="answered", model="a/x", provider="a", tokens_in=3, tokens_out=5, cost=COST)


def call(n: int, workflow: str = "") -> Call:
    asked = f"question {n}".encode()
    named = workflow or WORKFLOWS[n % len(WORKFLOWS)]
    question = sha256(asked).hexdigest()
    return Call(tenant="default", workflow=named, stage="s", task="t", question=question, asked=asked)


class Router:
    """Asks a model that counts."""

    def __init__(self, pool: Pool) -> None:
        self._turns = Turns(PgLedger(pool))
        self.asked: list[str] = []

    async def ask(self, asked: Call) -> Answer | Over:
        async with self._turns.turn(asked, estimate=COST) as turn:
            if not isinstance(turn, Turn):
                return turn
            self.asked.append(asked.question)
            await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311  no secret
            return await turn.settle(f"answer to {asked.question}", "stop", SPENT)


@pytest.mark.parametrize("budget", [None, 100.0])
async def test_each_question_is_one_call_and_paid_once(
    worker_pool: Pool, gateway_pool: Pool, budget: float | None
) -> None:
    for workflow in WORKFLOWS:
        await begin_workflow(gateway_pool, workflow, budget)
    await worker_pool.execute("UPDATE tenants SET monthly_budget = $1::float8::numeric", budget)
    routers = [Router(worker_pool), Router(worker_pool)]
    calls = [call(n) for n in range(QUESTIONS)] * 2
    random.shuffle(calls)
    found = await asyncio.gather(*(router.ask(one) for router in routers for one in calls))
    assert {answer.text for answer in found if isinstance(answer, Answer)} == {
        f"answer to {call(n).question}" for n in range(QUESTIONS)
    }
    assert len(found) == 4 * QUESTIONS
    asked = [question for router in routers for question in router.asked]
    assert sorted(asked) == sorted({one.question for one in calls})
    paid = await worker_pool.fetch("SELECT workflow_id, sum(cost) AS cost FROM usage GROUP BY 1 ORDER BY 1")
    assert [float(row["cost"]) for row in paid] == [COST * QUESTIONS / len(WORKFLOWS)] * len(WORKFLOWS)
    if budget is not None:
        spent = await worker_pool.fetch("SELECT spent FROM budgets WHERE scope = ANY($1)", WORKFLOWS)
        assert [float(row["spent"]) for row in spent] == [float(row["cost"]) for row in paid]
        month = "(SELECT coalesce(sum(spent), 0) FROM budgets WHERE scope <> ALL($1))"
        owed = await worker_pool.fetchval(f"SELECT {month} + coalesce(sum(cost), 0) FROM charges", WORKFLOWS)  # noqa: S608
        assert float(owed) == COST * QUESTIONS
    assert await worker_pool.fetchval("SELECT count(*) FROM calls_running") == 0


async def test_a_call_that_can_t_be_written_takes_no_other_along(worker_pool: Pool) -> None:
    ledger = PgLedger(worker_pool)
    calls = [call(n, "\0" if n == 3 else "") for n in range(8)]
    ends = (ledger.settle(one, uuid.uuid4().hex, "answer", "stop", SPENT) for one in calls)
    found = await asyncio.gather(*ends, return_exceptions=True)
    assert [isinstance(one, Answer) for one in found] == [n != 3 for n in range(8)]
    assert isinstance(found[3], asyncpg.PostgresError)
    assert await worker_pool.fetchval("SELECT count(*) FROM ledger") == 7
    assert await worker_pool.fetchval("SELECT count(*) FROM usage") == 7


async def test_what_is_said_of_one_call_twice_at_once_is_counted_once(worker_pool: Pool) -> None:
    ledger, token = PgLedger(worker_pool), uuid.uuid4().hex
    ends = (ledger.settle(call(0), token, str(n), "stop", SPENT) for n in range(5))
    notes = (ledger.note(call(0), token, SPENT) for _ in range(3))
    found = await asyncio.gather(*ends, *notes)
    assert len({answer.text for answer in found if answer is not None}) == 1
    assert await worker_pool.fetchval("SELECT count(*) FROM usage") == 1


HELD = "SELECT FROM calls_running WHERE question = $1 FOR UPDATE"
LEFT_S = "SELECT extract(epoch FROM until - clock_timestamp())::float8 FROM calls_running WHERE question = $1"
OLD = "UPDATE calls_running SET until = until - interval '2 hours' WHERE question = $1"


async def test_who_renews_waits_for_none_that_is_being_ended(worker_pool: Pool) -> None:
    """Who holds some rows and waits for others does so in a ring with who ends the same ones, in another order."""
    ledger, tokens = PgLedger(worker_pool), [uuid.uuid4().hex for _ in range(5)]
    for n, token in enumerate(tokens):
        await ledger.begin(call(n), token, estimate=0, lease_s=60)
    asked = [bytes.fromhex(call(n).question) for n in range(5)]
    await worker_pool.execute(OLD, asked[4])
    async with worker_pool.acquire() as ending:
        async with ending.transaction():
            await ending.execute(HELD, asked[1])
            await asyncio.wait_for(ledger.renew(tokens[:3], lease_s=600), 3)
        left = [await ending.fetchval(LEFT_S, question) for question in asked]
    assert [s and s > 100 for s in left] == [True, False, True, False, None]
    await ledger.renew(tokens[:3], lease_s=600)
    assert await worker_pool.fetchval(LEFT_S, asked[1]) > 100


BEGUN = """
    INSERT INTO calls_running (tenant, question, call, workflow_id, month, estimate, until)
    VALUES ('default', $1, 'other', '', '', 0, now())
"""


async def test_a_call_whose_caller_has_gone_is_not_begun(worker_pool: Pool) -> None:
    ledger, first, second = PgLedger(worker_pool), call(0, WORKFLOWS[0]), call(0, WORKFLOWS[1])
    async with worker_pool.acquire() as other:
        held = other.transaction()
        await held.start()
        await other.execute(BEGUN, bytes.fromhex(first.question))
        asking = asyncio.create_task(ledger.begin(first, "first", estimate=COST, lease_s=60))
        await until_somebody_waits(worker_pool)
        asking.cancel()
        await held.rollback()
        assert (await ledger.begin(second, "second", estimate=COST, lease_s=60)).verdict == "yours"
    assert await worker_pool.fetchval("SELECT call FROM calls_running") == "second"
    with pytest.raises(asyncio.CancelledError):
        await asking


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def until_somebody_waits(pool: Pool) -> None:
    async with asyncio.timeout(5):
        while not await pool.fetchval(WAITING):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.01)


FILL = """
    INSERT INTO ledger (
        tenant, question, workflow_id, stage, task, model, answer, finish_reason, tokens_in, tokens_out, cost
    )
    SELECT 'default', sha256(n::text::bytea), 'w', 's', 't', 'a/x', '', 'stop', 0, 0, 0 FROM generate_series(1, 2000) n
"""
READ = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'ledger'"


async def test_what_was_planned_on_an_empty_ledger_does_not_read_all_of_a_full_one(worker_pool: Pool) -> None:
    begun = "SELECT verdict FROM begin_call('default', sha256($1::text::bytea), 'w', $1, 0, 60)"
    async with worker_pool.acquire() as connection:
        for n in range(8):  # the first five are planned for themselves
            await connection.execute(begun, f"early {n}")
        await connection.execute(FILL)
        async with connection.transaction():
            assert await connection.fetchval(begun, "late") == "yours"
            assert await connection.fetchval(begun, "7") == "known"
            assert await connection.fetchval(READ) < 100
