"""ql up: the factory in the foreground."""

from __future__ import annotations

import signal
import sys
import threading

from gateway.cli import connect
from gateway.cli.exits import CliError


def up() -> None:
    """Runs until SIGINT or SIGTERM; the gateway's address is the one line on stdout."""
    settings = connect.settings()
    here = connect.gateway_url(settings)
    if here:
        raise CliError(f"a factory is already running here: {here}", code="running")
    told = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: told.set())
    with connect.started(settings, port=settings.http_port) as factory:
        sys.stdout.write(f"{factory.url}\n")
        sys.stdout.flush()
        sys.stderr.write(f"API pages: {factory.url}/docs   data and logs: {factory.data}   end it with ^C\n")
        told.wait()
        sys.stderr.write("stopping\n")
