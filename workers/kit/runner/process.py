"""A worker process: FastStream is its application (signals, start, stop, health), the stages' pull loops are ours."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence

import msgspec
import structlog
from faststream import FastStream
from faststream.nats import NatsBroker, NatsMessage
from nats.errors import Error as NatsError

from contracts import subjects
from contracts.topology import Topology
from observability import metrics
from workers.kit import loop
from workers.kit.binding import Binding
from workers.kit.settings import Settings, SettingsError
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.pg import PgDrops, close_pool, open_pool

from .doors import Check, open_doors
from .health import Checks
from .worker import Worker

HEALTH = "ql.svc.worker.health"
"""Every worker process answers a request here with its stages, what it works on and what it has done."""

CUT_OFF = 1
"""The exit code of a worker that had not stopped when its grace time was over."""
RECONNECT_S = 0.25
POOL_PER_STAGE = 2
POOL_MOST = 16

log = structlog.get_logger(__name__)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's answer."""

    stages: tuple[str, ...]
    in_flight: int
    done: dict[str, int]
    held: str = ""
    paused: tuple[str, ...] = ()


def check(settings: Settings) -> None:
    """Raises `SettingsError` that names every setting a worker can't do without."""
    missing = [f"QL_{name.upper()}" for name in ("nats_url", "database_url", "s3_url") if not getattr(settings, name)]
    if missing:
        raise SettingsError(f"a worker needs {', '.join(missing)}; `ql up` starts servers and workers together")


def run(
    bindings: Sequence[Binding], topology: Topology, settings: Settings, given: Mapping[type, object] | None = None
) -> None:
    """Work until SIGTERM or SIGINT."""
    check(settings)
    loop.collect_seldom()
    grace = _grace(settings.grace_s)
    try:
        loop.run(_run(bindings, topology, settings, given, grace))
    finally:
        grace.cancel()  # all has stopped, threads too: what is said for good-bye has its own bound


async def _run(
    bindings: Sequence[Binding],
    topology: Topology,
    settings: Settings,
    given: Mapping[type, object] | None,
    grace: threading.Timer,
) -> None:
    async with open_doors(settings) as checks:
        process = _Process(bindings, topology, settings, given, grace, checks)
        try:
            await process.app.run()
        except NatsError as error:  # FastStream's own good-bye to a server that is away
            if not process.stopped:
                raise
            log.warning("nats.failed", error=str(error))


class _Process:
    def __init__(
        self,
        bindings: Sequence[Binding],
        topology: Topology,
        settings: Settings,
        given: Mapping[type, object] | None,
        grace: threading.Timer,
        checks: dict[str, Check],
    ) -> None:
        self._bindings = bindings
        self._topology = topology
        self._settings = settings
        self._given = given
        self._grace = grace
        self._worker: Worker | None = None
        self._checks = checks
        self.stopped = False
        self._broker = NatsBroker(
            settings.nats_url,
            name="quantumlayer-worker",
            apply_types=False,
            decoder=_as_it_is,
            logger=None,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # nats-py takes seconds as a float as well
            reconnected_cb=self._reconnected,
            error_cb=self._failed,
        )
        self._broker.subscriber(HEALTH)(self._health)
        self._broker.subscriber(subjects.CANCELS, no_reply=True)(self._cancelled)
        self._broker.subscriber(subjects.PAUSES, no_reply=True)(self._paused)
        self.app = FastStream(self._broker, logger=None)
        self.app.after_startup(self._start)
        self.app.on_shutdown(self._stop)

    async def _start(self) -> None:
        settings = self._settings
        size = min(POOL_MOST, POOL_PER_STAGE * len(self._bindings) + 2)
        self._pool = await open_pool(settings.database_url, size)
        nc, drops = await self._broker.connect(), PgDrops(self._pool, self._topology)
        stages = [binding.row.name for binding in self._bindings]
        self._worker = Worker(
            self._bindings,
            self._topology,
            nc=nc,
            drops=drops,
            artifacts=S3Artifacts(settings.s3_url, settings.s3_bucket),
            settings=settings,
            given=self._given,
        )
        metrics.watch(self._worker.counts.by_stage)
        await self._worker.start()
        checks = Checks(nc, drops, stages, self._worker)
        self._checks |= {"/livez": checks.live, "/readyz": checks.ready}
        log.info("worker.started", stages=stages)

    async def _stop(self) -> None:
        self._grace.start()
        if self._worker is not None:
            await self._worker.stop()
            await close_pool(self._pool)
            log.info("worker.stopped", done=dict(self._worker.counts.done))
        self.stopped = True

    async def _reconnected(self) -> None:
        if self._worker is not None:
            self._worker.reconnected()

    async def _failed(self, error: Exception) -> None:
        log.warning("nats.failed", error=str(error) or type(error).__name__)

    async def _cancelled(self, message: NatsMessage) -> None:
        """A nudge; anybody may send one, so it is only a reason to ask the store."""
        if self._worker is not None:
            with contextlib.suppress(subjects.BadSubject):
                self._worker.nudge(*subjects.parse_cancel(message.raw_message.subject))

    async def _paused(self, _: object) -> None:
        """A nudge as well."""
        if self._worker is not None:
            self._worker.pauses_changed()

    async def _health(self, _: object) -> bytes:
        worker = self._worker
        told = Health(
            stages=tuple(binding.row.name for binding in self._bindings),
            in_flight=worker.in_flight if worker else 0,
            done=dict(worker.counts.done) if worker else {},
            held=worker.held if worker else "",
            paused=tuple(sorted(worker.paused)) if worker else (),
        )
        return msgspec.json.encode(told)


def _grace(grace_s: float) -> threading.Timer:
    """Ends whatever has not stopped by then: work that is deaf to its cancellation, a server that does not answer. All
    that it leaves behind is what a killed process leaves."""

    def end() -> None:
        log.error("worker.cut_off", grace_s=grace_s)
        os._exit(CUT_OFF)

    timer = threading.Timer(grace_s, end)
    timer.daemon = True
    return timer


async def _as_it_is(message: NatsMessage) -> NatsMessage:
    """What is sent here is told by its subject; no body has to be read."""
    return message
