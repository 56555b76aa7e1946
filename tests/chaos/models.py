"""F31: the model router and a worker die in the middle of calls to a provider; the factory is the product's own."""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import count
from pathlib import Path

import asyncpg

from deploy.local.stack import NATS, Stack
from tests.chaos.case import Case, Seen
from tests.chaos.world import World
from tests.flow.asked import KEY, LONGEST_S, QUICK, Servers, asked, killed
from tests.providers.own import own_provider
from tests.servers import TEMPLATE, fresh_bucket, fresh_database, make_template

KILLS = 10
SEEDS = (1, 2)
AT_ONCE = 2
CALL_S = 0.3
LIMIT_S = LONGEST_S + 60
THINGS = ("book", "plant", "boat", "song", "recipe", "bicycle", "lamp", "coin", "stamp", "kite", "tent", "clock")


async def mid_call(world: World, seed: int) -> Seen:
    """Ten kills at random moments, while two workflows are under way, and another one whenever one has ended."""
    numbers = count()

    def prompt() -> str:
        number = next(numbers)
        thing = THINGS[number % len(THINGS)]
        return f"A REST API for {thing}s, each with a name and the number of its shelf, batch {number}."

    with tempfile.TemporaryDirectory(dir=world.folder) as name:
        folder = Path(name)
        folder.chmod(0o711)
        key = folder / "key"
        key.write_text(KEY)
        if not await _is_there(world.stack):
            await make_template(world.stack)
        async with (
            fresh_database(world.stack) as database,
            fresh_bucket(world.stack) as bucket,
            Stack(folder / "nats", frozenset({NATS})) as own,
            own_provider("--key-file", str(key), "--first-s", str(CALL_S)) as provider,
        ):
            servers = Servers(database=database, bucket=bucket, nats=own.urls.nats, s3=world.stack.urls.s3)
            models = {"QL_MODELS": f"openai/one@{provider.url}/v1", "OPENAI_API_KEY": KEY}
            async with asked(servers, folder / "data", QUICK | models) as running:
                first = [await running.submit(prompt()) for _ in range(AT_ONCE)]
                seen = await killed(running, provider, first, times=KILLS, seed=seed, more=prompt)
                calls = await provider.calls()
    distinct = len({call.question for call in calls})
    note = (
        f"seed {seed}: {len(seen.done)} kills, {len(seen.ends)} workflows, {len(calls)} calls for {distinct} questions"
    )
    return Seen(wrong=seen.wrong, note=note)


async def _is_there(stack: Stack) -> bool:
    """Whether an earlier case of this world made the template."""
    connection = await asyncpg.connect(stack.urls.database)
    try:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", TEMPLATE))
    finally:
        await connection.close()


def cases() -> list[Case]:
    """One a seed."""
    return [
        Case(
            row="F31", name=f"{KILLS} kills, seed {seed}", run=partial(mid_call, seed=seed), alone=True, limit_s=LIMIT_S
        )
        for seed in SEEDS
    ]
