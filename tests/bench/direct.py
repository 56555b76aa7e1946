"""litellm without anything of ours: `python -m tests.bench.direct URL CALLS IN_FLIGHT` prints what a call takes."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvloop

from tests.providers.server import KEY

WARM = 10
SYSTEM = "You are brief and exact. " * 80


class Took(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of each call, and CPU seconds of this process for one."""

    calls: list[float]
    cpu_s: float


def prompt(n: int) -> str:
    """The `n`th question: like no other, and about as long as a short one of ours."""
    return f"question {n}: " + "what would you answer? " * 90


async def asked(one: Callable[[int], Awaitable[object]], first: int, count: int, in_flight: int) -> list[float]:
    """Seconds of each call, so many at a time."""
    took: list[float] = []
    numbers = iter(range(first, first + count))

    async def lane() -> None:
        for n in numbers:
            began = time.perf_counter()
            await one(n)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(lane() for _ in range(in_flight)))
    return took


async def measure(url: str, count: int, in_flight: int) -> Took:
    """Some calls to warm up, then `count` of them."""
    os.environ.update({"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION"})
    import litellm

    async def one(n: int) -> Any:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt(n)}]
        return await litellm.acompletion(
            model="openai/bench", messages=messages, api_base=f"{url}/v1", api_key=KEY, max_retries=0, num_retries=0
        )

    await asked(one, -WARM, WARM, 1)
    cpu = time.process_time()
    calls = await asked(one, 0, count, in_flight)
    return Took(calls=calls, cpu_s=(time.process_time() - cpu) / count)


if __name__ == "__main__":
    took = uvloop.run(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(f"took {msgspec.json.encode(took).decode()}\n")
