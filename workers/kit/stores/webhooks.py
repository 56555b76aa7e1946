"""Webhooks: which addresses hear of which events, and every delivery: what waits, what was tried, what became of it.

A delivery is a row before it is a request. Its id is the event's, so the same event again adds nothing; resending keeps
the id too, by which a receiver knows what it had before.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import asyncpg
import msgspec

from .news import plain, rfc3339
from .pg.pool import Pool, as_tenant, connected

State = Literal["waiting", "delivered", "failed"]
MOST = 20
"""Webhooks of one tenant."""
MOST_BYTES = 20_000
SECRET_BYTES = 32
KEPT_S = 30 * 24 * 3600
"""Events older than this are no news; the log is kept longer, so that it knows every event that may still come."""
LOG_S = KEPT_S + 5 * 24 * 3600
PRUNED = 1000

RECORD = """
    INSERT INTO webhook_deliveries (tenant, webhook, id, type, body)
    SELECT e.tenant, w.id, e.id, e.type, e.body
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[], $6::text[])
        AS e (tenant, id, type, body, time, kinds)
    JOIN webhooks w ON w.tenant = e.tenant AND w.types && string_to_array(e.kinds, ' ')
    WHERE w.disabled_at IS NULL AND w.created_at <= e.time AND e.time > now() - $7::interval
    ORDER BY w.tenant, w.id
    ON CONFLICT DO NOTHING
