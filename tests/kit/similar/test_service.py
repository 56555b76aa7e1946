"""Who is told what: the ledger's answer first, a share held out, and nothing at all where something is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import nats
import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.servers import Database
from workers.kit.llm.wire import EMBED, Embed, Embedded, Problem
from workers.kit.similar import service
from workers.kit.similar.client import SimilarClient, reads_examples
from workers.kit.similar.embedding import Away, Embedder, Hashing, Routed, Vectors
from workers.kit.similar.service import Finder, arm
from workers.kit.similar.store import Point, Store
from workers.kit.similar.wire import FIND, MOST_TEXTS, Find, Found
from workers.kit.stage import Run
from workers.kit.stores.pg import Pool, open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.retrievals import PgRetrievals

BOOKS = "a web api for books"
RUN = Run(tenant="default", workflow="01J0", stage="prompt_enhancement", revision=1, inputs={})


def asking(*texts: str, workflow: str = "01J0", tenant: str = "default", known: bool = False) -> Find:
    return Find(
        tenant=tenant, workflow=workflow, stage="prompt_enhancement", collection="prompts", texts=texts, known=known
    )


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with await open_pool(database.worker, 2) as opened:
        yield opened


@pytest.fixture
async def nc(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store("", tmp_path / "qdrant")
    await opened.open()
    yield opened
    await opened.close()


def finder(store: Store, pool: Pool, embedder: Embedder | None = None, holdout: float = 0.0) -> Finder:
    return Finder(store, embedder or Hashing(), PgLedger(pool), PgRetrievals(pool), holdout=holdout)


async def put(store: Store, *texts: str, tenant: str = "default") -> None:
    points = [Point(text=text, body=msgspec.json.encode(text)) for text in texts]
    await store.put("prompts", tenant, points, await Hashing().embed(tenant, texts))


async def test_each_example_is_told_once_and_texts_say_which_are_theirs(store: Store, pool: Pool) -> None:
    await put(store, BOOKS, "loans of books")
    found = await finder(store, pool).find(asking("books", "loans", "prices"))
    assert sorted(map(bytes, found.examples)) == [b'"a web api for books"', b'"loans of books"']
    assert [len(own) for own in found.nearest] == [2, 1, 0]
    assert bytes(found.examples[found.nearest[1][0]]) == b'"loans of books"'


async def test_what_was_found_is_a_call_of_the_workflow_with_its_question_and_answer(
    store: Store, pool: Pool, database: Database
) -> None:
    await put(store, BOOKS)
    first = await finder(store, pool).find(asking("books"))
    await put(store, "books and more books")
    assert await finder(store, pool).find(asking("books", workflow="01J1")) == first
    rows = await pool.fetch("SELECT workflow_id, outcome, model, task, cost::float FROM usage ORDER BY id")
    told = [tuple(row) for row in rows]
    assert told == [
        ("01J0", "answered", "hashing-1", "similar_prompts", 0.0),
        ("01J1", "known", "hashing-1", "similar_prompts", 0.0),
    ]
    assert await pool.fetchval("SELECT count(*) FROM ledger") == 1


async def test_the_ledger_s_answers_do_not_cross_tenants(store: Store, pool: Pool) -> None:
    await put(store, BOOKS)
    assert len((await finder(store, pool).find(asking("books"))).examples) == 1
    assert (await finder(store, pool).find(asking("books", tenant="other"))).examples == ()
    assert (await finder(store, pool).find(asking("books", tenant="de*ault"))).examples == ()


def test_a_share_of_the_workflows_is_held_out_and_always_the_same() -> None:
    workflows = [f"01J{n:05}" for n in range(4000)]
    for share in (0.1, 0.5):
        held = [workflow for workflow in workflows if arm(workflow, share) == "held_out"]
        assert abs(len(held) / len(workflows) - share) < 0.03
        assert held == [workflow for workflow in workflows if arm(workflow, share) == "held_out"]
    assert {arm(workflow, 0) for workflow in workflows} == {"examples"}
    assert {arm(workflow, 1) for workflow in workflows} == {"held_out"}
    assert {w for w in workflows if arm(w, 0.1) == "held_out"} < {w for w in workflows if arm(w, 0.5) == "held_out"}


async def test_who_asks_the_same_later_is_told_the_first_one_s_answer_and_counts_in_no_arm(
    store: Store, pool: Pool
) -> None:
    await put(store, BOOKS)
    held = next(f"01J{n}" for n in range(1000) if arm(f"01J{n}", 0.1) == "held_out")
    other = next(f"01J{n}" for n in range(1000) if arm(f"01J{n}", 0.1) == "examples")
    for workflow in (held, other):
        found = await finder(store, pool, holdout=0.1).find(asking("books", workflow=workflow))
        assert found == Found(arm="held_out")
    assert await pool.fetchval("SELECT array_agg(workflow_id || ' ' || arm) FROM retrievals") == [f"{held} held_out"]
    assert len((await finder(store, pool, holdout=0.1).find(asking("books!", workflow=other))).examples) == 1


class Slow(Hashing):
    async def embed(self, tenant: str, texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(60)
        raise Away("nobody waits for this")


async def test_what_is_slow_or_down_is_given_up_and_noted_and_asked_anew_by_the_next(
    store: Store, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.1)
    await put(store, BOOKS)
    away = Found(arm="away")
    assert await finder(store, pool, Slow()).find(asking("books")) == away
    nowhere = Store("http://127.0.0.1:1", None)
    assert await finder(nowhere, pool).find(asking("api")) == away
    await nowhere.close()
    monkeypatch.undo()
    assert await pool.fetchval("SELECT count(*) FROM ledger") == 0
    for text in ("books", "api"):
        assert len((await finder(store, pool).find(asking(text, workflow="01J1"))).examples) == 1
    noted = await pool.fetch("SELECT workflow_id, arm, found FROM retrievals ORDER BY 1")
    assert [tuple(row) for row in noted] == [("01J0", "away", 0), ("01J1", "examples", 1)]


async def test_with_the_database_away_nothing_is_told_and_nothing_raised(
    store: Store, pool: Pool, database: Database
) -> None:
    await put(store, BOOKS)
    asked = finder(store, pool)
    await pool.close()
    assert await asked.find(asking("books")) == Found(arm="away")


async def test_more_texts_than_fit_are_not_looked_up(store: Store, pool: Pool) -> None:
    await put(store, BOOKS)
    assert (await finder(store, pool).find(asking(*["books"] * (MOST_TEXTS + 1)))).examples == ()
    assert (await finder(store, pool).find(asking())).examples == ()


REPLIES = [
    b"",
    b"\xff",
    b"[]",
    b'{"arm":"examples","nearest":[[3]],"examples":[]}',
    b'{"arm":"examples","nearest":[[0]],"examples":[{"prompt":1}]}',
    b'{"arm":"examples","nearest":[[0]],"examples":[' + b"[" * 5000,
]


@pytest.mark.parametrize("reply", REPLIES)
async def test_an_answer_that_can_t_be_used_is_no_example(nc: Client, reply: bytes) -> None:
    async def say(message: Msg) -> None:
        await message.respond(reply)

    await nc.subscribe(FIND, cb=say)
    assert await SimilarClient(nc).prompts(RUN, BOOKS) == ()
    assert await SimilarClient(nc).code(RUN, {"a.py": "a file"}) == {}


async def test_where_nobody_answers_there_is_no_example(nc: Client) -> None:
    assert await SimilarClient(nc).prompts(RUN, BOOKS) == ()
    assert await SimilarClient(nc).code(RUN, {}) == {}


async def test_a_second_attempt_and_a_strict_one_ask_for_what_is_known_only(nc: Client) -> None:
    heard: list[Find] = []

    async def say(message: Msg) -> None:
        heard.append(msgspec.json.decode(message.data, type=Find))
        await message.respond(msgspec.json.encode(Found(arm="examples")))

    await nc.subscribe(FIND, cb=say)
    await SimilarClient(nc).prompts(RUN, BOOKS)
    await SimilarClient(nc).prompts(replace(RUN, attempt=2), BOOKS)
    await SimilarClient(nc, strict=True).prompts(RUN, BOOKS)
    assert [(find.known, find.texts) for find in heard] == [(known, (BOOKS,)) for known in (False, True, True)]


async def test_a_model_s_vectors_come_through_the_router(nc: Client, store: Store, pool: Pool) -> None:
    replies: list[Embedded] = []

    async def say(message: Msg) -> None:
        texts = msgspec.json.decode(message.data, type=Embed).texts
        replies.append(Embedded(vectors=tuple((1.0, float(len(text)), 0.0) for text in texts), model="maker/embed"))
        await message.respond(msgspec.json.encode(replies[-1]))

    listening = await nc.subscribe(EMBED, cb=say)
    routed = Routed(nc, "maker/embed")
    vectors = await routed.embed("default", [BOOKS, "x"])
    assert vectors == Vectors(model="maker/embed", least=Routed.LEAST, vectors=((1, len(BOOKS), 0), (1, 1, 0)))
    await store.put("prompts", "default", [Point(text=BOOKS, body=b'"b"')], await routed.embed("default", [BOOKS]))
    assert len((await finder(store, pool, routed).find(asking(BOOKS))).examples) == 1
    many = await routed.embed("default", ["x" * n for n in range(1, 21)])
    assert [vector[1] for vector in many.vectors] == list(range(1, 21))
    assert max(len(reply.vectors) for reply in replies) == Routed.AT_ONCE
    assert (await finder(store, pool).find(asking(BOOKS))).examples == ()
    await listening.unsubscribe()
    with pytest.raises(Away):
        await routed.embed("default", [BOOKS])


@pytest.mark.parametrize(
    "reply",
    [
        msgspec.json.encode(Problem(kind="permanent", message="no model", code="no_model")),
        msgspec.json.encode(Embedded(vectors=((1.0,), (1.0,)), model="m")),
        b"{",
    ],
)
async def test_a_router_without_embeddings_is_away(nc: Client, reply: bytes) -> None:
    async def say(message: Msg) -> None:
        await message.respond(reply)

    await nc.subscribe(EMBED, cb=say)
    with pytest.raises(Away):
        await Routed(nc, "m").embed("default", [BOOKS])


@pytest.mark.parametrize(
    ("models", "reads"),
    [
        ("blueprint/default", False),
        (" blueprint/default ; strong-1 = blueprint/default,blueprint/default", False),
        ("", False),
        ("anthropic/x,blueprint/default", True),
        ("blueprint/default; strong=openai/gpt-x@http://127.0.0.1:9/v1", True),
        ("blueprint/default;fast = groq/c", True),
    ],
)
def test_only_the_built_in_model_reads_no_examples(models: str, reads: bool) -> None:
    assert reads_examples(models) is reads
