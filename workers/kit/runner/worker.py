"""A worker on open connections: a pull loop for each stage and one sweeper. `process` gives it a life of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from nats.aio.client import Client

from contracts import subjects
from contracts.topology import Topology
from workers.kit.binding import Binding
from workers.kit.settings import Settings
from workers.kit.stores.drops import Artifacts, Drops
from workers.kit.wiring import Means, ports_of, wire

from .attempt import Attempts, BackOff
from .publish import Publisher
from .pull import PullLoop
from .sweeper import Sweeper
from .work import Counts, StageWork


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
        self._settings = settings
        publisher = Publisher(nc, drops)
        adapters = wire(bindings, Means(nc, settings), given)
        self._loops = []
        for binding in bindings:
            name = binding.row.name
            attempts = Attempts(
                binding,
                binding.instance(ports_of(binding, adapters)),
                artifacts,
                limit=settings.attempts,
                back_off=back_off or BackOff(),
            )
            work = StageWork(name, attempts, drops, publisher, settings, self.counts)
            self._loops.append(
                PullLoop(nc, stream=subjects.STREAM, durable=name, slots=settings.slots, handle=work.handle)
            )
        names = [binding.row.name for binding in bindings]
        self._sweeper = Sweeper(names, topology, drops, publisher, nc, settings, self.counts) if sweeps else None
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def in_flight(self) -> int:
        """Messages being handled now, over all stages."""
        return sum(loop.in_flight for loop in self._loops)

    async def start(self) -> None:
        """Begin to fetch; durables that are not there yet are waited for."""
        for loop in self._loops:
            await loop.start()
        if self._sweeper is not None:
            self._sweeping = asyncio.create_task(self._sweeper.run())

    async def stop(self) -> None:
        """Fetch no more, finish what runs within the grace time, hand the rest back."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        await asyncio.gather(*(loop.stop(self._settings.grace_s) for loop in self._loops))

    def reconnected(self) -> None:
        """The server has forgotten what was asked of it: ask again."""
        for loop in self._loops:
            loop.repair()
