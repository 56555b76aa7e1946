"""ql capsule …: download and verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli import output
from gateway.cli.exits import FAILED, CliError
from workers.kit.capsule import Verification
from workers.kit.capsule import verify as verify_capsule

if TYPE_CHECKING:
    from gateway.cli.client import Client


def pull(workflow: str, out: Path) -> None:
    """Download into `out`, verify, print the archive's path."""
    from gateway.cli import connect
    from gateway.cli.client import Client

    with Client(connect.known_gateway()) as client:
        path = fetch(client, workflow, out)[0]
    sys.stdout.write(f"{path}\n")


def fetch(client: Client, workflow: str, out: Path) -> tuple[Path, Verification]:
    """The verified archive, named after its package; raises `CliError` when a byte is wrong."""
    part = out / f"{workflow}.tar.gz"
    client.download(f"/v1/workflows/{workflow}/capsule", part)
    verified = verify_capsule(part)
    if not verified.ok:
        raise CliError(f"{part} is not what was built: {'; '.join(verified.problems)}", code="damaged")
    final = out / f"{verified.name}.tar.gz"
    part.replace(final)
    return final, verified


def verify(paths: list[Path], as_json: bool) -> None:
    """Check each; exit status 1 when one does not hold."""
    found = [(path, verify_capsule(path)) for path in paths]
    if as_json:
        output.as_json(
            [
                {
                    "path": str(path),
                    "ok": v.ok,
                    "problems": v.problems,
                    "name": v.name,
                    "grade": v.grade,
                    "files": v.files,
                }
                for path, v in found
            ]
        )
    else:
        for path, v in found:
            said = f"ok, {v.files} files, grade {v.grade}" if v.ok else "NOT ok"
            sys.stdout.write(output.plain(f"{path}: {said}") + "\n")
            sys.stdout.writelines(f"  {output.plain(problem)}\n" for problem in v.problems)
    if not all(v.ok for _, v in found):
        raise CliError("not every capsule is what was built", FAILED, "damaged", told=as_json)
