"""A worker on open connections: a pull loop for each stage and one sweeper. `process` gives it a life of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence

from nats.aio.client import Client
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.topology import Topology
from workers.kit.binding import Binding
from workers.kit.ports import Parser, Registry, Sandbox
from workers.kit.settings import Settings
from workers.kit.stores.drops import Artifacts, Drops
from workers.kit.stores.handover import Heir
from workers.kit.wiring import Means, ports_of, wire

from .attempt import Attempts, BackOff
from .connection import round_trip
from .handover import Handover, Seat
from .memo import Memo
from .offering import Offering, cgroup_cpu
from .outbox import Counts, Outbox
from .pausing import Pauses
from .pressure import Pressure, memory_share
from .publish import Publisher
from .pull import EXPIRES_S, PullLoop
from .sweeper import Sweeper
from .wheel import Wheel
from .work import StageWork

FINISH, HAND_BACK, TELL = 0.7, 0.9, 0.95
"""Shares of the grace time: until then what runs may finish, is handed back, and what was done is told. What is left is
for the process to close its connections."""
PING_S = 1.0
LOCAL = frozenset({Parser, Sandbox, Registry})
LOCAL_SLOTS = 32
"""A stage with such a port works on this machine, not on a model's: more at once would only wait, with leases held, and
its work goes to whichever process is free, not to the one at hand."""


class Worker:
    """Works at the bound stages from `start` to `stop`."""

    def __init__(
        self,
        bindings: Sequence[Binding],
        topology: Topology,
        *,
        nc: Client,
        drops: Drops,
        artifacts: Artifacts,
        settings: Settings,
        given: Mapping[type, object] | None = None,
        back_off: BackOff | None = None,
        sweeps: bool = True,
    ) -> None:
        self.counts = Counts()
        self._nc = nc
        self._settings = settings
        publisher = Publisher(nc, drops)
        self._outbox = Outbox(publisher, drops, self.counts)
        self._wheel = Wheel(drops, settings)
        adapters = wire(bindings, Means(nc, settings), given)
        handover = Handover(drops, publisher.wake, self.counts)
        self._loops = []
        for binding in bindings:
            name = binding.row.name
            attempts = Attempts(
                binding,
                binding.instance(ports_of(binding, adapters)),
                artifacts,
                limit=settings.attempts,
                back_off=back_off or BackOff(),
                memo=Memo(binding, settings.models),
            )
            work = StageWork(
                name, attempts, drops, publisher, self._outbox, self._wheel, handover, settings, self.counts
            )
            loop = PullLoop(
                nc,
                stream=subjects.STREAM,
                durable=name,
                slots=_slots(binding, settings),
                handle=work.handle,
                expires_s=min(EXPIRES_S, settings.ack_wait_s / 2),  # over before what a deaf process got comes again
            )
            self._loops.append(loop)
            if len(binding.row.needs) == 1 and not _local(binding):
                heir = Heir(stage=name, takes=binding.takes, lease_s=settings.lease_s)
                handover.seat(binding.row.needs[0], Seat(heir, loop, work.handle))
        stages = {binding.row.name: binding.takes for binding in bindings}
        self._pauses = Pauses(drops, self._loops)
        waiting = {binding.row.name for binding in bindings if not _local(binding)}
        self._offering = Offering(
            drops, [loop for loop in self._loops if loop.durable in waiting], self.counts, cgroup_cpu()
        )
        self._sweeper = (
            Sweeper(stages, topology, drops, publisher, self._outbox, nc, settings, self.counts, self._pauses)
            if sweeps
            else None
        )
        self._pressure = Pressure(self, settings.memory_limit or memory_share())
        self._relieving: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._pausing: asyncio.Task[None] | None = None
        self._offered: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Messages being handled now, over all stages."""
        return sum(loop.in_flight for loop in self._loops)

    @property
    def held(self) -> str:
        """Why no new work is taken; '' while it is."""
        return self._pressure.held

    @property
    def paused(self) -> frozenset[str]:
        """The stages here for which no new work is taken."""
        return self._pauses.stages

    async def ping(self) -> None:
        """A round trip through every task that works here without being asked; raises where one has ended."""
        tasks = {"heartbeat": self._beating, "sweeper": self._sweeping, "memory watch": self._relieving}
        tasks |= {"pause watch": self._pausing, "offering": self._offered}
        if ended := [name for name, task in tasks.items() if task is not None and task.done()]:
            raise RuntimeError(f"the {' and the '.join(ended)} of this process ended")
        for loop in self._loops:
            try:
                async with asyncio.timeout(PING_S):
                    await loop.ping()
            except TimeoutError:
                raise RuntimeError(f"the pull loop of {loop.durable} does not turn") from None

    async def hold(self) -> None:
        """Take no new work."""
        await asyncio.gather(*(loop.hold() for loop in self._loops))

    def let_go(self) -> None:
        """Take work again."""
        for loop in self._loops:
            loop.let_go()

    async def start(self) -> None:
        """Begin to fetch; durables that are not there yet are waited for."""
        await self._pauses.look()  # before anything is asked for
        self._pausing = asyncio.create_task(self._pauses.run())
        await self._offering.look()
        self._offered = asyncio.create_task(self._offering.run())
        self._beating = asyncio.create_task(self._wheel.run())
        for loop in self._loops:
            await loop.start()
        if self._sweeper is not None:
            self._sweeping = asyncio.create_task(self._sweeper.run())
        self._relieving = asyncio.create_task(self._pressure.run())

    async def stop(self) -> None:
        """Fetch no more, finish what runs, hand the rest back, leave nothing untold: all within the grace time."""
        grace_s, began = self._settings.grace_s, time.monotonic()
        for task in (self._sweeping, self._relieving, self._pausing, self._offered):
            if task is not None:
                task.cancel()
        finish_s, hand_back_s = grace_s * FINISH, grace_s * (HAND_BACK - FINISH)
        await asyncio.gather(self._offering.leave(), *(loop.stop(finish_s, hand_back_s) for loop in self._loops))
        if self._beating is not None:  # what still ran had to show that it lives
            self._beating.cancel()
        with contextlib.suppress(NatsError, TimeoutError):
            async with asyncio.timeout(began + grace_s * TELL - time.monotonic()):
                await self._outbox.flush()
                await round_trip(self._nc, grace_s)

    def nudge(self, tenant: str, workflow: str) -> None:
        """Somebody says that the workflow was cancelled: work at it ends now, if the store says so too."""
        self._wheel.nudge(tenant, workflow)

    def pauses_changed(self) -> None:
        """Somebody says that a stage was paused, or goes on: look, if the store says so too."""
        self._pauses.soon()

    def reconnected(self) -> None:
        """The server has forgotten what was asked of it: ask again."""
        for loop in self._loops:
            loop.repair()


def _slots(binding: Binding, settings: Settings) -> int:
    return min(settings.slots, LOCAL_SLOTS) if _local(binding) else settings.slots


def _local(binding: Binding) -> bool:
    return not LOCAL.isdisjoint(binding.ports.values())
