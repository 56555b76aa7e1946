"""The ledger's port, in memory and in PostgreSQL: one answer to a question, one call for it, money held before it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import uuid
from collections.abc import Awaitable, Callable, Collection
from hashlib import sha256

import asyncpg
import msgspec
import pytest

from tests.kit.stores.limits import WORKFLOW, begin_workflow, set_limits
from workers.kit.stores import bodies
from workers.kit.stores.bodies import MAX_BYTES, Hot
from workers.kit.stores.calls import Answer, AnswerTooLong, Call, Ledger, Over, Spent
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.memory.ledger import MemoryLedger
from workers.kit.stores.pg import Pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.turns import MoneyHeld, Turn, Turns

ANSWERED = Spent(outcome="answered", model="a/x", provider="a", tokens_in=3, tokens_out=5, cost=0.25, latency_ms=9)
SAID = Answer(text="", finish_reason="stop", model="a/x", tokens_in=3, tokens_out=5)
Limit = Callable[[float | None, float | None], Awaitable[None]]


def call(text: str = "question", *, tenant: str = "default", workflow: str = WORKFLOW) -> Call:
    asked = text.encode()
    return Call(
        tenant=tenant,
        workflow=workflow,
        stage="documentation",
        task="write",
        question=sha256(asked).hexdigest(),
        asked=asked,
        role="writer",
    )


@pytest.fixture
def pg_ledger(worker_pool: Pool) -> PgLedger:
    return PgLedger(worker_pool)


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    found: Ledger = request.getfixturevalue("pg_ledger")
    return found


@pytest.fixture
def limited(ledger: Ledger, request: pytest.FixtureRequest) -> Limit:
    """Sets the budget of WORKFLOW, and its tenant's for a month."""

    async def set_memory(workflow: float | None, month: float | None) -> None:
        assert isinstance(ledger, MemoryLedger)
        ledger.budgets = {} if workflow is None else {WORKFLOW: workflow}
        ledger.months = {} if month is None else {"default": month}

    if isinstance(ledger, MemoryLedger):
        return set_memory
    worker, gateway = request.getfixturevalue("worker_pool"), request.getfixturevalue("gateway_pool")
    return lambda workflow, month: set_limits(worker, gateway, workflow, month)


async def ask(ledger: Ledger, asked: Call, text: str = "answer", spent: Spent = ANSWERED) -> Answer | Over:
    async with Turns(ledger).turn(asked, estimate=spent.cost) as turn:
        return await turn.settle(text, "stop", spent) if isinstance(turn, Turn) else turn


async def test_an_answer_comes_back_as_it_was(ledger: Ledger) -> None:
    assert await ledger.known(call()) is None
    text = "def größe():\0\n\ud800" + "x" * 100_000
    first = await ask(ledger, call(), text)
    assert first == await ledger.known(call())
    assert isinstance(first, Answer)
    assert (first.text, first.model, first.tokens_in, first.tokens_out, first.cost) == (text, "a/x", 3, 5, 0.25)


async def test_who_begins_what_was_answered_gets_the_answer_whatever_it_may_spend(
    ledger: Ledger, limited: Limit
) -> None:
    first = await ask(ledger, call(), "answer " * 1000)
    await limited(0.01, 0.01)
    begun = await ledger.begin(call(), uuid.uuid4().hex, estimate=9, lease_s=60)
    assert (begun.verdict, begun.answer) == ("known", first)
    assert await ask(ledger, call()) == first  # and nothing was left to run
    assert (await ledger.begin(call("new"), uuid.uuid4().hex, estimate=9, lease_s=60)).answer is None


async def test_the_first_answer_stays(ledger: Ledger) -> None:
    found = [await ledger.settle(call(), uuid.uuid4().hex, str(n), "stop", ANSWERED) for n in range(3)]
    assert [answer.text for answer in found] == ["0"] * 3


async def test_answers_never_cross_tenants(ledger: Ledger) -> None:
    await ask(ledger, call(), "mine")
    assert await ledger.known(call(tenant="other")) is None


