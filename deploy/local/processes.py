"""Our own processes beside the stack: started, restarted when they die, stopped together, ended when we end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.paths import make_folder
from deploy.local.server import Command, Server, rotate, spawn, tail

GRACE_S = 25.0  # more than a worker takes to finish what it holds (Settings.grace_s)
DEATHS = 5
HEALTHY_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Processes:
    def __init__(self, logs: Path, *, grace_s: float = GRACE_S) -> None:
        self._logs = logs
        self._grace_s = grace_s
        self._running: dict[str, Server] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._given_up: asyncio.Queue[StackError] = asyncio.Queue()

    @property
    def alive(self) -> dict[str, bool]:
        return {name: server.alive for name, server in self._running.items()}

    def pid(self, name: str) -> int:
        """0 between a death and the next start."""
        server = self._running[name]
        return server.process.pid if server.alive else 0

    async def start(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """`env` is the whole environment of the process."""
        if name in self._running:
            raise ValueError(f"{name} is started already")
        command = Command(
            name=name,
            argv=tuple(argv),
            cwd=Path.cwd(),
            log=make_folder(self._logs, 0o700) / f"{name}.log",
            env=dict(env),
            stop=signal.SIGTERM,
            orphaned=signal.SIGKILL,  # losing a process loses no workflow; one that lingers would
            patience_s=self._grace_s,
        )
        rotate(command.log)
        self._running[name] = await spawn(command)
        self._keepers[name] = asyncio.create_task(self._keep(name, command))

    async def _keep(self, name: str, command: Command) -> None:
        deaths = 0
        clock = asyncio.get_running_loop().time
        while True:
            born = clock()
            code = await self._running[name].wait()
            deaths = 1 if clock() - born > HEALTHY_S else deaths + 1
            if deaths == DEATHS:
                said = tail(command.log)
                message = f"{name} died {DEATHS} times in a row, last with code {code}; {command.log} says: {said}"
                self._given_up.put_nowait(StackError(message))
                return
            await asyncio.sleep(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (deaths - 1)))
            try:
                self._running[name] = await spawn(command)
            except StackError as error:
                self._given_up.put_nowait(error)
                return

    async def failure(self) -> StackError:
        """Waits until a process is given up, and says which and what it said last."""
        return await self._given_up.get()

    async def stop(self) -> None:
        keepers, self._keepers = list(self._keepers.values()), {}
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in self._running.values()))
        self._running = {}
