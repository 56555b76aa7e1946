"""`python -m workers.local FILE.qlx [--stage S]`: recorded work done again by the code of today, in this one process.

Each recorded drop is made again from its recorded inputs, in the recorded order, and must come out as the same bytes;
the first that does not is named, and its difference printed. When all do, so does the capsule. The ledger answers for
models, examples and the package index; nothing is published and nothing is stored. This is a factory in the shadow of
the one that did the work: no server, no subscriber, no provider. Status 0: the same; 1: different; 2: a mistake.
"""

from __future__ import annotations

import argparse
import asyncio
import pdb  # what --pdb is for
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from nats.aio.client import Client

from contracts import artifacts as bodies
from contracts.artifacts import Lock, StandIn, Submission
from contracts.events import Event, Input, StageCompleted, StageFailed, StageRejected, WorkflowResumed
from contracts.topology import TOPOLOGY
from workers.__main__ import bindings
from workers.kit.binding import Binding
from workers.kit.exported import BadExport, Exported, read
from workers.kit.ports import Llm, Registry, Sandbox, Similar, Wheelhouse
from workers.kit.recorded import RecordedLlm, RecordedRegistry, RecordedSimilar, difference
from workers.kit.registry.wheelhouse import Wheels
from workers.kit.settings import Settings, SettingsError, load
from workers.kit.stage import Permanent, Reject, Run, StageError
from workers.kit.standing_in import inherited, own
from workers.kit.stores.asks import NOTHING
from workers.kit.tally import tally
from workers.kit.wiring import Means, WiringError, ports_of, wire

SAME, DIFFERENT, USAGE = 0, 1, 2
Told = StageCompleted | StageRejected | StageFailed


class Different(Exception):
    """What was made now is not what was recorded; the message says where."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person wants beside doing it again."""

    ask: bool = False
    pdb: bool = False
    stop: bool = False


