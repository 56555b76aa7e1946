"""ql generate: from a prompt to an unpacked, verified package in one command."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from gateway.cli import asking, connect, output, prompts
from gateway.cli.capsules import fetch, unpacked
from gateway.cli.client import Client
from gateway.cli.exits import FAILED, GATES, CliError
from gateway.cli.watch import Board, follow

FAILING_GRADES = ("D", "F")


def generate(
    prompt: str,
    out: Path,
    language: str,
    timeout_s: float,
    budget: float | None,
    as_json: bool,
    *,
    deadline_s: float | None = None,
) -> None:
    """Submit, watch, fetch, verify, unpack; exit status 1 when it failed, 3 when the grade is D or F."""
    text = prompts.read(prompt)
    began = time.monotonic()
    with connect.any_gateway() as url, Client(url) as client:
        workflow = client.submit(text, language, budget=budget, deadline_s=deadline_s)["id"]
        if not as_json:
            sys.stderr.write(f"workflow {workflow}\n{_model(client)}")
        board = follow(client.events(workflow, timeout_s=timeout_s), quiet=as_json)
        if board.ended != "completed":
            raise CliError(board.end.get("error") or f"the workflow was {board.ended}", FAILED, board.ended)
        archive, _ = fetch(client, workflow, out)
        folder = unpacked(archive)
    _tell(board, archive, folder, time.monotonic() - began, as_json, workflow)
    if board.end["grade"] in FAILING_GRADES:
        said = f"the package has grade {board.end['grade']}; its reasons are above"
        raise CliError(said, GATES, "gates", told=as_json)


def _model(client: Client) -> str:
    """Whom the routers of this gateway ask; what is set here need not be what is set there."""
    try:
        default = asking.known_models(client)["default"]
    except CliError as error:
        if error.code != "router_down":
            raise
        return output.plain(f"models: {error}\n")
    return f"model {', '.join(default)}{asking.ONLY_BUILT_IN if default == [asking.BLUEPRINT] else ''}\n"


def _ql() -> str:
    """How this program was called, so that the line can be typed as it is printed."""
    called = Path(sys.argv[0])
    return "ql" if shutil.which("ql") else str(called if not called.is_absolute() else os.path.relpath(called))


def _tell(board: Board, archive: Path, folder: Path, seconds: float, as_json: bool, workflow: str) -> None:
    end: dict[str, Any] = board.end
    if as_json:
        told = {"archive": str(archive), "folder": str(folder), "seconds": round(board.seconds, 3)}
        output.as_json({**end, "workflow": workflow, **told})
        return
    sys.stderr.write(
        f"\ncapsule {end['name']}: grade {end['grade']} ({board.seconds:.1f} s of work, {seconds:.1f} s in all)\n"
    )
    sys.stderr.writelines(f"  - {output.plain(reason)}\n" for reason in end["reasons"])
    sys.stderr.write(f"\narchive  {archive}\nverify   {_ql()} capsule verify {archive}\n")
    sys.stderr.write(f"how to install, test and start it: {folder}/README.md\n")
    sys.stdout.write(f"{folder}\n")
