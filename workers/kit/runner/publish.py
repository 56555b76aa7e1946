"""What the runner says on the bus: facts (stored exactly once), wakes (short-lived hints), dead letters and progress.

Every publish to a stream names the stream it expects and waits for the PubAck: a subject without one is no silent loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from nats.aio.client import Client

from contracts import cloudevents, subjects
from workers.kit.stores.drops import DeadLetter, StoredEvent, StreamMemory

from .gate import Gate, Leave

WRONG_LAST_SEQUENCE = 10071
SEQUENCE_IN_FLIGHT = 10164
WAKE_TTL = "60s"
TIMEOUT_S = 5
TRIES = 5


class NotPublished(Exception):
    """The stream refused or did not answer; the event stays unpublished and the sweeper sends it again."""


class Held(NotPublished):
    """The stream is not known to be the right one: nothing is published until it is."""


class _ApiError(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct, frozen=True, kw_only=True):
    stream: str = ""
    seq: int = 0
    error: _ApiError | None = None


class Publisher:
    """Publishes over one connection; raises `NotPublished`, or an error of the client or of the store."""

    def __init__(self, nc: Client, memory: StreamMemory) -> None:
        self._nc = nc
        self._gate = Gate(nc, memory)

    async def fact(self, event: StoredEvent) -> StoredEvent:
        """Store the event in the stream if it is not there yet; the event with its place (`seq`)."""
        subject, headers, body = cloudevents.to_binary(event.body)
        headers |= {"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Expected-Stream": subjects.STREAM}
        for attempt in range(TRIES):
            leave = await self._gate.leave()
            if isinstance(leave, str):
                raise Held(f"{subject}: {leave}")
            ack = await self._send(subject, body, headers)
            if ack.error is None:
                return self._placed(event, ack.seq, leave, new=True)
            if ack.error.err_code == WRONG_LAST_SEQUENCE:
                return self._placed(event, await self._place_of(subject, event.id), leave, new=False)
            if ack.error.err_code != SEQUENCE_IN_FLIGHT:
                raise NotPublished(f"{subject}: {ack.error.description} ({ack.error.err_code})")
            await asyncio.sleep(0.05 * 2**attempt)
        raise NotPublished(f"{subject}: another publish of it has been in flight for too long")

    def _placed(self, event: StoredEvent, seq: int, leave: Leave, *, new: bool) -> StoredEvent:
        if doubt := self._gate.doubt(leave, seq, new=new):
            raise Held(f"{event.subject}: {doubt}")
        return msgspec.structs.replace(event, seq=seq)

    async def wake(self, stage: str, tenant: str, workflow: str) -> None:
        """Ask the stage's workers to look at one workflow."""
        headers = {"Nats-TTL": WAKE_TTL, "Nats-Expected-Stream": subjects.STREAM}
        await self._checked(subjects.wake(stage, tenant, workflow), b"", headers)

    async def dead(self, letter: DeadLetter) -> None:
        """The news of a dead letter; its bytes are in the store."""
        news = {
            name: getattr(letter, name) for name in ("id", "tenant", "workflow", "stage", "subject", "sha256", "reason")
        }
        subject = subjects.dead(letter.tenant, letter.workflow, letter.stage)
        headers = {"Nats-Msg-Id": letter.id, "Nats-Expected-Stream": subjects.DEAD_STREAM}
        await self._checked(subject, msgspec.json.encode(news), headers)

    async def live(self, tenant: str, workflow: str, stage: str, news: Mapping[str, object]) -> None:
        """Progress for whoever watches; lost when nobody does."""
        await self._nc.publish(subjects.live(tenant, workflow, stage), msgspec.json.encode(news))

    async def _checked(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        ack = await self._send(subject, body, headers)
        if ack.error is not None:
            raise NotPublished(f"{subject}: {ack.error.description} ({ack.error.err_code})")

    async def _send(self, subject: str, body: bytes, headers: dict[str, str]) -> _PubAck:
        answer = await self._nc.request(subject, body, timeout=TIMEOUT_S, headers=headers)
        return msgspec.json.decode(answer.data, type=_PubAck)

    async def _place_of(self, subject: str, event_id: str) -> int:
        answer = await self._nc.request(f"$JS.API.DIRECT.GET.{subjects.STREAM}.{subject}", timeout=TIMEOUT_S)
        headers = answer.headers or {}
        if headers.get("Nats-Msg-Id") != event_id:
            raise NotPublished(f"{subject} is taken by a message that is not {event_id}")
        return int(headers["Nats-Sequence"])
