"""Free loopback ports, from below the range that the kernel hands to outgoing connections."""

from __future__ import annotations

import secrets
import socket

from deploy.local.errors import StackError

FIRST, LAST = 20_000, 32_000


def free_ports(count: int) -> list[int]:
    """Those after one drawn by chance, so that two who look at once seldom find the same."""
    size = LAST - FIRST
    first = secrets.randbelow(size)
    candidates = (FIRST + (first + step) % size for step in range(size))
    ports: list[int] = []
    for port in candidates:
        if len(ports) == count:
            break
        if _is_free(port):
            ports.append(port)
    if len(ports) < count:
        raise StackError(f"There are no {count} free ports between {FIRST} and {LAST} on 127.0.0.1.")
    return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
