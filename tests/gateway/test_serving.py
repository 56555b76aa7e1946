"""What serves the gateway: who takes nothing of an answer is cut off; an idle connection is kept as long as we say."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Response

from gateway.serving import KEPT_S, Server


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[tuple[Server, socket.socket]]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = Server(app, log_level="error", timeout_graceful_shutdown=1)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110  uvicorn offers no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield server, listening
    finally:
        server.should_exit = True
        await task


async def test_a_client_that_takes_nothing_of_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.serving.STALL_S", 0.1)
    app = FastAPI()

    @app.get("/")
    async def large() -> Response:
        return Response(b"x" * (32 << 20))

    async with serving(app) as (server, listening):
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1 << 10)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(10):
            while server.server_state.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        writer.close()


async def test_an_idle_connection_is_kept_for_the_time_that_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KEPT_S > 60  # what most proxies wait for
    monkeypatch.setattr("gateway.serving.KEPT_S", 0.1)  # the server's own would be 5
    async with serving(FastAPI()) as (_, listening), asyncio.timeout(3):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 404 " in await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        writer.close()
