"""Prints every event of a subscription as a JSON line, then acknowledges it. Kill it whenever you like.

    pip install nats-py
    NATS_URL=nats://… NATS_USER=default_billing NATS_PASSWORD=… python follow.py

What was printed but not acknowledged when it was killed is printed again by the next one: drop repeats by `id`.
"""
# ruff: noqa: T201

import asyncio
import json
import os

import nats


async def main() -> None:
    user = os.environ["NATS_USER"]
    connection = await nats.connect(
        os.environ["NATS_URL"], user=user, password=os.environ["NATS_PASSWORD"], inbox_prefix=f"_INBOX_{user}".encode()
    )
    events = await connection.jetstream(domain="QL").pull_subscribe_bind(durable=user, stream="QL")
    while True:
        try:
            (message,) = await events.fetch(1, timeout=5)
        except TimeoutError:
            continue  # nothing new
        headers = message.headers or {}
        event = {"sequence": message.metadata.sequence.stream, "id": headers["ce-id"], "type": headers["ce-type"]}
        print(json.dumps(event | {"data": json.loads(message.data)}), flush=True)
        await message.ack_sync()


asyncio.run(main())
