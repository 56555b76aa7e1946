"""The rows about models, on a provider of ours: what the router costs, workflows that wait for models, replays."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import nats
import nats.errors

from contracts import subjects
from deploy.local.factory import Factory
from deploy.local.paths import make_folder
from deploy.local.stack import Stack
from tests.bench import direct, waiting
from tests.bench.measure import tied
from tests.bench.place import place
from tests.bench.routers import ROUTER, reaching, running
from tests.bench.samples import PROMPTS
from tests.bench.table import Table
from tests.bench.usage import cpu_by_kind
from tests.flow.noop import TENANT
from tests.providers.own import OwnProvider, own_provider
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import Answer, Message, Question
from workers.kit.settings import Settings

HIT_MS = 3.0
WATCHED, WATCHED_CALLS = "bench", 100
"""No more than end before the router takes it that nobody watches any longer."""
AT_ONCE = 2
QL = str(Path(sys.executable).parent / "ql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many calls, how many workflows in flight with each kind of model, how many routers, how many replays."""

    calls: int
    emulated: tuple[int, ...]
    in_flight: tuple[int, ...]
    routers: tuple[int, ...]
    seconds: float
    replays: int


SHORT = Extent(calls=200, emulated=(1, 100, 1000), in_flight=(100,), routers=(1,), seconds=8, replays=4)
FULL = Extent(calls=1000, emulated=(1, 100, 1000), in_flight=(1, 100), routers=(1, 2), seconds=20, replays=100)


async def measure(table: Table, stack: Stack, extent: Extent, only: set[str]) -> None:
    """All of them; `only` names some of `PARTS`."""
    for name, row in ROWS.items():
        if not only or name in only:
            await row(table, stack, extent)


async def overhead(table: Table, stack: Stack, extent: Extent) -> None:
    """One question after the other, then fifty at a time, against litellm alone; then watched; then known ones."""
    async with place(stack) as here, own_provider() as provider:
        nc = await nats.connect(here.servers.nats)
        try:
            client = LlmClient(nc, Settings.model_validate({"nats_url": here.servers.nats}))
            one = _asks(client)
            async with running(here, ROUTER, reaching(provider)):
                await direct.asked(one, -direct.WARM, direct.WARM, 1)
                for round_, in_flight in enumerate((1, 50)):
                    alone = await _direct(provider.url, extent.calls, in_flight)
                    ours, cost = await _through(one, round_ * extent.calls, extent.calls, in_flight)
                    what = f"a call to a model, {in_flight} at a time: through the router, and litellm alone"
                    table.add(what, "stated", f"{_compared(ours, alone)}; {cost}")
                await nc.publish(subjects.watched(TENANT, WATCHED))
                seen, _ = await _through(_asks(client, WATCHED), 2 * extent.calls, WATCHED_CALLS, 1)
                streamed = (
                    f"p50 {statistics.median(seen.calls) * 1000:.1f} ms, {seen.cpu_s * 1000:.2f} CPU-ms of the router"
                )
                table.add("a call to a model whose answer somebody watches: streamed", "stated", streamed)
                await _known(table, one, provider, extent.calls, "in the router's memory")
            async with running(here, ROUTER, reaching(provider)):
                await direct.asked(one, -direct.WARM, direct.WARM, 1)
                await _known(table, one, provider, extent.calls, "read from PostgreSQL: by another router")
        finally:
            await nc.close()


async def _known(
    table: Table, one: Callable[[int], Awaitable[object]], provider: OwnProvider, count: int, where: str
) -> None:
    before = len(await provider.calls())
    known, cost = await _through(one, 0, count, 1)
    paid = len(await provider.calls()) - before
    half = statistics.median(known.calls) * 1000
    measured = f"p50 {half:.2f} ms, {cost}, {paid} calls to the provider"
    what = f"an answer that the ledger knows, {where}"
    table.add(what, f"p50 < {HIT_MS:.0f} ms", measured, half < HIT_MS and not paid)


def _asks(client: LlmClient, workflow: str = "") -> Callable[[int], Awaitable[object]]:
    async def one(n: int) -> Answer:
        messages = (Message(role="system", content=direct.SYSTEM), Message(role="user", content=direct.prompt(n)))
        question = Question(
            tenant=TENANT, workflow=workflow, stage="bench", revision=1, task="bench", messages=messages
        )
        answer = await client.ask(question)
        if not isinstance(answer, Answer):
            raise RuntimeError(answer.message)
        return answer

    return one


