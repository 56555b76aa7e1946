"""What calls took, for role ql_gateway: one tenant a transaction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import msgspec

from workers.kit.stores.calls import REFUSED
from workers.kit.stores.news import rfc3339
from workers.kit.stores.retrievals import ArmReport
from workers.kit.stores.usage import EVERY, MOST_GROUPS, Budget, By, CallRow, RoleHealth, Total, Which

from .pool import Pool, as_tenant
from .retrievals import arms

_GROUPS: dict[By, str] = {
    "tenant": "tenant",
    "workflow": "workflow_id",
    "stage": "stage",
    "task": "task",
    "role": "role",
    "model": "model",
    "provider": "provider",
    "outcome": "outcome",
    "month": "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM')",
    "day": "to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
_PAGE = """
    SELECT * FROM usage
    WHERE tenant = $1 AND id < $2 AND provider <> 'similar'
        AND ($3 = '' OR outcome = $3) AND ($5 = '' OR stage = $5) AND ($6 = '' OR role = $6)
        AND ($7 = '' OR model = $7) {} ORDER BY id DESC LIMIT $4
"""
CALLS = _PAGE.format("")
CALLS_OF = _PAGE.format("AND workflow_id = $8")
CALL = "SELECT * FROM usage WHERE tenant = $1 AND id = $2"
TOTALS = """
    SELECT {}, count(*) AS calls, count(*) FILTER (WHERE outcome = 'known') AS known,
        count(*) FILTER (WHERE outcome = 'failed') AS failed, count(*) FILTER (WHERE outcome = 'stand_in') AS stand_ins,
        coalesce(sum(tokens_in) FILTER (WHERE outcome <> 'known'), 0) AS tokens_in,
        coalesce(sum(tokens_out) FILTER (WHERE outcome <> 'known'), 0) AS tokens_out, sum(cost) AS cost
    FROM usage
    WHERE tenant = $1 AND created_at >= $2 AND ($3 = '' OR workflow_id = $3) AND provider <> 'similar'
    GROUP BY {} ORDER BY sum(cost) DESC, count(*) DESC, {} LIMIT $4
"""
# What was sent back to a stage is asked for again there, at the revision that was opened for it or a later one; where a
# stage asks for one file at a time, the same file. What is redone since an ancestor was repaired, or sent again as a
# dead letter, is nobody's fault. What is asked in the place of an answer that could not be used names it. A call that
# reached no model, or that was given up, tells nothing of its role.
ROLES = """
    WITH opened AS (
        SELECT workflow_id, target AS stage, opens FROM drops
        WHERE tenant = $1 AND opens IS NOT NULL AND target <> stage
    ), asked AS (
        SELECT id, workflow_id, stage, revision, min(revision) OVER (
            PARTITION BY workflow_id, stage,
                jsonb_path_query_first(pieces, '$[*] ? (@.name == "input:path")') ->> 'sha256'
            ORDER BY revision RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS again
        FROM usage WHERE tenant = $1 AND created_at >= $2 AND role <> ''
            AND (workflow_id, stage) IN (SELECT workflow_id, stage FROM opened)
    ), sent_back AS (
        SELECT DISTINCT a.id FROM asked a JOIN opened o USING (workflow_id, stage)
        WHERE o.opens > a.revision AND o.opens <= a.again
    )
    , judged AS (
        SELECT u.*, pieces @> $3::jsonb AS again FROM usage u
        WHERE tenant = $1 AND created_at >= $2 AND role <> ''
            AND (outcome = 'answered' OR (outcome = 'failed' AND code NOT IN (
                'no_model', 'switched_off', 'rate_limited', 'over_budget', 'given_up'
            )))
    ), refused AS (
        SELECT p ->> 'sha256' AS question FROM judged u, jsonb_array_elements(u.pieces) p
        WHERE u.again AND p @> ($3::jsonb -> 0) AND p ? 'sha256'
    )
    SELECT role, count(*) AS calls, coalesce(
            avg((outcome = 'answered' AND encode(question, 'hex') NOT IN (SELECT question FROM refused))::int)
                FILTER (WHERE NOT again),
            avg((outcome = 'answered')::int)
        ) AS success,
        avg((s.id IS NOT NULL)::int) FILTER (WHERE outcome = 'answered') AS repairs, sum(cost) AS cost,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE outcome = 'answered') AS p50,
        percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE outcome = 'answered') AS p95
    FROM judged u LEFT JOIN sent_back s ON s.id = u.id
    GROUP BY role ORDER BY role
"""
BUDGETS = """
    SELECT 'workflow' AS scope, w.budget AS allowed, (
        SELECT coalesce(sum(u.cost), 0) FROM usage u WHERE u.tenant = $1 AND u.workflow_id = w.id
    ) AS spent, (
        SELECT coalesce(sum(r.estimate), 0) FROM calls_running r
        WHERE r.tenant = $1 AND r.workflow_id = w.id AND r.until > clock_timestamp()
    ) AS held FROM workflows w WHERE w.tenant = $1 AND w.id = $2
    UNION ALL
    SELECT 'month', t.monthly_budget, (
        SELECT coalesce(sum(u.cost), 0) FROM usage u
        WHERE u.tenant = $1 AND u.created_at >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    ), (
        SELECT coalesce(sum(r.estimate), 0) FROM calls_running r
        WHERE r.tenant = $1 AND r.until > clock_timestamp()
    ) FROM tenants t WHERE t.tenant = $1
