"""Examples in the client's own files and behind a URL: kept, found by meaning, never another tenant's or model's."""

from __future__ import annotations

import asyncio
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from contracts.subjects import BadSubject
from tests.kit.similar.rest import Rest
from workers.kit.similar.embedding import Away, Hashing, Vectors
from workers.kit.similar.store import Point, Store, collection_name

BOOKS, LOANS, HIVES = "a web api for books and authors", "loans of books to members", "hives and their inspections"


pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection:UserWarning")


@pytest.fixture
async def server() -> AsyncIterator[Rest]:
    async with Rest("hunter2") as running:
        yield running


@pytest.fixture(params=["files", "url"])
async def store(tmp_path: Path, server: Rest, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    opened = Store(server.url if request.param == "url" else "", tmp_path / "qdrant")
    yield opened
    await opened.close()


def point(text: str, whose: str = "") -> Point:
    return Point(text=text, body=f'{{"text":"{text}{whose!a}"}}'.encode())


async def put(store: Store, tenant: str, *texts: str) -> None:
    points = [point(text, tenant) for text in texts]
    await store.put("prompts", tenant, points, await Hashing().embed(tenant, texts))


async def near(store: Store, tenant: str, *texts: str, most: int = 3) -> list[list[bytes]]:
    return await store.near("prompts", tenant, await Hashing().embed(tenant, texts), most)


async def test_what_is_near_is_found_and_nothing_else(store: Store) -> None:
    await put(store, "one", BOOKS, LOANS, HIVES)
    found = await near(store, "one", "an API for books", "inspections of a hive", "prices of shares")
    assert found[0][0] == point(BOOKS, "one").body
    assert found[1:] == [[point(HIVES, "one").body], []]


async def test_where_nothing_was_learned_nothing_is_found(store: Store) -> None:
    assert await near(store, "one", BOOKS, HIVES) == [[], []]


async def test_what_is_kept_twice_is_there_once_and_survives_a_restart(store: Store) -> None:
    for _ in range(3):
        await put(store, "one", BOOKS)
    assert await near(store, "one", BOOKS) == [[point(BOOKS, "one").body]]
    await store.close()
    assert await near(store, "one", BOOKS) == [[point(BOOKS, "one").body]]


async def test_no_more_are_told_than_asked_for(store: Store) -> None:
    await put(store, "one", *(f"{BOOKS} number {n}" for n in range(9)))
    assert [len(bodies) for bodies in await near(store, "one", BOOKS, most=3)] == [3]


TENANTS = ["one", "two", "One", "one-", "on", "1"]


async def test_each_tenant_finds_its_own(store: Store) -> None:
    for tenant in TENANTS:
        await put(store, tenant, BOOKS)
    for tenant in TENANTS:
        assert await near(store, tenant, BOOKS, most=20) == [[point(BOOKS, tenant).body]]
    assert await near(store, "three", BOOKS, most=20) == [[]]


HOSTILE = ["", "*", "one' OR '1'='1", "one\0", "one.two", "ONE\u212a", "\ud800", "one ", '{"any": true}', ">", "x" * 65]


async def test_what_is_no_tenant_neither_reads_nor_writes(store: Store) -> None:
    await put(store, "one", BOOKS)
    for tenant in HOSTILE:
        with pytest.raises(BadSubject):
            await near(store, tenant, BOOKS)
        with pytest.raises(BadSubject):
            await put(store, tenant, BOOKS)
    assert await near(store, "one", BOOKS, most=50) == [[point(BOOKS, "one").body]]


async def test_vectors_of_two_models_never_meet(store: Store) -> None:
    texts = [BOOKS]
    (vector,) = (await Hashing().embed("one", texts)).vectors
    one, two = (Vectors(model=model, least=0.1, vectors=(vector,)) for model in ("maker/one", "maker/two"))
    short = Vectors(model="maker/one", least=0.1, vectors=(vector[:256],))
    await store.put("prompts", "one", [point(BOOKS)], one)
    assert await store.near("prompts", "one", one, 3) == [[point(BOOKS).body]]
    assert await store.near("prompts", "one", two, 3) == [[]]
    assert await store.near("prompts", "one", short, 3) == [[]]
    assert await store.near("code_samples", "one", one, 3) == [[]]


async def test_files_hold_so_many_and_the_oldest_go(tmp_path: Path) -> None:
    small = Store("", tmp_path / "qdrant", most=10)
    texts = [f"books of shelf {n}" for n in range(12)]
    for text in texts:
        await put(small, "one", text)
    (kept,) = await near(small, "one", "books of a shelf", most=50)
    assert set(kept) == {point(text, "one").body for text in texts[2:]}
    await small.close()


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "a:b/../c", 'x"y', "ü" * 200])
def test_a_collection_is_named_for_model_and_length(model: str) -> None:
    name = collection_name("prompts", model, (0.0,) * 7)
    assert name.startswith("prompts.")
    assert name.endswith(".7")
    assert len(name) < 100
    assert not set(name) & set('<>:"/\\|?*\0\x1f')
    assert name != collection_name("prompts", model + "x", (0.0,) * 7)


async def test_the_calls_run_beside_the_loop_in_one_thread(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    tried = Store._tried

    def seen(self: Store, work: Callable[[QdrantClient], object]) -> object:
        threads.add(threading.current_thread())
        return tried(self, work)

    monkeypatch.setattr(Store, "_tried", seen)
    await asyncio.gather(*(put(store, "one", f"{BOOKS} {n}") for n in range(5)))
    assert len(threads) == 1
    assert threading.main_thread() not in threads


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("store", ["files"], indirect=True)
async def test_files_that_another_process_holds_are_told_and_taken_when_it_ends(store: Store, tmp_path: Path) -> None:
    program = """
import sys
from qdrant_client import QdrantClient
client = QdrantClient(path=sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", program, str(tmp_path / "qdrant")]
    holder = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert holder.stdout
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(Away, match="already accessed"):
        await put(store, "one", BOOKS)
    await holder.communicate(b"")
    await put(store, "one", BOOKS)
    assert await near(store, "one", BOOKS) == [[point(BOOKS, "one").body]]


async def test_a_server_is_asked_with_its_key_and_told_what_to_index(server: Rest) -> None:
    store = Store(server.url, None)
    await put(store, "one", BOOKS)
    assert server.asked == ["GET /exists", "PUT ", "PUT /index", "PUT /points"]
    await store.close()
    other = Store(server.url.replace("hunter2", "hunter3"), None)
    with pytest.raises(Away) as told:
        await near(other, "one", BOOKS)
    assert "hunter3" not in str(told.value)
    await other.close()


async def test_what_a_server_finds_of_another_tenant_is_not_told(server: Rest) -> None:
    store = Store(server.url, None)
    await put(store, "two", BOOKS)
    server.everybody = True
    with pytest.raises(Away, match="another tenant"):
        await near(store, "one", BOOKS)
    await store.close()


async def test_a_server_that_is_not_there_is_told() -> None:
    store = Store("http://:hunter2@127.0.0.1:1", None)
    with pytest.raises(Away) as told:
        await near(store, "one", BOOKS)
    assert "hunter2" not in str(told.value)
    await store.close()


async def test_files_that_are_damaged_are_told(tmp_path: Path) -> None:
    (tmp_path / "qdrant").mkdir()
    (tmp_path / "qdrant/meta.json").write_text("{", encoding="utf-8")
    store = Store("", tmp_path / "qdrant")
    with pytest.raises(Away):
        await near(store, "one", BOOKS)
    await store.close()
