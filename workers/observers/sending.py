"""One signed POST of a webhook, after the Standard Webhooks rules: no redirect is followed, nothing is believed.

A name is resolved here, every address of it is checked, and the connection goes to the address that was checked: a
name that answers otherwise the next time reaches nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore
import msgspec

from workers.kit.addresses import public

TIMEOUT_S = 15.0
CONNECT_S = 5.0
ANSWER_BYTES = 1000
"""Of an answer's body, for the log; the rest is not read."""
RESOLVERS = 64
NOT_NOW = frozenset({429, 503})
"""Answers whose Retry-After means something."""
LONGEST_S = 86_400.0
"""A receiver is not waited for longer at its word, once."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the receiver said; `again_s` is for how long it wants to be left alone, 0 where it says nothing of it."""

    status: int
    text: str
    again_s: float = 0.0


class NotSent(Exception):
    """There was no answer; the message says why."""


class Sender:
    """`private`: addresses that only this network reaches are allowed too, and http without TLS."""

    def __init__(self, *, private: bool = False) -> None:
        self._private = private
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=_Checked(private),
        )

    async def send(self, url: str, id_: str, body: bytes, secrets: Sequence[bytes]) -> Answer:
        """The first words of the answer; raises `NotSent`."""
        if urlsplit(url).scheme != "https" and not self._private:
            raise NotSent("its address is not https")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._sent(url, _headers(id_, body, secrets), body)
        except TimeoutError:
            raise NotSent(f"no answer within {TIMEOUT_S:.0f} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError, ValueError) as error:
            raise NotSent(f"{type(error).__name__}: {error}") from None

    async def _sent(self, url: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        timeouts = {"connect": CONNECT_S, "read": TIMEOUT_S, "write": TIMEOUT_S, "pool": TIMEOUT_S}
        async with self._pool.stream(
            "POST", url, headers=headers, content=body, extensions={"timeout": timeouts}
        ) as response:
            text = b""
            async for chunk in response.aiter_stream():
                text += chunk[: ANSWER_BYTES - len(text)]
                if len(text) >= ANSWER_BYTES:
                    break
            return Answer(
                status=response.status,
                text=text.decode(errors="replace"),
                again_s=_again_s(response.headers) if response.status in NOT_NOW else 0.0,
            )

    async def close(self) -> None:
        """Send no more."""
        await self._pool.aclose()


def signature(secret: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """Of Standard Webhooks, version 1."""
    digest = hmac.digest(secret, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def _again_s(headers: Sequence[tuple[bytes, bytes]]) -> float:
    """Retry-After, seconds or a date; 0 for what is neither."""
    said = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1").strip()
    if said.isascii() and said.isdecimal():
        return min(float(said[:9]), LONGEST_S)
    try:
        ahead = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone
        return 0.0
    return min(max(0.0, ahead), LONGEST_S)


def _headers(id_: str, body: bytes, secrets: Sequence[bytes]) -> list[tuple[str, str]]:
    now = int(time.time())
    return [
        ("content-type", "application/cloudevents+json"),
        ("user-agent", "QuantumLayer-Webhooks/1"),
        ("accept-encoding", "identity"),
        ("webhook-id", id_),
        ("webhook-timestamp", str(now)),
        ("webhook-signature", " ".join(signature(secret, id_, now, body) for secret in secrets)),
    ]


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked; raises OSError for others."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._backend = httpcore.AnyIOBackend()
        self._resolving = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await asyncio.get_running_loop().run_in_executor(self._resolving, _resolved, host, port)
        if not self._private and (refused := [address for address in addresses if not public(address)]):
            raise OSError(f"{host} is at {refused[0]}, which is no public address: QL_WEBHOOK_PRIVATE allows it")
        return await self._backend.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
