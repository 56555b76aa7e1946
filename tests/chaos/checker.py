"""The questions asked after every fault: is each workflow's story whole, told once, and the same in all three stores?

`check` returns a sentence for everything wrong. It reads PostgreSQL, the stream and S3 directly, through none of the
product's stores.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import asyncpg
import msgspec
import obstore
from nats.js.api import ConsumerConfig, DeliverPolicy
from obstore.exceptions import BaseError
from obstore.store import S3Store

from contracts.subjects import STREAM, parse_event
from contracts.topology import Opening
from tests.chaos.graph import TOPOLOGY
from tests.chaos.world import BUCKET, TERMINAL, World
from workers.kit.stores.artifacts import endpoint

SHOWN = 12
"""Sentences of one check that are kept."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """How a workflow should have gone. `calls` are stages asked for more than once each revision, with the most calls
    allowed; in a workflow that did not complete, a stage may have been asked or not.
    """

    state: str = "completed"
    calls: Mapping[str, tuple[int, int]] = {}
    strangers: int = 0
    """Messages on its subjects that the case itself has put there."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the stream."""

    seq: int
    subject: str
    id: str
    body: bytes


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the stores hold of some workflows."""

    workflows: Mapping[str, asyncpg.Record]
    drops: Sequence[asyncpg.Record]
    events: Sequence[asyncpg.Record]
    facts: Sequence[Fact]
    calls: Mapping[tuple[str, str, int], int]


async def check(world: World, expected: Mapping[str, Expected] | Collection[str]) -> list[str]:
    """Everything wrong with these workflows; plain ids are expected to have completed."""
    wanted = expected if isinstance(expected, Mapping) else {workflow: Expected() for workflow in expected}
    found = await gather(world, list(wanted))
    wrong: list[str] = []
    for workflow, how in wanted.items():
        wrong += judge(workflow, how, found)
    wrong += await _artifacts(world, found.drops)
    return wrong[:SHOWN] + ([f"… and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else [])


async def gather(world: World, workflows: list[str]) -> Evidence:
    """Read the stores."""
    async with world.sql() as sql:
        heads = await sql.fetch("SELECT * FROM workflows WHERE id = ANY($1)", workflows)
        drops = await sql.fetch("SELECT * FROM drops WHERE workflow_id = ANY($1)", workflows)
        events = await sql.fetch("SELECT * FROM events WHERE workflow_id = ANY($1)", workflows)
    mine = set(workflows)
    return Evidence(
        workflows={head["id"]: head for head in heads},
        drops=drops,
        events=events,
        facts=[fact for fact in await stream(world) if fact.subject.split(".")[3] in mine],
        calls=Counter(call for call in world.calls() if call[0] in mine),
    )


async def stream(world: World) -> list[Fact]:
    """Every fact in the stream, in its order."""
    async with world.connected() as nc:
        js = nc.jetstream()
        config = ConsumerConfig(filter_subject="ql.evt.>", deliver_policy=DeliverPolicy.ALL)
        replay = await js.subscribe("ql.evt.>", stream=STREAM, ordered_consumer=True, config=config)
        info = await replay.consumer_info()
        left = (info.num_pending or 0) + (info.delivered.consumer_seq if info.delivered else 0)
        facts = []
        for _ in range(left):
            message = await replay.next_msg(timeout=10)
            headers = {name.lower(): value for name, value in (message.headers or {}).items()}
            facts.append(
                Fact(
                    seq=message.metadata.sequence.stream,
                    subject=message.subject,
                    id=headers.get("nats-msg-id", ""),
                    body=message.data,
                )
            )
        return facts


def judge(workflow: str, how: Expected, found: Evidence) -> list[str]:
    """What the rows, the stream and the calls of one workflow say against it."""
    head = found.workflows.get(workflow)
    if head is None:
        return [f"{workflow} is not there"]
    drops = [drop for drop in found.drops if drop["workflow_id"] == workflow]
    events = [event for event in found.events if event["workflow_id"] == workflow]
    facts = [fact for fact in found.facts if fact.subject.split(".")[3] == workflow]
    calls = {(stage, revision): count for (of, stage, revision), count in found.calls.items() if of == workflow}
    wrong = _state(head, how) + _open(drops)
    if head["state"] == "completed":
        wrong += _due(drops) + _inputs(drops)
    wrong += _told(drops, events) + _end(head, events, facts) + _same(events, facts, how.strangers)
    wrong += _paid(drops, calls, how, completed=head["state"] == "completed")
    return [f"{workflow}: {sentence}" for sentence in wrong]


def _state(head: asyncpg.Record, how: Expected) -> list[str]:
    wrong = []
    if head["state"] not in TERMINAL:
        wrong.append(f"it is still {head['state']}")
    if head["state"] != how.state:
        wrong.append(f"it is {head['state']} instead of {how.state}: {head['error'][:300]}")
    return wrong


def _open(drops: Sequence[asyncpg.Record]) -> list[str]:
    """No row is open and no lease held."""
    return [
        f"{_name(drop)} is {drop['state']} with a lease until {drop['lease_until']} and a retry at {drop['retry_at']}"
        for drop in drops
        if drop["state"] in {"running", "retry"} or drop["lease_until"] is not None
    ]


def _due(drops: Sequence[asyncpg.Record]) -> list[str]:
    """Exactly one completed drop for each stage at the revision at which it is due, and none nobody asked for."""
    openings = [Opening(drop["opens"], drop["target"]) for drop in drops if drop["opens"]]
    wrong = []
    for stage in TOPOLOGY.stages:
        due = TOPOLOGY.due(stage, openings)
        done = [drop for drop in drops if (drop["stage"], drop["revision"], drop["state"]) == (stage, due, "completed")]
        if len(done) != 1:
            wrong.append(f"{stage} has {len(done)} completed drops at its due revision {due}")
        revisions = {1, *(opening.revision for opening in openings)}
        wrong += [
            f"{_name(d)} is of no revision" for d in drops if d["stage"] == stage and d["revision"] not in revisions
        ]
    return wrong


def _inputs(drops: Sequence[asyncpg.Record]) -> list[str]:
    """Every drop names as its inputs what its ancestors wrote at the revision that it takes."""
    by_name = {(drop["stage"], drop["revision"]): drop for drop in drops}
    openings = [Opening(drop["opens"], drop["target"]) for drop in drops if drop["opens"]]
    wrong = []
    for drop in drops:
        if drop["state"] not in {"completed", "rejected"}:
            continue
        due = TOPOLOGY.inputs(drop["stage"], drop["revision"], openings)
        for named in msgspec.json.decode(drop["inputs"]):
            source = by_name.get((named["stage"], named["revision"]))
            if source is None or source["artifact_sha256"] != named["sha256"]:
                wrong.append(f"{_name(drop)} was made from a {named['stage']} {named['revision']} that is not there")
            if named["stage"] in TOPOLOGY[drop["stage"]].needs and named["revision"] != due[named["stage"]]:
                wrong.append(
                    f"{_name(drop)} was made from {named['stage']} {named['revision']}, not {due[named['stage']]}"
                )
    return wrong


def _told(drops: Sequence[asyncpg.Record], events: Sequence[asyncpg.Record]) -> list[str]:
    """Every ended drop has its event, and every stage's event its drop."""
    ended = {_name(d): d["state"] for d in drops if d["state"] in {"completed", "rejected", "failed"}}
    rows = Counter(f"{name} {state}" for name, state in ended.items())
    told: Counter[str] = Counter()
    for event in events:
        parts = parse_event(event["subject"])
        if parts.stage != "workflow":
            told[f"{parts.stage}.{parts.revision} {parts.outcome}"] += 1
    wrong = [f"{name} is told by {told[name]} events" for name in rows if told[name] != 1]
    return wrong + [f"an event tells {name}, but there is no such drop" for name in told if name not in rows]


