"""What the servers really promise at a power cut, asked of them, each in a sentence.

Keeper and `ql doctor` tell it: the keeper at its start, the doctor when asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts import subjects
from workers.kit.runner.api import ApiError, find
from workers.kit.settings import Settings
from workers.kit.stores.drops import StoreDown

if TYPE_CHECKING:
    from workers.kit.stores.pg import Pool

SERVER = "$SYS.REQ.SERVER.PING.VARZ"
"""Answered to the system account, and to an account that imports it; deploy/nats shows how."""
ASK_S = 2.0
NEARLY_FULL = 0.9
AGAIN = "they are published again from PostgreSQL, no workflow is lost"
UNSAID = f"take it for NATS' own default: a power cut may take the events of the last 2 minutes; {AGAIN}"
KEPT = (
    "no accepted workflow and no finished stage is lost at a power cut; a claim of the last moments may be, "
    "and is made again"
)
"""Claims and the notes of what was published are committed without waiting for the disk."""
NATS = 2, 12
"""Major and minor; an older one knows no durable of policy `prioritized` (ADR 0019)."""
POSTGRES = ("fsync", "synchronous_commit", "full_page_writes")
DURABLE_COMMITS = frozenset({"on", "local", "remote_write", "remote_apply"})


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """`found` is what the server said of itself, `meaning` what a power cut does; `advice` where something is wrong."""

    store: str
    found: str
    meaning: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.found}: {self.meaning}"


async def server_config(nc: Client) -> dict[str, Any]:
    """JetStream's settings on the server; empty when we may not see them."""
    try:
        answer = msgspec.json.decode((await nc.request(SERVER, b"", timeout=ASK_S)).data)
        found = answer["data"]["jetstream"]["config"]
    except (NatsError, TimeoutError, msgspec.DecodeError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def max_storage(config: Mapping[str, Any]) -> int:
    """Bytes that the server may store; 0 when it does not tell."""
    return int(config.get("max_storage", 0))


def nats_promise(config: Mapping[str, Any]) -> Promise:
    """From the settings that the server told, if it did."""
    if config.get("sync_always"):
        meaning = "every event is on disk before it is acknowledged, a power cut takes none"
        return Promise(store="nats", found="sync_interval always", meaning=meaning)
    if not (interval := config.get("sync_interval")):
        return Promise(store="nats", found="sync_interval not told", meaning=UNSAID)
    seconds = interval / 1e9
    meaning = f"a power cut may take the events of the last {seconds:g} s; {AGAIN}"
    return Promise(store="nats", found=f"sync_interval {seconds:g}s", meaning=meaning)


def too_old(nc: Client) -> str:
    """A sentence when the connected server is older than what we need; '' when not, or when it does not tell."""
    told = nc.connected_server_version
    try:
        version = told.major, told.minor
    except ValueError:
        return ""
    if not told.major or version >= NATS:
        return ""
    here, needed = (".".join(map(str, each)) for each in (version, NATS))
    return f"the NATS server is version {here}, which can't make the stages' durables: run {needed} or later"


def fill(info: Mapping[str, Any]) -> str:
    """A sentence when the stream of this info is nearly full; '' when not."""
    limit, held = info["config"].get("max_bytes", -1), info["state"]["bytes"]
    if limit <= 0 or held < limit * NEARLY_FULL:
        return ""
    return (
        f"the event stream holds {held >> 20} of {limit >> 20} MiB; when it is full it refuses new events, which wait "
        "in PostgreSQL, and workflows stand still: raise QL_NATS_MAX_BYTES and restart the keeper"
    )


async def postgres_promise(pool: Pool) -> Promise:
    """As it is for the role we are."""
    from workers.kit.stores.pg.pool import telling_down

    with telling_down():
        told = {name: await pool.fetchval("SELECT current_setting($1)", name) for name in POSTGRES}
    found = ", ".join(f"{name} {value}" for name, value in told.items())
    if told["fsync"] != "on":
        meaning, advice = "a power cut may damage the whole database", "set fsync = on"
    elif told["full_page_writes"] != "on":
        meaning, advice = "a power cut may leave half-written pages", "set full_page_writes = on"
    elif told["synchronous_commit"] not in DURABLE_COMMITS:
        meaning = "a power cut takes the last commits, accepted workflows among them"
        advice = "set synchronous_commit = on"
    else:
        meaning, advice = KEPT, ""
    return Promise(store="postgresql", found=found, meaning=meaning, advice=advice)


def s3_promise(settings: Settings) -> Promise:
    """S3 has no question for it; the embedded server was cut off to see."""
    if settings.s3_url:
        meaning = "S3 can't be asked; what it loses is noticed by its hash and made again from PostgreSQL"
        return Promise(store="s3", found="a server of your own", meaning=meaning)
    meaning = (
        "SeaweedFS does not wait for the disk, a power cut may take the objects of the last half minute; "
        "the loss is noticed by hash, and what a workflow needs is made again without a paid call"
    )
    return Promise(store="s3", found="embedded", meaning=meaning)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What `look` saw; `full` is a sentence when the stream is, `old` when NATS is."""

    promises: tuple[Promise, ...]
    full: str = ""
    old: str = ""


async def look(settings: Settings) -> Look:
    """Asks the servers of these settings; raises `StoreDown` when one is away, or refuses us."""
    bus, full, old = await _look_at_nats(settings.nats_url)
    store = await _look_at_postgres(settings.database_url)
    return Look(promises=(bus, store, s3_promise(settings)), full=full, old=old)


async def _look_at_nats(url: str) -> tuple[Promise, str, str]:
    nc = Client()
    try:
        try:
            await nc.connect(
                url, allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0, error_cb=_raised
            )
            promise, old = nats_promise(await server_config(nc)), too_old(nc)
            info = await find(nc, f"STREAM.INFO.{subjects.STREAM}")
        finally:
            await nc.close()
    except ApiError as error:
        raise StoreDown(f"NATS refuses: {error}") from error
    except (NatsError, OSError, TimeoutError) as error:
        raise StoreDown(f"NATS does not answer: {str(error) or type(error).__name__}") from error
    return promise, fill(info) if info else "", old


async def _raised(_: Exception) -> None:
    """`connect` raises it as well."""


async def _look_at_postgres(url: str) -> Promise:
    import asyncpg

    from workers.kit.stores.pg import open_pool

    try:
        pool = await open_pool(url, 1)
        try:
            return await postgres_promise(pool)
        finally:
            await pool.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreDown(f"PostgreSQL refuses: {error}") from error
