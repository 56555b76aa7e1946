"""Starts a server, waits until it listens, asks it once, and stops it. Exit status 0 when all of that went well.

Arguments: the path to ask for, then the server's command line. The port is read from the kernel, whatever it is.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from pathlib import Path

_BOOT_S = 20.0
_STOP_S = 10.0
_LISTENING = "0A"
_SERVER_ERROR = 500


def ports() -> set[int]:
    """Listening TCP ports of this network namespace, which is the sandbox's own."""
    rows = [row.split() for name in ("tcp", "tcp6") for row in _table(Path("/proc/net", name))]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING}


def _table(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:] if path.exists() else []


def fault(path: str, argv: list[str]) -> str:
    """What is wrong, '' for nothing."""
    before = ports()
    with subprocess.Popen(argv) as server:
        try:
            return _fault(server, path, before)
        finally:
            server.kill()


def _fault(server: subprocess.Popen[bytes], path: str, before: set[int]) -> str:
    deadline = time.monotonic() + _BOOT_S
    while not (opened := ports() - before):
        if server.poll() is not None:
            return f"it ended with status {server.returncode} instead of listening"
        if time.monotonic() > deadline:
            return "it does not listen on any port"
        time.sleep(0.05)
    connection = http.client.HTTPConnection("127.0.0.1", min(opened), timeout=10)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"it does not answer: {type(error).__name__}"
    finally:
        connection.close()
    if status >= _SERVER_ERROR:
        return f"it answers GET {path} with {status}"
    return _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> str:
    server.terminate()
    try:
        server.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        return "it does not stop when asked to"
    return ""


if __name__ == "__main__":
    told = fault(sys.argv[1], sys.argv[2:])
    sys.stdout.write(told)
    sys.exit(1 if told else 0)