def _end(head: asyncpg.Record, events: Sequence[asyncpg.Record], facts: Sequence[Fact]) -> list[str]:
    """One end, the same in the row, the outbox and the stream."""
    ends = [event["id"] for event in events if _outcome(event["subject"]) in TERMINAL]
    in_stream = [fact.id for fact in facts if fact.id in ends]
    begun = [event["id"] for event in events if _outcome(event["subject"]) == "submitted"]
    wrong = [] if len(begun) == 1 else [f"it was submitted {len(begun)} times"]
    if head["state"] in TERMINAL and len(ends) != 1:
        wrong.append(f"it has {len(ends)} ends in PostgreSQL: {ends}")
    if len(in_stream) != len(ends):
        wrong.append(f"it has {len(in_stream)} ends in the stream: {in_stream}")
    return wrong + [f"it is {head['state']}, but {end} was told" for end in ends if f".{head['state']}." not in end]


def _same(events: Sequence[asyncpg.Record], facts: Sequence[Fact], strangers: int) -> list[str]:
    """The outbox is empty, and the stream holds each event once, where the row says, with the same content."""
    by_id = {event["id"]: event for event in events}
    counted = Counter(fact.id for fact in facts if fact.id in by_id)
    wrong = [f"{e['id']} is unpublished" for e in events if e["published_seq"] is None]
    wrong += [f"{name} stands {counted[name]} times in the stream" for name in by_id if counted[name] != 1]
    unknown = [f"{fact.subject} at {fact.seq}" for fact in facts if fact.id not in by_id]
    if len(unknown) != strangers:
        wrong.append(f"the stream holds {len(unknown)} messages that no row knows, not {strangers}: {unknown[:3]}")
    for fact in facts:
        row = by_id.get(fact.id)
        if row is None:
            continue
        if fact.subject != row["subject"] or msgspec.json.decode(row["body"])["data"] != msgspec.json.decode(fact.body):
            wrong.append(f"{fact.id} says something else in the stream than in its row")
        if row["published_seq"] not in {None, fact.seq}:
            wrong.append(f"{fact.id} stands at {fact.seq}, and its row says {row['published_seq']}")
    return wrong


