"""Which gateway a command talks to: the one named, else the factory running here, else one started for this command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.errors import StackError
from deploy.local.factory import Factory, running
from gateway.cli.exits import CliError
from workers.kit.settings import Settings, SettingsError, load

STOP_S = 60.0
SAFE = "What was submitted is safe and goes on when the factory runs again (ql up); ql workflow list shows it."


def settings() -> Settings:
    """The settings of this command; raises `CliError` for wrong ones."""
    try:
        return load()
    except SettingsError as error:
        raise CliError(str(error), 2, "settings") from error


def gateway_url(found: Settings) -> str:
    """The gateway named or running here; '' for none."""
    if found.gateway_url:
        return found.gateway_url
    here = running(found)
    return here.url if here else ""


def known_gateway() -> str:
    """A gateway that is there; raises `CliError` when none is."""
    url = gateway_url(settings())
    if not url:
        raise CliError(
            "no factory is running here; start one with: ql up  (or name a gateway in QL_GATEWAY_URL)", code="none"
        )
    return url


@contextmanager
def any_gateway() -> Iterator[str]:
    """A gateway that is there, or one of a factory started now and stopped at the end."""
    found = settings()
    url = gateway_url(found)
    if url:
        yield url
        return
    with started(found, port=0) as factory:
        yield factory.url


@contextmanager
def started(found: Settings, *, port: int) -> Iterator[Factory]:
    """A whole factory, for as long as the block lasts; its loop runs in the main thread's stead in one of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="factory", daemon=True)
    thread.start()
    factory = Factory(found, port=port, said=lambda text: print(text, file=sys.stderr))  # noqa: T201  talk, to stderr
    try:
        asyncio.run_coroutine_threadsafe(factory.__aenter__(), loop).result()
    except StackError as error:
        raise CliError(str(error), code="stack") from error
    died: list[StackError] = []

    async def watch() -> None:
        died.append(await factory.failure())
        os.kill(os.getpid(), signal.SIGINT)  # whatever the command waits for will not come

    watching = asyncio.run_coroutine_threadsafe(watch(), loop)
    try:
        yield factory
    except CliError:
        if not died:
            raise
    finally:
        watching.cancel()
        asyncio.run_coroutine_threadsafe(factory.__aexit__(None, None, None), loop).result(timeout=STOP_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=5)
    if died:
        raise CliError(f"{died[0]} {SAFE}", code="stack")
