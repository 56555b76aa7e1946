"""python -m gateway: serve the HTTP API with uvicorn."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress

from gateway.app import create_app
from gateway.serving import Server
from observability import telemetry
from workers.kit.loop import collect_seldom
from workers.kit.settings import SettingsError, load

NOT_STARTED = 3
"""As uvicorn says it."""


def main() -> int:
    """Serve until a signal; 2 for wrong settings, 3 where it could not start."""
    try:
        settings = load()
    except SettingsError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 2
    _allow_files()
    close = telemetry.setup("gateway", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        server = Server(
            create_app(settings),
            host=settings.http_host,
            port=settings.http_port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        collect_seldom()
        with suppress(KeyboardInterrupt):
            server.run()
    finally:
        close()
    return 0 if server.started else NOT_STARTED


def _allow_files() -> None:
    """As many open files as this process may ask for: a follower is one, and many systems begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a hard limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
