"""One sandbox from start to end: spawn, hand over the plan, read what happened, and kill what goes over a limit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from workers.kit.ports import Command, CommandResult, Limits, NotAvailable, SandboxResult

from . import watch
from .channel import MAX_COLLECT_BYTES, BrokenChannel, next_frame, send_plan
from .profile import WRITABLE, Tools, launch
from .runtime import Runtime

_WATCH_S = 0.1
_START_S = 20.0
_GRACE_S = 5.0  # the driver's own limits come first
_STDERR_BYTES = 8 << 10


class Session:
    """Used once."""

    def __init__(self, tools: Tools, runtime: Runtime, limits: Limits, *, uid: int, wheels: Path | None) -> None:
        self._tools = tools
        self._runtime = runtime
        self._limits = limits
        self._uid = uid
        self._wheels = wheels
        self._killed_for = ""
        self._stderr = b""

    async def run(
        self, files: Sequence[tuple[str, bytes]], commands: Sequence[Command], collect: Sequence[str]
    ) -> SandboxResult | NotAvailable:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = await self._spawn(theirs)
            reader, writer = await asyncio.open_connection(sock=ours)
            talk = asyncio.create_task(self._drain_stderr(process))
            sending = asyncio.create_task(send_plan(writer, files, commands, collect, self._limits))
            try:
                return await self._follow(process, reader, commands, collect)
            finally:
                sending.cancel()
                writer.transport.abort()  # closing would wait until the plan has been read
                await _end(process)
                await asyncio.gather(talk, sending, return_exceptions=True)

    async def _spawn(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        start = launch(
            self._tools, self._runtime, self._limits, uid=self._uid, wheels=self._wheels, channel=theirs.fileno()
        )
        try:
            return await asyncio.create_subprocess_exec(
                *start.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(), *start.descriptors),
                env={},
                cwd="/",
                start_new_session=True,
            )
        finally:
            for fd in start.descriptors:
                os.close(fd)

    async def _follow(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        commands: Sequence[Command],
        collect: Sequence[str],
    ) -> SandboxResult | NotAvailable:
        try:
            async with asyncio.timeout(_START_S):
                await next_frame(reader, blob_bytes=0)
        except (BrokenChannel, TimeoutError):
            await _end(process)
            return NotAvailable(reason=f"the sandbox does not start: {_last_line(self._stderr) or 'no answer'}")
        results: list[CommandResult] = []
        collected: dict[str, bytes] = {}
        guard = asyncio.create_task(self._guard(process))
        try:
            async with asyncio.timeout(self._limits.wall_s + _GRACE_S):
                await self._read(reader, commands, collect, results, collected)
        except (BrokenChannel, TimeoutError) as error:
            late = "wall time" if isinstance(error, TimeoutError) else "signal"
            if len(results) < len(commands):
                results.append(_cut(commands[len(results)], self._killed_for or late))
        finally:
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
        return SandboxResult(commands=tuple(results), collected=collected)

    async def _read(
        self,
        reader: asyncio.StreamReader,
        commands: Sequence[Command],
        collect: Sequence[str],
        results: list[CommandResult],
        collected: dict[str, bytes],
    ) -> None:
        most = max(self._limits.output_bytes, MAX_COLLECT_BYTES)
        while True:
            frame, blobs = await next_frame(reader, blob_bytes=most)
            match frame.kind, blobs:
                case "command", [stdout, stderr] if len(results) < len(commands):
                    argv, said = commands[len(results)].argv, (_text(stdout), _text(stderr))
                    results.append(
                        CommandResult(argv=argv, exit=frame.exit, reason=frame.reason, stdout=said[0], stderr=said[1])
                    )
                case "file", [body] if frame.name in collect and frame.name not in collected:
                    collected[frame.name] = body
                case "end", []:
                    return
                case _:
                    raise BrokenChannel(f"a {frame.kind} frame out of turn")

    async def _guard(self, process: asyncio.subprocess.Process) -> None:
        limit = self._limits.memory_bytes
        while True:
            over = await asyncio.to_thread(watch.excess, process.pid, memory_bytes=limit, writable=WRITABLE)
            if over is not None:
                self._killed_for = over
                await _end(process)
                return
            await asyncio.sleep(_WATCH_S)

    async def _drain_stderr(self, process: asyncio.subprocess.Process) -> None:
        """bwrap's complaints; what hostile code may add to them is read and dropped."""
        assert process.stderr is not None  # noqa: S101 - a pipe, asked for in _spawn
        while chunk := await process.stderr.read(1 << 16):
            self._stderr = (self._stderr + chunk)[:_STDERR_BYTES]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the first process of the namespace: when bwrap has seen it go, all the others are gone too."""
    if process.returncode is not None:
        return
    first = watch.first_child(process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(first or process.pid, signal.SIGKILL)
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _cut(command: Command, reason: str) -> CommandResult:
    return CommandResult(argv=command.argv, exit=None, reason=reason, stdout="", stderr="")


def _text(body: bytes) -> str:
    """Text that a database takes: a NUL is shown as what it is, an unreadable byte."""
    return body.decode("utf-8", "replace").replace("\0", "\ufffd")


def _last_line(body: bytes) -> str:
    lines = _text(body).strip().splitlines()
    return lines[-1][:300] if lines else ""
