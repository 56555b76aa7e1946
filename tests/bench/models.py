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
from typing import Any

import msgspec
import nats
import nats.errors
from nats.aio.client import Client

from contracts import subjects
from deploy.local.factory import Factory
from deploy.local.paths import make_folder
from deploy.local.stack import Stack
from tests.bench import asking, direct
from tests.bench.measure import tied
from tests.bench.place import Place, place
from tests.bench.samples import PROMPTS
from tests.bench.table import Table
from tests.bench.usage import cpu_by_kind
from tests.flow.noop import TENANT, topology_of
from tests.providers.own import OwnProvider, own_provider
from tests.providers.server import KEY
from workers.kit.llm import LlmClient
from workers.kit.llm.wire import MODELS, Answer, Message, Question
from workers.kit.settings import Settings

CALL_S = 0.5
STARTED_S = 60.0
HIT_MS = 3.0
WATCHED, WATCHED_CALLS = "bench", 100
"""No more than end before the router takes it that nobody watches any longer."""
AT_ONCE = 2
GOALS = {100: 1.1, 1000: 1.3}
QL = str(Path(sys.executable).parent / "ql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many calls, how many workflows in flight, how many routers for them, how many replays."""

    calls: int
    in_flight: tuple[int, ...]
    routers: tuple[int, ...]
    seconds: float
    replays: int


SHORT = Extent(calls=200, in_flight=(1, 100), routers=(1,), seconds=8, replays=4)
FULL = Extent(calls=1000, in_flight=(1, 100, 1000), routers=(1, 2), seconds=20, replays=100)


async def measure(table: Table, stack: Stack, extent: Extent, only: set[str]) -> None:
    """All of them; `only` names some of `PARTS`."""
    for name, row in ROWS.items():
        if not only or name in only:
            await row(table, stack, extent)


@asynccontextmanager
async def provided(here: Place, *arguments: str, routers: int = 1) -> AsyncIterator[OwnProvider]:
    """A provider, and routers that know no other."""
    async with own_provider(*arguments) as provider:
        environment = here.environment() | _reaching(provider)
        command = tied([sys.executable, "-m", "workers.llm_router"])
        started = [await asyncio.create_subprocess_exec(*command, env=environment) for _ in range(routers)]
        try:
            await _answering(here.servers.nats, routers)
            yield provider
        finally:
            for router in started:
                router.terminate()
            for router in started:
                await router.wait()


def _reaching(provider: OwnProvider) -> dict[str, str]:
    """What a router's environment holds to reach it."""
    return {"QL_MODELS": f"openai/bench@{provider.url}/v1", "OPENAI_API_KEY": KEY}


async def _answering(url: str, routers: int) -> None:
    """As many subscribe as were started: a router that is not yet there would take none of the load."""
    nc = await nats.connect(url)
    try:
        async with asyncio.timeout(STARTED_S * routers):
            while not await _answers(nc):  # noqa: ASYNC110  a router that is not there can't tell
                await asyncio.sleep(0.1)
            await asyncio.sleep(routers - 1)
    finally:
        await nc.close()


async def _answers(nc: Client) -> bool:
    try:
        await nc.request(MODELS, b"", timeout=1)
    except nats.errors.Error:
        return False
    return True


async def overhead(table: Table, stack: Stack, extent: Extent) -> None:
    """One question after the other, then fifty at a time, against litellm alone; then watched; then known ones."""
    async with place(stack) as here, provided(here) as provider:
        nc = await nats.connect(here.servers.nats)
        try:
            client = LlmClient(nc, Settings.model_validate({"nats_url": here.servers.nats}))
            one = _asks(client)
            await direct.asked(one, -direct.WARM, direct.WARM, 1)
            for round_, in_flight in enumerate((1, 50)):
                alone = await _direct(provider.url, extent.calls, in_flight)
                ours, cost = await _through(one, round_ * extent.calls, extent.calls, in_flight)
                what = f"a call to a model, {in_flight} at a time: through the router, and litellm alone"
                table.add(what, "stated", f"{_compared(ours, alone)}; {cost}")
            await nc.publish(subjects.watched(TENANT, WATCHED))
            seen, _ = await _through(_asks(client, WATCHED), 2 * extent.calls, WATCHED_CALLS, 1)
            before = len(await provider.calls())
            known, cost = await _through(one, 0, extent.calls, 1)
            paid = len(await provider.calls()) - before
        finally:
            await nc.close()
    streamed = f"p50 {statistics.median(seen.calls) * 1000:.1f} ms, {seen.cpu_s * 1000:.2f} CPU-ms of the router"
    table.add("a call to a model whose answer somebody watches: streamed", "stated", streamed)
    half = statistics.median(known.calls) * 1000
    measured = f"p50 {half:.2f} ms, {cost}, {paid} calls to the provider"
    table.add("an answer that the ledger knows", f"p50 < {HIT_MS:.0f} ms", measured, half < HIT_MS and not paid)


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


async def waiting(table: Table, stack: Stack, extent: Extent) -> None:
    """The product's 14 steps; those that ask a model in the product ask one that takes half a second."""
    topology = topology_of(asking.STAGES)
    ideal = asking.calls_in_line(topology) * CALL_S
    for in_flight in extent.in_flight:
        for routers in extent.routers if in_flight > 1 else extent.routers[:1]:
            await _waited(table, stack, extent, in_flight, routers, ideal)


async def _waited(table: Table, stack: Stack, extent: Extent, in_flight: int, routers: int, ideal: float) -> None:
    settings: dict[str, Any] = {"slots": max(Settings().slots, in_flight)}
    if in_flight * 2 > Settings().tenant_active:
        settings["tenant_active"] = in_flight * 2
    async with place(stack, stages=asking.STAGES, **settings) as here:
        here.module = "tests.bench.asking"
        said = here.folder / "answers.json"
        said.write_text(json.dumps(asking.answers()))
        async with provided(here, "--answers", str(said), "--first-s", str(CALL_S), routers=routers) as provider:
            here.start()
            await here.started()
            found = await here.drive(in_flight=in_flight, seconds=extent.seconds, ramp_s=ideal, least_warm=2)
            calls = await provider.calls()
    twice = len(calls) - len({call.question for call in calls})
    share = found.p50_ms / 1000 / ideal
    goal = GOALS.get(in_flight)
    met = None if goal is None else share <= goal and found.whole and not twice
    what = (
        f"14 steps, {len(asking.ASKING)} of them ask a model that takes {CALL_S} s (ideal {ideal:.1f} s), "
        f"{in_flight} in flight, {routers} router process{'es' if routers > 1 else ''}"
    )
    measured = f"{share:.2f} x ideal; {found.told()}; {twice} of {len(calls):,} calls for a question asked before"
    table.add(what, f"<= {goal} x ideal" if goal else "stated", measured, met)


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
    given = _reaching(provider)
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
    "models": waiting,
    "replays": replays,
}
PARTS = tuple(ROWS)
