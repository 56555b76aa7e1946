"""Learns from workflows that got the best grade, and answers `ql.svc.similar.find`: this process holds the store.

Follows `workflow.completed`, emits nothing. A message is acknowledged after the write; the same workflow again writes
the same points.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog
from faststream import AckPolicy, FastStream
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub

from contracts import artifacts as bodies
from contracts import cloudevents, subjects
from contracts.artifacts import Brief, Contract, SourceTree
from contracts.events import WorkflowCompleted
from workers.kit import crash
from workers.kit.similar.embedding import Away, Embedder
from workers.kit.similar.service import NOTHING, Finder
from workers.kit.similar.store import Point, Store
from workers.kit.similar.wire import FIND, QUEUE, Collection, Find
from workers.kit.stores.drops import ArtifactLost, Artifacts, DropRow, ReadModel, StoreDown

from .samples import of_code, of_prompt
from .waiting import provisioned

NAME = "learning"
GOOD = frozenset({"A"})
TRIES = 5
"""Deliveries of a message before what nobody foresaw is given up; what is away is waited for, for ever."""

FINDS_AT_ONCE = 64
PULL_S = 2.0
"""So long a pull waits that went to a stream which is gone."""
log = structlog.get_logger(__name__)


class Learner:
    """From one fact to points in the store."""

    def __init__(self, reads: ReadModel, artifacts: Artifacts, store: Store, embedder: Embedder) -> None:
        self._reads = reads
        self._artifacts = artifacts
        self._store = store
        self._embedder = embedder

    async def learn(self, fact: WorkflowCompleted) -> int:
        """How many points were written; raises `Away`, `StoreDown`, `ArtifactLost`."""
        if fact.grade not in GOOD:
            return 0
        row = await self._reads.workflow(fact.tenant, fact.workflow)
        drops = await self._reads.drops(fact.tenant, fact.workflow)
        newest = {drop.stage: drop for drop in drops if drop.state == "completed"}  # in the order of their revisions
        if row is None or not {"prompt_enhancement", "project_structure", "code_generation"} <= newest.keys():
            return 0
        brief = await self._body(newest["prompt_enhancement"], Brief)
        contract = await self._body(newest["project_structure"], Contract)
        tree = await self._body(newest["code_generation"], SourceTree)
        return await self._keep("prompts", fact.tenant, of_prompt(row.prompt, brief)) + await self._keep(
            "code_samples", fact.tenant, of_code(contract, tree)
        )

    async def _body(self, drop: DropRow, kind: type[bodies.T]) -> bodies.T:
        if drop.artifact is None:
            raise ArtifactLost(f"{drop.id} has no artifact")
        return bodies.decode(await self._artifacts.get(drop.artifact), kind)

    async def _keep(self, collection: Collection, tenant: str, points: list[Point]) -> int:
        if points:
            vectors = await self._embedder.embed(tenant, [point.text for point in points])
            await self._store.put(collection, tenant, points, vectors)
        return len(points)


def app(broker: NatsBroker, learner: Learner, finder: Finder) -> FastStream:
    """The application, not yet started. It waits for the keeper to make its durable."""

    @broker.subscriber(FIND, queue=QUEUE, max_workers=FINDS_AT_ONCE, no_reply=True)
    async def similar(message: NatsMessage) -> None:
        if message.reply_to:
            await broker.publish(msgspec.json.encode(await _answered(message, finder)), message.reply_to)

    @broker.subscriber(
        subjects.OBSERVERS[NAME][0],
        durable=NAME,
        stream=JStream(subjects.STREAM, declare=False),
        pull_sub=PullSub(batch_size=1, timeout=PULL_S),
        ack_policy=AckPolicy.MANUAL,
    )
    async def completed(message: NatsMessage) -> None:
        if await _done_with(message, learner):
            crash.at(NAME, "after_learning")
            await message.ack()

    service = FastStream(broker, logger=None)

    async def begin() -> None:
        await provisioned(await broker.connect(), NAME)

    service.on_startup(begin)
    return service


async def _answered(message: NatsMessage, finder: Finder) -> object:
    try:
        return await finder.find(msgspec.json.decode(message.body, type=Find))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        log.warning("similar.unreadable", error=str(error))
    except Exception:  # whoever waits for an answer gets one
        log.exception("similar.fault")
    return NOTHING


async def _done_with(message: NatsMessage, learner: Learner) -> bool:
    """False: the broker sends it again. Never raises."""
    raw = message.raw_message
    headers: Mapping[str, str] | None = raw.headers
    try:
        fact = cloudevents.from_binary(headers, raw.data).data
        points = await learner.learn(fact) if isinstance(fact, WorkflowCompleted) else 0
    except (cloudevents.BadEvent, ArtifactLost, msgspec.DecodeError) as error:
        log.warning("learning.skipped", subject=raw.subject, error=str(error))
        return True
    except (Away, StoreDown) as error:
        log.warning("learning.later", subject=raw.subject, error=str(error))
        return False
    except Exception:  # one message must not stop the others
        tries = raw.metadata.num_delivered or 1
        log.exception("learning.fault", subject=raw.subject, tries=tries)
        return tries >= TRIES
    log.info("learning.learned", subject=raw.subject, points=points)
    return True
