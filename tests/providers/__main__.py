"""`python -m tests.providers --port 9000 --plan 429:2,500`: the provider as a process; a signal ends it.

It prints its URL when it listens. `GET /_calls` tells what it was asked, `POST /_plan` gives it other faults.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from tests.providers.answers import Answers
from tests.providers.server import KEY, Provider, Speed


def main() -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.providers", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plan", default="", help="faults for all models, or a plan as JSON")
    parser.add_argument("--key", default=KEY, help="the API key that callers must show; '' for none")
    parser.add_argument("--key-file", type=Path, help="holds the key, where no process list may show it")
    parser.add_argument("--echo", action="store_true", help="errors and spoilt answers repeat the caller's key")
    parser.add_argument("--answers", type=Path, help="JSON: question's sha256 or task -> answer; else the blueprint")
    parser.add_argument("--first-s", type=float, default=0.0, help="seconds to the first token")
    parser.add_argument("--tokens-per-s", type=float, default=0.0)
    parser.add_argument("--log", type=Path, help="a file that every call is appended to, as NDJSON")
    asked = parser.parse_args()
    recorded = msgspec.json.decode(asked.answers.read_bytes(), type=dict[str, str]) if asked.answers else None
    provider = Provider(
        asked.plan,
        answers=Answers(recorded),
        key=asked.key_file.read_text().strip() if asked.key_file else asked.key,
        echo=asked.echo,
        speed=Speed(first_s=asked.first_s, tokens_per_s=asked.tokens_per_s),
        log=asked.log,
        port=asked.port,
    )
    uvloop.run(_serve(provider))
    return 0


async def _serve(provider: Provider) -> None:
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    async with provider:
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        await told.wait()


if __name__ == "__main__":
    sys.exit(main())
