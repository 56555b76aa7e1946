"""Webhooks: every event is recorded for those who want it, acknowledged, and only then delivered, until it is taken.

Delivered at least once: a process that dies between a receiver's answer and its note sends the same again, with the
same `webhook-id`. Each webhook has a few requests under way at most, so a slow one holds up nobody else. A receiver
that asks to be left alone (429 or 503 with Retry-After) is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import structlog
from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.msg import Msg

from contracts import cloudevents, subjects
from contracts.events import Event
from workers.kit import crash
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.webhooks import MOST_BYTES, Deliveries, Due, State, Told, Tried

from .sending import TIMEOUT_S, Answer, NotSent, Sender
from .waiting import provisioned

NAME = "webhooks"
RETRIES_S: tuple[float, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""From an attempt that failed to the next one: some 75 hours in all. Then it is given up, and stays in the log."""

JITTER = 0.1
LEASE_S = TIMEOUT_S + 15
EACH, MOST = 4, 256
"""Requests under way to one webhook, and in all."""
QUIET_S = 300.0
"""For so long at most other deliveries wait too when one was told to: a test or a resend shall not take a day."""
LOOK_S = 1.0
BATCH, FILL_S = 64, 0.25
"""Events recorded at once, and how long the first of them waits for others."""
PRUNE_S = 600.0
GONE = 410
log = structlog.get_logger(__name__)