"""
LIMIT = "UPDATE tenants SET monthly_budget = $2 WHERE tenant = $1 RETURNING true"
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
_LAST = 2**63 - 1
_REFUSED = msgspec.json.encode([{"name": REFUSED}]).decode()


class PgUsage:
    """UsageReads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def calls(self, tenant: str, *, before: str = "", limit: int = 50, which: Which = EVERY) -> Sequence[CallRow]:
        newest = _number(before) if before else _LAST
        values = (tenant, newest, which.outcome, limit, which.stage, which.role, which.model)
        async with as_tenant(self._pool, tenant) as connection:
            if which.workflow:
                records = await connection.fetch(CALLS_OF, *values, which.workflow)
            else:
                records = await connection.fetch(CALLS, *values)
        return [_call(record) for record in records]

    async def call(self, tenant: str, id_: str) -> CallRow | None:
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(CALL, tenant, _number(id_))
        return _call(record) if record else None

    async def totals(
        self, tenant: str, *, by: Sequence[By], workflow: str = "", since: datetime | None = None
    ) -> Sequence[Total]:
        if not by or not set(by) <= _GROUPS.keys():
            raise ValueError(f"calls are grouped by {', '.join(_GROUPS)}")
        named = ", ".join(f"{_GROUPS[name]} AS by_{name}" for name in by)
        places = ", ".join(str(place) for place in range(1, len(by) + 1))
        async with as_tenant(self._pool, tenant) as connection:
            records = await connection.fetch(
                TOTALS.format(named, places, places), tenant, since or _EVER, workflow, MOST_GROUPS
            )
        return [_total(record, by) for record in records]

    async def roles(self, tenant: str, *, since: datetime | None = None) -> Sequence[RoleHealth]:
        async with as_tenant(self._pool, tenant) as connection:
            records = await connection.fetch(ROLES, tenant, since or _EVER, _REFUSED)
        return [_role(record) for record in records]

    async def arms(self, tenant: str) -> Sequence[ArmReport]:
        async with as_tenant(self._pool, tenant) as connection:
            return await arms(connection, tenant)

    async def budgets(self, tenant: str, *, workflow: str = "") -> Sequence[Budget]:
        async with as_tenant(self._pool, tenant) as connection:
            records = await connection.fetch(BUDGETS, tenant, workflow)
        return [
            Budget(
                scope=record["scope"],
                allowed=None if record["allowed"] is None else float(record["allowed"]),
                spent=float(record["spent"]),
                held=float(record["held"]),
            )
            for record in records
        ]

    async def limit_month(self, tenant: str, allowed: float | None) -> bool:
        if allowed is not None and not 0 <= allowed < math.inf:
            raise ValueError(f"a budget of {allowed} USD is none")
        async with as_tenant(self._pool, tenant) as connection:
            return bool(await connection.fetchval(LIMIT, tenant, None if allowed is None else Decimal(str(allowed))))


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20 and int(cursor) <= _LAST):
        raise ValueError("no call has this cursor")
    return int(cursor)


def _call(record: asyncpg.Record) -> CallRow:
    return CallRow(
        id=str(record["id"]),
        workflow=record["workflow_id"],
        stage=record["stage"],
        revision=record["revision"],
        task=record["task"],
        role=record["role"],
        question=record["question"].hex(),
        outcome=record["outcome"],
        model=record["model"],
        provider=record["provider"],
        tokens_in=record["tokens_in"],
        tokens_out=record["tokens_out"],
        cost=float(record["cost"]),
        latency_ms=record["latency_ms"],
        code=record["code"],
        detail=record["detail"],
        tried=msgspec.json.decode(record["tried"], type=tuple[dict[str, object], ...]),
        pieces=msgspec.json.decode(record["pieces"], type=tuple[dict[str, object], ...]),
        created_at=rfc3339(record["created_at"]),
    )


def _total(record: asyncpg.Record, by: Sequence[By]) -> Total:
    return Total(
        by={name: record[f"by_{name}"] for name in by},
        calls=record["calls"],
        known=record["known"],
        failed=record["failed"],
        stand_ins=record["stand_ins"],
        tokens_in=record["tokens_in"],
        tokens_out=record["tokens_out"],
        cost=float(record["cost"]),
    )


def _role(record: asyncpg.Record) -> RoleHealth:
    return RoleHealth(
        role=record["role"],
        calls=record["calls"],
        success=float(record["success"]),
        repairs=float(record["repairs"] or 0),
        cost=float(record["cost"]),
        p50_ms=record["p50"] or 0,
        p95_ms=record["p95"] or 0,
    )
