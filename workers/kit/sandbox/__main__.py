"""`python -m workers.kit.sandbox DATA`: attacks the sandbox of this machine, prints a verdict per attack."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from workers.kit.registry import Wheels

from .attacks import Verdict, attacks, judge
from .bubblewrap import Bubblewrap

_CANARY = "QL_SANDBOX_CANARY"


async def verdicts(sandbox: Bubblewrap) -> AsyncIterator[Verdict]:
    """One after the other, with a host that could be harmed: an open port, a secret, a file that anyone may read."""
    secret = secrets.token_hex(16)
    os.environ[_CANARY] = secret
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with tempfile.NamedTemporaryFile("w", prefix="canary") as file:
            Path(file.name).chmod(0o644)
            for attack in attacks(host_port=port, host_secret=secret, host_file=file.name):
                yield await judge(sandbox, attack)
    finally:
        server.close()
        await server.wait_closed()
        del os.environ[_CANARY]


async def main(data: Path) -> int:
    """The exit status: 0 all held, 1 something broke, 3 there is no sandbox here."""
    sandbox = Bubblewrap(data, Wheels(data / "wheelhouse"))
    missing = await sandbox.probe()
    if missing is not None:
        print(f"no sandbox: {missing.reason}", file=sys.stderr)  # noqa: T201 - a program's talk
        return 3
    broke = 0
    async for verdict in verdicts(sandbox):
        broke += not verdict.held
        print(f"{'held ' if verdict.held else 'BROKE'}  {verdict.attack:40} {verdict.seen}", flush=True)  # noqa: T201 - its data
    return 1 if broke else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m workers.kit.sandbox DATA-FOLDER")
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))
