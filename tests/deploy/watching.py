"""Looks at the machine from outside the code under test: processes and their listening sockets, from /proc."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.lock import is_alive
from deploy.local.stack import Stack, Urls


def holders(file: Path) -> set[int]:
    """The processes that have `file` open."""
    return {int(link.parts[2]) for link in Path("/proc").glob("[0-9]*/fd/*") if _points_to(link, str(file))}


def listening(pid: int) -> set[str]:
    """The addresses that a process accepts connections on."""
    inodes = {str(link.readlink())[8:-1] for link in Path(f"/proc/{pid}/fd").iterdir() if _is_socket(link)}
    return {_address(row[1]) for row in _rows(pid) if row[3] == "0A" and row[9] in inodes}


async def gone(pids: set[int], within_s: float = 8.0) -> bool:
    deadline = asyncio.get_running_loop().time() + within_s
    while asyncio.get_running_loop().time() < deadline:
        if not any(is_alive(pid) for pid in pids):
            return True
        await asyncio.sleep(0.05)
    return False


def _rows(pid: int) -> list[list[str]]:
    files = [Path(f"/proc/{pid}/net/tcp"), Path(f"/proc/{pid}/net/tcp6")]
    return [line.split() for file in files for line in file.read_text(encoding="utf-8").splitlines()[1:]]


def _address(hexadecimal: str) -> str:
    digits = hexadecimal.split(":")[0]
    words = [struct.pack("=I", int(digits[i : i + 8], 16)) for i in range(0, len(digits), 8)]
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, b"".join(words))


def _is_socket(link: Path) -> bool:
    return str(link.readlink()).startswith("socket:")


def _points_to(link: Path, target: str) -> bool:
    try:
        return str(link.readlink()) == target
    except OSError:
        return False


async def listens(urls: Urls, kind: str) -> bool:
    address = urlsplit(getattr(urls, kind))
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
    except OSError:
        return False
    writer.close()
    return True


async def another(stack: Stack, kind: str, dead: int) -> None:
    async with asyncio.timeout(15):
        while stack.pid(kind) in {0, dead} or not await listens(stack.urls, kind):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