async def test_why_a_stand_in_answered_comes_with_its_answer_ever_after(ledger: Ledger) -> None:
    spent = Spent(outcome="stand_in", model="blueprint/default", detail="the budget is spent")
    assert await ask(ledger, call(), spent=spent) == await ledger.known(call())
    answer = await ledger.known(call())
    assert answer is not None
    assert answer.instead == "the budget is spent"


async def test_equal_questions_on_two_routers_are_one_call(ledger: Ledger) -> None:
    calls = 0

    async def asked(turns: Turns) -> Answer | Over:
        nonlocal calls
        async with turns.turn(call(), estimate=0.1) as turn:
            if not isinstance(turn, Turn):
                return turn
            calls += 1
            await asyncio.sleep(0.05)
            return await turn.settle("answer", "stop", ANSWERED)

    found = await asyncio.gather(*(asked(Turns(ledger)) for _ in range(8)))
    assert calls == 1
    assert len(set(found)) == 1


async def test_a_call_that_failed_lets_the_next_one_ask(ledger: Ledger) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with Turns(ledger).turn(call()):
            raise ZeroDivisionError
    assert isinstance(await ask(ledger, call()), Answer)


async def test_a_dead_router_s_question_is_asked_again_when_its_lease_ends(ledger: Ledger) -> None:
    dead = uuid.uuid4().hex
    assert (await ledger.begin(call(), dead, estimate=0.1, lease_s=60)).verdict == "yours"
    assert (await ledger.begin(call(), uuid.uuid4().hex, estimate=0.1, lease_s=60)).verdict == "theirs"
    await ledger.renew([dead], lease_s=0.2)
    assert isinstance(await ask(ledger, call(), "second"), Answer)
    late = await ledger.settle(call(), dead, "first, but late", "stop", ANSWERED)
    assert late.text == "second"


async def test_a_router_that_works_keeps_its_turn(ledger: Ledger, request: pytest.FixtureRequest) -> None:
    async def until() -> object:
        if isinstance(ledger, MemoryLedger):
            return ledger.running["default", call().question].until
        return await request.getfixturevalue("worker_pool").fetchval("SELECT until FROM calls_running")

    async with Turns(ledger, lease_s=0.6).turn(call()) as turn:
        assert isinstance(turn, Turn)
        begun = await until()
        async with asyncio.timeout(20):
            while await until() == begun:  # noqa: ASYNC110  # neither adapter tells
                await asyncio.sleep(0.05)
        await turn.settle("answer", "stop", ANSWERED)


@pytest.mark.parametrize("limits", [(1.0, None), (None, 1.0), (1.0, 5.0), (5.0, 1.0)])
async def test_a_limit_stops_the_call_that_would_cross_it(
    ledger: Ledger, limited: Limit, limits: tuple[float | None, float | None]
) -> None:
    await limited(*limits)
    for n in range(4):
        assert isinstance(await ask(ledger, call(f"{n}")), Answer)
    over = await ask(ledger, call("one more"))
    assert isinstance(over, Over)
    assert (over.scope, over.allowed, over.spent) == ("workflow" if limits[0] == 1.0 else "month", 1.0, 1.0)
    assert "of 1 USD would be crossed: 1 USD are spent" in over.sentence
    assert isinstance(await ask(ledger, call("free"), spent=Spent(outcome="answered", model="local/x")), Answer)


async def test_what_others_hold_is_waited_for_and_not_refused(ledger: Ledger, limited: Limit) -> None:
    await limited(1.0, None)
    holding = uuid.uuid4().hex
    assert (await ledger.begin(call("a"), holding, estimate=0.9, lease_s=60)).verdict == "yours"
    begun = await ledger.begin(call("b"), uuid.uuid4().hex, estimate=0.2, lease_s=60)
    assert begun.verdict == "wait"
    assert begun.over is not None
    assert (begun.over.spent, begun.over.held) == (0, 0.9)
    await ledger.settle(call("a"), holding, "cheap", "stop", ANSWERED)
    assert (await ledger.begin(call("b"), uuid.uuid4().hex, estimate=0.2, lease_s=60)).verdict == "yours"


async def test_money_that_stays_held_is_waited_for_only_so_long(ledger: Ledger, limited: Limit) -> None:
    await limited(1.0, None)
    await ledger.begin(call("runs"), "runs", estimate=0.9, lease_s=60)
    with pytest.raises(MoneyHeld, match=r"calls that run now hold 0\.9 USD"):
        async with Turns(ledger, money_s=0.05).turn(call(), estimate=0.5):
            pass


