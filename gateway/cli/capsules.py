"""ql capsule …: download and verify."""

from __future__ import annotations

import filecmp
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli import output
from gateway.cli.exits import FAILED, CliError
from workers.kit.capsule import Verification, unpack
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
    """The verified archive, named after its package; raises `CliError` when a byte is wrong.

    An earlier package of the same name is never replaced: another one gets a number.
    """
    part = out / f"{workflow}.tar.gz"
    client.download(f"/v1/workflows/{workflow}/capsule", part)
    verified = verify_capsule(part)
    if not verified.ok:
        raise CliError(f"{part} is not what was built: {'; '.join(verified.problems)}", code="damaged")
    final = place(out, verified.name, part)
    part.replace(final)
    return final, verified


def unpacked(archive: Path) -> Path:
    """The package beside its archive; one that is there is kept, and must be as it was built."""
    folder = archive.with_name(archive.name.removesuffix(".tar.gz"))
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".") as fresh:
            unpack(archive, Path(fresh)).rename(folder)
    return folder


def place(out: Path, name: str, part: Path) -> Path:
    """Where the archive `part` of the package `name` may lie in `out`."""
    return next(path for path in _names(out, name) if _free_or_equal(path, part))


def _names(out: Path, name: str) -> Iterator[Path]:
    yield out / f"{name}.tar.gz"
    yield from (out / f"{name}-{number}.tar.gz" for number in itertools.count(2))


def _free_or_equal(path: Path, part: Path) -> bool:
    """Whether `part` may be named `path`: nothing is there, or this very package, archive and folder unchanged."""
    folder = path.with_name(path.name.removesuffix(".tar.gz"))
    if os.path.lexists(path) and (path.is_symlink() or not filecmp.cmp(path, part, shallow=False)):
        return False
    return not os.path.lexists(folder) or (path.exists() and not folder.is_symlink() and verify_capsule(folder).ok)


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
