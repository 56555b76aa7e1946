"""How many calls one tenant may have on this router: at once, and begun in a minute. Who is over waits a while."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

WAIT_S = 30.0
MINUTE_S = 60.0


class Limited(Exception):
    """The tenant is over a limit, also after waiting."""

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class _Tenant:
    def __init__(self) -> None:
        self.running = 0
        self.begun: deque[float] = deque()
        self.asking = 0
        self.changed = asyncio.Condition()


class Limits:
    """0 is any number. `wait_s`: how long somebody waits before being told to come back."""

    def __init__(
        self, at_once: int, a_minute: int, *, wait_s: float = WAIT_S, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once = at_once
        self._a_minute = a_minute
        self._wait_s = wait_s
        self._now = now
        self._tenants: dict[str, _Tenant] = {}

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """One call of the tenant; raises `Limited`."""
        if not self._at_once and not self._a_minute:
            yield
            return
        if tenant not in self._tenants:
            self._forget()
        state = self._tenants.setdefault(tenant, _Tenant())
        state.asking += 1
        try:
            await self._begin(tenant, state)
            try:
                yield
            finally:
                state.running -= 1
                async with state.changed:
                    state.changed.notify()
        finally:
            state.asking -= 1
            if not state.asking and not self._recent(state):
                self._tenants.pop(tenant, None)

    def _forget(self) -> None:
        """Tenants that have been still for a minute."""
        for tenant, state in list(self._tenants.items()):
            if not state.asking and not self._recent(state):
                del self._tenants[tenant]

    async def _begin(self, tenant: str, state: _Tenant) -> None:
        until = self._now() + self._wait_s
        async with state.changed:
            while pause := self._pause(state):
                left = until - self._now()
                if left <= 0 or (pause > left and not self._full(state)):
                    raise Limited(self._sentence(tenant, state), min(pause, MINUTE_S))
                try:
                    await asyncio.wait_for(state.changed.wait(), min(pause, left))
                except TimeoutError:
                    continue
            state.running += 1
            state.begun.append(self._now())

    def _pause(self, state: _Tenant) -> float:
        """Seconds after which to look again; 0: now."""
        if self._full(state):
            return self._wait_s
        recent = self._recent(state)
        if self._a_minute and recent >= self._a_minute:
            return max(0.001, state.begun[recent - self._a_minute] + MINUTE_S - self._now())
        return 0.0

    def _full(self, state: _Tenant) -> bool:
        return bool(self._at_once) and state.running >= self._at_once

    def _recent(self, state: _Tenant) -> int:
        while state.begun and state.begun[0] <= self._now() - MINUTE_S:
            state.begun.popleft()
        return len(state.begun)

    def _sentence(self, tenant: str, state: _Tenant) -> str:
        if self._full(state):
            return f"tenant {tenant} has {self._at_once} calls to models running already, as many as it may at once"
        return f"tenant {tenant} has begun {self._a_minute} calls to models in the last minute, as many as it may"
