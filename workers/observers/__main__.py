"""`python -m workers.observers NAME`.

learning: remember what went well, and tell it to the stages that ask. webhooks: tell events to those who want them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence

import nats.errors
import structlog
from faststream.nats import NatsBroker, NatsMessage

from contracts import subjects
from observability import telemetry
from workers.kit.runner.doors import Check, open_doors, watch
from workers.kit.settings import Settings, SettingsError, load
from workers.kit.similar.embedding import Away, Embedder, Hashing, Routed
from workers.kit.similar.service import Finder
from workers.kit.similar.store import FOLDER, Store
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.pg import PgReads
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.retrievals import PgRetrievals
from workers.kit.stores.webhooks import Deliveries

from . import learning, webhooks
from .sending import Sender
from .waiting import waited_for

USAGE = 2
CONNECTIONS = 4
CACHE_BYTES = 8 << 20
log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Observe until told to stop; 2 for a mistake in the settings, 1 when the bus can't be used."""
    parser = argparse.ArgumentParser(prog="python -m workers.observers", description=__doc__)
    parser.add_argument("observer", choices=sorted(subjects.OBSERVERS))
    observer: str = parser.parse_args(arguments).observer
    needed, observe = {learning.NAME: (_for_learning, _learn), webhooks.NAME: (_for_all, _deliver)}[observer]
    try:
        settings = load()
        if missing := needed(settings):
            raise SettingsError(f"the {observer} observer needs {', '.join(missing)}")
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    close = telemetry.setup(observer, log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        asyncio.run(_observe(settings, observe))
    except nats.errors.Error as error:
        sys.stderr.write(f"the bus can't be used: {error}\n")
        return 1
    finally:
        close()
    return 0


def _for_all(settings: Settings) -> list[str]:
    """What the observer can't do without, and has not."""
    return [f"QL_{name.upper()}" for name in ("nats_url", "database_url") if not getattr(settings, name)]


def _for_learning(settings: Settings) -> list[str]:
    missing = _for_all(settings) + ([] if settings.s3_url else ["QL_S3_URL"])
    return missing if settings.qdrant_url or settings.data is not None else [*missing, "QL_QDRANT_URL or QL_DATA"]


async def _observe(settings: Settings, observe: Callable[[Settings, dict[str, Check]], Awaitable[None]]) -> None:
    async with open_doors(settings) as checks:
        await observe(settings, checks)


async def _learn(settings: Settings, checks: dict[str, Check]) -> None:
    pool = await waited_for(settings.database_url, CONNECTIONS, learning.NAME)
    store = Store(settings.qdrant_url, settings.data / FOLDER if settings.data else None)
    broker = _broker(settings, learning.NAME)
    try:
        with contextlib.suppress(Away):  # it is told when somebody asks
            await store.open()
        embedder: Embedder = Hashing()
        if settings.embeddings:
            embedder = Routed(await broker.connect(), settings.embeddings)
        artifacts = S3Artifacts(settings.s3_url, settings.s3_bucket, cache_bytes=CACHE_BYTES)
        learner = learning.Learner(PgReads(pool), artifacts, store, embedder)
        finder = Finder(store, embedder, PgLedger(pool), PgRetrievals(pool), holdout=settings.learning_holdout)
        service = learning.app(broker, learner, finder)
        watch(service, checks)
        await service.run()
    finally:
        await store.close()
        await pool.close()


async def _deliver(settings: Settings, checks: dict[str, Check]) -> None:
    pool = await waited_for(settings.database_url, CONNECTIONS, webhooks.NAME)
    deliveries, sender = Deliveries(pool), Sender(private=settings.webhook_private)
    try:
        courier = webhooks.Courier(deliveries, sender)
        service = webhooks.app(_broker(settings, webhooks.NAME), deliveries, courier)
        watch(service, checks, courier.ping)
        await service.run()
    finally:
        await sender.close()
        await pool.close()


def _broker(settings: Settings, name: str) -> NatsBroker:
    return NatsBroker(
        settings.nats_url,
        name=f"quantumlayer-{name}",
        apply_types=False,
        decoder=_as_it_is,
        logger=None,
        graceful_timeout=settings.grace_s,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # nats-py takes seconds as a float as well
        error_cb=_failed,
    )


async def _failed(error: Exception) -> None:
    """An observer that waits for the bus says so."""
    log.warning("nats.failed", error=str(error) or type(error).__name__)


async def _as_it_is(message: NatsMessage) -> NatsMessage:
    """Our own code decodes."""
    return message


if __name__ == "__main__":
    sys.exit(main())
