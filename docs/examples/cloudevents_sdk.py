"""Reads what waits in a subscription with the CloudEvents SDK, which takes our events as they are, and ends.

pip install nats-py cloudevents
NATS_URL=nats://… NATS_USER=default_billing NATS_PASSWORD=… python cloudevents_sdk.py
"""
# ruff: noqa: T201

import asyncio
import os

import nats
from cloudevents.v1.http import from_http


async def main() -> None:
    user = os.environ["NATS_USER"]
    connection = await nats.connect(
        os.environ["NATS_URL"], user=user, password=os.environ["NATS_PASSWORD"], inbox_prefix=f"_INBOX_{user}".encode()
    )
    waiting = await connection.jetstream(domain="QL").pull_subscribe_bind(durable=user, stream="QL")
    try:
        while True:
            for message in await waiting.fetch(50, timeout=1):
                event = from_http(message.headers or {}, message.data)
                print(event["id"], event["type"], event["time"], list(event.get_data() or {}))
                await message.ack_sync()
    except TimeoutError:
        await connection.close()


asyncio.run(main())
