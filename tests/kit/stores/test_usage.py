"""What calls took, as the gateway's role reads it: its own tenant's, and no other's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest

from gateway.asked import CallDetail
from tests.kit.stores.limits import WORKFLOW, set_limits
from tests.kit.stores.test_calls import ANSWERED, call
from tests.kit.stores.test_submissions import new
from tests.servers import Database
from workers.kit.llm.wire import Piece, Tried
from workers.kit.stores.calls import REFUSED, Spent
from workers.kit.stores.pg import PgReads, Pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.usage import PgUsage
from workers.kit.stores.usage import By, Which

FAILED = Spent(
    outcome="failed",
    model="b/y",
    provider="b",
    code="no_model",
    detail="all\0 are down",
    tried=(Tried(model="a/x", error="429 \0\udc80"),),
    cost=0.5,
)


@pytest.fixture
async def usage(worker_pool: Pool, gateway_pool: Pool) -> PgUsage:
    """Two answered, one known, one failed at revision 2; one of another workflow, and one of another tenant.

    A look-up of examples is a call of the ledger, but of no model.
    """
    await set_limits(worker_pool, gateway_pool, 2.0, None)
    ledger = PgLedger(worker_pool)
    pieces = (
        Piece(name="brief", sha256="0" * 64, tokens=7),
        Piece(name="input:examples[0]", sha256="1" * 64, tokens=9, left_out=True),
    )
    slow = msgspec.structs.replace(ANSWERED, latency_ms=900)
    await ledger.settle(msgspec.structs.replace(call("1"), pieces=pieces), "1", "yes", "stop", ANSWERED)
    await ledger.settle(call("2"), "2", "yes", "stop", slow)
    await ledger.known(call("1"))
    await ledger.note(msgspec.structs.replace(call("3"), revision=2), "3", FAILED)
    await ledger.settle(call("4", workflow="other"), "4", "yes", "stop", ANSWERED)
    await ledger.settle(call("5", tenant="other"), "5", "yes", "stop", ANSWERED)
    looked = Spent(outcome="answered", model="hashing-1", provider="similar")
    await ledger.settle(msgspec.structs.replace(call("6"), role=""), "6", "{}", "stop", looked)
    return PgUsage(gateway_pool)


async def test_calls_come_newest_first_page_by_page(usage: PgUsage) -> None:
    first = await usage.calls("default", limit=3)
    rest = await usage.calls("default", limit=3, before=first[-1].id)
    outcomes = [row.outcome for row in (*first, *rest)]
    assert outcomes == ["answered", "failed", "known", "answered", "answered"]
    assert [row.workflow for row in await usage.calls("default", which=Which(workflow="other"))] == ["other"]
    assert [row.outcome for row in await usage.calls("default", which=Which(workflow=WORKFLOW, outcome="failed"))] == [
        "failed"
    ]
    assert await usage.calls("nobody") == []
    for which, found in ((Which(model="b/y"), 1), (Which(role="writer"), 5), (Which(stage="packaging"), 0)):
        assert len(await usage.calls("default", which=which)) == found
    assert await usage.call("default", first[0].id) == first[0]
    assert await usage.call("other", first[0].id) is None


async def test_a_call_tells_everything(usage: PgUsage) -> None:
    (failed,) = await usage.calls("default", which=Which(outcome="failed"))
    assert (failed.code, failed.detail, failed.model, failed.revision) == ("no_model", "all� are down", "b/y", 2)
    assert failed.tried == ({"model": "a/x", "error": "429 �?"},)
    asked = (await usage.calls("default", which=Which(workflow=WORKFLOW)))[-1]
    assert asked.pieces == (
        {"name": "brief", "sha256": "0" * 64, "tokens": 7},
        {"name": "input:examples[0]", "sha256": "1" * 64, "tokens": 9, "left_out": True},
    )
    told = CallDetail.whole(asked, None).pieces
    assert [piece.left_out for piece in told] == [False, True]
    assert (asked.role, asked.task, asked.stage, asked.latency_ms) == ("writer", "write", "documentation", 9)
    assert asked.question == call("1").question


@pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "\u0661"])
async def test_a_cursor_that_is_none_is_refused(usage: PgUsage, before: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await usage.calls("default", before=before)


async def test_totals_sum_up_by_what_was_asked(usage: PgUsage) -> None:
    (whole,) = await usage.totals("default", by=["month"])
    assert (whole.calls, whole.known, whole.failed, whole.cost) == (5, 1, 1, 1.25)
    assert (whole.tokens_in, whole.tokens_out) == (9, 15)
    assert whole.by == {"month": datetime.now(UTC).strftime("%Y-%m")}
    found = await usage.totals("default", by=["workflow", "model"])
    assert [(t.by["workflow"], t.by["model"], t.calls) for t in found] == [
        (WORKFLOW, "a/x", 3), (WORKFLOW, "b/y", 1), ("other", "a/x", 1),
    ]  # fmt: skip
    assert await usage.totals("default", by=["stage"], since=datetime.now(UTC) + timedelta(days=1)) == []
    assert [t.calls for t in await usage.totals("default", by=["stage"], workflow="other")] == [1]


@pytest.mark.parametrize(
    "by", ["tenant", "workflow", "stage", "task", "role", "model", "provider", "outcome", "month", "day"]
)
async def test_everything_can_be_grouped_by(usage: PgUsage, by: By) -> None:
    assert sum(total.calls for total in await usage.totals("default", by=[by])) == 5


@pytest.mark.parametrize("by", [[], ["cost"], ["role; DROP TABLE usage"]])
async def test_nothing_else_is_grouped_by(usage: PgUsage, by: list[By]) -> None:
    with pytest.raises(ValueError, match="group"):
        await usage.totals("default", by=by)


async def test_a_role_s_health_is_told(usage: PgUsage) -> None:
    (role,) = await usage.roles("default")
    assert (role.role, role.calls, role.success, role.cost) == ("writer", 3, 1.0, 0.75)
    assert (role.p50_ms, role.p95_ms) == (9, 900)
    assert role.repairs == 0  # it was asked again, and nothing was sent back to it


async def test_a_role_s_repairs_are_what_a_check_sent_back_to_its_stage(usage: PgUsage, worker_pool: Pool) -> None:
    """`documentation`, the writer's stage, was asked again at revision 2."""
    await opened(worker_pool, "semantic_validation", 1, 2, "code_generation")  # so everything after it is made again
    assert [role.repairs for role in await usage.roles("default")] == [0]
    await worker_pool.execute("UPDATE drops SET stage = 'documentation', target = 'documentation'")  # a dead letter
    assert [role.repairs for role in await usage.roles("default")] == [0]
    await worker_pool.execute("UPDATE drops SET stage = 'packaging'")
    (role,) = await usage.roles("default")
    assert role.repairs == pytest.approx(2 / 3)  # of the three answered, those two of the workflow that was sent back


