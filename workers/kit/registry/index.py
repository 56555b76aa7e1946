"""The `Registry` port over uv, pip and a wheelhouse: the only part of a workflow that reaches a network."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from contracts.artifacts import LockedPackage
from workers.kit.ports import Resolution
from workers.kit.stage import Permanent

from .download import download
from .licences import licence
from .locktext import Pin, pins
from .names import canonical, checked
from .resolve import resolve
from .wheelhouse import CorruptWheel, Wheel, Wheels


class Index:
    """`data` is the data folder: wheels under `wheelhouse/`, what uv and pip keep under `cache/`."""

    def __init__(self, data: Path) -> None:
        self._cache = data / "cache"
        self._wheels = Wheels(data / "wheelhouse")

    async def lock(self, runtime: Sequence[str], dev: Sequence[str], *, python: str) -> Resolution:
        """See the port. Versions are chosen for both sets together, so that what is tested is what is shipped."""
        wanted, beside = checked(runtime), checked(dev)
        everything = await resolve([*wanted, *beside], python=python, cache=self._cache)
        shipped = await resolve(wanted, python=python, cache=self._cache, pinned=everything) if beside else everything
        name = hashlib.sha256(f"{python}\n{everything}".encode()).hexdigest()
        wheels = await self._fetched(name, everything, python)
        kept, direct = {pin.name for pin in pins(shipped)}, {canonical(one) for one in (*wanted, *beside)}
        packages = await asyncio.to_thread(_packages, wheels, kept, direct)
        return Resolution(requirements=shipped, requirements_dev=everything, wheels=name, packages=packages)

    async def _fetched(self, name: str, lock: str, python: str) -> tuple[Wheel, ...]:
        named = pins(lock)
        stored = await asyncio.to_thread(self._wheels.stored, name, named)
        if stored is not None:
            return stored
        return await self._download(name, lock, named, python)

    async def _download(self, name: str, lock: str, named: tuple[Pin, ...], python: str) -> tuple[Wheel, ...]:
        folder = await asyncio.to_thread(self._wheels.workspace)
        try:
            downloaded = await download(lock, python=python, folder=folder, cache=self._cache)
            return await asyncio.to_thread(self._wheels.add, name, named, downloaded)
        except CorruptWheel as error:
            raise Permanent(f"the downloaded wheels are not those of the lock: {error}") from error
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _packages(wheels: Sequence[Wheel], shipped: set[str], direct: set[str]) -> tuple[LockedPackage, ...]:
    return tuple(
        LockedPackage(
            name=wheel.name,
            version=wheel.version,
            wheel=wheel.path.name,
            sha256=wheel.sha256,
            licence=licence(wheel.path),
            dev=wheel.name not in shipped,
            direct=wheel.name in direct,
        )
        for wheel in wheels
    )
