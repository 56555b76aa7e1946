"""The `Sandbox` port over bubblewrap: one start per run, watched from outside, nothing left behind.

Start it from the event loop of a thread that lives as long as the run: the sandbox dies with the thread that made it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.paths import safe_paths
from workers.kit.ports import Command, CommandResult, Limits, NotAvailable, SandboxResult, Wheelhouse
from workers.kit.stage import Permanent

from . import runtime as runtimes
from .profile import Tools, tools
from .session import Session
from .slots import Slots

FIRST_UID = 61_000


class Bubblewrap:
    """`data` is the data folder (runtime copies, slots); `wheelhouse` says where a lock's wheels lie."""

    def __init__(self, data: Path, wheelhouse: Wheelhouse, *, slots: int = 4, first_uid: int = FIRST_UID) -> None:
        self._data = data
        self._wheelhouse = wheelhouse
        self._slots = Slots(data / "sandbox", count=slots, first_uid=first_uid)

    async def run(
        self,
        files: Sequence[tuple[str, bytes]],
        commands: Sequence[Command],
        *,
        wheels: str = "",
        collect: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> SandboxResult | NotAvailable:
        """See the port."""
        limits = limits or Limits()
        safe_paths(name for name, _ in files)
        safe_paths(collect)
        if sum(len(body) for _, body in files) > limits.workspace_bytes:
            raise Permanent("the files are larger than the sandbox's workspace")
        folder = self._wheelhouse.folder(wheels) if wheels else None
        ready = await asyncio.to_thread(self._prepare, folder)
        if isinstance(ready, NotAvailable):
            return ready
        found, runtime = ready
        async with self._slots.one() as uid:
            session = Session(found, runtime, limits, uid=uid, wheels=folder)
            return await session.run(files, commands, collect)

    async def probe(self) -> NotAvailable | None:
        """A real start of the interpreter with the modules that break first; None when all is well."""
        command = Command(argv=("python3", "-c", "import ctypes, ssl, sqlite3; print('ready')"), wall_s=20)
        result = await self.run([], [command])
        if isinstance(result, NotAvailable):
            return result
        return None if _says(result.commands, "ready") else NotAvailable(reason=_why(result.commands))

    def _prepare(self, wheels: Path | None) -> tuple[Tools, runtimes.Runtime] | NotAvailable:
        if sys.platform != "linux":
            return NotAvailable(reason="the sandbox needs Linux")
        if not Path("/proc/thread-self/children").exists():
            return NotAvailable(reason="this kernel does not list a process's children: memory can't be watched")
        if wheels is not None and not wheels.is_dir():
            return NotAvailable(reason="the wheels of this lock are not on this machine")
        found = tools()
        if isinstance(found, NotAvailable):
            return found
        try:
            runtime = runtimes.prepare(self._data / "runtime")
        except OSError as error:
            return NotAvailable(reason=f"the sandbox's interpreter could not be copied: {error.strerror}")
        if os.geteuid() == 0:
            for path in filter(None, (runtime.tools, runtime.python, wheels)):
                closed = runtimes.closed_to_others(path)
                if closed is not None:
                    return NotAvailable(reason=f"the sandbox's user can't enter {closed}: choose another data folder")
        return found, runtime


def _says(commands: Sequence[CommandResult], word: str) -> bool:
    return bool(commands) and commands[0].exit == 0 and commands[0].stdout.strip() == word


def _why(commands: Sequence[CommandResult]) -> str:
    last = commands[0] if commands else None
    told = (last.stderr.strip() or last.reason) if last else "no answer"
    return f"the interpreter does not start in the sandbox: {told[-200:]}"
