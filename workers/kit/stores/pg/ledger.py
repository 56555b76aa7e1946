"""The ledger in PostgreSQL, for role ql_worker: each step of a call is one statement, and one round trip."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from typing import TypeVar

import asyncpg

from workers.kit.stores.bodies import Bodies, Hot, Objects
from workers.kit.stores.calls import Answer, Begun, Call, Over, Spent
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.news import plain

from .calls import Calls, Kept, money, of
from .pool import Pool, connected

FIRST_AGAIN_S, LONGEST_AGAIN_S = 0.1, 2.0
KEEP_TRYING_S = 300.0
"""A call's end is said again for so long: its answer was paid for. Its asker gets signs of life meanwhile."""
_T = TypeVar("_T")
ANSWER = "model, finish_reason, tokens_in, tokens_out, cost, instead, answer_ref"
# A row that nobody must wait for the disk for: a crash of the server may lose it.
UNHURRIED = "(SELECT set_config('synchronous_commit', 'off', true)) AS unhurried"
FOUND = f"""
    WITH found AS (
        SELECT {ANSWER}, provider, CASE WHEN $9 THEN '' ELSE answer END AS answer
        FROM ledger WHERE tenant = $1 AND question = $2
    ),
    noted AS (
        INSERT INTO usage (
            tenant, question, workflow_id, stage, task, role, revision, pieces,
            outcome, model, provider, tokens_in, tokens_out, cost, detail
        )
        SELECT
            $1, $2, $3, $4, $5, $6, $7, $8::jsonb,
            'known', model, provider, tokens_in, tokens_out, 0, instead
        FROM found
    )
"""  # noqa: S608  # constants only
KNOWN = f"{FOUND} SELECT found.*, {UNHURRIED} FROM found"  # noqa: S608  # constants only
# Where there is an answer, begin_call is not called: the condition stands above its scan.
BEGIN = f"""{FOUND}
    SELECT 'known' AS verdict, '' AS scope, 0 AS allowed, 0 AS spent, 0 AS held, NULL::numeric AS granted,
        true AS stored, {ANSWER}, answer, {UNHURRIED}
    FROM found
    UNION ALL
    SELECT verdict, scope, allowed, spent, held, granted, false, '', '', 0, 0, 0, '', '', '', ''
    FROM begin_call($1, $2, $3, $10, $11, $12, $13) WHERE NOT EXISTS (SELECT FROM found)
"""  # noqa: S608  # constants only
# What a dead router left and nobody asked again goes along. Who renews many waits for none, for others end many: a row
# that is locked is being ended, or is renewed the next time. The limit is as `few` tells.
RENEW = f"""
    WITH held AS MATERIALIZED (
        SELECT tenant, question, call = ANY($1::text[]) AS mine FROM calls_running
        WHERE call = ANY($1::text[]) OR until < clock_timestamp() - interval '1 hour'
        ORDER BY tenant, question LIMIT (SELECT 1000000) FOR UPDATE SKIP LOCKED
    ),
    gone AS (
        DELETE FROM calls_running r USING held h
        WHERE NOT h.mine AND r.tenant = h.tenant AND r.question = h.question
    )
    UPDATE calls_running r SET until = clock_timestamp() + make_interval(secs => $2) FROM held h
    WHERE h.mine AND r.tenant = h.tenant AND r.question = h.question
    RETURNING {UNHURRIED}
"""  # noqa: S608  # constants only
FIRST = f"SELECT {ANSWER}, answer FROM ledger WHERE tenant = $1 AND question = $2"  # noqa: S608
# A workflow and those it came from.
LINE = """
    RECURSIVE line AS (
        SELECT $2::text COLLATE "C" AS id, 1 AS far
        UNION ALL
        SELECT w.parent, far + 1 FROM line JOIN workflows w ON w.id = line.id AND w.tenant = $1
        WHERE w.parent IS NOT NULL AND far < 8
    )
"""
REASON = """
    SELECT s.detail FROM line JOIN usage s ON s.tenant = $1 AND s.workflow_id = line.id
    WHERE s.question = {0}.question AND s.outcome = 'stand_in' ORDER BY line.far, s.id DESC LIMIT 1
"""
TOLD = f"""
    WITH {LINE}
    SELECT u.question, ({REASON.format("u")}) AS instead
    FROM line JOIN usage u ON u.tenant = $1 AND u.workflow_id = line.id
    WHERE u.question = ANY($3::bytea[]) AND u.outcome <> 'failed'
    ORDER BY line.far, u.id DESC LIMIT 1
"""  # noqa: S608  # constants only
# Entries of the workflow and of those it came from, else the newest of all.
NEAREST = f"""
    WITH {LINE},
    kept AS (
        SELECT DISTINCT u.question, min(line.far) AS far FROM line
        JOIN usage u ON u.tenant = $1 AND u.workflow_id = line.id AND u.task = $3 AND u.stage = $4
        GROUP BY u.question
        UNION ALL
        (SELECT l.question, 100 FROM ledger l WHERE l.tenant = $1 AND l.task = $3 AND l.stage = $4
        ORDER BY l.created_at DESC LIMIT $6)
    )
    SELECT l.asked, l.asked_ref FROM ledger l
    JOIN (SELECT question, min(far) AS far FROM kept GROUP BY question) k USING (question)
    WHERE l.tenant = $1 AND (l.asked <> '' OR l.asked_ref <> '')
    ORDER BY k.far, l.revision <> $5, l.created_at DESC LIMIT $6
"""  # noqa: S608  # constants only


