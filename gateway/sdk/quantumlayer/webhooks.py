"""Webhooks after Standard Webhooks: was this sent by who holds the secret, and just now?"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

from .errors import QuantumLayerError
from .shapes import Event, event_of

TOLERANCE_S = 300.0
_PREFIX = "whsec_"


class BadSignature(QuantumLayerError):
    """Nobody who holds the secret sent this, or not just now."""


def verify(payload: bytes | str, headers: Mapping[str, str], secret: str, *, tolerance_s: float = TOLERANCE_S) -> Event:
    """The event that the payload is; `payload` are the bytes as they came, `secret` begins with whsec_.

    Raises `BadSignature`. One delivery may come more than once: its `webhook-id` is then the same.
    """
    body = payload.encode() if isinstance(payload, str) else payload
    given = {name.lower(): value for name, value in headers.items()}
    id_, sent, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id_ and sent.isascii() and sent.isdigit() and len(sent) < 16):
        raise BadSignature("the headers webhook-id, webhook-timestamp and webhook-signature are needed")
    if abs(time.time() - int(sent)) > tolerance_s:
        raise BadSignature("it was sent too long ago, or a clock is wrong")
    wanted = sign(id_, int(sent), body, secret).encode()
    if not any(hmac.compare_digest(wanted, each.encode()) for each in signatures.split()):
        raise BadSignature("no signature of it is right")
    return event_of(body)


def sign(id_: str, timestamp: int, payload: bytes, secret: str) -> str:
    """The signature of one delivery: `v1,` and the HMAC-SHA256 in base64."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("the secret is none: whsec_ and base64") from None
    if not key:
        raise BadSignature("the secret is empty")
    digest = hmac.new(key, f"{id_}.{timestamp}.".encode() + payload, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