async def test_work_that_was_redone_for_another_s_sake_before_it_was_sent_back_counts_once(
    usage: PgUsage, worker_pool: Pool
) -> None:
    ledger = PgLedger(worker_pool)
    for revision, role in ((1, "first"), (2, "second"), (3, "third")):
        made = msgspec.structs.replace(call(role), role=role, revision=revision, stage="code_generation")
        await ledger.settle(made, role, "yes", "stop", ANSWERED)
    await opened(worker_pool, "semantic_validation", 1, 2, "project_structure")
    await opened(worker_pool, "test_execution", 2, 3, "code_generation")
    told = {role.role: role.repairs for role in await usage.roles("default") if role.role != "writer"}
    assert told == {"first": 0.0, "second": 1.0, "third": 0.0}


async def opened(pool: Pool, stage: str, revision: int, opens: int, target: str) -> None:
    """A check of WORKFLOW that sent work back."""
    await pool.execute(
        "INSERT INTO drops (workflow_id, stage, revision, tenant, state, epoch, attempts, opens, target, created_at, "
        "updated_at) VALUES ($1, $2, $3, 'default', 'rejected', 1, 1, $4, $5, now(), now())",
        WORKFLOW, stage, revision, opens, target,
    )  # fmt: skip


async def test_a_role_s_repairs_are_what_was_sent_back_of_its_own_files(usage: PgUsage, worker_pool: Pool) -> None:
    ledger = PgLedger(worker_pool)
    await opened(worker_pool, "semantic_validation", 1, 2, "code_generation")
    await opened(worker_pool, "test_execution", 2, 3, "code_generation")
    for number, (role, revision, path) in enumerate(
        [("first", 1, "a"), ("second", 1, "b"), ("repairer", 2, "a"), ("repairer", 3, "a"), ("third", 1, "")]
    ):
        pieces = (Piece(name="role", sha256="1" * 64, tokens=1), Piece(name="input:path", sha256=path * 64, tokens=1))
        made = msgspec.structs.replace(
            call(f"file {number}"), role=role, revision=revision, pieces=pieces if path else (), stage="code_generation"
        )
        await ledger.settle(made, f"file {number}", "yes", "stop", ANSWERED)
    told = {role.role: role.repairs for role in await usage.roles("default") if role.role != "writer"}
    assert told == {"first": 1.0, "second": 0.0, "repairer": 0.5, "third": 0.0}


