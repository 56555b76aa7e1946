"""Which models are well, as all routers know it: shared in a key-value bucket, decided by compare-and-set.

A model that failed a few times in a row is left out; when its time is up, one question on one router tries it (the
others go on leaving it out), and its fate decides for all. Each failed probe doubles the pause. While the bucket can't
be reached, each router knows what it saw itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec
import structlog

FAILURES = 3
PAUSE_S, LONGEST_S = 5.0, 300.0
PROBE_S = 60.0
"""A probe that has told nothing after this long (its router may be dead) is somebody else's: longer than any answer."""
TRIES = 4
_log = structlog.get_logger()


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one model. Times are the clock's; `pauses` counts those in a row, `error` is the last one.

    `unusable` means that an operator has to do something: its key is refused, or there is no such model.
    """

    state: Literal["closed", "open", "probing"] = "closed"
    failures: int = 0
    pauses: int = 0
    until: float = 0.0
    error: str = ""
    unusable: bool = False


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call failed, as far as it is the model's doing. `pause_s`: leave it out at once (0: as long as usual)."""

    error: str
    pause_s: float | None = None
    unusable: bool = False


class Shared(Protocol):
    """The bucket: values by key, each with a revision (0: there is none)."""

    def known(self, key: str) -> tuple[bytes, int]:
        """The newest value that this router has heard of."""
        ...

    async def write(self, key: str, value: bytes, revision: int) -> bool:
        """Whether it was written: not when `revision` isn't the newest."""
        ...

    async def read(self, key: str) -> None:
        """Hear of the newest value."""
        ...


class Breaker:
    """For all models; a model's place (name and endpoint) is its key."""

    def __init__(
        self,
        shared: Shared,
        *,
        now: Callable[[], float] = time.time,
        pause_s: float = PAUSE_S,
        probe_s: float = PROBE_S,
    ) -> None:
        self._shared = shared
        self._probe_s = probe_s
        self._now = now
        self._pause_s = pause_s

    async def learn(self, place: str) -> None:
        """What the others know of it already."""
        await self._shared.read(_key(place))

    def health(self, place: str) -> Health:
        """As this router has heard of it; one whose pause is over still says 'open'."""
        value, _ = self._shared.known(_key(place))
        try:
            return msgspec.json.decode(value, type=Health) if value else Health()
        except msgspec.DecodeError:  # of another version of the router
            return Health()

    def wait_s(self, place: str) -> float:
        """Seconds until somebody may try it; 0 for one that may be asked now."""
        health = self.health(place)
        return 0.0 if health.state == "closed" else max(0.0, health.until - self._now())

    async def admits(self, place: str) -> bool:
        """Whether the model may be asked now. For one that is out, True is given to one asker of all: the probe."""
        health = self.health(place)
        if health.state == "closed":
            return True
        if health.until > self._now():
            return False
        probing = msgspec.structs.replace(health, state="probing", until=self._now() + self._probe_s)
        return await self._write(place, probing)

    async def works(self, place: str) -> None:
        """The model answered."""
        if self.health(place) != Health() and not await self._write(place, Health()):
            await self._again(place, lambda _: Health())

    async def failed(self, place: str, fault: Fault) -> None:
        """The call failed."""
        await self._again(place, lambda health: self._after(health, fault))

    async def undecided(self, place: str) -> None:
        """The probe ended without telling anything of the model: the next asker may try."""
        health = self.health(place)
        if health.state == "probing":
            await self._write(place, msgspec.structs.replace(health, state="open", until=self._now()))

    def _after(self, health: Health, fault: Fault) -> Health:
        if health.state == "open" and health.until > self._now():
            return health  # it failed under a question that was asked before
        failures = health.failures + 1
        if health.state == "closed" and fault.pause_s is None and not fault.unusable and failures < FAILURES:
            return Health(failures=failures, error=fault.error)
        pauses = health.pauses + 1
        pause = min(LONGEST_S, self._pause_s * 2 ** min(pauses - 1, 16))
        return Health(
            state="open",
            failures=failures,
            pauses=pauses,
            until=self._now() + (min(fault.pause_s, LONGEST_S) if fault.pause_s else pause),
            error=fault.error,
            unusable=fault.unusable,
        )

    async def _again(self, place: str, change: Callable[[Health], Health]) -> None:
        for _ in range(TRIES):
            health = self.health(place)
            if (changed := change(health)) == health or await self._write(place, changed):
                return

    async def _write(self, place: str, health: Health) -> bool:
        key = _key(place)
        _, revision = self._shared.known(key)
        if await self._shared.write(key, msgspec.json.encode(health), revision):
            _log.info("llm.health", model=place, state=health.state, failures=health.failures, error=health.error)
            return True
        await self._shared.read(key)
        return False


def _key(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()[:32]


class Alone:
    """A bucket of one router's own."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int]] = {}

    def known(self, key: str) -> tuple[bytes, int]:
        return self._values.get(key, (b"", 0))

    async def write(self, key: str, value: bytes, revision: int) -> bool:
        await asyncio.sleep(0)
        if self.known(key)[1] != revision:
            return False
        self._values[key] = (value, revision + 1)
        return True

    async def read(self, key: str) -> None:
        return None