async def test_what_a_given_up_call_took_is_paid(
    ledger: Ledger, limited: Limit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer could not be kept: S3 was away, or its workflow has ended."""

    async def never(*_: object) -> Answer:
        raise StoreDown("S3 is away")

    await limited(1.0, None)
    monkeypatch.setattr(type(ledger), "settle", never)
    with pytest.raises(StoreDown):
        await ask(ledger, call(), spent=msgspec.structs.replace(ANSWERED, cost=0.9))
    monkeypatch.undo()
    over = await ask(ledger, call("next"))
    assert isinstance(over, Over)
    assert over.spent == 0.9


async def test_whatever_goes_wrong_with_a_renewal_the_next_one_comes(worker_pool: Pool) -> None:
    class Stumbling(PgLedger):
        renewed = 0

        async def renew(self, tokens: Collection[str], *, lease_s: float) -> None:
            self.renewed += 1
            if self.renewed == 1:
                raise RuntimeError("unforeseen")
            await super().renew(tokens, lease_s=lease_s)

    ledger = Stumbling(worker_pool)
    async with Turns(ledger, lease_s=0.2).turn(call()):
        async with asyncio.timeout(10):
            while ledger.renewed < 3:  # noqa: ASYNC110  # nobody tells of a renewal
                await asyncio.sleep(0.02)


async def test_a_dead_router_holds_no_money_for_ever(ledger: Ledger, limited: Limit) -> None:
    await limited(1.0, 1.0)
    assert (await ledger.begin(call("a"), uuid.uuid4().hex, estimate=0.9, lease_s=0.1)).verdict == "yours"
    assert isinstance(await ask(ledger, call("b")), Answer)


async def test_what_was_said_twice_is_counted_once(ledger: Ledger, limited: Limit) -> None:
    await limited(1.0, 1.0)
    token = uuid.uuid4().hex
    await ledger.begin(call("a"), token, estimate=0.3, lease_s=60)
    for _ in range(3):
        await ledger.settle(call("a"), token, "answer", "stop", ANSWERED)
    for _ in range(2):
        await ledger.note(call("a"), token, ANSWERED)
    begun = await ledger.begin(call("b"), uuid.uuid4().hex, estimate=0.8, lease_s=60)
    assert begun.over is not None
    assert begun.over.spent == 0.25


async def test_a_failed_call_that_cost_something_is_paid_for(ledger: Ledger, limited: Limit) -> None:
    await limited(1.0, None)
    async with Turns(ledger).turn(call("a"), estimate=0.5) as turn:
        assert isinstance(turn, Turn)
        await turn.note(Spent(outcome="failed", model="a/x", cost=0.75, detail="empty"))
    over = await ask(ledger, call("b"), spent=Spent(outcome="answered", cost=0.5))
    assert isinstance(over, Over)
    assert over.spent == 0.75


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1.0])
async def test_no_provider_s_number_breaks_the_budget(pg_ledger: PgLedger, worker_pool: Pool, cost: float) -> None:
    spent = Spent(outcome="answered", model="a/x", cost=cost, tokens_in=10**15, tokens_out=-4, latency_ms=10**12)
    await pg_ledger.settle(call(), uuid.uuid4().hex, "x", "stop", spent)
    row = await worker_pool.fetchrow("SELECT cost::float, tokens_in, tokens_out FROM usage")
    assert tuple(row or ()) == (0.0, 2**31 - 1, 0)


async def test_what_is_too_long_without_s3_is_refused(pg_ledger: PgLedger) -> None:
    noise = os.urandom(MAX_BYTES + 4096).hex()
    with pytest.raises(AnswerTooLong):
        await pg_ledger.settle(call(), uuid.uuid4().hex, noise, "stop", ANSWERED)
    assert await pg_ledger.known(call()) is None


async def test_a_hot_answer_that_is_gone_from_the_ledger_is_gone(pg_ledger: PgLedger, worker_pool: Pool) -> None:
    await ask(pg_ledger, call())
    assert await pg_ledger.known(call())
    other = PgLedger(worker_pool, hot=Hot(0))
    assert await other.known(call())
    row = await worker_pool.fetchrow("SELECT count(*), sum(cost)::float FROM usage WHERE outcome = 'known'")
    assert tuple(row or ()) == (2, 0.0)


@pytest.mark.parametrize(("text", "aside"), [("short", False), ("long" * 100_000, True)])
async def test_a_long_answer_is_unpacked_beside_the_loop(
    pg_ledger: PgLedger, worker_pool: Pool, monkeypatch: pytest.MonkeyPatch, text: str, aside: bool
) -> None:
    await ask(pg_ledger, call(), text)
    finished: list[bool] = []

    def decoded(packed: bytes) -> bytes:
        finished.append(threading.current_thread() is not threading.main_thread())
        return whole(packed)

    whole = bodies._whole
    monkeypatch.setattr(bodies, "_whole", decoded)
    answer = await PgLedger(worker_pool).known(call())
    assert answer is not None
    assert answer.text == text
    assert finished == [aside] * aside


def test_hot_answers_have_a_bound() -> None:
    hot = Hot(100_000)
    for n in range(100):
        hot.keep("default", str(n), msgspec.structs.replace(SAID, text="x" * 2000))
    kept = [n for n in range(100) if hot.get("default", str(n))]
    assert kept == list(range(100 - len(kept), 100))
    assert 5 < len(kept) < 13
    hot.keep("default", "big", msgspec.structs.replace(SAID, text="x" * 20_000))
    assert hot.get("default", "big") is None
    assert hot.get("other", "99") is None


async def test_what_a_dead_router_left_goes_after_an_hour(pg_ledger: PgLedger, worker_pool: Pool) -> None:
    await pg_ledger.begin(call("old"), "old", estimate=1, lease_s=0)
    await pg_ledger.begin(call("new"), "new", estimate=1, lease_s=0)
    await worker_pool.execute("UPDATE calls_running SET until = until - interval '2 hours' WHERE call = 'old'")
    await pg_ledger.renew(["new"], lease_s=60)
    rows = await worker_pool.fetch("SELECT call, until > now() AS alive FROM calls_running")
    assert [tuple(row) for row in rows] == [("new", True)]


async def test_the_nearest_question_is_the_workflow_s_own_then_its_parent_s(
    pg_ledger: PgLedger, gateway_pool: Pool
) -> None:
    parent, child = "01JD0000000000000000000002", "01JD0000000000000000000003"
    await begin_workflow(gateway_pool, parent)
    await begin_workflow(gateway_pool, child, None, parent)
    for text, workflow in (("parent's", parent), ("stranger's", "x"), ("child's", child), ("newest", "x")):
        await ask(pg_ledger, call(text, workflow=workflow))
    await pg_ledger.known(call("newest", workflow=parent))
    other = msgspec.structs.replace(call("of another task", workflow=child), task="another")
    await ask(pg_ledger, other)
    await ask(pg_ledger, call("of another tenant", tenant="other", workflow=child))
    found = await pg_ledger.nearest(call("new", workflow=child))
    assert found[0] == b"child's"
    assert set(found[1:3]) == {b"parent's", b"newest"}
    assert found[3:] == [b"stranger's"]
    assert len(await pg_ledger.nearest(call("new", workflow=child), limit=2)) == 2
    assert set(await pg_ledger.nearest(call("new", workflow="unknown"))) == set(found)


@pytest.mark.parametrize("table", ["ledger", "usage", "budgets", "charges", "calls_running"])
async def test_the_gateway_changes_none_of_it(pg_ledger: PgLedger, gateway_pool: Pool, table: str) -> None:
    await ask(pg_ledger, call())
    async with gateway_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608  # a name of the above


async def test_the_gateway_sees_one_tenant_s_answers(pg_ledger: PgLedger, gateway_pool: Pool) -> None:
    await ask(pg_ledger, call("mine"))
    await ask(pg_ledger, call("theirs", tenant="other"))
    async with gateway_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('ql.tenant', 'other', true)")
        for table in ("ledger", "usage"):
            rows = await connection.fetch(f"SELECT tenant FROM {table}")  # noqa: S608
            assert [row["tenant"] for row in rows] == ["other"]
