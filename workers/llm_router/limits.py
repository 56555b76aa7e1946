"""How many calls one tenant may have: at once on this router, begun in a minute on all. Who is over waits a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from workers.kit.stores.paces import MINUTE_S, Later, Pace, Paces

WAIT_S = 30.0


class Limited(Exception):
    """The tenant is over a limit, also after waiting."""

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class _Tenant:
    """While it asks. Only the first of its `line` looks whether the minute has room."""

    def __init__(self) -> None:
        self.running = 0
        self.asking = 0
        self.changed = asyncio.Condition()
        self.line = asyncio.Lock()


class Limits:
    """0 is any number. `wait_s`: how long somebody waits before being told to come back."""

    def __init__(
        self, at_once: int = 0, a_minute: int = 0, paces: Paces | None = None, *, wait_s: float = WAIT_S
    ) -> None:
        if a_minute and paces is None:
            raise ValueError("nobody counts the calls of a minute")
        self._at_once = at_once
        self._a_minute = a_minute
        self._paces = paces
        self._wait_s = wait_s
        self._tenants: dict[str, _Tenant] = {}

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """One call of the tenant; raises `Limited`, `StoreDown`."""
        if not self._at_once and not self._a_minute:
            yield
            return
        until = time.monotonic() + self._wait_s
        state = self._tenants.setdefault(tenant, _Tenant())
        state.asking += 1
        try:
            await self._one_of_so_many(tenant, state, until)
            try:
                if self._paces is not None and self._a_minute:
                    async with state.line:
                        await self._this_minute(self._paces, tenant, until)
                yield
            finally:
                state.running -= 1
                async with state.changed:
                    state.changed.notify()
        finally:
            state.asking -= 1
            if not state.asking:
                self._tenants.pop(tenant, None)

    async def _one_of_so_many(self, tenant: str, state: _Tenant, until: float) -> None:
        async with state.changed:
            while self._at_once and state.running >= self._at_once:
                try:
                    await asyncio.wait_for(state.changed.wait(), max(0.0, until - time.monotonic()))
                except TimeoutError:
                    sentence = f"tenant {tenant} has {self._at_once} calls to models running already, as many as it"
                    raise Limited(f"{sentence} may at once", min(self._wait_s, MINUTE_S)) from None
            state.running += 1

    async def _this_minute(self, paces: Paces, tenant: str, until: float) -> None:
        pace = Pace(name=f"tenant:{tenant}", calls=self._a_minute)
        while isinstance(later := await paces.begin([pace]), Later):
            if later.pause_s > until - time.monotonic():
                sentence = f"tenant {tenant} has begun {self._a_minute} calls to models in the last minute, as many as"
                raise Limited(f"{sentence} it may", later.pause_s)
            await asyncio.sleep(later.pause_s)
