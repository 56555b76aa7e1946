"""Crash points: `QL_CRASH=<stage>:<point>:<file>` kills the process there with SIGKILL, once; the file remembers it.

For tests of what survives. Where the variable is not set, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

POINTS = (
    "after_claim",
    "before_llm",
    "after_llm",
    "after_journal",
    "before_s3",
    "after_s3",
    "before_commit",
    "after_commit",
    "after_publish",
    "before_ack",
    "after_ack",
)
"""As a stage that asks a model passes them; the three of the model are in the client and in the router.

Of their own have the gateway `gateway:after_submit_commit`, observers `learning:after_learning` and
`webhooks:after_delivery`.
"""

_STAGE, _POINT, _FILE = (*os.environ.get("QL_CRASH", "").split(":", 2), "", "", "")[:3]


def at(stage: str, point: str) -> None:
    """Die here if this is the place, and nobody has died here before. `*` stands for every stage."""
    if point == _POINT and stage and _STAGE in {stage, "*"}:
        try:
            Path(_FILE).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