def _paid(
    drops: Sequence[asyncpg.Record], calls: Mapping[tuple[str, int], int], how: Expected, *, completed: bool
) -> list[str]:
    """One call of the model a drop, more only where the fault allows it."""
    wrong = []
    done = {(d["stage"], d["revision"]) for d in drops if d["state"] in {"completed", "rejected"}}
    for key in done | set(calls):
        least, most = how.calls.get(key[0], (1, 1))
        if key not in done or not completed:
            least = 0
        if not least <= calls.get(key, 0) <= most:
            wanted = str(most) if least == most else f"{least} to {most}"
            wrong.append(f"the model was called {calls.get(key, 0)} times for {key[0]} {key[1]}, not {wanted}")
    return wrong


async def _artifacts(world: World, drops: Sequence[asyncpg.Record]) -> list[str]:
    """Every artifact is in S3 with its sha256."""
    store = bucket(world)
    gate = asyncio.Semaphore(16)

    async def bad(drop: asyncpg.Record) -> str:
        start, length = drop["artifact_offset"], drop["artifact_length"]
        try:
            async with gate:
                body = bytes(await obstore.get_range_async(store, drop["artifact_key"], start=start, length=length))
        except (BaseError, FileNotFoundError) as error:
            return f"{drop['id']}: its artifact can't be read: {str(error)[:120]}"
        if hashlib.sha256(body).hexdigest() != drop["artifact_sha256"]:
            return f"{drop['id']}: its artifact has changed"
        return ""

    kept = [drop for drop in drops if drop["artifact_key"] and drop["state"] in {"completed", "rejected"}]
    lost = [drop["id"] + ": it has no artifact" for drop in drops if drop["state"] == "completed" and drop not in kept]
    return lost + [sentence for sentence in await asyncio.gather(*map(bad, kept)) if sentence]


def bucket(world: World) -> S3Store:
    """The artifacts' bucket, through no store of the product."""
    at = endpoint(world.urls["s3"])
    return S3Store(
        BUCKET,
        endpoint=at.url,
        access_key_id=at.access,
        secret_access_key=at.secret,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def _name(drop: asyncpg.Record) -> str:
    return f"{drop['stage']}.{drop['revision']}"


def _outcome(subject: str) -> str:
    """Of a lifecycle event; '' of any other."""
    parts = subject.split(".")
    return parts[5] if len(parts) > 5 and parts[4] == "workflow" else ""
