"""`uv pip compile`: from names and ranges to exact versions with hashes. Never builds, so never runs foreign code."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uv
from packaging.requirements import Requirement

from workers.kit.ports import Unresolvable
from workers.kit.stage import Transient

from . import environment, locktext
from .names import canonical
from .process import Ended, run

_WALL_S = 120.0
_ONLINE: tuple[str, ...] = ()
_OFFLINE = ("--offline",)
_NO_SOLUTION = "No solution found"
_CULPRIT = re.compile(
    r"[Bb]ecause (?:there (?:is|are) no versions? of |(?:all|only) (?:versions of )?)?([A-Za-z0-9][A-Za-z0-9._-]*)"
)


async def resolve(requirements: Sequence[Requirement], *, python: str, cache: Path, pinned: str = "") -> str:
    """The hashed lock's text. `pinned` is a lock made just now, whose versions are kept.

    Without a network the answers that uv has kept are used; `Transient` when they do not suffice.
    """
    # What a fresh lock was made of is in uv's cache, and asking the index twice takes half a second.
    attempts = (_OFFLINE, _ONLINE) if pinned else (_ONLINE, _OFFLINE)
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in locktext.pins(pinned)))
        argv = [
            *(uv.find_uv_bin(), "pip", "compile", "-", "--quiet", "--generate-hashes", "--no-annotate", "--no-header"),
            *(
                "--no-emit-index-url",
                "--system-certs",
                "--no-build",
                "--python-version",
                python,
                "--python",
                sys.executable,
            ),
            *("--constraints", str(constraints)),
        ]
        asked = "".join(f"{requirement}\n" for requirement in requirements)
        env = environment.for_uv(cache)
        told: dict[tuple[str, ...], Ended] = {}
        for options in attempts:
            told[options] = ended = await run([*argv, *options], env=env, cwd=Path(folder), wall_s=_WALL_S, stdin=asked)
            if ended.status == 0:
                return locktext.without_origin(ended.stdout)
            if options == _ONLINE and _NO_SOLUTION in ended.stderr:
                raise _unresolvable(_sentence(ended.stderr), requirements)
    raise Transient(f"the package index can't be reached: {_sentence(told[_ONLINE].stderr)}")


def _unresolvable(sentence: str, requirements: Sequence[Requirement]) -> Unresolvable:
    names = [canonical(requirement) for requirement in requirements]
    named = [match.lower().rstrip(".") for match in _CULPRIT.findall(sentence)]
    return Unresolvable(sentence, next((name for name in named if name in names), named[0] if named else ""))


def _sentence(stderr: str) -> str:
    """uv's own words, on one line."""
    told = re.sub(r"^\s*(error|cause|hint):\s*", "", stderr, flags=re.MULTILINE)
    lines = [line.strip() for line in told.splitlines() if line.strip() and _NO_SOLUTION not in line]
    return " ".join(lines)[:1000]
