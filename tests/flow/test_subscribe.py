"""Other systems on a real factory: the programs of docs/examples, with credentials and durables made by `ql`."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest

from deploy.local.stack import RUN_FILE
from tests.flow.conftest import Running
from tests.flow.pages import commands

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FOLLOW = (sys.executable, str(EXAMPLES / "follow.py"))
SMALL_PIPE = 4096
FEW = 4
WITHIN_S = 40


async def reader(factory: Running, name: str, *options: str) -> dict[str, str]:
    """The environment of a program that reads a subscription made now."""
    made = await factory.ql("events", "subscribe", name, *options)
    assert made.returncode == 0, made.stderr
    issued = await factory.ql("key", "nats", "issue", name, "--json")
    assert issued.returncode == 0, issued.stderr
    told = json.loads(issued.stdout)
    assert f"--user {told['user']}" in made.stdout
    named = {"NATS_URL": told["server"], "NATS_USER": told["user"], "NATS_PASSWORD": told["password"]}
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]} | named


async def stored(factory: Running, pattern: str) -> list[tuple[int, str]]:
    """Sequence and id of each event, as the stream has them."""
    nc = await nats.connect(msgspec.json.decode((factory.data / RUN_FILE).read_bytes())["nats"])
    found = []
    try:
        events = await nc.jetstream().subscribe(pattern, ordered_consumer=True)
        while True:
            message = await events.next_msg(timeout=5)
            found.append((message.metadata.sequence.stream, (message.headers or {})["ce-id"]))
            if message.metadata.num_pending == 0:
                return found
    finally:
        await nc.close()


@pytest.fixture(scope="module")
def workflow(packages: dict[str, dict[str, Any]]) -> str:
    """One that has completed."""
    return str(packages["expenses"]["workflow"])


@asynccontextmanager
async def running(argv: Sequence[str], env: dict[str, str], cwd: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(*argv, env=env, cwd=cwd, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def lines(process: Process, until: int) -> list[dict[str, Any]]:
    """What it prints, up to the event of that sequence."""
    assert process.stdout is not None
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(WITHIN_S):
        while not found or found[-1]["sequence"] < until:
            line = await process.stdout.readline()
            assert line, "it ended"
            found.append(json.loads(line))
    return found


def killed(argv: Sequence[str], env: dict[str, str]) -> list[dict[str, Any]]:
    """The whole lines of a program killed after the first few; a small pipe keeps it from being done by then."""
    ours, its = os.pipe()
    fcntl.fcntl(its, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
    process = subprocess.Popen(argv, env=env, stdout=its)
    os.close(its)
    with os.fdopen(ours, "rb", buffering=0) as output:
        printed = [output.readline() for _ in range(FEW)]
        process.kill()
        process.wait()
        printed += output.readall().splitlines(keepends=True)
    return [json.loads(line) for line in printed if line.endswith(b"\n")]


async def test_one_that_is_killed_in_the_middle_gets_everything_in_order(
    factory: Running, workflow: str, tmp_path: Path
) -> None:
    env = await reader(factory, "ledger", "--ordered", "--ack-wait", "1")
    seen = await asyncio.to_thread(killed, FOLLOW, env)
    everything = await stored(factory, "ql.evt.default.>")
    assert FEW <= len(seen) < len(everything)
    async with running(FOLLOW, env, tmp_path) as again:
        rest = await lines(again, until=everything[-1][0])
    told = [(event["sequence"], event["id"]) for event in seen + rest]
    assert (
        list(dict.fromkeys(told)) == everything
    )  # each repeat is of one it had seen, so this is all of them, in order
    assert rest[0]["sequence"] <= seen[-1]["sequence"] + 1  # it went on where it was, not at the beginning
    assert len(rest) < len(everything)
    left = {each["name"]: each["waiting"] for each in json.loads((await factory.ql("events", "list", "--json")).stdout)}
    assert left["ledger"] == 0
    assert (await factory.ql("events", "delete", "ledger")).returncode == 0
    assert (await factory.ql("key", "nats", "revoke", "ledger")).returncode == 0


async def test_the_shell_sees_what_the_stream_has(factory: Running, workflow: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed here")
    argv = ["sh", str(EXAMPLES / "follow.sh"), workflow]
    env = {"PATH": os.environ["PATH"], "GATEWAY_URL": factory.url}
    async with running(argv, env, tmp_path) as process:
        printed, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    told = [json.loads(line)["id"] for line in printed.splitlines()]
    everything = [id_ for _, id_ in await stored(factory, f"ql.evt.default.{workflow}.>")]
    assert told == everything[: len(told)]
    assert told[-1].startswith(f"{workflow}.workflow.completed")  # a stage of somebody else may add to it afterwards


async def test_the_cloudevents_sdk_reads_our_events_unchanged(factory: Running, workflow: str, tmp_path: Path) -> None:
    env = await reader(factory, "sdk", "--workflow", workflow)
    async with running((sys.executable, str(EXAMPLES / "cloudevents_sdk.py")), env, tmp_path) as process:
        printed, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    assert process.returncode == 0
    told = [line.split()[0] for line in printed.decode().splitlines()]
    assert told == [id_ for _, id_ in await stored(factory, f"ql.evt.default.{workflow}.>")]


async def test_node_reads_them_too(factory: Running, workflow: str, tmp_path: Path) -> None:
    from tests.documents.node import NODE, installed

    shutil.copy(EXAMPLES / "follow.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(await asyncio.to_thread(installed) / "node_modules")
    env = await reader(factory, "node", "--stage", "workflow", "--stage", "packaging")
    everything = await stored(factory, "ql.evt.default.*.workflow.>") + await stored(
        factory, "ql.evt.default.*.packaging.>"
    )
    async with running([str(NODE), "follow.mjs"], env, tmp_path) as process:
        told = await lines(process, until=max(everything)[0])
    assert [(event["sequence"], event["id"]) for event in told] == sorted(everything)


async def test_the_commands_of_the_page(factory: Running, workflow: str) -> None:
    lines = commands(EXAMPLES.parent / "how-to" / "follow-events.md")
    assert len(lines) == 9
    first, *_ = (await factory.ql("events", "follow", "--from-sequence", "1", "--no-wait")).stdout.splitlines()
    for line in lines:
        said = shlex.split(line.replace("WORKFLOW", workflow).replace("POSITION", json.loads(first)["position"]))
        forever = "follow" in said  # these two would go on
        ended = await factory.ql(*said[1:], *(["--no-wait"] if forever else []))
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
        if "--after" in said:
            told = {json.loads(each)["type"] for each in ended.stdout.splitlines()}
            assert "dev.quantumlayer.workflow.completed.v1" in told
            assert all(kind.startswith("dev.quantumlayer.workflow.") for kind in told)
        if line.startswith(("ql events list", "ql key nats list")):
            assert "default_billing" in ended.stdout or "billing " in ended.stdout
    again = await factory.ql("key", "nats", "revoke", "billing")
    assert (again.returncode, again.stderr.count("no credential")) == (1, 1)
