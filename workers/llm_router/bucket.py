"""The bucket of models' health on the bus. Without it, what this router knows is its own.

Its news come as plain messages, which may be lost: then the next write is refused and the value read again.
"""

from __future__ import annotations

import msgspec
import structlog
from faststream.nats import NatsBroker, NatsMessage
from nats.errors import Error as NatsError

from workers.kit.llm.wire import BREAKER_BUCKET, BREAKER_NEWS

TIMEOUT_S = 1.0
WRONG_REVISION = 10071
SUBJECT = f"$KV.{BREAKER_BUCKET}"
_log = structlog.get_logger()


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    err_code: int = 0
    description: str = ""


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """JetStream's answer to a write."""

    seq: int = 0
    error: _Refusal | None = None


class _Refused(Exception):
    """JetStream takes no write now: its disk is full, its leader gone."""


class Bucket:
    """A `Shared`."""

    def __init__(self, broker: NatsBroker) -> None:
        self._broker = broker
        self._values: dict[str, tuple[bytes, int]] = {}
        self._reached = True

        @broker.subscriber(f"{BREAKER_NEWS}.*", no_reply=True)
        async def heard(message: NatsMessage) -> None:
            key = message.raw_message.subject.rpartition(".")[2]
            self._hear(key, message.body, message.headers.get("Nats-Sequence", ""))

    def known(self, key: str) -> tuple[bytes, int]:
        return self._values.get(key, (b"", 0))

    async def write(self, key: str, value: bytes, revision: int) -> bool:
        headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        try:
            answer = await self._broker.request(value, f"{SUBJECT}.{key}", headers=headers, timeout=TIMEOUT_S)
            told = msgspec.json.decode(answer.body, type=_Told)
        except (NatsError, TimeoutError, OSError, msgspec.DecodeError) as error:
            return self._alone(key, value, revision, error)
        if told.error is not None and told.error.err_code != WRONG_REVISION:
            return self._alone(key, value, revision, _Refused(told.error.description))
        self._reaches(None)
        if told.error is not None:
            return False
        self._hear(key, value, str(told.seq))
        return True

    def _alone(self, key: str, value: bytes, revision: int, error: Exception) -> bool:
        """The bucket takes nothing now: what this router knows is its own."""
        self._reaches(error)
        self._values[key] = (value, revision)
        return True

    async def read(self, key: str) -> None:
        subject = f"$JS.API.DIRECT.GET.KV_{BREAKER_BUCKET}.{SUBJECT}.{key}"
        try:
            found = await self._broker.request(b"", subject, timeout=TIMEOUT_S)
        except (NatsError, TimeoutError, OSError) as error:
            self._reaches(error)
            return
        self._reaches(None)
        if found.headers.get("Status"):
            self._values.pop(key, None)
        elif (sequence := found.headers.get("Nats-Sequence", "")).isdigit():
            self._values[key] = (found.body, int(sequence))  # also over what was known while the bucket was away

    def _hear(self, key: str, value: bytes, revision: str) -> None:
        if revision.isdigit() and int(revision) > self.known(key)[1]:
            self._values[key] = (value, int(revision))

    def _reaches(self, error: Exception | None) -> None:
        """Say it once when the bucket goes, and once when it comes."""
        if (error is None) != self._reached:
            self._reached = error is None
            told = {} if error is None else {"error": str(error) or type(error).__name__}
            _log.warning("llm.health_bucket", reached=self._reached, **told)
