"""One stage of somebody's at its durable: event after event, each until its drop is there or it is given up."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast
from urllib.parse import unquote

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from .calls import back_off
from .client import AsyncQuantumLayer
from .errors import DropExists, NotNow, QuantumLayerError, Unreachable, WorkflowNotFound
from .shapes import Event, Json
from .work import Follower, Permanent, Report, Work

STREAM = "QL"
TEXT_BYTES = 200_000
"""A larger artifact is sent before its drop."""
ACK_WAIT_S, BEAT_S = 30.0, 10.0
FETCH_S = 2.0
MAX_ERROR = 2000
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """We were told to stop while nothing could be done; somebody handles the event later."""


class Handling:
    """One follower at its durable, one event after the other."""

    def __init__(
        self,
        follower: Follower,
        js: JetStreamContext,
        client: AsyncQuantumLayer,
        tenant: str,
        stopping: asyncio.Event,
    ) -> None:
        self._follower, self._js, self._client, self._tenant, self._stopping = follower, js, client, tenant, stopping

    async def follow(self) -> None:
        pulled = await self._js.pull_subscribe_bind(await self._durable(), stream=STREAM)
        _log.info("%s follows %s", self._follower.name, ", ".join(self._follower.after))
        while not self._stopping.is_set():
            try:
                (message,) = await pulled.fetch(1, timeout=FETCH_S)
            except NatsTimeout:
                continue
            except (NatsError, OSError) as error:
                _log.warning("no events now: %s", error)
                await asyncio.sleep(1)
                continue
            event = _event_of(message)
            with suppress(NatsError, OSError):  # without an ack it comes again, and its drop is there
                try:
                    if self._follower.wants(event):
                        async with _kept(message):
                            await self._handled(event, message.metadata.num_delivered)
                    await message.ack()
                except Stopped:
                    await message.nak()

    async def _durable(self) -> str:
        """The consumer that remembers how far we are; made here where that is allowed."""
        name = f"{self._tenant}_{self._follower.subscription}"
        wanted = [f"ql.evt.{self._tenant}.*.{each}.>" for each in self._follower.stages]
        try:
            config = (await self._js.consumer_info(STREAM, name)).config
        except NotFoundError:
            config = ConsumerConfig(
                durable_name=name, ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_WAIT_S, filter_subjects=wanted
            )
            try:
                await self._js.add_consumer(STREAM, config)
            except (NatsError, OSError) as error:
                stages = "".join(f" --stage {each}" for each in self._follower.stages)
                how = f"ql events subscribe {self._follower.subscription}{stages}"
                raise QuantumLayerError(f"there is no subscription {name}; make it, as in: {how}") from error
        heard = config.filter_subjects or [config.filter_subject or ">"]
        if deaf := [each for each in wanted if not any(_covers(other, each) for other in heard)]:
            raise QuantumLayerError(f"the subscription {name} does not hear of {', '.join(deaf)}")
        return name

    async def _paused(self, tried: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(back_off(tried)):
                await self._stopping.wait()
        if self._stopping.is_set():
            raise Stopped

    async def _handled(self, event: Event, delivery: int) -> None:
        """Until it is done, or given up: a gateway that is away is waited for."""
        begun, attempt, error = time.monotonic(), max(1, delivery), "its process died every time"
        report: Report | None = None
        while attempt <= self._follower.tries:
            try:
                if self._follower.writes and await self._done(event):
                    return
                report, error = await self._tried(event), ""
                break
            except Stopped:
                raise
            except WorkflowNotFound:
                return  # it was there when the event was told, and is no more
            except (Unreachable, NotNow) as away:
                _log.warning("%s waits for the gateway: %s", self._follower.name, away)
                await self._paused(attempt)
            except Permanent as refused:
                error = str(refused) or "refused"
                break
            except Exception as fault:  # noqa: BLE001  whatever somebody's function raises
                error = repr(fault)
                _log.warning("%s, try %d of %s: %s", self._follower.name, attempt, event.id, error)
                attempt += 1
                if attempt <= self._follower.tries:
                    await self._paused(attempt)
        if error:
            _log.error("%s gives up %s: %s", self._follower.name, event.id, error)
        if self._follower.writes:
            work_ms = int((time.monotonic() - begun) * 1000)
            await self._written(event, report, error, min(attempt, self._follower.tries), work_ms)

    async def _done(self, event: Event) -> bool:
        mine = (self._follower.name, event.revision)
        return any((drop.stage, drop.revision) == mine for drop in await self._client.drops(event.workflow))

    async def _tried(self, event: Event) -> Report | None:
        work, function = Work(event, self._client), self._follower.function
        async with asyncio.timeout(self._follower.time_limit_s):
            if inspect.iscoroutinefunction(function):
                return cast(Report | None, await function(work))
            return cast(Report | None, await asyncio.to_thread(function, work))

    async def _written(self, event: Event, report: Report | None, error: str, attempts: int, work_ms: int) -> None:
        """The drop is there, ours or one that was quicker."""
        drop: dict[str, Any] = {"stage": self._follower.name, "revision": event.revision, "inputs": _inputs(event)}
        drop |= {"attempts": attempts, "work_ms": work_ms}
        while True:
            try:
                if error:
                    made: Json = {"outcome": "failed", "error": error[:MAX_ERROR]}
                else:
                    made = {"outcome": "completed", "artifact": await self._sent(report or Report({}))}
                await self._client.add_drop(event.workflow, {**drop, **made}, traceparent=_child(event.traceparent))
            except (DropExists, WorkflowNotFound):
                return
            except (Unreachable, NotNow) as away:
                _log.warning("%s waits for the gateway: %s", self._follower.name, away)
                await self._paused(attempts)
            except (QuantumLayerError, ValueError, TypeError) as refused:
                if error:
                    raise
                error = f"the report was refused: {refused}"  # told in its stead
            else:
                return

    async def _sent(self, report: Report) -> Json:
        body, media_type = report.encoded()
        if len(body) <= TEXT_BYTES:
            with suppress(UnicodeDecodeError):
                return {"text": body.decode(), "media_type": media_type}
        sent = await self._client.put_artifact(body)
        return {"sha256": sent.sha256, "size": sent.size, "media_type": media_type}


@asynccontextmanager
async def _kept(message: Msg) -> AsyncIterator[None]:
    """Nobody else gets the message while we work at it."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            with suppress(NatsError, OSError):
                await message.in_progress()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


