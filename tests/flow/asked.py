"""The whole factory on fake providers: real processes, real stages, keys that were planted, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import uuid
import zlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import msgspec

from deploy.local.factory import Factory
from tests.providers.answers import question_sha
from tests.providers.own import OwnProvider
from tests.providers.server import Call
from tests.servers import Database
from workers.kit.settings import Settings

KEY = f"sk-planted-{uuid.uuid4().hex}"
"""Of this run alone: others that run beside it have theirs."""

QUICK = {"QL_LEASE_S": "4", "QL_HEARTBEAT_S": "1", "QL_ACK_WAIT_S": "4", "QL_SWEEP_S": "0.5", "QL_LLM_SILENCE_S": "4"}
"""So that who died is soon replaced."""

PROVIDER = "openai"
QL = str(Path(sys.executable).parent / "ql")
LONGEST_S = 540.0
"""A stage that most of the deaths hit waits up to five minutes before its next attempt."""

LONGEST_INTO_S = 0.3
SEEN_S = 0.1
"""A call may end while it is looked at."""
YOUNG_S, MOST_DEATHS = 10.5, 3
"""A process that dies younger than this five times in a row is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What a factory works on."""

    database: Database
    bucket: str
    nats: str
    s3: str

    def settings(self, data: Path) -> Settings:
        return Settings(
            data=data,
            nats_url=self.nats,
            database_url=self.database.worker,
            gateway_database_url=self.database.gateway,
            s3_url=self.s3,
            s3_bucket=self.bucket,
        )


@dataclass(slots=True, kw_only=True)
class Asked:
    """A factory that runs: submit, wait, and look at what is kept."""

    factory: Factory
    servers: Servers
    http: httpx.AsyncClient

    async def submit(self, prompt: str, budget: float | None = None) -> str:
        body = {"prompt": prompt} | ({} if budget is None else {"budget": budget})
        answer = await self.http.post("/v1/workflows", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def end(self, workflow: str) -> Mapping[str, Any]:
        """The workflow as it is shown when it has ended."""
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            with suppress(httpx.HTTPError):
                shown = (await self.http.get(f"/v1/workflows/{workflow}")).json()
                if shown.get("state") not in {"active", None}:
                    return dict(shown)
            await asyncio.sleep(0.5)
        raise TimeoutError(f"{workflow} did not end within {LONGEST_S:.0f} s")

    async def whole(self, prompt: str, budget: float | None = None) -> Mapping[str, Any]:
        """From the prompt to the end."""
        return await self.end(await self.submit(prompt, budget))

    async def capsule(self, workflow: str) -> bytes:
        answer = await self.http.get(f"/v1/workflows/{workflow}/capsule")
        assert answer.status_code == 200, answer.text
        return answer.content

    async def calls(self, workflow: str) -> list[dict[str, Any]]:
        """All questions of its stages, as `GET /v1/llm/calls` tells; not what learning asks of the embedder."""
        found = (await self.get("/v1/llm/calls", workflow=workflow, limit="200"))["items"]
        return [call for call in found if call["provider"] != "similar"]

    async def events(self, workflow: str) -> list[dict[str, Any]]:
        """The CloudEvents of a workflow that has ended."""
        found = await self.fetch("SELECT body FROM events WHERE workflow_id = $1 ORDER BY created_at, id", workflow)
        return [json.loads(row["body"]) for row in found]

    async def fetch(self, query: str, *values: object) -> list[asyncpg.Record]:
        """As the superuser."""
        connection = await asyncpg.connect(self.servers.database.admin)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def ql(self, *arguments: str) -> str:
        """What a command prints, on both of its streams."""
        env = os.environ | {"QL_GATEWAY_URL": self.factory.url}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(QL, *arguments, env=env, stdout=pipe, stderr=pipe)
        said, complained = await process.communicate()
        return (said + complained).decode()

    def kill(self, name: str) -> bool:
        """`kill -9`; False when it is dead already."""
        pid = self.factory.processes.pid(name)
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pid)


@asynccontextmanager
async def asked(servers: Servers, data: Path, env: Mapping[str, str]) -> AsyncIterator[Asked]:
    """The factory's processes get `env`; afterwards this process has none of it."""
    given = {**env, "QL_S3_BUCKET": servers.bucket}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    factory = Factory(servers.settings(data).model_copy(update=_settings(env)), port=0)
    try:
        await factory.__aenter__()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    try:
        async with httpx.AsyncClient(base_url=factory.url, timeout=30) as http:
            yield Asked(factory=factory, servers=servers, http=http)
    finally:
        await factory.__aexit__(None, None, None)


