"""The gateway's connection to NATS: that of nats-py, with ordinary headers read in a third of the time.

A history is many small messages with a dozen headers each, and half the time went into taking those apart.
"""

from __future__ import annotations

import re
from typing import Any

from nats.aio.client import Client

_LINE = rb"[!-9;-~]++: [!-~]++(?: ++[!-~]++)*+"
_ORDINARY = re.compile(rb"(?:%b\r\n)*+(?:%b)?(?:\r\n)?" % (_LINE, _LINE))
"""Printable ASCII, one space after the colon and none at the end: every header that NATS or we write."""


class Connection(Client):
    """What is not ordinary is left to nats-py."""

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        if not _ORDINARY.fullmatch(raw):
            return Client._parse_header_lines(raw)
        return dict([line.split(": ", 1) for line in raw.decode().split("\r\n") if line])


async def connect(url: str, **options: Any) -> Connection:
    """As `nats.connect`."""
    connection = Connection()
    await connection.connect(url, **options)
    return connection
