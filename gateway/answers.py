"""An answer of a model as Server-Sent Events: one stream a question."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import ExitStack

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class AnswerStream(StreamingResponse):
    """Holds its place until it has ended, or until its client has gone or was cut off."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[bytes, None], place: ExitStack) -> None:
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._frames = frames
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        finally:
            await self._frames.aclose()
