"""The tutorial on a stage of one's own: its code, run as it stands there against a whole factory, and killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from deploy.local.stack import RUN_FILE
from quantumlayer import AsyncQuantumLayer
from tests.flow.conftest import Running
from tests.flow.pages import Reader, commands, programs

PAGE = Path(__file__).parents[2] / "docs/tutorials/a-stage-of-your-own.md"
STAGE = "x_licence_header_check"


async def credential(factory: Running, folder: Path) -> str:
    """What the page's commands give: the address with a user who may read one subscription."""
    subscribe, issue = (shlex.split(line)[1:] for line in commands(PAGE)[:2])
    made = await factory.ql(*subscribe, cwd=folder)
    assert made.returncode == 0, made.stderr
    issued = await factory.ql(*issue, "--json", cwd=folder)
    assert issued.returncode == 0, issued.stderr
    told = json.loads(issued.stdout)
    return f"nats://{told['user']}:{told['password']}@{told['server'].removeprefix('nats://')}"


@asynccontextmanager
async def started(
    factory: Running, folder: Path, name: str, *arguments: str, nats: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    run_file = msgspec.json.decode((factory.data / RUN_FILE).read_bytes())
    env = {**os.environ, "QL_NATS_URL": nats or run_file["nats"], "QL_GATEWAY_URL": factory.url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, name, *arguments, env=env, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_the_page_s_stage_checks_every_package(factory: Running, tmp_path: Path) -> None:
    assert programs(PAGE, tmp_path) == ["licence.py", "found.py", "observer.py"]
    reader = Reader(factory, tmp_path)
    submit, show = commands(PAGE)[2:]
    async with (
        started(factory, tmp_path, "licence.py", nats=await credential(factory, tmp_path)),
        started(factory, tmp_path, "observer.py") as observer,
        AsyncQuantumLayer(factory.url) as gateway,
    ):
        await reader.types(submit)
        workflow = reader.known["WORKFLOW"]
        done = await gateway.wait(workflow, timeout=90)
        assert done.state == "completed", done.error
        while not (mine := [drop for drop in await gateway.drops(workflow) if drop.stage == STAGE]):  # noqa: ASYNC110  over HTTP
            await asyncio.sleep(0.1)
        assert [drop.state for drop in mine] == ["completed"]
        async with started(factory, tmp_path, "found.py", workflow) as found:
            said = (await found.communicate())[0].decode()
        assert re.fullmatch(r"revision 1: (\d+) of \1 files have no licence header\n", said), said
        assert observer.stdout is not None
        announced = [(await observer.stdout.readline()).decode()]
        while "tea" not in announced[-1]:  # those of earlier tests come first
            announced.append((await observer.stdout.readline()).decode())
        assert announced[-1].endswith("is ready, with grade A\n")
        kept = await gateway.capsule.download(workflow, tmp_path)
        assert (kept.grade, "README.md" in kept.files) == ("A", True)
    (shown,) = await reader.types(show)
    assert STAGE in shown
