"""ql generate: from a prompt to an unpacked, verified package in one command."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from gateway.cli import connect, output, prompts
from gateway.cli.capsules import fetch
from gateway.cli.client import Client
from gateway.cli.exits import FAILED, GATES, CliError
from gateway.cli.watch import Board, follow
from workers.kit.capsule import unpack

FAILING_GRADES = ("D", "F")


def generate(prompt: str, out: Path, language: str, timeout_s: float, as_json: bool) -> None:
    """Submit, watch, fetch, verify, unpack; exit status 1 when it failed, 3 when the grade is D or F."""
    text = prompts.read(prompt)
    began = time.monotonic()
    with connect.any_gateway() as url, Client(url) as client:
        workflow = client.submit(text, language)["id"]
        sys.stderr.write(f"workflow {workflow}\n")
        board = follow(client.events(workflow, timeout_s=timeout_s), quiet=as_json)
        if board.ended != "completed":
            raise CliError(board.end.get("error") or f"the workflow was {board.ended}", FAILED, board.ended)
        archive, verified = fetch(client, workflow, out)
        folder = _unpacked(archive, out / verified.name)
    _tell(board, archive, folder, time.monotonic() - began, as_json, workflow)
    if board.end["grade"] in FAILING_GRADES:
        said = f"the package has grade {board.end['grade']}; its reasons are above"
        raise CliError(said, GATES, "gates", told=as_json)


def _unpacked(archive: Path, folder: Path) -> Path:
    """The package beside its archive; one of the same name from an earlier run is replaced as a whole."""
    if folder.is_symlink():
        raise CliError(f"{folder} is a link; move it away", code="out")
    if folder.exists():
        if not (folder / ".quantumlayer" / "manifest.json").is_file():
            raise CliError(
                f"{folder} is there and is no package of ours; move it away or choose another --out", code="out"
            )
        shutil.rmtree(folder)
    return unpack(archive, folder.parent)


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
    sys.stderr.write(f"\narchive  {archive}\nverify   ql capsule verify {archive}\n")
    sys.stderr.write(f"how to install, test and start it: {folder}/README.md\n")
    sys.stdout.write(f"{folder}\n")
