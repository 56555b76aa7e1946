"""make bench: everything that is claimed as a number, measured here and now, in one table on stdout; `--full`: all.

It ends with 1 when a verdict is NOT MET; a row that was skipped has none.

`--only` names parts of it: understanding, start, history, samples, rows of the pipelines or of the models.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

import uvloop

from deploy.local.paths import data_home, make_folder
from deploy.local.stack import NATS, Stack
from tests.bench import history, models, pipelines, processes, samples, streams
from tests.bench.table import Table, machine
from tests.flow import understanding
from tests.flow.noop import Servers
from tests.servers import fresh_bucket, fresh_database, make_template, remove_orphans


async def _on_servers(table: Table, *, full: bool, only: set[str]) -> None:
    remove_orphans(data_home())
    folder = make_folder(data_home() / f"tests-{os.getpid()}", 0o711)
    try:
        if not only or "history" in only:
            async with Stack(folder / "history", frozenset({NATS})) as own:
                await history.measure(table, own.urls.nats, full=full)
        async with Stack(folder / "stack") as stack:
            await make_template(stack)
            if not only or "start" in only:
                await _start(table, stack, folder, full=full)
            await pipelines.measure(table, stack, pipelines.FULL if full else pipelines.SHORT, only)
            await models.measure(table, stack, models.FULL if full else models.SHORT, only)
            await streams.measure(table, stack, streams.FULL if full else streams.SHORT, only)
    finally:
        shutil.rmtree(folder)


async def _start(table: Table, stack: Stack, folder: Path, *, full: bool) -> None:
    async with fresh_database(stack) as database, fresh_bucket(stack) as bucket:
        servers = Servers(
            nats=stack.urls.nats,
            worker=database.worker,
            gateway=database.gateway,
            s3=stack.urls.s3,
            bucket=bucket,
        )
        processes.measure(table, servers, folder, every=full)


def _understanding(table: Table) -> None:
    labels = understanding.labelled()
    for name, group in {
        "60 labelled prompts": labels,
        "the 20 of them kept out of tuning": [label for label in labels if label["held_out"]],
    }.items():
        f1 = understanding.score(group)["all"].f1
        table.add(f"understanding, F1 over {name}", ">= 0.90", f"{f1:.3f}", f1 >= 0.90)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every row, peer and size: about an hour")
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        metavar="PART",
        choices=[*PARTS, *pipelines.PARTS, *models.PARTS, *streams.PARTS],
    )
    asked = parser.parse_args()
    only, began, table = set(asked.only), time.monotonic(), Table()
    if not only or "understanding" in only:
        _understanding(table)
    if not only or only - {"understanding", "samples"}:
        uvloop.run(_on_servers(table, full=asked.full, only=only))  # as the workers run
    if not only or "samples" in only:
        samples.measure(table, most=5 if asked.full else 1, mutants=20 if asked.full else 10)
    sys.stdout.write(f"Measured on {machine()}, in {(time.monotonic() - began) / 60:.1f} minutes.\n\n{table}")
    if table.unmet:
        sys.stderr.write(f"\nNOT MET: {'; '.join(table.unmet)}\n")
    return 1 if table.unmet else 0


PARTS = ("understanding", "start", "history", "samples")

if __name__ == "__main__":
    sys.exit(main())
