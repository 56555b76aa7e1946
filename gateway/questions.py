"""Questions to models: asked of whichever router is up, with the answer's text as it comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError

from contracts import subjects
from workers.kit.llm.client import LlmClient
from workers.kit.llm.wire import MODELS, WATCH_S, Answer, Models, Problem, Question
from workers.kit.settings import Settings

ANSWER_S = 5.0
PING_S = 15.0
WAITING = 256
"""Pieces that may wait for a slow client; what is left out comes with the rest."""


class RouterDown(Exception):
    """No router tells of its models now."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Text that begins at character `at` of the answer; a lower `at` than before: it began again."""

    at: int
    text: str
    model: str


class Ping(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing came for a while."""


class _News(msgspec.Struct, frozen=True, kw_only=True):
    """What a router tells of an answer that is being written."""

    task: str
    model: str
    at: int
    text: str


class Questions:
    """On the gateway's connection."""

    def __init__(self, nc: Client, settings: Settings) -> None:
        self._nc = nc
        self._llm = LlmClient(nc, settings)

    async def ask(self, question: Question) -> Answer | Problem:
        """The answer, or why there is none. Raises `StageError` when no router can be spoken to."""
        return await self._llm.ask(question)

    async def models(self) -> Models:
        """All models, how they are and what they cost. Raises `RouterDown`."""
        try:
            reply = await self._nc.request(MODELS, b"", timeout=ANSWER_S)
            return msgspec.json.decode(reply.data, type=Models)
        except NoRespondersError as error:
            raise RouterDown("no model router is running") from error
        except (NatsError, OSError, msgspec.DecodeError) as error:
            raise RouterDown(f"no model router answers: {error}") from error

    async def stream(self, question: Question) -> AsyncGenerator[Piece | Ping | Answer | Problem, None]:
        """The text as it comes, all of it once; then the answer, or why there is none. Raises like `ask`.

        The question's task is its own: by it what a router tells of this answer is found among others'.
        """
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)

        async def take(message: Msg) -> None:
            with contextlib.suppress(asyncio.QueueFull):
                waiting.put_nowait(message.data)

        subject = subjects.live(question.tenant, question.workflow, question.stage)
        watching = await self._nc.subscribe(subject, cb=take)
        nudging = asyncio.create_task(self._nudge(question))  # before the question: else its answer would come whole
        asking = asyncio.create_task(self._llm.ask(question))
        text = _Text(question.task)
        try:
            async for news in _until(asking, waiting):
                piece = Ping() if news is None else text.take(news)
                if piece is not None:
                    yield piece
            said = await asking
            if isinstance(said, Answer) and (rest := text.rest(said)) is not None:
                yield rest
            yield said
        finally:
            asking.cancel()
            nudging.cancel()
            with contextlib.suppress(NatsError, OSError):
                await watching.unsubscribe()

    async def _nudge(self, question: Question) -> None:
        """The routers tell of an answer that somebody watches."""
        subject = subjects.watched(question.tenant, question.workflow)
        while True:
            with contextlib.suppress(NatsError, OSError):  # it is said again
                await self._nc.publish(subject)
            await asyncio.sleep(WATCH_S)


async def _until(
    asking: asyncio.Task[Answer | Problem], waiting: asyncio.Queue[bytes | None]
) -> AsyncGenerator[bytes | None, None]:
    """What waits, or None after a silence, until the task is done."""
    while not asking.done():
        getting = asyncio.ensure_future(waiting.get())
        await asyncio.wait({asking, getting}, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            yield getting.result()
            continue
        getting.cancel()
        if not asking.done():
            yield None


class _Text:
    """What was told of one answer."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._told = ""

    def take(self, body: bytes) -> Piece | None:
        """The piece in a message; None for one of another answer, or behind one that was lost."""
        try:
            news = msgspec.json.decode(body, type=_News)
        except (msgspec.DecodeError, UnicodeError):
            return None  # a sign of life, or anybody's
        if news.task != self._task or news.at not in {0, len(self._told)}:
            return None
        self._told = news.text if news.at == 0 else self._told + news.text
        return Piece(at=news.at, text=news.text, model=news.model)

    def rest(self, answer: Answer) -> Piece | None:
        """What was not told of the whole text."""
        begun = answer.text.startswith(self._told)
        at = len(self._told) if begun else 0
        left = answer.text[at:]
        return Piece(at=at, text=left, model=answer.model) if left or not begun else None
