"""`python -m tests.chaos.worker work|route|keep`: one real process of the pipeline in `graph`, set by QL_… variables.

What only one of them needs is imported by it alone: `work` also runs inside the tree of an older version.
"""

from __future__ import annotations

import asyncio
import os
import sys

from observability import telemetry
from tests.chaos.graph import TOPOLOGY, bindings
from workers.kit.runner import process
from workers.kit.settings import load

POOL = "CHAOS_POOL"
"""Connections that a worker may have at most, where it is set: few enough to have none left."""


def main(part: str) -> None:
    """Be that process until SIGTERM."""
    settings = load()
    close = telemetry.setup(f"chaos_{part}", log_level=settings.log_level, otlp_url="")
    try:
        match part:
            case "work":
                process.POOL_MOST = int(os.environ.get(POOL, process.POOL_MOST))
                process.run(bindings(), TOPOLOGY, settings)
            case "route":
                from tests.chaos.router import route

                asyncio.run(route(settings))
            case "keep":
                from tests.chaos.keeper import keep

                asyncio.run(keep(settings))
            case _:
                raise SystemExit(__doc__)
    finally:
        close()


if __name__ == "__main__":
    main(sys.argv[1])
