"""A worker process whose steps ask a model through the router, as the real stages do: one call each.

`python -m tests.bench.asking --stages 14`, settings as QL_…. The steps are the product's own shape; those ask that have
a prompt in the product. What they make differs by workflow, and so does every question.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from contracts.artifacts import Capsule
from contracts.topology import Stage, Topology
from observability import telemetry
from tests.flow.noop import CAPSULE, PADDING, topology_of
from workers.kit.binding import Binding, bind
from workers.kit.ports import Llm
from workers.kit.runner import process
from workers.kit.settings import load
from workers.kit.stage import Run

STAGES = 14
ASKING = (
    "prompt_enhancement",
    "frd_generation",
    "requirements_parsing",
    "project_structure",
    "code_generation",
    "test_plan_generation",
    "test_generation",
    "documentation",
)


def answers() -> dict[str, str]:
    """What the provider says to each step, about as long as a product of theirs."""
    return {name: msgspec.json.encode(_made(name, "")).decode() for name in ASKING}


def calls_in_line(topology: Topology) -> int:
    """How many calls stand one after the other on the longest way through."""
    longest: dict[str, int] = {}
    for name, row in topology.stages.items():
        longest[name] = (name in ASKING) + max((longest[need] for need in row.needs), default=0)
    return max(longest.values())


def bindings(topology: Topology) -> list[Binding]:
    """Every step, bound."""
    return [bind(_asks(row, topology), name, topology) for name, row in topology.stages.items()]


def _made(name: str, workflow: str) -> dict[str, object]:
    return {"stage": name, "revision": 1, "padding": workflow + PADDING[len(workflow) :]}


def _asks(row: Stage, topology: Topology) -> Callable[..., object]:
    async def call(self: Step, run: Run, **inputs: msgspec.Struct) -> msgspec.Struct:
        if row.name in ASKING:
            said = await self.llm.complete(
                run, task=row.name, inputs={"workflow": run.workflow, **inputs}, into=row.produces
            )
            return msgspec.structs.replace(said, padding=run.workflow + PADDING[len(run.workflow) :])
        if row.produces is Capsule:
            return msgspec.structs.replace(CAPSULE, archive=(run.workflow + PADDING).encode())
        return row.produces(**_made(row.name, run.workflow))

    @dataclass(frozen=True, slots=True)
    class Step:
        llm: Llm
        __call__ = call

    hints: dict[str, type] = {"run": Run, **{need: topology[need].produces for need in row.needs}}
    names = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    names += [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in hints]
    call.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]  # what inspect itself reads
    call.__annotations__ = {**hints, "return": row.produces}
    return Step


def main() -> int:
    """Work until a signal. Named steps and a time to sleep are of other workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=STAGES)
    parser.add_argument("--sleep", type=float, default=0)
    settings, topology = load(), topology_of(parser.parse_args().stages)
    close = telemetry.setup("worker", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        process.run(bindings(topology), topology, settings)
    finally:
        close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