"""
# $1: at once for each webhook, less what this process has under way ($2, $3); $4: for all. Whoever dies with a delivery
# leaves it to others after $5.
DUE = """
    WITH chosen AS (
        SELECT d.tenant, d.webhook, d.id, w.url
        FROM webhooks w CROSS JOIN LATERAL (
            SELECT x.tenant, x.webhook, x.id FROM webhook_deliveries x
            WHERE x.tenant = w.tenant AND x.webhook = w.id AND x.state = 'waiting' AND x.next_at <= now()
            ORDER BY x.next_at, x.id
            LIMIT greatest(0, $1 - coalesce((
                SELECT b.many FROM unnest($2::text[], $3::int[]) AS b (webhook, many) WHERE b.webhook = w.id
            ), 0))
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS d
        WHERE w.disabled_at IS NULL
        LIMIT $4
    )
    UPDATE webhook_deliveries d
    SET attempts = d.attempts + 1, tries = d.tries + 1, next_at = clock_timestamp() + $5::interval
    FROM chosen c WHERE d.tenant = c.tenant AND d.webhook = c.webhook AND d.id = c.id
    RETURNING d.tenant, d.webhook, d.id, d.body, d.attempts, d.tries, c.url, ARRAY(
        SELECT s.secret FROM webhook_secrets s
        WHERE s.tenant = d.tenant AND s.webhook = d.webhook AND (s.until IS NULL OR s.until > now())
        ORDER BY s.created_at DESC
    ) AS secrets
"""
# `attempts` is the claim: who comes late changes nothing.
NOTE = """
    UPDATE webhook_deliveries
    SET state = $5, status = $6, error = $7, answer = $8, tried_at = clock_timestamp(),
        next_at = clock_timestamp() + $9::interval
    WHERE tenant = $1 AND webhook = $2 AND id = $3 AND attempts = $4 AND state = 'waiting'
"""
TURN_OFF = """
    UPDATE webhooks SET disabled_at = now(), disabled_reason = $3 WHERE tenant = $1 AND id = $2 AND disabled_at IS NULL
"""
PRUNE = """
    DELETE FROM webhook_deliveries WHERE (tenant, webhook, id) IN (
        SELECT tenant, webhook, id FROM webhook_deliveries
        WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2
    )
"""

COLUMNS = "id, url, types, created_at, disabled_at, disabled_reason"
ADD = f"""
    INSERT INTO webhooks (tenant, id, url, types, created_at)
    SELECT $1, $2, $3, $4, clock_timestamp() WHERE (SELECT count(*) FROM webhooks WHERE tenant = $1) < $5
    RETURNING {COLUMNS}
"""  # noqa: S608  # constants only
ALL = f"SELECT {COLUMNS} FROM webhooks WHERE tenant = $1 ORDER BY id"  # noqa: S608
ONE = f"SELECT {COLUMNS} FROM webhooks WHERE tenant = $1 AND id = $2"  # noqa: S608
REMOVE = "DELETE FROM webhooks WHERE tenant = $1 AND id = $2 RETURNING true"
TURN_ON = f"""
    UPDATE webhooks SET disabled_at = NULL, disabled_reason = '' WHERE tenant = $1 AND id = $2 RETURNING {COLUMNS}
"""  # noqa: S608
SECRET = "INSERT INTO webhook_secrets (tenant, webhook, secret) VALUES ($1, $2, $3)"  # noqa: S105  # a statement
RETIRE = """
    UPDATE webhook_secrets SET until = now() + $3::interval WHERE tenant = $1 AND webhook = $2 AND until IS NULL
"""
FORGET = "DELETE FROM webhook_secrets WHERE tenant = $1 AND webhook = $2 AND until <= now()"
LOG = "id, type, state, attempts, next_at, tried_at, status, error, answer, created_at"
DELIVERIES = f"""
    SELECT {LOG} FROM webhook_deliveries
    WHERE tenant = $1 AND webhook = $2 AND ($4 = '' OR state = $4) AND ($3 = '' OR (created_at, id) < (
        SELECT created_at, id FROM webhook_deliveries WHERE tenant = $1 AND webhook = $2 AND id = $3
    ))
    ORDER BY created_at DESC, id DESC LIMIT $5
"""  # noqa: S608
RESEND = f"""
    UPDATE webhook_deliveries SET state = 'waiting', tries = 0, next_at = now()
    WHERE tenant = $1 AND webhook = $2 AND id = $3 RETURNING {LOG}
"""  # noqa: S608
TEST = f"""
    INSERT INTO webhook_deliveries (tenant, webhook, id, type, body) VALUES ($1, $2, $3, $4, $5) RETURNING {LOG}
"""  # noqa: S608


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address that hears of events; `types` are `<stage>.<outcome>`, `*` for any in either place."""

    id: str
    url: str
    types: tuple[str, ...]
    created_at: str
    disabled_at: str = ""
    disabled_reason: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one webhook, as the log has it; `next_at` is '' where nothing more is tried."""

    id: str
    type: str
    state: State
    attempts: int
    next_at: str
    tried_at: str
    status: int | None
    error: str
    answer: str
    created_at: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be recorded: whose, the delivery's id, its structured JSON, and the `types` that want it."""

    tenant: str
    id: str
    type: str
    body: bytes
    time: datetime
    kinds: tuple[str, ...]


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery to be tried now; the newest secret stands first. It is the `tries`-th of its schedule."""

    tenant: str
    webhook: str
    id: str
    url: str
    body: bytes
    attempts: int
    tries: int
    secrets: tuple[bytes, ...]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: the answer's status and first words, or why there is none; when it is tried again."""

    status: int | None
    error: str
    answer: str
    state: State
    again_s: float = 0.0


class Deliveries:
    """The observer's side, for role ql_worker. Raises `StoreDown`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(self, told: Sequence[Told]) -> None:
        """Note what has to be delivered, before anything is; the same event again adds nothing."""
        async with connected(self._pool) as connection:
            await connection.execute(
                RECORD,
                [event.tenant for event in told],
                [event.id for event in told],
                [event.type for event in told],
                [event.body for event in told],
                [event.time for event in told],
                [" ".join(event.kinds) for event in told],
                timedelta(seconds=KEPT_S),
            )

    async def due(self, busy: Mapping[str, int], *, each: int, most: int, lease_s: float) -> Sequence[Due]:
        """Take what is due, at most `each` of one webhook less what is `busy`; nobody else does for `lease_s`."""
        async with connected(self._pool) as connection:
            found = await connection.fetch(DUE, each, list(busy), list(busy.values()), most, timedelta(seconds=lease_s))
        return [Due(**{**dict(record), "secrets": tuple(record["secrets"])}) for record in found]

    async def note(self, due: Due, tried: Tried) -> None:
        """What became of an attempt, unless its time was over and another one was begun."""
        async with connected(self._pool) as connection:
            await connection.execute(
                NOTE,
                *(due.tenant, due.webhook, due.id, due.attempts),
                *(tried.state, tried.status, plain(tried.error), plain(tried.answer)),
                timedelta(seconds=tried.again_s),
            )

    async def turn_off(self, due: Due, reason: str) -> None:
        """Deliver no more there."""
        async with connected(self._pool) as connection:
            await connection.execute(TURN_OFF, due.tenant, due.webhook, plain(reason))

    async def prune(self) -> int:
        """Forget some deliveries that are older than any event that may still come; how many."""
        async with connected(self._pool) as connection:
            said = await connection.execute(PRUNE, timedelta(seconds=LOG_S), PRUNED)
        return int(said.removeprefix("DELETE "))


class Webhooks:
    """The gateway's side: one tenant's. A secret leaves it once, where it is made. Raises `StoreDown`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, tenant: str, name: str, url: str, types: Sequence[str]) -> tuple[Webhook, bytes] | None:
        """A new one with its secret; None where the tenant has `MOST`."""
        secret = secrets.token_bytes(SECRET_BYTES)
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(ADD, tenant, name, url, list(types), MOST)
            if record is None:
                return None
            await connection.execute(SECRET, tenant, name, secret)
        return _webhook(record), secret

    async def all(self, tenant: str) -> Sequence[Webhook]:
        """Oldest first."""
        async with as_tenant(self._pool, tenant) as connection:
            return [_webhook(record) for record in await connection.fetch(ALL, tenant)]

    async def one(self, tenant: str, name: str) -> Webhook | None:
        """None for one that is not there."""
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(ONE, tenant, name)
        return _webhook(record) if record else None

    async def remove(self, tenant: str, name: str) -> bool:
        """With its log; False when it is not there."""
        async with as_tenant(self._pool, tenant) as connection:
            return bool(await connection.fetchval(REMOVE, tenant, name))

    async def turn_on(self, tenant: str, name: str) -> Webhook | None:
        """Deliver there again, first what still waits."""
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(TURN_ON, tenant, name)
        return _webhook(record) if record else None

    async def rotate(self, tenant: str, name: str, *, keep_s: float) -> bytes:
        """A new secret of a webhook that is there; for `keep_s` seconds what is sent is signed with the old one too."""
        secret = secrets.token_bytes(SECRET_BYTES)
        async with as_tenant(self._pool, tenant) as connection:
            await connection.execute(FORGET, tenant, name)
            await connection.execute(RETIRE, tenant, name, timedelta(seconds=keep_s))
            await connection.execute(SECRET, tenant, name, secret)
        return secret

    async def deliveries(
        self, tenant: str, name: str, *, before: str, limit: int, state: str = ""
    ) -> Sequence[Delivery]:
        """Newest first, from the one after the delivery `before` ('': the first page)."""
        async with as_tenant(self._pool, tenant) as connection:
            found = await connection.fetch(DELIVERIES, tenant, name, before, state, limit)
        return [_delivery(record) for record in found]

    async def resend(self, tenant: str, name: str, delivery: str) -> Delivery | None:
        """Deliver it (again), with the whole schedule before it; None when it is not there."""
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(RESEND, tenant, name, delivery)
        return _delivery(record) if record else None

    async def test(self, tenant: str, name: str, delivery: str, type_: str, body: bytes) -> Delivery:
        """Something that is no event, for a webhook that is there."""
        async with as_tenant(self._pool, tenant) as connection:
            record = await connection.fetchrow(TEST, tenant, name, delivery, type_, body)
        return _delivery(record)


def _webhook(record: asyncpg.Record) -> Webhook:
    moments = {name: rfc3339(record[name]) for name in ("created_at", "disabled_at")}
    return Webhook(**{**dict(record), "types": tuple(record["types"]), **moments})


def _delivery(record: asyncpg.Record | None) -> Delivery:
    found = dict(record or {})
    moments = {name: rfc3339(found[name]) for name in ("created_at", "tried_at", "next_at")}
    if found["state"] != "waiting":
        moments["next_at"] = ""
    return Delivery(**{**found, **moments})
