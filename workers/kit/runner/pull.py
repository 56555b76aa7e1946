"""The streaming pull loop: never more un-acked messages than free slots, one repair task when the stream is silent.

One inbox; credit is asked for again when half of it is used (the idiom of NATS pull consumers). A free slot may also be
kept for work that is handed over in this process; the message that tells of it is acked when it comes. A durable with a
priority group spends the credit of the lowest `priority` first (ADR 0019).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from .connection import drain, revive

EXPIRES_S = 10
"""So long a machine that has vanished is sent messages, each of which waits for ack_wait."""
IDLE_HEARTBEAT_S = 2
REPAIR_S = (0.1, 5.0)
DRAIN_S = 2.0
HAND_BACK_S = 6.0
STOP_TRIES = 3
EXPECTED = 4096
"""Messages of work that was handed over that may be on their way; those of the oldest are looked at like any other."""

FIRST, LAST = 0, 9
"""Priorities that JetStream has for a pull."""

_NANO = 10**9

log = structlog.get_logger(__name__)


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    priority_groups: tuple[str, ...] = ()


class _Info(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says of a durable; without `config` it has none."""

    config: _Config | None = None


class PullLoop:
    """Feeds `handle` from one durable, with at most `slots` calls at once."""

    def __init__(
        self,
        nc: Client,
        *,
        stream: str,
        durable: str,
        slots: int,
        handle: Callable[[Msg], Awaitable[None]],
        expires_s: float = EXPIRES_S,
    ) -> None:
        self.durable = durable
        self.priority = FIRST
        self._group = ""
        self._nc = nc
        self._stream = stream
        self._slots = slots
        self._handle = handle
        self._expires_s = expires_s
        self._free = slots
        self._asked = 0
        self._heard = time.monotonic()
        self._patience = 0.0
        self._crowded = False
        self._expected: dict[str, None] = {}
        self._context = contextvars.copy_context()
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._repairing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._pinged = asyncio.Event()
        self._pings: list[asyncio.Future[None]] = []
        self._stopping = False
        self._held: set[str] = set()

    @property
    def in_flight(self) -> int:
        """Messages being handled now."""
        return len(self._running)

    async def start(self) -> None:
        """Subscribe and ask for the first messages; the durable may still be missing."""
        self._watching = asyncio.create_task(self._watch())
        self.repair()

    async def stop(self, finish_s: float, hand_back_s: float = HAND_BACK_S) -> None:
        """Take no more, let what runs finish within `finish_s`, then cancel the rest and wait `hand_back_s` for it."""
        self._stopping = True
        until = time.monotonic() + finish_s
        for task in (self._watching, self._repairing):
            if task is not None:
                task.cancel()
        await self._drain(min(DRAIN_S, finish_s))
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=max(0.0, until - time.monotonic()))
            for _ in range(STOP_TRIES):
                for task in late:
                    task.cancel()
                if late:  # work may be deaf to one cancellation
                    _, late = await asyncio.wait(late, timeout=hand_back_s / STOP_TRIES)

    def reserve(self) -> bool:
        """Keep a free slot for work that comes without a message, where no message waits for one.

        Nothing waits in the queue while the server holds credit of ours, whatever its priority: it is spent before a
        message waits. And who found no slot comes first.
        """
        pulled = self._repairing is not None and self._repairing.done() and not (self._held or self._stopping)
        free = pulled and self._free > 0 and self._asked > 0 and not self._crowded
        self._free -= free
        return free

    def free(self) -> None:
        """The slot that was kept is free again; `ask` for work then."""
        self._free += 1

    def begin(self, work: Callable[[], Awaitable[None]], expected: str) -> bool:
        """Work in the slot that was kept, of which the message at the subject `expected` tells; not when stopping."""
        if self._stopping:
            return False
        self._expected[expected] = None
        if len(self._expected) > EXPECTED:
            del self._expected[next(iter(self._expected))]
        self._serve(work, expected)
        return True

    async def ping(self) -> None:
        """A round trip through the task that watches over this loop; never ends where that has ended."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings.append(answer)
        self._pinged.set()
        await answer

    async def hold(self, reason: str = "") -> None:
        """Take nothing new until `let_go` for the same reason: the credit goes back, what was on its way is still
        worked at."""
        self._held.add(reason)
        await self._drain(DRAIN_S)
        self._asked = 0

    def let_go(self, reason: str = "") -> None:
        """Take work again, unless there is another reason not to."""
        self._held.discard(reason)
        if self._held:
            return
        self._patience = 0.0
        self.repair()

    async def offer(self, priority: int) -> None:
        """Pull at this priority from now on: what was asked for at another one is taken back."""
        if priority == self.priority:
            return
        self.priority = priority
        if self._repairing is not None:
            await self.hold("priority")
            self.let_go("priority")

    def repair(self) -> None:
        """Ask anew from nothing: after a reconnect, a refusal or silence. Repeated calls start one task."""
        if not self._stopping and (self._repairing is None or self._repairing.done()):
            self._repairing = asyncio.create_task(self._repair())

    async def _repair(self) -> None:
        await self._pause()
        while not await self._durable_exists():
            await self._pause()
        # A new inbox: requests of the old one, also those still in the client's buffer, can't add to the credit.
        await self._unsubscribe()
        self._inbox = self._nc.new_inbox()
        self._subscription = await self._nc.subscribe(self._inbox, cb=self._arrived)
        self._asked = 0
        self._heard = time.monotonic()
        await self.ask()

    async def _pause(self) -> None:
        """None before the first try, then longer and longer until something is heard again."""
        await asyncio.sleep(self._patience)
        shortest, longest = REPAIR_S
        self._patience = min(max(shortest, self._patience * 2), longest)

    async def _unsubscribe(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(NatsError):
                await self._subscription.unsubscribe()

    async def _drain(self, within_s: float) -> None:
        """Give the credit back: the server forgets the request with its inbox, what is on its way goes back at once."""
        subscription, self._subscription = self._subscription, None  # a silent server's drain goes on without us
        if subscription is not None:
            await drain(subscription, within_s)

    async def _durable_exists(self) -> bool:
        """Looks also whether pulls name a group: an older keeper makes durables without one, and takes it away."""
        try:
            answer = await self._nc.request(f"$JS.API.CONSUMER.INFO.{self._stream}.{self.durable}", timeout=2)
        except NatsError:
            return False
        config = msgspec.json.decode(answer.data, type=_Info).config
        self._group = config.priority_groups[0] if config and config.priority_groups else ""
        return config is not None

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_HEARTBEAT_S / 2):
                    await self._pinged.wait()
            self._pinged.clear()
            await revive(self._nc)
            pings, self._pings = self._pings, []
            for ping in pings:
                if not ping.done():
                    ping.set_result(None)
            if error := _ended_with(self._repairing):
                log.warning("pull.repair_failed", durable=self.durable, error=str(error) or type(error).__name__)
                self.repair()
            elif self._asked and time.monotonic() - self._heard > 2 * IDLE_HEARTBEAT_S:
                log.warning("pull.silent", durable=self.durable)
                self.repair()

    async def ask(self) -> None:
        """Ask for as much as there is room for, where that is much."""
        want = self._free - self._asked
        if self._stopping or self._held or want <= 0 or (self._asked and want * 2 < self._slots):
            return
        self._asked += want
        request: dict[str, object] = {
            "batch": want,
            "expires": int(self._expires_s * _NANO),
            "idle_heartbeat": int(min(IDLE_HEARTBEAT_S, self._expires_s / 2) * _NANO),
        }
        if self._group:
            request |= {"group": self._group, "priority": self.priority}
        try:
            await self._nc.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self.durable}",
                msgspec.json.encode(request),
                reply=self._inbox,
            )
        except (NatsError, OSError):  # a closed or full connection: what was asked for may never come
            self.repair()

    async def _arrived(self, message: Msg) -> None:
        self._heard = time.monotonic()
        # A stored message may carry any header, also "Status"; only a delivery has an ack subject.
        if message.reply.startswith("$JS.ACK."):
            if self._stopping:
                await message.nak()
                return
            self._patience = 0.0
            self._asked = max(0, self._asked - 1)
            await self._delivered(message)
            return
        headers = message.headers or {}
        match headers.get("Status"):
            case "100":
                self._patience = 0.0
            case "404" | "408":
                self._patience = 0.0
                self._asked = max(0, self._asked - _number(headers.get("Nats-Pending-Messages", "")))
                await self.ask()
            case _:
                # Not at once: a durable that is being deleted still answers, and takes requests to its grave.
                self._patience = max(self._patience, REPAIR_S[0])
                self.repair()

    async def _delivered(self, message: Msg) -> None:
        if message.subject in self._expected:
            del self._expected[message.subject]
            await message.ack()
            await self.ask()
        elif self._free > 0:
            self._crowded = False
            self._free -= 1
            self._serve(partial(self._handle, message), message.subject)
        else:  # what was handed over has its slot
            self._crowded = True
            await message.nak()

    def _serve(self, work: Callable[[], Awaitable[None]], subject: str) -> None:
        # Not in the context of the work that handed this over.
        task = asyncio.get_running_loop().create_task(self._served(work, subject), context=self._context.copy())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _served(self, work: Callable[[], Awaitable[None]], subject: str) -> None:
        try:
            await work()
        except Exception:
            # No ack: the message comes again after ack_wait, when what failed here (the store, the bus) may be back.
            log.exception("pull.unhandled", durable=self.durable, subject=subject)
        finally:
            self.free()
            await self.ask()


def _ended_with(task: asyncio.Task[None] | None) -> BaseException | None:
    """The error that ended the task."""
    return task.exception() if task is not None and task.done() and not task.cancelled() else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
