"""How calls begin and end in PostgreSQL: those of the same moment in one statement, which costs what one alone did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from workers.kit.stores.calls import Call, Spent, Verdict
from workers.kit.stores.news import plain

from .group import Group
from .pool import Pool, connected

MOST = 32
"""Of one statement: each may end with 8 MiB."""
MOST_COUNT = 2**31 - 1
# Under a limit a call begins by itself: the locks of many together could be waited for in a ring. The scalar queries
# can't be made one scan of all workflows, and OFFSET keeps the condition above the function's scan.
BEGIN = """
    WITH asked AS MATERIALIZED (
        SELECT *, guess > 0 AND (
            (SELECT budget FROM workflows w WHERE w.id = c.workflow AND w.tenant = c.tenant) IS NOT NULL
            OR (SELECT monthly_budget FROM tenants t WHERE t.tenant = c.tenant) IS NOT NULL
        ) AS limited
        FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[])
            WITH ORDINALITY AS c (tenant, question, workflow, call, guess, lease_s, most, place)
    )
    SELECT b.verdict FROM asked a LEFT JOIN LATERAL (
        SELECT verdict
        FROM begin_call(a.tenant, a.question, a.workflow, a.call, a.guess::numeric, a.lease_s, a.most::numeric)
        WHERE NOT a.limited OFFSET 0
    ) b ON true ORDER BY a.place
"""
TAKE_BACK = "DELETE FROM calls_running WHERE tenant = $1 AND question = $2 AND call = $3"
_MONTH = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM')"
# What a call did goes down with its end, and once, however often it is said. A second answer to the same question was
# paid for too: its usage counts. The first call under a month's limit makes its row in budgets, perhaps right now: so a
# limit alone is enough to charge it. Rows of budgets are locked in one order.
# With a limit that it can't know the planner expects one row, as `few` tells.
END = f"""
    WITH ended AS MATERIALIZED (
        SELECT * FROM unnest(
            $1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::integer[], $13::integer[], $14::float8[], $15::integer[],
            $16::text[], $17::text[], $18::text[], $19::text[], $20::boolean[], $21::bytea[], $22::text[],
            $23::bytea[], $24::text[], $25::text[], $26::text[], $27::text[]
        ) AS e (
            tenant, question, workflow_id, stage, task, role, revision, pieces, outcome, model, provider, tokens_in,
            tokens_out, cost, latency_ms, code, detail, tried, call, kept, asked, asked_ref, answer, answer_ref,
            finish_reason, instead, schema_name
        ) LIMIT (SELECT 1000000)
    ),
    used AS (
        INSERT INTO usage (
            tenant, question, workflow_id, stage, task, role, revision, pieces, outcome, model, provider,
            tokens_in, tokens_out, cost, latency_ms, code, detail, tried, call
        )
        SELECT tenant, question, workflow_id, stage, task, role, revision, pieces::jsonb, outcome, model, provider,
            tokens_in, tokens_out, cost::numeric, latency_ms, code, detail, tried::jsonb, call
        FROM ended
        ON CONFLICT (call) WHERE call <> '' DO NOTHING RETURNING tenant, workflow_id, cost
    ),
    gone AS (
        DELETE FROM calls_running r USING ended e
        WHERE r.tenant = e.tenant AND r.question = e.question AND r.call = e.call
    ),
    paid AS (
        UPDATE budgets b SET spent = b.spent + u.cost FROM (
            SELECT tenant, workflow_id, sum(cost) AS cost FROM used WHERE cost > 0
            GROUP BY tenant, workflow_id ORDER BY tenant, workflow_id
        ) u
        WHERE b.tenant = u.tenant AND b.scope = u.workflow_id
    ),
    owed AS (
        INSERT INTO charges (tenant, scope, cost)
        SELECT u.tenant, {_MONTH}, u.cost FROM (
            SELECT tenant, sum(cost) AS cost FROM used WHERE cost > 0 GROUP BY tenant
        ) u
        WHERE EXISTS (SELECT FROM budgets b WHERE b.tenant = u.tenant AND b.scope = {_MONTH})
            OR EXISTS (SELECT FROM tenants t WHERE t.tenant = u.tenant AND t.monthly_budget IS NOT NULL)
    )
    INSERT INTO ledger (
        tenant, question, workflow_id, stage, task, role, revision, model, provider, tokens_in, tokens_out, cost,
        asked, asked_ref, answer, answer_ref, finish_reason, instead, schema_name
    )
    SELECT tenant, question, workflow_id, stage, task, role, revision, model, provider, tokens_in, tokens_out,
        cost::numeric, asked, asked_ref, answer, answer_ref, finish_reason, instead, schema_name
    FROM ended WHERE kept
    ON CONFLICT (tenant, question) DO NOTHING RETURNING tenant, question
