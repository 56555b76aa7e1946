"""AWS Signature Version 4 as the side that checks one: by the specification, not with the caller's library."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from tests.providers.http import Request

_GIVEN = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<scope>[^,]+), *"
    r"SignedHeaders=(?P<names>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


def key_id(request: Request) -> str:
    """The access key's id that the caller shows."""
    found = _GIVEN.fullmatch(request.headers.get("authorization", ""))
    return found["id"] if found else ""


def signed(request: Request, secret: str) -> bool:
    """Whether the request was signed with this secret, body and all."""
    found = _GIVEN.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        return False
    names = found["names"].split(";")
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names)
    path = quote(request.path, safe="/-_.~")
    canonical = "\n".join((request.method, path, request.query, headers, found["names"], _sha(request.body)))
    text = "\n".join(
        ("AWS4-HMAC-SHA256", request.headers.get("x-amz-date", ""), found["scope"], _sha(canonical.encode()))
    )
    key = f"AWS4{secret}".encode()
    for part in found["scope"].split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"])


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
