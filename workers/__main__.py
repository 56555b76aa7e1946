"""`python -m workers STAGE... | --all | --list`: one process that works at the named stages."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from contracts.topology import TOPOLOGY, Topology
from workers.kit.binding import Binding, BindingError, bind
from workers.kit.prompts.front import BadPrompt
from workers.kit.settings import Settings, SettingsError, load
from workers.kit.stores.drops import StoreDown
from workers.kit.wiring import WiringError

USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 2 for a mistake of the caller, 1 for a store that is away, told in a sentence."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    parser.add_argument("--all", action="store_true", help="work at every stage")
    parser.add_argument("--list", action="store_true", help="print the stages and what wakes them")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        sys.stdout.write(listing(TOPOLOGY))
        return 0
    names = list(TOPOLOGY.stages) if chosen.all else chosen.stages
    if not names:
        parser.error("name at least one stage, or --all")
    try:
        _work(bindings(names), load())
    except (BindingError, BadPrompt, SettingsError, WiringError) as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except StoreDown as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def bindings(names: Sequence[str]) -> list[Binding]:
    """The named stages' modules, imported and checked against the topology; raises `BindingError`."""
    unknown = [name for name in names if name not in TOPOLOGY.stages]
    if unknown:
        raise BindingError(f"no such stage: {', '.join(unknown)}; there are {', '.join(TOPOLOGY.stages)}")
    return [_binding(name) for name in dict.fromkeys(names)]


def _binding(name: str) -> Binding:
    module = f"workers.{name}.stage"
    try:
        stage = importlib.import_module(module).STAGE
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise BindingError(f"{name} has no module {module}") from None
    except AttributeError:
        raise BindingError(f"{module} defines no STAGE") from None
    return bind(stage, name, TOPOLOGY)


def listing(topology: Topology) -> str:
    """A line for each stage: its name, and after which stages it runs."""
    width = max(map(len, topology.stages))
    lines = (f"{row.name:{width}}  {', '.join(row.needs) or 'workflow.submitted'}" for row in topology.stages.values())
    return "\n".join(lines) + "\n"


def _check_times(settings: Settings) -> None:
    """Raises `SettingsError`. Tests start workers by other ways, with whatever times they need."""
    if settings.heartbeat_s >= min(settings.lease_s, settings.ack_wait_s):
        raise SettingsError(
            f"QL_HEARTBEAT_S is {settings.heartbeat_s:g}, which must be less than QL_LEASE_S ({settings.lease_s:g}) "
            f"and QL_ACK_WAIT_S ({settings.ack_wait_s:g}): else work that goes on is taken for dead, and begun twice"
        )


def _work(bound: Sequence[Binding], settings: Settings) -> None:
    from observability import telemetry
    from workers.kit.prompts.check import check_all
    from workers.kit.runner import process

    check_all()
    process.check(settings)
    _check_times(settings)
    close = telemetry.setup("worker", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        process.run(bound, TOPOLOGY, settings)
    finally:
        close()


if __name__ == "__main__":
    sys.exit(main())