class Shadow:
    """The recorded workflow, and what does its stages again."""

    def __init__(self, found: Exported, settings: Settings, asked: Asked, nc: Client) -> None:
        self._found = found
        self._asked = asked
        self._settings = settings
        row = found.workflow
        self._events = found.told()
        self._submission = Submission(prompt=row.prompt, language=row.language)
        self._locks = [
            self._recorded(event.data)
            for event in self._events
            if isinstance(event.data, StageCompleted) and event.data.stage == "dependency_resolution"
        ]
        other = None
        if asked.ask:
            from workers.kit.llm.client import LlmClient

            other = LlmClient(nc, settings)
        entries = found.ledger.entries
        self._given: dict[type, object] = {
            Llm: RecordedLlm(entries, row.tenant, other),
            Similar: RecordedSimilar(entries),
            Registry: RecordedRegistry([bodies.decode(body, Lock) for body in self._locks]),
        }
        self._means = Means(nc, settings)

    def _recorded(self, told: StageCompleted | StageRejected) -> bytes:
        try:
            return self._found.artifacts[told.artifact.sha256]
        except KeyError:
            raise BadExport(f"the artifact of {told.stage} {told.revision} is not in the file") from None

    def told(self, stage: str = "") -> list[Event]:
        """The recorded events of stages, or the last one of this stage."""
        found = [
            event for event in self._events if isinstance(event.data, StageCompleted | StageRejected | StageFailed)
        ]
        return [event for event in found if event.parts.stage == stage][-1:] if stage else found

    @property
    def resumed(self) -> bool:
        return any(isinstance(event.data, WorkflowResumed) for event in self._events)

    async def again(self, event: Event) -> str:
        """Make this drop again; what to say of it. Raises `Different`."""
        told = event.data
        assert isinstance(told, StageCompleted | StageRejected | StageFailed)  # noqa: S101  # `told` gives no others
        name = f"{told.stage} {told.revision}"
        if told.stage not in TOPOLOGY.stages:
            return f"{name}: as recorded (a stage of somebody else)"
        if isinstance(told, StageCompleted) and (told.reused or told.edited):
            return f"{name}: as recorded (it was taken over from another workflow)"
        [binding] = bindings([told.stage])
        if reason := self._impossible(binding):
            return f"{name}: as recorded ({reason})"
        stood_in = self._stood_in(binding, told)
        with tally() as counted:
            made = await self._made(binding, told, stood_in)
        self._compare(name, told, made, (*stood_in, *own(told.stage, counted.told())))
        return f"{name}: the same"

    def _impossible(self, binding: Binding) -> str:
        """Why this machine can't do the stage: what it runs needs the wheels of the recorded lock."""
        if not {Sandbox, Wheelhouse} & set(binding.ports.values()):
            return ""
        data = self._settings.data
        names = [bodies.decode(body, Lock).wheels for body in self._locks]
        if data is None or not all(Wheels(data / "wheelhouse").folder(name).is_dir() for name in names if name):
            return "the wheels of its lock are not on this machine"
        return ""

    def _stood_in(self, binding: Binding, told: Told) -> tuple[StandIn, ...]:
        taken = [each.sha256 for each in told.inputs if each.stage in binding.inputs.values()]
        return inherited(self._found.artifacts[digest] for digest in taken if digest in self._found.artifacts)

    async def _made(self, binding: Binding, told: Told, stood_in: tuple[StandIn, ...]) -> msgspec.Struct | StageError:
        call = binding.instance(ports_of(binding, wire([binding], self._means, self._given)))
        arguments = self._arguments(binding, told, stood_in)
        try:
            if self._asked.stop:
                sys.stderr.write(f"{binding.row.name} begins: s steps into it, c goes on\n")
                pdb.set_trace()
            return await call(**arguments)
        except Permanent as error:
            if self._asked.pdb and not isinstance(told, StageFailed):
                pdb.post_mortem(error.__traceback__)
            return error
        except Exception as error:
            if self._asked.pdb:
                pdb.post_mortem(error.__traceback__)
            said = f"{told.stage} {told.revision} raises {type(error).__name__}: {error}"
            raise Different(said) from error

    def _arguments(self, binding: Binding, told: Told, stood_in: tuple[StandIn, ...]) -> dict[str, object]:
        inputs = {each.stage: each for each in told.inputs}
        ancestors = TOPOLOGY.ancestors(told.stage)
        arguments: dict[str, object] = {}
        if binding.run:
            asking = self._found.workflow.asks.get(told.stage, NOTHING)
            mine = {stage: each for stage, each in inputs.items() if stage in ancestors}
            arguments[binding.run] = Run(
                tenant=told.tenant,
                workflow=told.workflow,
                stage=told.stage,
                revision=told.revision,
                inputs=mine,
                stood_in=stood_in,
                model=asking.model,
                template=asking.template,
            )
        if binding.submission:
            arguments[binding.submission] = self._submission
        for name, stage in binding.inputs.items():
            arguments[name] = self._decoded(inputs.get(stage), stage, binding.types[name])
        for name, stage in binding.repairs.items():
            if stage in inputs:
                arguments[name] = self._decoded(inputs[stage], stage, binding.types[name])
        return arguments

    def _decoded(self, each: Input | None, stage: str, kind: type[msgspec.Struct]) -> msgspec.Struct:
        if each is None:
            raise Different(f"the stage now takes what {stage} made, which it did not when this was recorded")
        try:
            return bodies.decode(self._found.artifacts[each.sha256], kind)
        except KeyError:
            raise BadExport(f"the artifact of {stage} {each.revision} is not in the file") from None
        except msgspec.DecodeError as error:
            raise Different(f"what {stage} made then can't be read today: {error}") from None

    def _compare(self, name: str, told: Told, made: msgspec.Struct | StageError, stood_in: tuple[StandIn, ...]) -> None:
        if isinstance(told, StageFailed) or isinstance(made, StageError):
            if isinstance(told, StageFailed) and isinstance(made, StageError) and str(made) == told.error:
                return
            then = f"failed: {told.error}" if isinstance(told, StageFailed) else "made an artifact"
            now = f"fails: {made}" if isinstance(made, StageError) else "makes an artifact"
            raise Different(f"{name} {then}; now it {now}")
        report = made.report if isinstance(made, Reject) else made
        body, _ = bodies.encode(report, stood_in)
        recorded = self._recorded(told)
        if body != recorded:
            raise Different(f"{name} differs:\n{difference(recorded, body)}")
        if isinstance(told, StageRejected) and not (isinstance(made, Reject) and made.target == told.target):
            now = f"to {made.target}" if isinstance(made, Reject) else "nothing"
            raise Different(f"{name} sent its input back to {told.target}; now it rejects {now}")
        if isinstance(told, StageCompleted) and isinstance(made, Reject) and not told.unmet:
            raise Different(f"{name} was content with its input; now it sends it back to {made.target}")


async def _all(shadow: Shadow, events: Sequence[Event], said: Callable[[str], object]) -> int:
    for event in events:
        try:
            said(await shadow.again(event) + "\n")
        except Different as error:
            said(f"{event.parts.stage} {event.parts.revision}: DIFFERENT\n")
            sys.stdout.write(f"{error}\n")
            return DIFFERENT
    sys.stdout.write("the same bytes as recorded\n")
    return SAME


async def _run(found: Exported, settings: Settings, chosen: argparse.Namespace) -> int:
    nc = Client()
    if chosen.ask:
        if not settings.nats_url:
            raise SettingsError("--ask needs QL_NATS_URL: new questions go to the factory's model router")
        await nc.connect(settings.nats_url)
    shadow = Shadow(found, settings, Asked(ask=chosen.ask, pdb=chosen.pdb, stop=chosen.stop), nc)
    events = shadow.told(chosen.stage)
    try:
        if not events:
            raise BadExport(f"no event tells of {chosen.stage or 'any stage'}")
        if shadow.resumed and not chosen.stage:
            raise BadExport("a workflow that failed and was resumed can be done again stage by stage only (--stage)")
        return await _all(shadow, events, sys.stderr.write)
    finally:
        if chosen.ask:
            await nc.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m workers.local", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--stage", default="", choices=["", *TOPOLOGY.stages], help="only this stage's last drop")
    parser.add_argument("--ask", action="store_true", help="ask a model what the ledger does not know")
    parser.add_argument("--pdb", action="store_true", help="a debugger where the stage raises")
    parser.add_argument("--break", action="store_true", dest="stop", help="a debugger where the stage begins")
    chosen = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(read(chosen.file.read_bytes()), load(), chosen))
    except (BadExport, OSError, SettingsError, WiringError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
