"""A worker process of the benchmark: `python -m tests.bench.worker --stages 12 --sleep 0.5 [STEP…]`, settings as QL_….

With BENCH_PROFILE=<file> it writes what cProfile saw when it ends.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import sys
from contextlib import nullcontext

from observability import telemetry
from tests.bench import chain
from tests.flow.noop import topology_of
from workers.kit.runner import process
from workers.kit.settings import load


def main() -> int:
    """Work until a signal; all steps when none is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*")
    parser.add_argument("--stages", type=int, default=12)
    parser.add_argument("--sleep", type=float, default=0)
    asked = parser.parse_args()
    settings = load()
    topology = topology_of(asked.stages)
    bound = chain.bindings(topology, asked.steps or list(topology.stages), asked.sleep)
    profile = os.environ.get("BENCH_PROFILE", "")
    profiler = cProfile.Profile() if profile else None
    close = telemetry.setup("worker", log_level=settings.log_level, otlp_url=settings.otlp_url)
    try:
        with profiler or nullcontext():
            process.run(bound, topology, settings)
    finally:
        close()
        if profiler is not None:
            profiler.dump_stats(f"{profile}.{os.getpid()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
