"""What processes cost before they do any work: CPU seconds to start, resident memory, seconds to `ql --help`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from contracts.topology import TOPOLOGY
from tests.bench.measure import tied
from tests.bench.table import Table
from tests.flow.noop import Servers

SETTLE_S = 4.0
SDK = Path(__file__).parents[2] / "gateway" / "sdk"
IMPORTS = {
    "what checks webhooks and capsules": "import quantumlayer",
    "a client": "from quantumlayer import QuantumLayer",
}
LIGHT, HEAVY = "frd_generation", "security_scanning"


def measure(table: Table, servers: Servers, data: Path, *, every: bool) -> None:
    """Start real workers, of one stage (`every` one, or a light and a heavy one) and of all, and look at them."""
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([str(Path(sys.executable).parent / "ql"), "--help"], capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    help_s = statistics.median(took)
    table.add("`ql --help`, median of 5", "< 0.3 s", f"{help_s:.2f} s", help_s < 0.3)
    for what, statement in IMPORTS.items():
        import_s = statistics.median(_imported(statement) for _ in range(5))
        table.add(f"the SDK: `{statement}`, {what}, median of 5", "< 0.2 s", f"{import_s:.2f} s", import_s < 0.2)
    worst = max((_started([name], servers, data), name) for name in (TOPOLOGY.stages if every else (HEAVY,)))
    light = _started([LIGHT], servers, data)
    everything = _started(["--all"], servers, data)
    goal = "< 90 MiB, < 1.2 CPU-s"
    table.add(f"worker of one stage ({LIGHT})", goal, _told(light), _fits(light))
    table.add(
        f"worker of one stage, {'the heaviest' if every else 'a heavy one'} ({worst[1]})",
        goal,
        _told(worst[0]),
        _fits(worst[0]),
    )
    table.add("worker of all 14 stages", "-", _told(everything))


def _imported(statement: str) -> float:
    timed = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    environment = os.environ | {"PYTHONPATH": str(SDK)}
    return float(subprocess.run([sys.executable, "-c", timed], env=environment, capture_output=True, check=True).stdout)


def _fits(cost: tuple[float, float]) -> bool:
    return cost[0] < 90 and cost[1] < 1.2


def _told(cost: tuple[float, float]) -> str:
    return f"{cost[0]:.0f} MiB, {cost[1]:.2f} CPU-s"


def _started(arguments: list[str], servers: Servers, data: Path) -> tuple[float, float]:
    """(MiB resident, CPU seconds) of a worker process a few seconds after its start."""
    environment = os.environ | {
        "QL_NATS_URL": servers.nats,
        "QL_DATABASE_URL": servers.worker,
        "QL_S3_URL": servers.s3,
        "QL_S3_BUCKET": servers.bucket,
        "QL_DATA": str(data),
    }
    process = subprocess.Popen(
        tied([sys.executable, "-m", "workers", *arguments]), env=environment, stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(SETTLE_S)
        if process.poll() is not None:
            raise RuntimeError(f"workers {' '.join(arguments)} ended with {process.returncode}")
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.terminate()
        process.wait(timeout=30)
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return resident, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
