"""`pip download`: the wheels of a lock, each checked against its hashes, nothing built and nothing run."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from workers.kit.ports import Unresolvable
from workers.kit.stage import Permanent, Transient

from . import environment
from .process import run

_WALL_S = 600.0
_NO_FILE = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")


async def download(lock: str, *, python: str, folder: Path, cache: Path) -> Path:
    """The folder they are in, inside `folder`."""
    requirements, wheels = folder / "requirements.txt", folder / "wheels"
    requirements.write_text(lock)
    wheels.mkdir()
    argv = [
        *(sys.executable, "-I", "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--require-hashes"),
        *("--no-deps", "--python-version", python, "-r", str(requirements), "-d", str(wheels)),
    ]
    ended = await run(argv, env=environment.for_pip(cache), cwd=folder, wall_s=_WALL_S)
    if ended.status == 0:
        return wheels
    last = (ended.stderr.strip().splitlines() or ["no reason given"])[-1][:500]
    if "DO NOT MATCH THE HASHES" in ended.stderr:
        raise Permanent("the package index gave a file whose hash is not the one in the lock")
    if missing := _NO_FILE.search(ended.stderr):
        raise Unresolvable(f"there is no wheel of {missing[1]} for Python {python} on this machine", missing[1].lower())
    raise Transient(f"the wheels could not be downloaded: {last}")
