"""make bench: everything that is claimed as a number, measured here and now, in one table on stdout."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import uvloop

from deploy.local.paths import data_home, make_folder
from deploy.local.stack import Stack
from tests.bench import processes, samples
from tests.bench.table import Table, machine
from tests.flow import understanding
from tests.flow.noop import Servers, overhead
from tests.servers import fresh_bucket, fresh_database, make_template, remove_orphans


async def _on_servers(table: Table) -> None:
    remove_orphans(data_home())
    folder = make_folder(data_home() / f"tests-{os.getpid()}", 0o711)
    try:
        await _measured(table, folder)
    finally:
        shutil.rmtree(folder)


async def _measured(table: Table, folder: Path) -> None:
    async with Stack(folder / "stack") as stack:
        await make_template(stack)
        for in_flight, workflows in ((1, 30), (100, 400)):
            async with fresh_database(stack) as database, fresh_bucket(stack) as bucket:
                servers = Servers(
                    nats=stack.urls.nats,
                    worker=database.worker,
                    gateway=database.gateway,
                    s3=stack.urls.s3,
                    bucket=bucket,
                )
                cost = await overhead(servers, in_flight=in_flight, workflows=workflows)
                measured = (
                    f"p50 {cost.p50_ms:.0f} ms, {cost.workflows_per_s:.1f} workflows/s, "
                    f"{cost.cpu_ms_per_workflow:.0f} CPU-ms each"
                )
                table.add(f"14 no-op stages, {in_flight} in flight", "-", measured)
                if in_flight == 1:
                    await asyncio.to_thread(processes.measure, table, servers, folder)


def main() -> int:
    """Print the table."""
    table = Table()
    labels = understanding.labelled()
    for name, group in {
        "60 labelled prompts": labels,
        "the 20 of them kept out of tuning": [label for label in labels if label["held_out"]],
    }.items():
        table.add(f"understanding, F1 over {name}", ">= 0.90", f"{understanding.score(group)['all'].f1:.3f}")
    uvloop.run(_on_servers(table))  # as the workers run
    samples.measure(table)
    sys.stdout.write(f"Measured on {machine()}.\n\n{table}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
