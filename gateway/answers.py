"""An answer of a model as Server-Sent Events: one stream a question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack

import structlog
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

STALL_S = 30.0
"""Until a client that reads nothing is cut off."""
_log = structlog.get_logger()


class AnswerStream(StreamingResponse):
    """Holds its place until it has ended, and ends when the client takes nothing for `STALL_S` seconds."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], place: ExitStack) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._frames = frames
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        async def in_time(message: Message) -> None:
            async with asyncio.timeout(STALL_S):
                await send(message)

        try:
            await super().stream_response(in_time)
        except TimeoutError:
            _log.warning("reader_stalled")
        finally:
            await self._frames.aclose()
