"""The router's parts, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog
from faststream import FastStream

from workers.kit.settings import Settings
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.paces import Paces
from workers.kit.stores.pg import close_pool, open_pool
from workers.kit.stores.pg.ended import has_ended
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.paces import PgPaces
from workers.kit.stores.switches import Switches

from .app import app, connection
from .breaker import PROBE_S, Breaker
from .bucket import Bucket
from .chain import Chain
from .lean import prepare_at_once
from .leaving import heed
from .limits import Limits
from .live import Live, listen
from .pace import Paced
from .providers import Blueprint, version
from .reach import Reach
from .said import Provider
from .service import Service

CONNECTIONS = 4
Reaching = Callable[[Settings, Reach], Provider]
WRITTEN_S = 10.0
"""So long a probe's fate may take to its bucket after the model's time is up."""
_log = structlog.get_logger()


@asynccontextmanager
async def serving(settings: Settings, reach: Reach, reaching: Reaching | None = None) -> AsyncIterator[FastStream]:
    """The application on its stores; it connects to the bus when it starts. Raises `StoreDown`.

    `reaching` gives what asks the models, in the place of litellm.
    """
    broker = connection(settings)
    objects = S3Artifacts(settings.s3_url, settings.s3_bucket) if settings.s3_url else None
    breaker = Breaker(Bucket(broker), probe_s=max(PROBE_S, settings.model_s + WRITTEN_S))

    async def publish(subject: str, body: bytes) -> None:
        await broker.publish(body, subject)

    live = Live(publish, settings.model_streams)
    listen(broker, live)
    pool = await open_pool(settings.database_url, CONNECTIONS)
    paces = PgPaces(pool)
    chain = Chain(Blueprint(), _others(settings, reach, paces, reaching or _litellm), breaker, live)
    for model in chain.unpriced([*reach.parameters]):
        _log.warning("llm.no_price", model=model.name, error="no budget holds for it: set QL_MODEL_PRICES")
    try:
        service = Service(
            reach.chains,
            chain,
            PgLedger(pool, objects),
            limits=Limits(settings.tenant_calls, settings.tenant_calls_minute, paces),
            switches=Switches(pool),
            embeddings=reach.embeddings,
            version=version(),
            strict=settings.llm_strict,
        )
        heed(broker, service, partial(has_ended, pool))
        application = app(broker, service, objects)

        @application.after_startup
        async def learn() -> None:
            for model in reach.parameters:
                await breaker.learn(model.place)

        yield application
    finally:
        await close_pool(pool)


def _others(settings: Settings, reach: Reach, paces: Paces, reaching: Reaching) -> Provider | None:
    if not reach.parameters:
        return None
    return Paced(reaching(settings, reach), reach.limits, paces)


def _litellm(settings: Settings, reach: Reach) -> Provider:
    from .chat import Chat  # seconds of imports, and only here

    prepare_at_once()
    return Chat(
        reach.parameters,
        reach.scrub,
        prices=reach.prices,
        contexts=reach.contexts,
        model_s=settings.model_s,
        silence_s=settings.model_silence_s,
    )
