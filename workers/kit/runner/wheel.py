"""One heartbeat for all the work of a process: signs of life to the bus and the store, every few seconds.

Work whose claim no longer stands is stopped. Only the store says so: a nudge makes the wheel ask at once, no more.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType

import structlog

from workers.kit.settings import Settings
from workers.kit.stores.drops import Claim, Drops

from .handover import Delivery

STOP_S = 5.0
"""Work that was told to stop may take so long to clean up; then it is told again."""

NUDGED_S = 10.0
"""A claim made while its workflow was being cancelled may be younger than the nudge."""

log = structlog.get_logger(__name__)


class Job:
    """Work at one claim, in the task that enters it. Leaving swallows the cancellation that came from the wheel.

    `settling`: its outcome is being committed. The store decides whether it counts, and a row that no longer runs may
    be this very commit's doing: the wheel keeps the lease, and stops nothing.
    """

    __slots__ = ("asking", "began", "cancels", "claim", "message", "settling", "stopped", "task", "wheel")

    def __init__(self, wheel: Wheel, message: Delivery, claim: Claim) -> None:
        self.wheel = wheel
        self.message = message
        self.claim = claim
        self.began = time.monotonic()
        self.cancels = 0
        self.stopped = 0.0
        self.asking = False
        self.settling = False
        self.task: asyncio.Task[object] | None = None

    def __enter__(self) -> Job:
        self.task = asyncio.current_task()
        self.wheel.enter(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        self.wheel.leave(self)
        if not self.cancels or self.task is None:
            return False
        for _again in range(self.cancels):
            self.task.uncancel()
        return isinstance(error, asyncio.CancelledError) and not self.task.cancelling()


class Wheel:
    """Beats for every job of the process."""

    def __init__(self, drops: Drops, settings: Settings) -> None:
        self._drops = drops
        self._settings = settings
        self._jobs: set[Job] = set()
        self._nudged: dict[tuple[str, str], float] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def job(self, message: Delivery, claim: Claim) -> Job:
        """To be entered by the task that works at `claim`."""
        return Job(self, message, claim)

    def enter(self, job: Job) -> None:
        """Beat for `job` from now on."""
        self._jobs.add(job)
        if self._nudged and (job.claim.tenant, job.claim.workflow) in self._nudged:
            self._ask(job)

    def leave(self, job: Job) -> None:
        """Beat for it no more, and stop it no more."""
        self._jobs.discard(job)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            await self._beat()

    def nudge(self, tenant: str, workflow: str) -> None:
        """The workflow may have ended: ask now."""
        self._nudged[tenant, workflow] = time.monotonic()
        for job in self._jobs:
            if (job.claim.tenant, job.claim.workflow) == (tenant, workflow):
                self._ask(job)

    async def _beat(self) -> None:
        now = time.monotonic()
        self._nudged = {key: at for key, at in self._nudged.items() if now - at < NUDGED_S}
        # Younger ones wait for the next beat: ack_wait and lease are several beats long.
        due = [job for job in self._jobs if now - job.began >= self._settings.heartbeat_s / 2]
        for job in due:
            self._ask(job)
        for job in due:
            try:
                await job.message.in_progress()
            except Exception as error:  # noqa: BLE001  # the bus is away: a second delivery finds the lease taken
                log.warning("work.heartbeat_missed", error=str(error) or type(error).__name__)
                return

    def _ask(self, job: Job) -> None:
        if not job.asking:
            job.asking = True
            task = asyncio.create_task(self._renew(job))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _renew(self, job: Job) -> None:
        try:
            if not await self._drops.renew(job.claim, lease_s=self._settings.lease_s):
                self._stop(job)
        except Exception as error:  # noqa: BLE001  # an unreachable store must not stop paid work; commit decides
            log.warning("work.heartbeat_missed", error=str(error) or type(error).__name__)
        finally:
            job.asking = False

    def _stop(self, job: Job) -> None:
        now = time.monotonic()
        if job.settling or job not in self._jobs or job.task is None:
            return
        if not job.cancels or now - job.stopped > STOP_S:
            job.cancels += 1
            job.stopped = now
            job.task.cancel()
