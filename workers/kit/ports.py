"""What a stage may ask for, as protocols. A stage names the ports it needs; `wiring` opens only those."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import msgspec

from contracts.artifacts import Brief, File, Finding, LockedPackage

from .stage import Run

T = TypeVar("T", bound=msgspec.Struct)


class Llm(Protocol):
    """A model, behind the router and its ledger: the same question gets the same answer, without a second call.

    `task` names the prompt (the stage's prompt.md); `inputs` is what the model is told, as artifacts or plain values,
    in the order given: what many calls share comes first. `check` raises `Unfit` for content that breaks a rule; the
    model is then asked once more and told the sentence.
    Raises `Transient` when no model can be reached, `Refused` when it declines, `Unfit` when its answer can't be used,
    also after one more try.
    """

    async def complete(
        self,
        run: Run,
        *,
        task: str,
        inputs: Mapping[str, object],
        into: type[T],
        check: Callable[[T], None] | None = None,
    ) -> T:
        """A JSON answer, decoded into `into`."""
        ...

    async def write(
        self,
        run: Run,
        *,
        task: str,
        inputs: Mapping[str, object],
        paths: Sequence[str],
        check: Callable[[tuple[File, ...]], None] | None = None,
    ) -> tuple[File, ...]:
        """The files asked for, in the order of `paths`, each saying which model and question it came from."""
        ...


class PastPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt of a workflow that got the best grade, and the brief that was made of it (without its statements)."""

    prompt: str
    brief: Brief


class CodeSample(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a package that got the best grade."""

    path: str
    layer: str
    purpose: str
    text: str


class Similar(Protocol):
    """What went well before in work of the same tenant. Never raises: where nothing can be had, there is nothing.

    The same work is told the same examples at every attempt, revision and replay.
    """

    async def prompts(self, run: Run, prompt: str) -> tuple[PastPrompt, ...]:
        """At most three, the nearest first."""
        ...

    async def code(self, run: Run, wanted: Mapping[str, str]) -> Mapping[str, tuple[CodeSample, ...]]:
        """For each path and what it is for (`similar.about`) at most three samples; paths without one are left out."""
        ...


class Symbol(msgspec.Struct, frozen=True, kw_only=True):
    """A top-level name that a file defines."""

    name: str
    kind: Literal["class", "function", "constant"]
    line: int


class ImportedName(msgspec.Struct, frozen=True, kw_only=True):
    """`from module import name` (name '' for `import module`); `level` counts the leading dots.

    `deferred`: not executed when the file is imported, since it stands in a function or under `if TYPE_CHECKING`.
    """

    module: str
    name: str
    level: int
    line: int
    deferred: bool = False


class Parser(Protocol):
    """Syntax trees. Methods block for milliseconds: call them off the event loop (`asyncio.to_thread`)."""

    def language_of(self, path: str) -> str | None:
        """The language by file name; None where there is no grammar for it."""
        ...

    def syntax_errors(self, file: File) -> tuple[Finding, ...]:
        """Error and missing nodes, each with its line; empty for a clean file or one without a grammar."""
        ...

    def symbols(self, file: File) -> tuple[Symbol, ...]:
        """Top-level definitions of a Python file."""
        ...

    def imports(self, file: File) -> tuple[ImportedName, ...]:
        """Imports at any depth of a Python file."""
        ...


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one sandbox may use: seconds and bytes. `processes` counts threads too."""

    wall_s: float = 60
    cpu_s: int = 60
    memory_bytes: int = 1 << 30
    processes: int = 128
    file_bytes: int = 64 << 20
    workspace_bytes: int = 256 << 20
    output_bytes: int = 1 << 20


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command line; with `required`, the ones after it don't run when it fails."""

    argv: tuple[str, ...]
    required: bool = True
    wall_s: float = 60


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended: its exit status, or (None) the limit it met. Output is cut to the limit."""

    argv: tuple[str, ...]
    exit: int | None
    reason: str
    stdout: str
    stderr: str


class SandboxResult(msgspec.Struct, frozen=True, kw_only=True):
    """The commands that ran, in order, and the files collected from the workspace."""

    commands: tuple[CommandResult, ...]
    collected: Mapping[str, bytes]


class NotAvailable(msgspec.Struct, frozen=True, kw_only=True):
    """No sandbox can be had here, and why: nothing was run."""

    reason: str


class Sandbox(Protocol):
    """Runs hostile code: no network, read-only system, bounded memory, processes, time, disk and output."""

    async def run(
        self,
        files: Sequence[tuple[str, bytes]],
        commands: Sequence[Command],
        *,
        wheels: str = "",
        collect: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> SandboxResult | NotAvailable:
        """Lay out `files`, run `commands` one after the other in the same workspace, bring back `collect`.

        `wheels` is the wheelhouse folder of a `Lock`, seen inside as /wheels. Raises `UnsafePath` for a bad file name.
        """
        ...


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A resolved set: hashed lock texts, what is in them, and the name of the folder that holds the wheels."""

    requirements: str
    requirements_dev: str
    wheels: str
    packages: tuple[LockedPackage, ...]


class Unresolvable(Exception):
    """A package does not exist, or no versions fit together; `package` names the culprit where it is known."""

    def __init__(self, message: str, package: str = "") -> None:
        super().__init__(message)
        self.package = package


class Registry(Protocol):
    """The package index: the only thing a stage may reach the network for."""

    async def lock(self, runtime: Sequence[str], dev: Sequence[str], *, python: str) -> Resolution:
        """Resolve, download and hash; raises `Unresolvable`, or `Transient` when the index can't be reached."""
        ...


class Wheelhouse(Protocol):
    """Where downloaded wheels lie on this machine."""

    def folder(self, wheels: str) -> Path:
        """The folder that a `Lock.wheels` names."""
        ...
