"""Python files through `inspection.py`, in a process whose end is only a finding."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from contracts.artifacts import File, Finding

_WALL_S = 60
_SCRIPT = Path(__file__).with_name("inspection.py")
_KEPT = ("LD_LIBRARY_PATH", "SYSTEMROOT")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, and the paths that Python itself can compile."""

    findings: tuple[Finding, ...]
    compiled: frozenset[str]


async def check(files: Iterable[File]) -> Told:
    """Compiles each file; one that brings the compiler down is told of, and the rest is still looked at."""
    left = [file for file in files if file.path.endswith((".py", ".pyi"))]
    findings: list[Finding] = []
    compiled: set[str] = set()
    while left:
        answers = await _inspected(left)
        for file, answer in zip(left, answers, strict=False):
            found = [Finding(rule=r, message=m, path=file.path, line=line) for line, r, m in answer]
            findings += found
            if not any(finding.rule in {"compile", "too-large"} for finding in found):
                compiled.add(file.path)
        left = left[len(answers) :]
        if left:
            findings.append(Finding(rule="compile", message="brings Python's compiler down", path=left.pop(0).path))
    return Told(findings=tuple(findings), compiled=frozenset(compiled))


async def _inspected(files: Sequence[File]) -> list[list[tuple[int, str, str]]]:
    """The answers up to the first file that had none."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-B", str(_SCRIPT)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
    )
    asked = msgspec.json.encode([(file.path, file.text) for file in files])
    try:
        told, _ = await asyncio.wait_for(process.communicate(asked), _WALL_S)
    except TimeoutError:
        told = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = told.splitlines(keepends=True)
    return [
        msgspec.json.decode(line, type=tuple[str, list[tuple[int, str, str]]])[1]
        for line in lines
        if line.endswith(b"\n")
    ]