class Courier:
    """Delivers what is due, from `start` to `stop`."""

    def __init__(
        self,
        deliveries: Deliveries,
        sender: Sender,
        *,
        retries_s: Sequence[float] = RETRIES_S,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._deliveries = deliveries
        self._sender = sender
        self._retries_s = retries_s
        self._lease_s = lease_s
        self._look_s = look_s
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._quiet: dict[str, float] = {}  # until when nothing goes to a webhook whose receiver asked for that
        self._soon = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._pruned = time.monotonic()

    def soon(self) -> None:
        """Something may be due."""
        self._soon.set()

    def start(self) -> None:
        """Look again and again."""
        self._looking = asyncio.create_task(self._look())

    def ping(self) -> None:
        """Raises where nobody looks any more."""
        if self._looking is None or self._looking.done():
            raise RuntimeError("the courier of this process ended")

    async def stop(self) -> None:
        """Begin nothing new; what is under way has its time."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=TIMEOUT_S)

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._soon.wait()
            self._soon.clear()
            try:
                await self._begin()
                await self._prune()
            except StoreDown as error:
                log.warning("webhooks.later", error=str(error))
                await asyncio.sleep(self._look_s)
            except Exception:  # a courier that ends would deliver nothing
                log.exception("webhooks.fault")
                await asyncio.sleep(self._look_s)

    async def _begin(self) -> None:
        room = MOST - len(self._under_way)
        if room <= 0:
            return
        busy = Counter(self._under_way.values())
        now = time.monotonic()
        self._quiet = {webhook: until for webhook, until in self._quiet.items() if until > now}
        busy.update(dict.fromkeys(self._quiet, EACH))
        for due in await self._deliveries.due(busy, each=EACH, most=room, lease_s=self._lease_s):
            task = asyncio.create_task(self._deliver(due))
            self._under_way[task] = due.webhook
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._soon.set()
        if not task.cancelled() and (error := task.exception()) is not None:  # its lease passes, and it is tried again
            log.warning("webhooks.unnoted", error=str(error) or type(error).__name__)

    async def _deliver(self, due: Due) -> None:
        try:
            answer = await self._sender.send(due.url, due.id, due.body, due.secrets)
        except NotSent as error:
            await self._noted(due, None, str(error))
            return
        crash.at(NAME, "after_delivery")
        await self._noted(due, answer, "" if answer.status // 100 == 2 else _refusal(answer))

    async def _noted(self, due: Due, answer: Answer | None, error: str) -> None:
        status, text = (answer.status, answer.text) if answer else (None, "")
        if status == GONE:
            await self._deliveries.turn_off(due, "its receiver answered 410 Gone")
        last = status == GONE or due.tries > len(self._retries_s)
        wait_s = 0.0 if not error or last else self._wait_s(due, answer)
        state: State = "delivered" if not error else "failed" if last else "waiting"
        tried = Tried(status=status, error=error, answer=text, state=state, again_s=wait_s)
        await self._deliveries.note(due, tried)
        log.info("webhooks.tried", webhook=due.webhook, delivery=due.id, status=status, state=state, error=error[:200])

    def _wait_s(self, due: Due, answer: Answer | None) -> float:
        """What the schedule says, or longer where the receiver asks for it. Never shorter: the tries last for days."""
        asked_s = answer.again_s if answer else 0.0
        if asked_s:
            self._quiet[due.webhook] = time.monotonic() + min(asked_s, QUIET_S)
        return max(self._retries_s[due.tries - 1], asked_s) * random.uniform(1, 1 + JITTER)  # noqa: S311  # spreads load

    async def _prune(self) -> None:
        if time.monotonic() - self._pruned > PRUNE_S:
            self._pruned = time.monotonic()
            while await self._deliveries.prune():
                pass


def _refusal(answer: Answer) -> str:
    if answer.status // 100 == 3:
        return f"it answered {answer.status}: redirects are not followed"
    wait = f", to be asked again after {answer.again_s:.0f} s" if answer.again_s else ""
    return f"it answered {answer.status}{wait}"


def app(broker: NatsBroker, deliveries: Deliveries, courier: Courier) -> FastStream:
    """The application, not yet started. It waits for the keeper to make its durable."""

    @broker.subscriber(
        subjects.OBSERVERS[NAME][0],
        durable=NAME,
        stream=JStream(subjects.STREAM, declare=False),
        pull_sub=PullSub(batch_size=BATCH, timeout=FILL_S, batch=True),
        ack_policy=AckPolicy.MANUAL,
    )
    async def happened(message: NatsMessage) -> None:
        messages: Sequence[Msg] = message.raw_message  # type: ignore[assignment]  # a batch's
        if not await _recorded(messages, deliveries):
            return  # the broker sends them again
        for raw in messages:
            await raw.ack()
        courier.soon()

    service = FastStream(broker, logger=None)

    async def begin() -> None:
        await provisioned(await broker.connect(), NAME)
        courier.start()

    service.on_startup(begin)
    service.on_shutdown(courier.stop)
    return service


async def _recorded(messages: Sequence[Msg], deliveries: Deliveries) -> bool:
    try:
        told = [event for raw in messages if (event := _told(raw)) is not None]
        if told:
            await deliveries.record(told)
    except StoreDown as error:
        log.warning("webhooks.later", error=str(error))
        return False
    except Exception:
        log.exception("webhooks.fault", events=len(messages))
        return False
    return True


def _told(raw: Msg) -> Told | None:
    try:
        event = cloudevents.from_binary(raw.headers, raw.data)
        parts = subjects.parse_event(event.subject)
    except (cloudevents.BadEvent, subjects.BadSubject) as error:
        log.warning("webhooks.skipped", subject=raw.subject, error=str(error))
        return None
    return Told(
        tenant=parts.tenant,
        id=delivery_id(event.id),
        type=event.type,
        body=thin(event),
        time=datetime.fromisoformat(event.time),
        kinds=(f"{parts.stage}.{parts.outcome}", f"{parts.stage}.*", f"*.{parts.outcome}", "*.*"),
    )


def delivery_id(event: str) -> str:
    """The event's id without dots, which separate the parts of what is signed."""
    return event.replace(".", ":")


def thin(event: Event) -> bytes:
    """The event in structured JSON; one that is too long has a reference in the place of its data."""
    body = cloudevents.to_structured(event)
    if len(body) <= MOST_BYTES:
        return body
    whole: Mapping[str, object] = msgspec.json.decode(body)
    kept = {name: value for name, value in whole.items() if name not in {"data", "datacontenttype"}}
    return msgspec.json.encode(kept | {"dataref": f"/v1/workflows/{event.data.workflow}"})
