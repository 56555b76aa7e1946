"""What a running gateway holds: its settings and open connections, handed to routes by FastAPI's dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from workers.kit.settings import Settings
from workers.kit.stores.drops import Artifacts, ReadModel
from workers.kit.stores.foreign import ForeignDrops
from workers.kit.stores.usage import UsageReads

if TYPE_CHECKING:
    from workers.kit.stores.pauses import PauseBoard
    from workers.kit.stores.pg.recordings import PgRecordings
    from workers.kit.stores.switchboard import SwitchBoard
    from workers.kit.stores.webhooks import Webhooks

    from .following import Streams
    from .history.read import History
    from .limits import Room
    from .live import Live
    from .publish import Publisher
    from .questions import Questions
    from .subscriptions import Keeping

TENANT = "default"
"""Everyone's tenant until there is authentication; the gateway listens on loopback only."""


@dataclass(frozen=True, slots=True)
class State:
    """Opened by the app's lifespan, closed with it."""

    settings: Settings
    reads: ReadModel
    artifacts: Artifacts
    publisher: Publisher
    live: Live
    history: History
    submissions: Room
    streams: Streams
    keeping: Keeping
    questions: Questions
    asked: Room
    usage: UsageReads
    switches: SwitchBoard
    recordings: PgRecordings
    foreign: ForeignDrops
    uploads: Room
    webhooks: Webhooks
    pauses: PauseBoard


async def _state(request: Request) -> State:  # async: FastAPI sends what is not to a thread
    return cast(State, request.app.state.gateway)


Gateway = Annotated[State, Depends(_state)]
