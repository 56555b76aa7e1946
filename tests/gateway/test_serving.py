"""What serves the gateway: who takes nothing of an answer is cut off, whatever waits for it."""

from __future__ import annotations

import asyncio
import socket

import pytest
from fastapi import FastAPI, Response

from gateway.serving import Server


async def test_a_client_that_takes_nothing_of_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.serving.STALL_S", 0.1)
    app = FastAPI()

    @app.get("/")
    async def large() -> Response:
        return Response(b"x" * (32 << 20))

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = Server(app, log_level="error", timeout_graceful_shutdown=1)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110  uvicorn offers no event to wait for
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1 << 10)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    async with asyncio.timeout(10):
        while server.server_state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    writer.close()
    server.should_exit = True
    await serving
