"""One child process: tied to our life, its output in a file, ready only when a probe says so.

`setpriv --pdeathsig` makes the kernel end the child when we die, however we die. The signal is bound to the thread
that starts the child, so a stack lives in a thread that outlives it (the main one).
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from deploy.local.errors import PortTakenError, StackError
from deploy.local.paths import tool

READY_S = 30.0
POLL_S = 0.01
TAIL_LINES = 6
GO = {"GOMAXPROCS": str(max(1, (os.cpu_count() or 1) // 2))}
"""For servers written in Go: half the cores. On all of them their idle threads wake each other at every request, which
took 40 % more CPU a put on two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    name: str
    argv: tuple[str, ...]
    cwd: Path
    log: Path
    env: Mapping[str, str]
    uid: int | None = None
    stop: signal.Signals = signal.SIGTERM
    orphaned: signal.Signals = signal.SIGKILL
    patience_s: float = 2.0
    inherit: tuple[int, ...] = ()
    litter: tuple[Path, ...] = ()

    @property
    def tied(self) -> tuple[str, ...]:
        who = unprivileged(self.uid) if self.uid is not None else ()
        death = f"--pdeathsig={self.orphaned.name.removeprefix('SIG')}"
        return (tool("setpriv", "util-linux"), "--no-new-privs", *who, death, "--", *self.argv)


def unprivileged(uid: int) -> tuple[str, ...]:
    return (f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all")


class Server:
    def __init__(self, command: Command, process: Process) -> None:
        self.command = command
        self.process = process

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def wait(self) -> int:
        return await self.process.wait()

    async def stop(self, *, kill: bool = False) -> None:
        """Asks with the server's own signal; what does not listen is killed, with the children it had."""
        if self.alive:
            self.process.send_signal(signal.SIGKILL if kill else self.command.stop)
        try:
            await asyncio.wait_for(self.process.wait(), self.command.patience_s)
        except TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        for path in self.command.litter:
            path.unlink(missing_ok=True)

    def died(self) -> StackError:
        said = tail(self.command.log)
        kind = PortTakenError if "address already in use" in said.lower() else StackError
        return kind(f"{self.command.name} ended with code {self.process.returncode}; {self.command.log} says: {said}")


async def spawn(command: Command) -> Server:
    try:
        with _appended(command.log) as log:
            process = await asyncio.create_subprocess_exec(
                *command.tied,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=command.cwd,
                env=dict(command.env),
                pass_fds=command.inherit,
                start_new_session=True,  # the terminal's ^C is for us alone; we stop the servers in our own order
            )
    except OSError as error:
        raise StackError(f"{command.name} can't be started: {error}.") from None
    return Server(command, process)


async def start(command: Command, ready: Callable[[Server], Awaitable[bool]], within_s: float = READY_S) -> Server:
    """Returns a server that has answered its probe; raises `StackError` with its last words otherwise."""
    rotate(command.log)
    server = await spawn(command)
    deadline = asyncio.get_running_loop().time() + within_s
    try:
        while server.alive:
            if await ready(server):
                return server
            if asyncio.get_running_loop().time() > deadline:
                said = tail(command.log)
                raise StackError(f"{command.name} was not ready in {within_s:.0f} s; {command.log} says: {said}")
            await asyncio.sleep(POLL_S)
    except BaseException:
        await server.stop()
        raise
    raise server.died()


def _appended(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def rotate(file: Path) -> None:
    """A start begins a new log and keeps one old one."""
    if file.exists():
        file.replace(file.with_suffix(".log.1"))


def tail(file: Path, lines: int = TAIL_LINES) -> str:
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - 4096))
            said = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "nothing"
    return " | ".join(line.strip() for line in said[-lines:] if line.strip()) or "nothing"
