"""The one place that says which streams and durables there are, and makes them so. Safe to repeat.

Stage workers and the gateway only bind to what is here; two processes with different ideas can't fight over it.
"""

from __future__ import annotations

from typing import Any

from nats.aio.client import Client

from contracts import subjects
from contracts.topology import Topology
from workers.kit.runner.api import call, find
from workers.kit.settings import Settings

_S = 1_000_000_000
RETENTION_S = 30 * 24 * 3600
DEDUPE_S = 120
PENDING_PER_SLOT = 8
"""How many un-acked messages a durable may have over all its workers, as a multiple of one process's slots."""

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
}
DEAD_STREAM: dict[str, object] = {
    "name": subjects.DEAD_STREAM,
    "description": "News of dead letters; their bytes are in PostgreSQL",
    "subjects": [subjects.DEAD],
    "retention": "limits",
    "discard": "new",
    "storage": "file",
    "compression": "s2",
    "max_age": RETENTION_S * _S,
    "duplicate_window": DEDUPE_S * _S,
    "allow_direct": True,
}


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
    }


async def make_stream(nc: Client, config: dict[str, object], *, first_seq: int = 0) -> dict[str, Any]:
    """Create or update the stream; its info. A new one begins at `first_seq`."""
    name = config["name"]
    existing = await find(nc, f"STREAM.INFO.{name}")
    if existing is None:
        return await call(nc, f"STREAM.CREATE.{name}", config | ({"first_seq": first_seq} if first_seq else {}))
    kept = {key: existing["config"][key] for key in ("first_seq", "num_replicas") if key in existing["config"]}
    return await call(nc, f"STREAM.UPDATE.{name}", config | kept)


async def make_durable(nc: Client, stage: str, topology: Topology, settings: Settings) -> None:
    """Create or update the stage's durable."""
    config = durable(stage, topology, settings)
    request = {"stream_name": subjects.STREAM, "config": config, "action": ""}
    await call(nc, f"CONSUMER.CREATE.{subjects.STREAM}.{stage}", request)
