"""`python -m workers.observers learning`: remember what went well, and tell it to the stages that ask."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence

import nats.errors
import structlog
from faststream.nats import NatsBroker, NatsMessage

from contracts import subjects
from observability import telemetry
from workers.kit.settings import Settings, SettingsError, load
from workers.kit.similar.embedding import Away, Embedder, Hashing, Routed
from workers.kit.similar.service import Finder
from workers.kit.similar.store import FOLDER, Store
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg import PgReads, Pool, open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.retrievals import PgRetrievals

from . import learning

USAGE = 2
CONNECTIONS = 4
WAIT_S = 2.0
CACHE_BYTES = 8 << 20
log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Observe until told to stop; 2 for a mistake in the settings, 1 when the bus can't be used."""
    parser = argparse.ArgumentParser(prog="python -m workers.observers", description=__doc__)
    parser.add_argument("observer", choices=sorted(subjects.OBSERVERS))
    parser.parse_args(arguments)
    try:
        settings = load()
        check(settings)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    close = telemetry.setup(learning.NAME, log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        asyncio.run(_learn(settings))
    except nats.errors.Error as error:
        sys.stderr.write(f"the bus can't be used: {error}\n")
        return 1
    finally:
        close()
    return 0


def check(settings: Settings) -> None:
    """Raises `SettingsError` that names every setting the observer can't do without."""
    missing = [f"QL_{name.upper()}" for name in ("nats_url", "database_url", "s3_url") if not getattr(settings, name)]
    if not settings.qdrant_url and settings.data is None:
        missing.append("QL_QDRANT_URL or QL_DATA")
    if missing:
        raise SettingsError(f"the learning observer needs {', '.join(missing)}")


async def _learn(settings: Settings) -> None:
    pool = await _waited_for(settings.database_url)
    store = Store(settings.qdrant_url, settings.data / FOLDER if settings.data else None)
    broker = NatsBroker(
        settings.nats_url,
        name="quantumlayer-learning",
        apply_types=False,
        decoder=_as_it_is,
        logger=None,
        graceful_timeout=settings.grace_s,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # nats-py takes seconds as a float as well
        error_cb=_failed,
    )
    try:
        with contextlib.suppress(Away):  # it is told when somebody asks
            await store.open()
        embedder: Embedder = Hashing()
        if settings.embeddings:
            embedder = Routed(await broker.connect(), settings.embeddings)
        artifacts = S3Artifacts(settings.s3_url, settings.s3_bucket, cache_bytes=CACHE_BYTES)
        learner = learning.Learner(PgReads(pool), artifacts, store, embedder)
        finder = Finder(store, embedder, PgLedger(pool), PgRetrievals(pool), holdout=settings.learning_holdout)
        await learning.app(broker, learner, finder).run()
    finally:
        await store.close()
        await pool.close()


async def _waited_for(url: str) -> Pool:
    """Until PostgreSQL is there: a factory does not end for want of examples."""
    while True:
        try:
            return await open_pool(url, CONNECTIONS)
        except StoreDown as error:
            log.warning("learning.waits", error=str(error))
            await asyncio.sleep(WAIT_S)


async def _failed(error: Exception) -> None:
    """An observer that waits for the bus says so."""
    log.warning("nats.failed", error=str(error) or type(error).__name__)


async def _as_it_is(message: NatsMessage) -> NatsMessage:
    """Our own code decodes."""
    return message


if __name__ == "__main__":
    sys.exit(main())
