"""The HTTP application: its connections, its routes, its OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from gateway import openapi, problems
from gateway.connection import connect
from gateway.feeds import Feeds
from gateway.following import Streams
from gateway.history.read import History
from gateway.hosts import LOOPBACK, LoopbackNames
from gateway.limits import BodyLimit, Quota, RateLimit, Room
from gateway.live import Live
from gateway.past import Past
from gateway.publish import Publisher
from gateway.questions import Questions
from gateway.routes import (
    artifacts,
    deadletters,
    documents,
    events,
    foreign,
    forks,
    health,
    history,
    ledger,
    llm,
    stages,
    subscriptions,
    switches,
    usage,
    webhooks,
    workflows,
)
from gateway.state import State
from gateway.subscriptions import Keeping
from gateway.trace import Tracing
from workers.kit.settings import Settings
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.pauses import PauseBoard
from workers.kit.stores.pg import PgReads, close_pool, open_pool
from workers.kit.stores.pg.foreign import PgForeignDrops
from workers.kit.stores.pg.recordings import PgRecordings
from workers.kit.stores.pg.usage import PgUsage
from workers.kit.stores.switchboard import SwitchBoard
from workers.kit.stores.webhooks import Webhooks

POOL = 8


def create_app(settings: Settings) -> FastAPI:
    """The gateway for these settings; it connects when it starts, not here."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _opened(settings) as state:
            app.state.gateway = state
            yield

    app = FastAPI(
        title="QuantumLayer",
        version="0.1.0",
        summary="A prompt goes in; a verified package comes out.",
        description=openapi.DESCRIPTION,
        contact={"name": "QuantumLayer"},
        lifespan=lifespan,
        servers=[{"url": "/"}],
        redirect_slashes=False,
    )
    problems.install(app)
    app.state.routes = []
    for module in (
        workflows,
        forks,
        history,
        foreign,
        events,
        subscriptions,
        documents,
        artifacts,
        deadletters,
        llm,
        switches,
        usage,
        ledger,
        webhooks,
        stages,
        health,
    ):
        app.include_router(module.router)
        app.state.routes += module.router.routes
    app.add_middleware(Tracing)
    app.add_middleware(BodyLimit)
    if settings.tenant_requests_minute:
        app.add_middleware(RateLimit, quota=Quota(settings.tenant_requests_minute))
    if settings.http_host in LOOPBACK:
        app.add_middleware(LoopbackNames)
    openapi.install(app)
    return app


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[State]:
    nc = await connect(
        settings.nats_url, name="gateway", max_reconnect_attempts=-1, reconnect_time_wait=0.25, allow_reconnect=True
    )
    pool = await open_pool(settings.database_url, POOL)
    reads = PgReads(pool)
    publisher = Publisher(nc, reads)
    objects = S3Artifacts(settings.s3_url, settings.s3_bucket)
    live = Live(nc)
    streams = Streams(Feeds(nc, live), Past(nc), Room(events.STREAMS, events.full), events.EACH, events.crowded)
    publishing = asyncio.create_task(publisher.run())
    try:
        yield State(
            settings=settings,
            reads=reads,
            artifacts=objects,
            publisher=publisher,
            live=live,
            history=History(nc),
            submissions=Room(workflows.WAITING, workflows.busy),
            streams=streams,
            keeping=Keeping(nc),
            questions=Questions(nc, settings),
            asked=Room(llm.ASKED, llm.busy),
            usage=PgUsage(pool),
            switches=SwitchBoard(pool),
            recordings=PgRecordings(pool, objects),
            foreign=PgForeignDrops(pool),
            uploads=foreign.uploads(),
            webhooks=Webhooks(pool),
            pauses=PauseBoard(pool),
        )
        await publisher.drain()
    finally:
        while not publishing.done():  # a flush of nats-py takes a cancellation for its own
            publishing.cancel()
            await asyncio.wait([publishing], timeout=1)
        await streams.close()
        await close_pool(pool)
        with suppress(OSError):  # flushing to a server that is away
            await nc.close()
        if not publishing.cancelled():
            publishing.result()  # raises what ended it before its time
