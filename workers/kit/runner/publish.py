"""What the runner says on the bus: facts (stored exactly once), wakes (short-lived hints), dead letters and progress.

Every publish to a stream names the stream it expects and waits for the PubAck: a subject without one is no silent loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from nats.aio.client import Client

from contracts import cloudevents, subjects
from workers.kit.stores.drops import DeadLetter, StoredEvent, StreamMemory

from .acks import TIMEOUT_S, Acks, ApiFault, Message
from .gate import Gate, Leave

WRONG_LAST_SEQUENCE = 10071
SEQUENCE_IN_FLIGHT = 10164
FULL = 10077
WAKE_TTL = "60s"
TRIES = 5
_ONCE = {"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Expected-Stream": subjects.STREAM}


class NotPublished(Exception):
    """The stream refused or did not answer; the event stays unpublished and the sweeper sends it again."""


class Held(NotPublished):
    """The stream is full, or not known to be the right one: nothing is published until it is."""


Told = StoredEvent | Exception
"""An event with its place (`seq`), or why it has none: `NotPublished`, or an error of the client or of the store."""


class Publisher:
    """Publishes over one connection."""

    def __init__(self, nc: Client, memory: StreamMemory) -> None:
        self._nc = nc
        self._acks = Acks(nc)
        self._gate = Gate(nc, memory)

    async def fact(self, event: StoredEvent) -> StoredEvent:
        """Store one event in the stream if it is not there yet; the event with its place. Raises what is in the way."""
        (told,) = await self.facts((event,))
        if isinstance(told, Exception):
            raise told
        return told

    async def facts(self, events: Sequence[StoredEvent]) -> list[Told]:
        """Store events in the stream, in this order, all sent before the first answer is awaited; what became of each.

        Where another publisher has one in flight, that one is tried again a little later: only its order may change.
        """
        told: dict[int, Told] = {}
        messages: dict[int, Message] = {}
        for place, event in enumerate(events):
            try:
                messages[place] = message_of(event)
            except ValueError as error:
                told[place] = NotPublished(f"{event.id} is no event: {error}")
        for attempt in range(TRIES):
            told |= await self._try(events, messages)
            messages = {place: message for place, message in messages.items() if place not in told}
            if not messages:
                break
            await asyncio.sleep(0.05 * 2**attempt)
        for place, message in messages.items():
            told[place] = NotPublished(f"{message.subject}: another publish of it has been in flight for too long")
        return [told[place] for place in range(len(events))]

    async def _try(self, events: Sequence[StoredEvent], messages: Mapping[int, Message]) -> dict[int, Told]:
        """What became of each, without those that are in flight elsewhere."""
        try:
            leave = await self._gate.leave()
            if isinstance(leave, str):
                return {place: Held(f"{message.subject}: {leave}") for place, message in messages.items()}
            answers = await self._acks.send(tuple(messages.values()))
        except Exception as error:  # noqa: BLE001  # the bus or the store is away; what went before is told all the same
            return dict.fromkeys(messages, error)
        told: dict[int, Told] = {}
        taken: list[int] = []
        for place, answer in zip(messages, answers, strict=True):
            if isinstance(answer, Exception):
                told[place] = answer
            elif answer.error is None:
                told[place] = self._placed(events[place], answer.seq, leave, new=True)
            elif answer.error.err_code == WRONG_LAST_SEQUENCE:
                taken.append(place)
            elif answer.error.err_code != SEQUENCE_IN_FLIGHT:
                told[place] = _refused(messages[place].subject, answer.error)
        if taken:
            found = await asyncio.gather(*(self._found(events[place], leave) for place in taken))
            told |= zip(taken, found, strict=True)
        return told

    def _placed(self, event: StoredEvent, seq: int, leave: Leave, *, new: bool) -> Told:
        if doubt := self._gate.doubt(leave, seq, new=new):
            return Held(f"{event.subject}: {doubt}")
        return msgspec.structs.replace(event, seq=seq)

    async def _found(self, event: StoredEvent, leave: Leave) -> Told:
        try:
            return self._placed(event, await self._place_of(event.subject, event.id), leave, new=False)
        except Exception as error:  # noqa: BLE001  # told like any other answer
            return error

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
        (answer,) = await self._acks.send((Message(subject=subject, headers=headers, body=body),))
        if isinstance(answer, Exception):
            raise answer
        if answer.error is not None:
            raise _refused(subject, answer.error)

    async def _place_of(self, subject: str, event_id: str) -> int:
        answer = await self._nc.request(f"$JS.API.DIRECT.GET.{subjects.STREAM}.{subject}", timeout=TIMEOUT_S)
        headers = answer.headers or {}
        if headers.get("Nats-Msg-Id") != event_id:
            raise NotPublished(f"{subject} is taken by a message that is not {event_id}")
        return int(headers["Nats-Sequence"])


def _refused(subject: str, fault: ApiFault) -> NotPublished:
    kind = Held if fault.err_code == FULL else NotPublished  # whichever event it is
    return kind(f"{subject}: {fault.description} ({fault.err_code})")


def message_of(event: StoredEvent) -> Message:
    """The event as it goes out. Raises ValueError for a body that is none of ours."""
    subject, headers, body = cloudevents.to_binary(event.body)
    return Message(subject=subject, headers=headers | _ONCE, body=body)
