"""Celery: a chain of twelve tasks; its checkpoint is each task's message and result in Redis. Runs in Celery's venv."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis  # type: ignore[import-not-found]  # a peer's, not ours
import redis.asyncio  # type: ignore[import-not-found]  # a peer's, not ours
import uvloop
from celery import Celery, chain  # type: ignore[import-not-found]  # a peer's, not ours

from tests.bench import loop

STEPS = 12
ENDS = "bench-ends"
URL = os.environ["BENCH_REDIS"]

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,  # a killed worker's task is run again
    worker_prefetch_multiplier=64,  # the documentation's advice for many short tasks
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)
client = redis.Redis.from_url(URL)


@app.task(name="bench.step")  # type: ignore[untyped-decorator]
def step(number: int) -> int:
    """Nothing."""
    return number + 1


@app.task(name="bench.last")  # type: ignore[untyped-decorator]
def last(number: int, workflow: str) -> int:
    """The end, told to whoever waits."""
    client.rpush(ENDS, json.dumps([workflow, number]))
    return number


def _send(workflow: str) -> None:
    chain(step.s(0), *(step.s() for _ in range(STEPS - 2)), last.s(workflow)).apply_async()


async def _main(asked: dict[str, Any]) -> None:
    ends: dict[str, asyncio.Future[int]] = {}
    running = asyncio.get_running_loop()
    sending = ThreadPoolExecutor(1)  # apply_async blocks; its subscription to results is no thing for two threads
    listening = redis.asyncio.Redis.from_url(URL)

    async def listen() -> None:
        while True:
            _, told = await listening.blpop([ENDS])
            workflow, number = json.loads(told)
            ends.pop(workflow).set_result(number)

    async def one() -> bool:
        workflow = uuid.uuid4().hex
        ends[workflow] = end = running.create_future()
        await running.run_in_executor(sending, _send, workflow)
        return int(await end) == STEPS - 1

    hearing = asyncio.create_task(listen())
    try:
        await loop.run(one, asked["in_flight"], asked["warm_up"], asked["patience_s"])
    finally:
        hearing.cancel()
        sending.shutdown()


if __name__ == "__main__":
    uvloop.run(_main(json.loads(sys.argv[1])))