def _covers(heard: str, wanted: str) -> bool:
    """Whether whoever listens to the one subject hears all of the other."""
    ours, theirs = heard.split("."), wanted.split(".")
    for place, part in enumerate(ours):
        if part == ">":
            return len(theirs) > place
        if place >= len(theirs) or (part not in {"*", theirs[place]}) or theirs[place] == ">":
            return False
    return len(ours) == len(theirs)


def _event_of(message: Msg) -> Event:
    given = {name.lower(): unquote(value) for name, value in (message.headers or {}).items()}
    try:
        data = json.loads(message.data)
    except ValueError:
        data = {}
    return Event(
        id=given.get("ce-id", ""),
        type=given.get("ce-type", ""),
        subject=message.subject,
        time=given.get("ce-time", ""),
        traceparent=given.get("traceparent", ""),
        data=data if isinstance(data, dict) else {},
    )


def _inputs(event: Event) -> list[Json]:
    ref = event.data.get("artifact")
    return [{"stage": event.stage, "revision": event.revision, "sha256": ref["sha256"]}] if ref else []


def _child(traceparent: str) -> str:
    """Of the same trace, with a span of its own."""
    parts = traceparent.split("-")
    return f"{parts[0]}-{parts[1]}-{secrets.token_hex(8)}-{parts[3]}" if len(parts) == 4 else ""
