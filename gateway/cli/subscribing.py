"""What `ql events follow`, `subscribe`, `list` and `delete` do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from urllib.parse import quote, urlencode

from gateway.cli import connect, output
from gateway.cli.client import Client, Json
from gateway.cli.exits import USAGE, CliError
from gateway.cli.listing import Columns, listed

HOW = """\
Durable {durable} of stream {stream}: {waiting} events wait in it. To read it, with the user and password of
    ql key nats issue {name}

Python (nats-py):
    nc = await nats.connect(NATS_URL, user="{durable}", password=PASSWORD, inbox_prefix=b"_INBOX_{durable}")
    events = await nc.jetstream(domain="{stream}").pull_subscribe_bind(durable="{durable}", stream="{stream}")
    (message,) = await events.fetch(1); ...; await message.ack()

Node.js (nats):
    const nc = await connect({{servers: NATS_URL, user: "{durable}", pass: PASSWORD, inboxPrefix: "_INBOX_{durable}"}});
    const events = await nc.jetstream({{domain: "{stream}"}}).consumers.get("{stream}", "{durable}");
    for await (const message of await events.consume()) {{ ...; message.ack(); }}

nats:
    nats --server NATS_URL --user {durable} --password PASSWORD --inbox-prefix _INBOX_{durable} --js-domain {stream} \\
        consumer next {stream} {durable} --count 10 --ack
"""


def follow(asked: Sequence[tuple[str, str | int]], after: str, *, wait: bool) -> None:
    """Print every event as a line, with its position."""
    query = urlencode([*asked, ("follow", str(wait).lower())])
    with Client(connect.known_gateway()) as client:
        for event in client.everything(query, after, follow=wait):
            sys.stdout.write(json.dumps(json.loads(event.data) | {"position": event.id}) + "\n")
            sys.stdout.flush()


def subscribe(name: str, wanted: Json, *, both: bool, as_json: bool) -> None:
    """Have it made and print how to read it."""
    if both:
        raise CliError("give only one of --new and --last-per-subject", USAGE, "usage")
    with Client(connect.known_gateway()) as client:
        made = client.post("/v1/subscriptions", {"name": name} | wanted)
    if as_json:
        output.as_json(made)
        return
    sys.stdout.write(output.plain(HOW.format_map(made)))


def list_(as_json: bool) -> None:
    """Print all of them."""
    columns: Columns = {
        "NAME": "{name}",
        "WAITING": "{waiting}",
        "UNACKNOWLEDGED": "{unacknowledged}",
        "ACKNOWLEDGED TO": "{acknowledged}",
        "HEARS": lambda row: " ".join(row["filters"]),
    }
    listed("/v1/subscriptions", columns, as_json)


def delete(name: str) -> None:
    """Have it deleted."""
    with Client(connect.known_gateway()) as client:
        client.delete(f"/v1/subscriptions/{quote(name, safe='')}")
    sys.stderr.write(f"deleted: {output.plain(name)}\n")
