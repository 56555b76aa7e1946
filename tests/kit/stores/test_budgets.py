"""Money held before the call: many at once, in both adapters alike, and when connections are cut at the worst time."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.events import Ref
from tests.kit.stores.limits import WORKFLOW, begin_workflow, set_limits
from tests.kit.stores.test_calls import call
from tests.servers import Database
from workers.kit.stores import bodies
from workers.kit.stores.calls import Answer, Over, Spent
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.pg import Pool, open_pool
from workers.kit.stores.pg import ledger as pg_ledger
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.turns import Turn, Turns

SPENT = "SELECT coalesce(sum(cost), 0)::float FROM usage"

# What is paid under a month's limit, as a call's end writes it.
PAID = """
    WITH used AS (
        INSERT INTO usage (tenant, question, workflow_id, stage, model, tokens_in, tokens_out, cost)
        VALUES ('default', '', '', '', '', 0, 0, $1::float8)
    )
    INSERT INTO charges (tenant, scope, cost)
    VALUES ('default', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM'), $1::float8)
"""
WAITING = """
    SELECT count(pid) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def spent(cost: float) -> Spent:
    return Spent(outcome="answered", model="a/x", provider="a", cost=cost)


async def ask(
    turns: Turns, name: str, workflow: str, estimate: float, cost: float, takes_s: float = 0.0, *, most: float = 0.0
) -> object:
    async with turns.turn(call(name, workflow=workflow), estimate=estimate, most=most) as turn:
        if not isinstance(turn, Turn):
            return turn
        await asyncio.sleep(takes_s)
        return await turn.settle("answer", "stop", spent(cost))


@pytest.mark.parametrize("limits", [(1.0, None), (None, 1.0)])
async def test_fifty_at_once_spend_no_cent_more(
    worker_pool: Pool, gateway_pool: Pool, limits: tuple[float | None, float | None]
) -> None:
    """Estimates that hold: the limit is reached, to the cent, and not crossed."""
    await set_limits(worker_pool, gateway_pool, *limits)
    routers = [Turns(PgLedger(worker_pool)) for _ in range(5)]
    found = await asyncio.gather(*(ask(routers[n % 5], f"{n}", WORKFLOW, 0.1, 0.1, 0.01) for n in range(50)))
    assert sum(isinstance(one, Answer) for one in found) == 10
    assert sum(isinstance(one, Over) for one in found) == 40
    assert await worker_pool.fetchval(SPENT) == 1.0


@pytest.mark.parametrize("limits", [(1.0, None), (None, 1.0)])
async def test_who_asks_for_money_waits_for_whom_asked_before(
    worker_pool: Pool, gateway_pool: Pool, shared: Database, limits: tuple[float | None, float | None]
) -> None:
    """Two see the same limit, and neither what the other holds: one of them must wait until the other is through."""
    await set_limits(worker_pool, gateway_pool, *limits)
    ledger = PgLedger(worker_pool)
    await ask(Turns(ledger), "makes the row", WORKFLOW, 0.1, 0)
    admin = await asyncpg.connect(shared.admin)
    try:
        async with worker_pool.acquire() as first, first.transaction():
            key = bytes.fromhex(call("first").question)
            begin = "SELECT * FROM begin_call($1, $2, $3, $4, $5, $6, $7)"
            await first.fetch(begin, "default", key, WORKFLOW, "first", Decimal("0.6"), 60.0, Decimal(0))
            second = asyncio.create_task(ledger.begin(call("second"), "second", estimate=0.6, lease_s=60))
            await until(admin, WAITING)
        assert (await second).verdict == "wait"
    finally:
        await admin.close()


@pytest.mark.parametrize("limits", [(0.5, None), (None, 0.5)])
async def test_estimates_too_low_cost_no_more_than_one_call(
    worker_pool: Pool, gateway_pool: Pool, limits: tuple[float | None, float | None]
) -> None:
    """Each takes more than was expected, none more than the most: on five routers, one is over."""
    await set_limits(worker_pool, gateway_pool, *limits)
    routers = [Turns(PgLedger(worker_pool)) for _ in range(5)]
    found = await asyncio.gather(
        *(ask(routers[n % 5], f"{n}", WORKFLOW, 0.05, 0.125, 0.02, most=0.15) for n in range(20))
    )
    assert all(isinstance(one, Answer | Over) for one in found)
    assert 0.5 <= await worker_pool.fetchval(SPENT) <= 0.5 + 0.125


async def test_what_a_call_may_take_is_told_where_a_limit_holds(worker_pool: Pool, gateway_pool: Pool) -> None:
    ledger = PgLedger(worker_pool)
    await set_limits(worker_pool, gateway_pool, 1.0, 0.75)
    free = await ledger.begin(call("free", workflow="another"), "1", estimate=0.0, most=0.0, lease_s=60)
    first = await ledger.begin(call("first"), "2", estimate=0.1, most=0.5, lease_s=60)
    second = await ledger.begin(call("second"), "3", estimate=0.1, most=0.5, lease_s=60)
    assert (free.granted, first.granted, second.verdict) == (None, 0.5, "wait")
    await ledger.settle(call("first"), "2", "answer", "stop", spent(0.5))
    alone = await ledger.begin(call("second"), "3", estimate=0.1, most=0.5, lease_s=60)
    assert (alone.verdict, alone.granted) == ("yours", 0.25)
    assert await worker_pool.fetchval("SELECT estimate::float FROM calls_running WHERE call = '3'") == 0.25


async def test_what_ends_as_a_month_is_first_counted_is_counted_once(worker_pool: Pool, gateway_pool: Pool) -> None:
    """The month's row is made while a call ends: its cost is in the sum that the row begins with, or is added to it."""
    await set_limits(worker_pool, gateway_pool, None, 1.0)
    ledger = PgLedger(worker_pool)
    await ledger.note(call("ended"), uuid.uuid4().hex, spent(0.25))
    async with worker_pool.acquire() as ending, ending.transaction():
        await ending.execute(PAID, 0.25)
        assert (await ledger.begin(call("a"), "1", estimate=0.125, lease_s=60)).verdict == "yours"
    over = await ledger.begin(call("b"), "2", estimate=0.875, lease_s=60)
    assert over.over is not None
    assert (over.verdict, over.over.spent, over.over.held) == ("over", 0.5, 0.125)


async def test_what_is_spent_before_the_month_s_row_is_there_is_charged(worker_pool: Pool, gateway_pool: Pool) -> None:
    ledger, charged = PgLedger(worker_pool), "SELECT count(*) FROM charges"
    await ledger.note(call("no limit"), uuid.uuid4().hex, spent(0.25))
    assert await worker_pool.fetchval(charged) == 0
    await set_limits(worker_pool, gateway_pool, None, 1.0)
    await ledger.note(call("a limit"), uuid.uuid4().hex, spent(0.25))
    assert await worker_pool.fetchval(charged) == 1


async def test_the_gateway_reads_no_running_sums(gateway_pool: Pool) -> None:
    for table in ("budgets", "charges"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await gateway_pool.execute(f"SELECT FROM {table}")


async def test_one_at_a_time_no_more_than_one_call_is_over(worker_pool: Pool, gateway_pool: Pool) -> None:
    await set_limits(worker_pool, gateway_pool, 0.5, None)
    turns = Turns(PgLedger(worker_pool))
    found = [await ask(turns, f"{n}", WORKFLOW, 0.01, 0.2) for n in range(6)]
    assert [isinstance(one, Answer) for one in found] == [True] * 3 + [False] * 3
    assert await worker_pool.fetchval(SPENT) == 0.6


async def test_a_limit_that_comes_late_counts_what_was_spent_before(worker_pool: Pool, gateway_pool: Pool) -> None:
    await begin_workflow(gateway_pool, WORKFLOW)
    turns = Turns(PgLedger(worker_pool))
    await ask(turns, "before", WORKFLOW, 0.7, 0.7)
    await worker_pool.execute("UPDATE tenants SET monthly_budget = 1")
    over = await ask(turns, "after", WORKFLOW, 0.4, 0.4)
    assert isinstance(over, Over)
    assert (over.scope, over.spent) == ("month", 0.7)


async def test_what_is_paid_without_a_turn_counts_too(worker_pool: Pool, gateway_pool: Pool) -> None:
    """A call that began before its router was thought dead."""
    await set_limits(worker_pool, gateway_pool, 1.0, 1.0)
    ledger, late = PgLedger(worker_pool), uuid.uuid4().hex
    assert (await ledger.begin(call("a"), late, estimate=0.5, lease_s=0.01)).verdict == "yours"
    await asyncio.sleep(0.05)
    assert isinstance(await ask(Turns(ledger), "a", WORKFLOW, 0.5, 0.5), Answer)
    await ledger.settle(call("a"), late, "late", "stop", spent(0.5))
    over = await ask(Turns(ledger), "b", WORKFLOW, 0.1, 0.1)
    assert isinstance(over, Over)
    assert over.spent == 1.0


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["begin", "begin", "settle", "note"]),
        st.integers(0, 4),  # which question
        st.integers(0, 1),  # whose workflow
        st.sampled_from([0.0, 0.125, 0.25, 0.5]),  # estimate, or cost
        st.sampled_from([0.0, 0.375]),  # the most that it takes
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, budget=st.sampled_from([None, 0.5, 1.0]), month=st.sampled_from([None, 0.75, 1.5]))
async def test_both_adapters_say_the_same(
    worker_pool: Pool,
    gateway_pool: Pool,
    moves: list[tuple[str, int, int, float, float]],
    budget: float | None,
    month: float | None,
) -> None:
    await worker_pool.execute("DELETE FROM calls_running")
    tenant_month = "UPDATE tenants SET monthly_budget = $1::float8::numeric"
    workflows = [uuid.uuid4().hex for _ in range(2)]
    for workflow in workflows:
        await begin_workflow(gateway_pool, workflow, budget)
    past = await worker_pool.fetchval(SPENT)
    await worker_pool.execute(tenant_month, None if month is None else month + past)
    real, twin = PgLedger(worker_pool), MemoryLedger()
    twin.budgets = dict.fromkeys(workflows, budget) if budget is not None else {}
    twin.months = {} if month is None else {"default": month}
    prefix, running = uuid.uuid4().hex, dict[int, str]()
    for what, number, whose, amount, most in moves:
        asked = call(f"{prefix} {number}", workflow=workflows[whose])
        token = uuid.uuid4().hex
        if what == "begin":
            begun = await asyncio.gather(
                *(ledger.begin(asked, token, estimate=amount, most=most, lease_s=60) for ledger in (real, twin))
            )
            assert (begun[0].verdict, begun[0].granted) == (begun[1].verdict, begun[1].granted)
            if begun[0].verdict == "yours":
                running[number] = token
        elif what == "settle":
            token = running.pop(number, token)
            answers = [await ledger.settle(asked, token, token, "stop", spent(amount)) for ledger in (real, twin)]
            assert answers[0].text == answers[1].text
        else:
            token = running.pop(number, token)
            for ledger in (real, twin):
                await ledger.note(asked, token, Spent(outcome="failed", cost=amount))