def _settings(env: Mapping[str, str]) -> dict[str, object]:
    """What the factory itself looks at before it starts anything."""
    names = {"QL_MODELS": "models", "QL_MODEL_PRICES": "model_prices"}
    return {name: env[variable] for variable, name in names.items() if variable in env} | {
        "llm_strict": env.get("QL_LLM_STRICT") == "true"
    }


class Killing(msgspec.Struct, frozen=True, kw_only=True):
    """What was killed when, and how all ended; `wrong` is empty where all was well."""

    ends: tuple[Mapping[str, Any], ...]
    done: tuple[str, ...]
    wrong: tuple[str, ...]


async def killed(
    running: Asked,
    provider: OwnProvider,
    workflows: Sequence[str],
    *,
    times: int,
    seed: int,
    more: Callable[[], str] | None = None,
) -> Killing:
    """Kill router and worker, `times` in all, each in the middle of a call. `more` gives prompts while it goes on."""
    chance, done, struck = Random(seed), list[str](), list[float]()  # noqa: S311
    victims = [("llm_router", "workers")[place % 2] for place in range(times)]
    chance.shuffle(victims)
    born, deaths = dict.fromkeys(victims, time.monotonic() - YOUNG_S), dict.fromkeys(victims, 0)
    ending = [asyncio.create_task(running.end(workflow)) for workflow in workflows]
    while victims:
        if more is not None and sum(not one.done() for one in ending) < len(workflows):
            ending.append(asyncio.create_task(running.end(await running.submit(more()))))
        if all(one.done() for one in ending):
            break
        pause = chance.uniform(0.05, 1.5)
        await asyncio.sleep(pause)
        age = time.monotonic() - born[victims[-1]]
        if deaths[victims[-1]] >= MOST_DEATHS and age < YOUNG_S:
            await asyncio.sleep(YOUNG_S - age)
        if await _asks(provider, ending):
            await asyncio.sleep(chance.uniform(0, LONGEST_INTO_S))  # else most deaths would be where a call begins
        if not await _asks(provider, ending) or not running.kill(victims[-1]):
            continue
        struck.append(time.time())
        name = victims.pop()
        deaths[name] = deaths[name] + 1 if time.monotonic() - born[name] < YOUNG_S else 1
        born[name] = time.monotonic()
        done.append(f"{name} after {pause:.2f} s")
    ends = tuple(await asyncio.gather(*ending))
    wrong = [f"{end['id']} is {end['state']}: {end['error']}" for end in ends if end["state"] != "completed"]
    if victims:
        wrong.append(f"only {len(done)} of {times} kills were done before all had ended")
    calls = await provider.calls()
    wrong += await twice(running, calls) + idle(struck, calls)
    return Killing(ends=ends, done=tuple(done), wrong=tuple(wrong))


async def _asks(provider: OwnProvider, ending: Sequence[asyncio.Task[Any]]) -> bool:
    """Wait until the provider works on a call."""
    while not all(one.done() for one in ending):
        if any(call.outcome == "asked" for call in await provider.calls()):
            return True
        await asyncio.sleep(0.02)
    return False


def idle(struck: Sequence[float], calls: Sequence[Call]) -> list[str]:
    """Deaths at a moment when the provider worked on no call."""
    during = [any(call.at <= at <= call.at + call.took + SEEN_S for call in calls) for at in struck]
    return [f"{during.count(False)} of {len(struck)} deaths were in no call"] if not all(during) else []


async def twice(running: Asked, calls: Sequence[Call]) -> list[str]:
    """Questions that the provider was asked after their answer had been stored."""
    rows = await running.fetch(
        "SELECT asked, extract(epoch FROM created_at) AS at FROM ledger WHERE provider = $1", PROVIDER
    )
    stored: dict[str, float] = {}
    for row in rows:
        sha = sha_of(row["asked"])
        stored[sha] = max(stored.get(sha, 0.0), float(row["at"]))
    return asked_again(stored, calls)


def asked_again(stored: Mapping[str, float], calls: Sequence[Call]) -> list[str]:
    """What is wrong, where `stored` says when each question's answer was kept."""
    late = [call for call in calls if call.at > stored.get(call.question, float("inf"))]
    found = [f"{one.question[:12]} was asked {one.at - stored[one.question]:.2f} s after its answer" for one in late]
    if missing := set(stored) - {call.question for call in calls}:
        found.append(f"{len(missing)} of {len(stored)} stored answers are to questions that the provider never saw")
    return found if stored else ["nothing is in the ledger"]


def sha_of(body: bytes) -> str:
    """The question of a ledger's row, as the provider knows it."""
    messages = msgspec.json.decode(zlib.decompress(body))[2]
    return question_sha([(one["role"], one["content"]) for one in messages])
