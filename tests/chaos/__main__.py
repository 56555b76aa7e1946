"""`python -m tests.chaos [ROW...]`: break everything on purpose and print the fault matrix; exit 1 if a row is red."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path

from tests.chaos import matrix
from tests.chaos.case import Result, lanes, rows
from tests.chaos.folder import own_folder
from tests.chaos.row import Row, table

LANES = 3


async def _run(chosen: set[str], folder: Path, width: int) -> list[Row]:
    results: list[Result] = []

    def done(result: Result) -> None:
        results.append(result)
        verdict = "RED" if result.seen.wrong else "skip" if result.seen.skipped else "ok"
        what = "; ".join(result.seen.wrong) or result.seen.skipped or result.seen.note
        _say(f"{result.case.row:4} {verdict:4} {result.seconds:6.1f} s  {result.case.name}  {what[:300]}")

    await lanes([case for case in matrix.cases() if case.row in chosen], folder, width, done)
    found = rows(results, matrix.FAULTS)
    if chosen & set(matrix.DISK):
        found += [row for row in await matrix.disk_rows() if row.id in chosen]
    return sorted(found, key=lambda row: int(row.id[1:]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the chosen rows, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="F1 … F31; all by default")
    parser.add_argument("--lanes", type=int, default=LANES, help="factories that are broken side by side")
    chosen = parser.parse_args()
    wanted = set(chosen.rows) or set(matrix.FAULTS)
    if unknown := wanted - set(matrix.FAULTS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    began = time.monotonic()
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # its pool tells of every outage
    with own_folder("chaos") as folder:
        found = asyncio.run(_run(wanted, folder, chosen.lanes))
    red = [row.id for row in found if row.verdict == "red"]
    _say(f"\n{table(found)}\n\n{len(found)} rows in {time.monotonic() - began:.0f} s; red: {', '.join(red) or 'none'}")
    if missing := wanted - {row.id for row in found}:
        _say(f"never tried: {', '.join(sorted(missing))}")
    return 1 if red or missing else 0


if __name__ == "__main__":
    sys.exit(main())
