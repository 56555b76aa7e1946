"""Dead letters: kept by the workers, seen and dealt with by the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import asyncpg

from workers.kit.stores.drops import DeadLetter, LetterHead
from workers.kit.stores.news import MAX_BODY, checked_body, plain, rfc3339

from .pool import Connection

HEAD = "tenant, id, workflow_id, stage, reason, kind, created_at"
COLUMNS = f"{HEAD}, subject, headers, body, sha256"
BURY = """
    INSERT INTO dead_letters (tenant, id, workflow_id, stage, subject, headers, body, sha256, reason, kind)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
"""
# Its own, and those that nobody can tell whose they are: a policy says who may see these.
MINE = "tenant = ANY(ARRAY[$1, 'unknown'])"
LETTERS = f"""
    SELECT {HEAD} FROM dead_letters
    WHERE {MINE} AND ($3 = '' OR workflow_id = $3)
        AND ($4::timestamptz IS NULL OR (created_at, id) < ($4::timestamptz, $5))
    ORDER BY created_at DESC, id DESC LIMIT $2
"""  # noqa: S608  # constants only
LETTER = f"SELECT {COLUMNS} FROM dead_letters WHERE {MINE} AND id = $2"  # noqa: S608
EDIT = f"UPDATE dead_letters SET body = $3, sha256 = $4 WHERE {MINE} AND id = $2 RETURNING {COLUMNS}"  # noqa: S608
DISCARD = f"DELETE FROM dead_letters WHERE {MINE} AND id = $2 RETURNING true"  # noqa: S608
OVERTAKEN = "DELETE FROM dead_letters WHERE tenant = $1 AND workflow_id = $2 AND kind = 'work'"


async def bury(connection: Connection, letter: DeadLetter) -> None:
    """Keep a dead letter."""
    await connection.execute(
        BURY,
        plain(letter.tenant),
        plain(letter.id),
        plain(letter.workflow),
        plain(letter.stage),
        plain(letter.subject),
        plain(letter.headers, MAX_BODY),
        letter.body[:MAX_BODY],
        letter.sha256,
        plain(letter.reason),
        letter.kind,
    )


async def letters(connection: Connection, tenant: str, before: str, limit: int, workflow: str) -> Sequence[LetterHead]:
    """Newest first, from the place after `before`; no body is read."""
    digits, _, name = before.partition("_")
    try:
        time = datetime.strptime(digits, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC) if before else None
    except ValueError:  # no place of ours
        return []
    found = await connection.fetch(LETTERS, tenant, limit, workflow, time, name)
    return [LetterHead(**_head(record)) for record in found]


async def letter(connection: Connection, tenant: str, name: str) -> DeadLetter | None:
    """One letter."""
    record = await connection.fetchrow(LETTER, tenant, name)
    return _letter(record) if record else None


async def edit(connection: Connection, tenant: str, name: str, body: bytes) -> DeadLetter | None:
    """Another body. Raises ValueError for one that is too long."""
    checked_body(body)
    record = await connection.fetchrow(EDIT, tenant, name, body, sha256(body).hexdigest())
    return _letter(record) if record else None


async def discard(connection: Connection, tenant: str, name: str) -> bool:
    """Forget it."""
    return bool(await connection.fetchval(DISCARD, tenant, name))


async def overtaken(connection: Connection, tenant: str, workflow: str) -> None:
    """Forget the work that this workflow gave up: it goes on."""
    await connection.execute(OVERTAKEN, tenant, workflow)


def _head(record: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": record["id"],
        "tenant": record["tenant"],
        "workflow": record["workflow_id"],
        "stage": record["stage"],
        "reason": record["reason"],
        "kind": record["kind"],
        "created_at": rfc3339(record["created_at"]),
    }


def _letter(record: asyncpg.Record) -> DeadLetter:
    return DeadLetter(
        **_head(record),
        subject=record["subject"],
        headers=record["headers"],
        body=record["body"],
        sha256=record["sha256"],
    )