class PgLedger:
    """Ledger. `objects` is where what is above 4 MiB goes; without it such a text is refused."""

    def __init__(self, pool: Pool, objects: Objects | None = None, *, hot: Hot | None = None) -> None:
        self._pool = pool
        self._calls = Calls(pool)
        self._bodies = Bodies(objects)
        self._hot = Hot() if hot is None else hot

    async def known(self, call: Call) -> Answer | None:
        hot = self._hot.get(call.tenant, call.question)
        record = await self._told(KNOWN, *of(call), hot is not None)
        return None if record is None else await self._kept(call, record, hot)

    async def kept(self, call: Call) -> Answer | None:
        record = await self._told(FIRST, call.tenant, bytes.fromhex(call.question))
        return None if record is None else await self._answer(record)

    async def told(self, calls: Sequence[Call]) -> tuple[str, str]:
        asked = [bytes.fromhex(call.question) for call in calls]
        record = await self._told(TOLD, calls[0].tenant, calls[0].workflow, asked)
        return (record["question"].hex(), record["instead"] or "") if record else ("", "")

    async def _kept(self, call: Call, record: asyncpg.Record, hot: Answer | None) -> Answer:
        answer = hot or await self._answer(record)
        self._hot.keep(call.tenant, call.question, answer)
        return answer

    async def begin(self, call: Call, token: str, *, estimate: float, lease_s: float, most: float = 0.0) -> Begun:
        if self._hot.get(call.tenant, call.question) and (known := await self.known(call)):
            return Begun(verdict="known", answer=known)
        verdict = await self._calls.begin(call, token, estimate, lease_s, most)
        return Begun(verdict=verdict) if verdict else await self._begin(call, token, estimate, lease_s, most)

    async def _begin(self, call: Call, token: str, estimate: float, lease_s: float, most: float) -> Begun:
        """Under a limit."""
        guess = money(estimate)
        record = await self._told(BEGIN, *of(call), False, token, guess, lease_s, money(most))
        if record is None:
            raise LookupError("begin_call gave no row")
        if record["verdict"] in {"over", "wait"}:
            return Begun(verdict=record["verdict"], over=_over(call, record, guess))
        if record["stored"]:
            return Begun(verdict="known", answer=await self._kept(call, record, None))
        granted = record["granted"]
        return Begun(verdict=record["verdict"], granted=None if granted is None else float(granted))

    async def renew(self, tokens: Collection[str], *, lease_s: float) -> None:
        async with connected(self._pool) as connection:
            await connection.execute(RENEW, list(tokens), lease_s)

    async def settle(self, call: Call, token: str, text: str, finish: str, spent: Spent) -> Answer:
        return await _again(self._pool, lambda: self._settled(call, token, text, finish, spent))

    async def _settled(self, call: Call, token: str, text: str, finish: str, spent: Spent) -> Answer:
        asked, asked_ref = await self._bodies.kept(call.tenant, call.asked) if call.asked else (b"", "")
        body, body_ref = await self._bodies.kept(call.tenant, text.encode("utf-8", "surrogatepass"))
        instead = plain(spent.detail) if spent.outcome == "stand_in" else ""
        kept = Kept(asked, asked_ref, body, body_ref, finish, instead, call.schema_name)
        first = await self._calls.end(call, token, spent, kept)
        record = None if first else await self._told(FIRST, call.tenant, bytes.fromhex(call.question))
        answer = await self._answer(record) if record else _answer(text, finish, instead, spent)
        self._hot.keep(call.tenant, call.question, answer)
        return answer

    async def note(self, call: Call, token: str, spent: Spent) -> None:
        await _again(self._pool, lambda: self._calls.end(call, token, spent, None))

    async def _told(self, statement: str, *values: object) -> asyncpg.Record | None:
        """Its only row."""
        async with connected(self._pool) as connection:
            return await connection.fetchrow(statement, *values)

    async def nearest(self, call: Call, limit: int = 16) -> Sequence[bytes]:
        async with connected(self._pool) as connection:
            records = await connection.fetch(
                NEAREST, call.tenant, call.workflow, call.task, call.stage, call.revision, limit
            )
        return [await self._bodies.text(record["asked"], record["asked_ref"]) for record in records]

    async def _answer(self, record: asyncpg.Record) -> Answer:
        text = await self._bodies.text(record["answer"], record["answer_ref"])
        return Answer(
            text=text.decode("utf-8", "surrogatepass"),
            finish_reason=record["finish_reason"],
            model=record["model"],
            tokens_in=record["tokens_in"],
            tokens_out=record["tokens_out"],
            cost=float(record["cost"]),
            instead=record["instead"],
        )


async def _again(pool: Pool, end: Callable[[], Awaitable[_T]]) -> _T:
    """Say how a call ended until it is heard; `StoreDown` where nobody hears it for minutes, or ever again."""
    until, pause = time.monotonic() + KEEP_TRYING_S, FIRST_AGAIN_S
    while True:
        try:
            return await end()
        except StoreDown:
            if pool.is_closing() or time.monotonic() > until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_AGAIN_S)


def _answer(text: str, finish: str, instead: str, spent: Spent) -> Answer:
    return Answer(
        text=text,
        finish_reason=finish,
        model=spent.model,
        tokens_in=spent.tokens_in,
        tokens_out=spent.tokens_out,
        cost=spent.cost,
        instead=instead,
    )


def _over(call: Call, record: asyncpg.Record, guess: Decimal) -> Over:
    return Over(
        scope="workflow" if record["scope"] == call.workflow else "month",
        allowed=float(record["allowed"]),
        spent=float(record["spent"]),
        held=float(record["held"]),
        estimate=float(guess),
    )
