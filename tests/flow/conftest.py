"""The whole factory as `ql` starts it: real servers, keeper, router, workers and gateway in processes of their own."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.local.factory import Factory
from tests.servers import data_folder
from workers.kit.settings import Settings

PROMPTS = Path(__file__).parent / "prompts"
SAMPLES = ("bookshelf", "expenses", "geometry", "helpdesk", "inventory")
QL = str(Path(sys.executable).parent / "ql")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever comes first waits for the factory and its packages, on a machine that may have other things to do."""
    for item in items:
        if "packages" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(300))


class Collector(http.server.BaseHTTPRequestHandler):
    """A collector that keeps what it is sent."""

    received: ClassVar[list[ExportTraceServiceRequest]] = []
    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append(body)
        if self.path.endswith("/traces"):  # the others are metrics
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            self.received.append(request)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """The factory's address and data folder, and `ql` against it."""

    url: str
    data: Path
    spans: list[ExportTraceServiceRequest]

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "QL_DATA": str(self.data)}
        return subprocess.run(
            [QL, *arguments], capture_output=True, text=True, env=env, timeout=300, check=False, cwd=cwd
        )

    async def ql(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(self.run, *arguments, cwd=cwd)


@pytest.fixture(scope="session")
def collector() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
async def factory(reachable: Path, collector: str) -> AsyncIterator[Running]:
    data = data_folder(reachable / "factory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QL_OTLP_URL", collector)
        patch.setenv("QL_WEBHOOK_PRIVATE", "1")
        async with Factory(Settings(data=data), port=0) as running:
            yield Running(url=running.url, data=data, spans=Collector.received)


@pytest.fixture(scope="session")
async def packages(factory: Running, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What `ql generate --json` says of each sample, all five at once."""
    out = tmp_path_factory.mktemp("out")
    ended = await asyncio.gather(
        *(factory.ql("generate", f"@{PROMPTS}/{name}.txt", "--out", str(out / name), "--json") for name in SAMPLES)
    )
    assert [run.returncode for run in ended] == [0] * len(SAMPLES), [run.stderr for run in ended]
    return {name: json.loads(run.stdout) for name, run in zip(SAMPLES, ended, strict=True)}