async def _through(
    one: Callable[[int], Awaitable[object]], first: int, count: int, in_flight: int
) -> tuple[direct.Took, str]:
    """What the router took, and what a call cost whom."""
    before = cpu_by_kind(os.getpid())
    calls = await direct.asked(one, first, count, in_flight)
    used = cpu_by_kind(os.getpid())
    used.subtract(before)
    each = [f"{kind} {used[kind] * 1000 / count:.2f}" for kind in ("router", "postgres", "nats", "provider")]
    return direct.Took(calls=calls, cpu_s=used["router"] / count), f"CPU-ms of a call: {', '.join(each)}"


async def _direct(url: str, count: int, in_flight: int) -> direct.Took:
    command = tied([sys.executable, "-W", "ignore", "-m", "tests.bench.direct", url, str(count), str(in_flight)])
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    line = next(line for line in said.splitlines() if line.startswith(b"took "))
    return msgspec.json.decode(line.removeprefix(b"took "), type=direct.Took)


def _compared(ours: direct.Took, alone: direct.Took) -> str:
    mine, bare = statistics.median(ours.calls) * 1000, statistics.median(alone.calls) * 1000
    return (
        f"p50 {mine:.1f} ms against {bare:.1f} ms ({mine - bare:+.1f}), "
        f"{ours.cpu_s * 1000:.2f} CPU-ms of the router against {alone.cpu_s * 1000:.2f}"
    )


async def waits(table: Table, stack: Stack, extent: Extent) -> None:
    """Workflows that wait for models."""
    for way, many in ((waiting.EMULATED, extent.emulated), (waiting.LITELLM, extent.in_flight)):
        for in_flight in many:
            for routers in extent.routers if in_flight > 1 else extent.routers[:1]:
                await waiting.measure(table, stack, way, in_flight, routers, extent.seconds)


async def replays(table: Table, stack: Stack, extent: Extent) -> None:
    """One workflow is recorded, and given again: real stages, and a provider that must not be asked any more."""
    prompt = sorted(PROMPTS.glob("*.txt"))[0]
    with TemporaryDirectory() as folder:
        async with own_provider() as provider, _factory(stack.data.parent, provider) as data:
            first = await _generated(data, prompt, Path(folder) / "first")
            recorded = len(await provider.calls())
            began, capsules = time.perf_counter(), []

            async def again(n: int) -> None:
                capsules.append(await _generated(data, prompt, Path(folder) / str(n)))

            await direct.asked(again, 0, extent.replays, AT_ONCE)
            took, same = time.perf_counter() - began, capsules.count(first)
            paid = len(await provider.calls()) - recorded
    what = f"{extent.replays} replays of a recorded workflow ({prompt.stem}), real stages, {AT_ONCE} at a time"
    measured = f"{recorded} calls to record it, {paid} since; {same} capsules as the first; {took:.0f} s in all"
    goal = "0 calls, all capsules byte-identical"
    table.add(what, goal, measured, recorded > 0 and not paid and same == extent.replays)


@asynccontextmanager
async def _factory(folder: Path, provider: OwnProvider) -> AsyncIterator[Path]:
    data = make_folder(folder / "factory", 0o711)
    given = reaching(provider)
    os.environ.update(given)  # where the factory's own processes read their settings
    try:
        async with Factory(Settings(data=data), port=0):
            yield data
    finally:
        for name in given:
            del os.environ[name]


async def _generated(data: Path, prompt: Path, out: Path) -> bytes:
    """The capsule's bytes."""
    environment = os.environ | {"QL_DATA": str(data)}
    command = [QL, "generate", f"@{prompt}", "--out", str(out), "--json"]
    ended = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=False)
    if ended.returncode:
        raise RuntimeError(ended.stderr.decode(errors="replace"))
    return Path(json.loads(ended.stdout)["archive"]).read_bytes()


ROWS: Mapping[str, Callable[[Table, Stack, Extent], Awaitable[None]]] = {
    "router": overhead,
    "models": waits,
    "replays": replays,
}
PARTS = tuple(ROWS)