async def test_a_role_that_was_never_answered_has_no_repairs(usage: PgUsage, worker_pool: Pool) -> None:
    failed = msgspec.structs.replace(FAILED, code="")
    await PgLedger(worker_pool).note(msgspec.structs.replace(call("x"), role="ill"), "x", failed)
    told = {role.role: role for role in await usage.roles("default")}
    assert (told["ill"].success, told["ill"].repairs, told["ill"].p50_ms) == (0, 0, 0)


async def test_a_stand_in_is_no_failure_of_its_role(usage: PgUsage, worker_pool: Pool) -> None:
    stood_in = Spent(outcome="stand_in", model="blueprint/default", provider="blueprint", detail="over budget")
    await PgLedger(worker_pool).settle(call("7"), "7", "yes", "stop", stood_in)
    (role,) = await usage.roles("default")
    assert (role.calls, role.success) == (3, 1.0)


@pytest.mark.parametrize("code", ["no_model", "switched_off", "rate_limited", "over_budget", "given_up"])
async def test_a_call_that_reached_no_model_or_was_given_up_is_no_failure_of_its_role(
    usage: PgUsage, worker_pool: Pool, code: str
) -> None:
    ledger = PgLedger(worker_pool)
    for number, failed in enumerate((code, "")):
        spent = msgspec.structs.replace(FAILED, code=failed)
        await ledger.note(msgspec.structs.replace(call(f"x{number}"), role="writer"), f"x{number}", spent)
    (role,) = await usage.roles("default")
    assert (role.calls, role.success) == (4, 0.75)


async def test_an_answer_that_could_not_be_used_is_no_success_of_its_role(usage: PgUsage, worker_pool: Pool) -> None:
    """One of three answers is asked for once more, by a call that takes its place and can be used."""
    ledger = PgLedger(worker_pool)
    for name, instead in (("a", ""), ("b", ""), ("c", ""), ("c again", "c"), ("other", "")):
        refused = (Piece(name=REFUSED, sha256=call(instead).question, tokens=1),) if instead else ()
        pieces = (Piece(name="task", sha256="0" * 64, tokens=7), *refused)
        made = msgspec.structs.replace(call(name), role="other" if name == "other" else "weak", pieces=pieces)
        await ledger.settle(made, name, "yes", "stop", ANSWERED)
    told = {role.role: (role.calls, role.success) for role in await usage.roles("default")}
    assert told == {"writer": (3, 1.0), "weak": (4, pytest.approx(2 / 3)), "other": (1, 1.0)}


async def test_budgets_tell_what_is_spent(usage: PgUsage) -> None:
    found = await usage.budgets("default", workflow=WORKFLOW)
    assert [(b.scope, b.allowed, b.spent) for b in found] == [("workflow", 2.0, 1.0), ("month", None, 1.25)]
    assert [b.scope for b in await usage.budgets("default")] == ["month"]


async def test_budgets_tell_what_calls_that_run_hold(usage: PgUsage, worker_pool: Pool) -> None:
    begun = await PgLedger(worker_pool).begin(call("8"), "8", estimate=0.25, lease_s=9)
    assert begun.verdict == "yours"
    assert [b.held for b in await usage.budgets("default", workflow=WORKFLOW)] == [0.25, 0.25]
    assert [b.held for b in await usage.budgets("other", workflow=WORKFLOW)] == []


async def test_the_only_tenant_limits_itself(usage: PgUsage, shared: Database) -> None:
    assert await usage.limit_month("default", 1.5)
    assert [b.allowed for b in await usage.budgets("default")] == [1.5]
    assert not await usage.limit_month("other", 1.5)
    with pytest.raises(ValueError, match="budget"):
        await usage.limit_month("default", -1)
    owner = await asyncpg.connect(shared.admin)
    try:
        await owner.execute("INSERT INTO tenants (tenant) VALUES ('other')")
        assert not await usage.limit_month("default", None)
    finally:
        await owner.execute("DELETE FROM tenants WHERE tenant = 'other'")
        await owner.close()


async def test_a_submitted_budget_is_the_limit(usage: PgUsage, gateway_pool: Pool) -> None:
    submitted = msgspec.structs.replace(new(), budget=0.01)
    await PgReads(gateway_pool).submit(submitted, most=9)
    (budget, _) = await usage.budgets("default", workflow=submitted.id)
    assert budget.allowed == 0.01
