"""The one place that says which streams and durables there are, and makes them so. Safe to repeat.

Stage workers and the gateway only bind to what is here; two processes with different ideas can't fight over it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from nats.aio.client import Client

from contracts import subjects
from contracts.topology import Topology
from workers.kit.llm.wire import BREAKER_BUCKET, BREAKER_NEWS
from workers.kit.runner.api import ApiError, call, find
from workers.kit.settings import Settings
from workers.kit.stores.stream import RETENTION_S

_S = 1_000_000_000
NAME_IN_USE, NO_ROOM = 10058, 10047
SAME_MOMENT_S = 0.2
NO_ROOM_ADVICE = "set QL_NATS_MAX_BYTES to less than its max_file_store, or give it more"
DEDUPE_S = 120
HEALTH_S = 7 * 24 * 3600
PENDING_PER_SLOT = 8
"""How many un-acked messages a durable may have over all its workers, as a multiple of one process's slots."""
OBSERVER_PENDING = 64
WORKERS = "workers"
"""The group whose pulls carry a priority: who comes first gets all that there is room for (ADR 0019)."""
MAX_CONSUMERS = 10_000
"""Each stage and each subscription is one, and each tenant whose followers are places in a gateway process's feed. A
server that is told nothing stops at 1,000 (and takes no value for "any")."""


class NoRoom(Exception):
    """The server may not store as much as a stream asks for."""


EVENT_STREAM: dict[str, object] = {
    "name": subjects.STREAM,
    "description": "Events of every workflow (facts), and wakes with a short life",
    "subjects": [subjects.EVENTS, subjects.WAKES],
    "retention": "limits",
    "discard": "new",
    "storage": "file",
    "compression": "s2",
    "max_age": RETENTION_S * _S,
    "duplicate_window": DEDUPE_S * _S,
    "allow_direct": True,
    "allow_msg_ttl": True,
    "deny_delete": True,
    "deny_purge": True,
    "republish": {"src": subjects.EVENTS, "dest": f"{subjects.RESULTS}.>"},
    "max_consumers": MAX_CONSUMERS,
}
DEAD_BYTES = 128 << 20
BESIDE_EVENTS = 256 << 20
"""Of what the server may store, kept free for the dead letters' stream and what else an operator makes."""
DEAD_STREAM: dict[str, object] = {
    "name": subjects.DEAD_STREAM,
    "description": "News of dead letters; their bytes are in PostgreSQL",
    "subjects": [subjects.DEAD],
    "retention": "limits",
    "max_bytes": DEAD_BYTES,
    "discard": "new",
    "storage": "file",
    "compression": "s2",
    "max_age": RETENTION_S * _S,
    "duplicate_window": DEDUPE_S * _S,
    "allow_direct": True,
    "deny_delete": True,
    "deny_purge": True,
}
HEALTH_STREAM: dict[str, object] = {
    "name": f"KV_{BREAKER_BUCKET}",
    "description": "What the model routers know of each model's health",
    "subjects": [f"$KV.{BREAKER_BUCKET}.>"],
    "retention": "limits",
    "max_bytes": 1 << 20,
    "max_msgs_per_subject": 1,
    "discard": "new",
    "storage": "file",
    "max_age": HEALTH_S * _S,
    "allow_direct": True,
    "allow_rollup_hdrs": False,
    "deny_delete": True,
    "deny_purge": True,
    "republish": {"src": f"$KV.{BREAKER_BUCKET}.>", "dest": f"{BREAKER_NEWS}.>"},
}
"""A key-value bucket, as clients of NATS know it; but nobody purges a value, which is a roll-up."""


def event_stream(max_bytes: int) -> dict[str, object]:
    """The configuration of the stream of events, which refuses what comes above `max_bytes` and drops nothing."""
    return EVENT_STREAM | {"max_bytes": max_bytes}


def room(wanted: int, max_storage: int) -> int:
    """What the event stream may hold on a server that may store `max_storage` bytes (0: it does not tell)."""
    return min(wanted, max(max_storage - BESIDE_EVENTS, max_storage // 2)) if max_storage > 0 else wanted


def durable(stage: str, topology: Topology, settings: Settings) -> dict[str, object]:
    """The consumer of one stage. The broker's redelivery count decides nothing, so it never gives up."""
    return {
        "durable_name": stage,
        "name": stage,
        "filter_subjects": list(subjects.wakes(stage, topology)),
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(settings.ack_wait_s * _S),
        "max_deliver": -1,
        "max_ack_pending": settings.slots * PENDING_PER_SLOT,
        "replay_policy": "instant",
        "priority_policy": "prioritized",
        "priority_groups": [WORKERS],
    }


async def make_stream(nc: Client, config: dict[str, object], *, first_seq: int = 0) -> dict[str, Any]:
    """Create or update the stream; its info. A new one begins at `first_seq`."""
    name = config["name"]
    existing = await find(nc, f"STREAM.INFO.{name}")
    if existing is None:
        return await _created(nc, name, config | ({"first_seq": first_seq} if first_seq else {}))
    kept = {key: existing["config"][key] for key in ("first_seq", "num_replicas") if key in existing["config"]}
    return await call(nc, f"STREAM.UPDATE.{name}", config | kept)


async def _created(nc: Client, name: object, config: dict[str, object]) -> dict[str, Any]:
    """By us, or by another keeper at the same moment: while both ask, the server counts the room twice."""
    try:
        return await call(nc, f"STREAM.CREATE.{name}", config)
    except ApiError as error:
        if error.code not in {NAME_IN_USE, NO_ROOM}:
            raise
        refused = error
    await asyncio.sleep(SAME_MOMENT_S)
    made = await find(nc, f"STREAM.INFO.{name}")
    if made is None:
        raise NoRoom(f"the NATS server has no room for the stream {name}: {NO_ROOM_ADVICE}") from refused
    return made


def observer(name: str, settings: Settings) -> dict[str, object]:
    """The consumer of one observer; with what it can't do now it is asked again after `ack_wait`."""
    return {
        "durable_name": name,
        "name": name,
        "filter_subjects": list(subjects.OBSERVERS[name]),
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(settings.ack_wait_s * _S),
        "max_deliver": -1,
        "max_ack_pending": OBSERVER_PENDING,
        "replay_policy": "instant",
    }


async def make_durable(nc: Client, config: dict[str, object]) -> None:
    """Create or update a stage's or observer's durable."""
    request = {"stream_name": subjects.STREAM, "config": config, "action": ""}
    await call(nc, f"CONSUMER.CREATE.{subjects.STREAM}.{config['name']}", request)