async def until(server: Pool | asyncpg.Connection[asyncpg.Record], question: str) -> None:
    """Until PostgreSQL says yes."""
    async with asyncio.timeout(20):
        while not await server.fetchval(question):  # noqa: ASYNC110  # it sends no event
            await asyncio.sleep(0.01)


@dataclass
class Wire:
    """Between a router and PostgreSQL: can lose every answer of the server, then the connection."""

    target: tuple[str, int]
    deaf: bool = False
    links: list[asyncio.StreamWriter] = field(default_factory=list)

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        self.links += [writer, back]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool) -> None:
            with contextlib.suppress(OSError):
                while body := await source.read(65536):
                    if not (answers and self.deaf):
                        sink.write(body)
                sink.close()

        await asyncio.gather(pump(reader, back, False), pump(there, writer, True))

    def cut(self) -> None:
        self.deaf = False
        for writer in self.links:
            writer.close()
        self.links.clear()


@pytest.fixture
async def wired(shared: Database, worker_pool: Pool) -> AsyncIterator[tuple[Wire, Pool]]:
    parts = urlsplit(shared.worker)
    wire = Wire((parts.hostname or "", parts.port or 0))
    server = await asyncio.start_server(wire.link, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = await open_pool(shared.worker.replace(f":{parts.port}/", f":{port}/"), 1)
    yield wire, pool
    pool.terminate()
    wire.cut()
    server.close()


async def test_an_answer_is_paid_for_once_when_the_server_s_word_is_lost(
    wired: tuple[Wire, Pool], worker_pool: Pool, gateway_pool: Pool
) -> None:
    """The statement is committed, the connection is cut before its router hears of it, and it says it again."""
    await set_limits(worker_pool, gateway_pool, 1.0, 1.0)
    wire, pool = wired
    ledger, token = PgLedger(pool), uuid.uuid4().hex
    assert (await ledger.begin(call(), token, estimate=0.25, lease_s=60)).verdict == "yours"
    await ledger.settle(call("prepares the statement"), uuid.uuid4().hex, "", "stop", spent(0.0))
    wire.deaf = True
    settling = asyncio.create_task(ledger.settle(call(), token, "answer", "stop", spent(0.25)))
    await until(worker_pool, "SELECT count(*) = 2 FROM ledger")
    wire.cut()
    assert (await settling).text == "answer"
    assert await worker_pool.fetchval("SELECT count(*) FROM usage") == 2
    over = await ask(Turns(PgLedger(worker_pool)), "next", WORKFLOW, 0.8, 0.8)
    assert isinstance(over, Over)
    assert over.spent == 0.25


async def test_an_answer_is_kept_when_its_connection_is_killed_half_way(
    worker_pool: Pool, gateway_pool: Pool, shared: Database
) -> None:
    """The backend is ended while it waits in the statement: nothing of it is there, and it is said again."""
    await set_limits(worker_pool, gateway_pool, 1.0, None)
    ledger, token = PgLedger(worker_pool), uuid.uuid4().hex
    await ledger.begin(call(), token, estimate=0.25, lease_s=60)
    admin = await asyncpg.connect(shared.admin)
    try:
        async with admin.transaction():
            await admin.execute("SELECT FROM budgets FOR UPDATE")
            settling = asyncio.create_task(ledger.settle(call(), token, "answer", "stop", spent(0.25)))
            await until(admin, WAITING.replace("pid", "pg_terminate_backend(pid)"))
    finally:
        await admin.close()
    assert (await settling).text == "answer"
    row = await worker_pool.fetchrow("SELECT (SELECT count(*) FROM usage), (SELECT sum(spent)::float FROM budgets)")
    assert tuple(row or ()) == (1, 0.25)


async def test_an_answer_waits_for_a_database_and_an_s3_that_are_away(
    worker_pool: Pool, shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 16)

    class Away:
        puts = 0

        async def put(self, tenant: str, body: bytes, *, key: str = "") -> Ref:
            self.puts += 1
            if self.puts < 8:
                raise StoreDown("S3 is away")
            return Ref(key=key, offset=0, length=len(body), sha256=sha256(body).hexdigest())

        async def get(self, ref: Ref) -> bytes:
            raise AssertionError

    monkeypatch.setattr(pg_ledger, "LONGEST_AGAIN_S", 0.02)
    ledger, token = PgLedger(worker_pool, Away()), uuid.uuid4().hex
    assert (await ledger.settle(call(), token, "answer" * 9, "stop", spent(0.25))).cost == 0.25
    monkeypatch.setattr(pg_ledger, "KEEP_TRYING_S", 0.05)
    pool = await open_pool(shared.worker, 1)
    await pool.close()
    with pytest.raises(StoreDown):
        await PgLedger(pool).note(call(), uuid.uuid4().hex, spent(0.25))


async def test_without_the_database_nothing_is_begun(shared: Database) -> None:
    pool = await open_pool(shared.worker, 1)
    await pool.close()
    with pytest.raises(StoreDown):
        await PgLedger(pool).begin(call(), uuid.uuid4().hex, estimate=0, lease_s=1)
