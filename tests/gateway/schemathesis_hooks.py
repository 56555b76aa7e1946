"""What Schemathesis does not know by itself: how lines of JSON are sent."""

from __future__ import annotations

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: object) -> bytes:
    """As they are: the document says no more of them than that they are text."""
    return str(value).encode("utf-8", "replace")