"""  # noqa: S608  # constants only


class Kept(NamedTuple):
    """What stands in the ledger's row beside the call: the packed texts, or where they lie."""

    asked: bytes = b""
    asked_ref: str = ""
    answer: bytes = b""
    answer_ref: str = ""
    finish: str = ""
    instead: str = ""
    schema_name: str = ""


class Calls:
    """Of one process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._begins: Group[tuple[object, ...], Verdict | None] = Group(
            self._begin, key=_named, orphan=self._take_back, most=MOST
        )
        self._ends: Group[tuple[object, ...], bool] = Group(self._end, key=_named, most=MOST)

    async def begin(self, call: Call, token: str, guess: float, lease_s: float, most: float) -> Verdict | None:
        """The verdict on a call without a limit; None for one that has a limit: nothing is begun."""
        asked = (call.tenant, bytes.fromhex(call.question), call.workflow, token, dollars(guess), lease_s)
        return await self._begins.ask((*asked, dollars(most)))

    async def end(self, call: Call, token: str, spent: Spent, kept: Kept | None) -> bool:
        """Note what the call took, and keep what it brought; whether that is the first answer."""
        return await self._ends.ask((*of(call), *_took(spent), token, kept is not None, *(kept or Kept())))

    async def _begin(self, asked: Sequence[tuple[object, ...]]) -> list[Verdict | None]:
        order = _in_order(asked)
        async with connected(self._pool) as connection:
            records = await connection.fetch(BEGIN, *_columns(asked, order))
        verdicts: dict[int, Verdict | None] = {at: record["verdict"] for at, record in zip(order, records, strict=True)}
        return [verdicts[at] for at in range(len(asked))]

    async def _take_back(self, asked: tuple[object, ...], verdict: Verdict | None) -> None:
        """Nobody is there to ask: who asks the same need not wait until that lapses."""
        if verdict == "yours":
            tenant, question, _, token, *_ = asked
            async with connected(self._pool) as connection:
                await connection.execute(TAKE_BACK, tenant, question, token)

    async def _end(self, ended: Sequence[tuple[object, ...]]) -> list[bool]:
        async with connected(self._pool) as connection:
            records = await connection.fetch(END, *_columns(ended, _in_order(ended)))
        first = {(record["tenant"], record["question"]) for record in records}
        return [one[:2] in first for one in ended]


def _named(item: tuple[object, ...]) -> tuple[object, ...]:
    """Tenant and question."""
    return item[:2]


def _in_order(items: Sequence[tuple[object, ...]]) -> list[int]:
    """All routers write rows of several calls in one order, so that none waits for another in a ring."""
    return sorted(range(len(items)), key=lambda at: items[at][:2])


def _columns(items: Sequence[tuple[object, ...]], order: Sequence[int]) -> list[list[object]]:
    return [list(column) for column in zip(*(items[at] for at in order), strict=True)]


def of(call: Call) -> tuple[object, ...]:
    """A call as the first columns of its rows."""
    return (
        call.tenant,
        bytes.fromhex(call.question),
        call.workflow,
        call.stage,
        call.task,
        call.role,
        call.revision,
        as_json(call.pieces),
    )


def _took(spent: Spent) -> tuple[object, ...]:
    """A provider may claim any number."""
    return (
        spent.outcome,
        spent.model,
        spent.provider,
        min(max(spent.tokens_in, 0), MOST_COUNT),
        min(max(spent.tokens_out, 0), MOST_COUNT),
        dollars(spent.cost),
        min(max(spent.latency_ms, 0), MOST_COUNT),
        spent.code,
        plain(spent.detail),
        as_json(spent.tried),
    )


def dollars(amount: float) -> float:
    """PostgreSQL keeps fifteen digits of it."""
    return amount if math.isfinite(amount) and amount > 0 else 0.0


def money(amount: float) -> Decimal:
    """The same as a number of its own digits."""
    return Decimal(str(dollars(amount)))


def as_json(structs: Sequence[msgspec.Struct]) -> str:
    """Of pieces and errors, which hold whatever a server said: cleaned where that is needed."""
    try:
        text = msgspec.json.encode(structs).decode()
        if "\\u0000" not in text:
            return text
    except UnicodeEncodeError:
        pass
    return msgspec.json.encode(_clean(msgspec.to_builtins(structs))).decode()


def _clean(value: object) -> object:
    match value:
        case str():
            return plain(value)
        case dict():
            return {key: _clean(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean(inner) for inner in value]
        case _:
            return value
