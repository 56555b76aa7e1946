"""A model that spoils what it writes: the `Llm` port with one file damaged, at first or always."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from contracts.artifacts import File
from workers.kit.ports import Llm
from workers.kit.stage import Run

T = TypeVar("T", bound=msgspec.Struct)
How = Literal["cut", "syntax"]


class Damaged:
    """Passes every call on to `inner`. The file `path` comes back cut off or with a syntax error, once in a process
    or, with `always`, each time; `damaged` counts."""

    def __init__(self, inner: Llm, path: str, how: How = "syntax", *, always: bool = False) -> None:
        self._inner = inner
        self._path = path
        self._how = how
        self._always = always
        self.damaged = 0

    async def complete(
        self,
        run: Run,
        *,
        task: str,
        inputs: Mapping[str, object],
        into: type[T],
        check: Callable[[T], None] | None = None,
    ) -> T:
        return await self._inner.complete(run, task=task, inputs=inputs, into=into, check=check)

    async def write(
        self,
        run: Run,
        *,
        task: str,
        inputs: Mapping[str, object],
        paths: Sequence[str],
        check: Callable[[tuple[File, ...]], None] | None = None,
    ) -> tuple[File, ...]:
        files = await self._inner.write(run, task=task, inputs=inputs, paths=paths, check=check)
        return tuple(self._spoiled(file) for file in files)

    def _spoiled(self, file: File) -> File:
        if file.path != self._path or (self.damaged and not self._always):
            return file
        self.damaged += 1
        return replace(file, text=damage(file.text, self._how))


def damage(text: str, how: How) -> str:
    """`text` ending in the middle of a definition, or with a line that no parser takes."""
    if how == "cut":
        return f"{text[: len(text) // 2]}\n\n\ndef cut_off("
    return f"def broken(:\n{text}"
