"""uvicorn, which first tells everybody who follows events to come back, and then stops."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI


class Server(uvicorn.Server):
    """Of one app of ours."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams end by themselves never."""
        if self.started and hasattr(self._app.state, "gateway"):
            await self._app.state.gateway.streams.end()
        await super().shutdown(sockets)
