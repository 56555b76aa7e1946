"""Both clients against a real gateway, also one that is away, slow or cut off."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.topology import TOPOLOGY
from quantumlayer import (
    ArtifactLost,
    AsyncQuantumLayer,
    BadCapsule,
    DropExists,
    Event,
    IdempotencyKeyReused,
    Invalid,
    NoCapsule,
    NotFound,
    NotNow,
    Problem,
    QuantumLayer,
    QuantumLayerError,
    TimedOut,
    Unreachable,
    WorkflowEnded,
    WorkflowNotFound,
    calls,
)
from tests.gateway.conftest import Served
from tests.gateway.sdk.faulty import SWALLOW, before, says
from tests.gateway.sdk.test_capsules import FILES, manifested
from tests.gateway.test_events import complete_all
from tests.gateway.test_workflows import PROMPT, on_stream
from workers.kit.capsule.archive import pack

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
Opened = Callable[..., Any]


@asynccontextmanager
async def synchronous(url: str, patience_s: float = 20.0) -> AsyncIterator[Any]:
    """`QuantumLayer` from a thread, since the gateway lives in our loop."""

    class Threaded:
        def __init__(self, client: QuantumLayer) -> None:
            self.capsule = self
            self._client = client

        def __getattr__(self, name: str) -> Callable[..., Any]:
            called = self._client.capsule.download if name == "download" else getattr(self._client, name)
            return lambda *given, **named: asyncio.to_thread(called, *given, **named)

        async def events(self, id_: str, **named: Any) -> AsyncIterator[Event]:
            heard: asyncio.Queue[Event | None] = asyncio.Queue()
            loop = asyncio.get_running_loop()

            def follow() -> None:
                for event in self._client.events(id_, **named):
                    loop.call_soon_threadsafe(heard.put_nowait, event)
                loop.call_soon_threadsafe(heard.put_nowait, None)

            thread = threading.Thread(target=follow)
            thread.start()
            while (event := await heard.get()) is not None:
                yield event
            thread.join()

    with QuantumLayer(url, patience_s=patience_s) as client:
        yield Threaded(client)


@asynccontextmanager
async def asynchronous(url: str, patience_s: float = 20.0) -> AsyncIterator[Any]:
    async with AsyncQuantumLayer(url, patience_s=patience_s) as client:
        yield client


both = pytest.mark.parametrize("opened", [synchronous, asynchronous])


@both
async def test_from_a_prompt_to_what_became_of_it(served: Served, opened: Opened) -> None:
    async with opened(served.url) as client:
        sent = await client.submit(PROMPT, budget=1.5, deadline_s=600)
        await on_stream(served, sent.id)
        with pytest.raises(TimedOut):
            await client.wait(sent.id, timeout=0.1)
        with pytest.raises(NoCapsule) as none:
            await client.capsule.download(sent.id, "nowhere")
        assert none.value.code == "no_capsule"
        await complete_all(served, sent.id)
        events = [event async for event in client.events(sent.id)]
        assert [event.stage for event in events] == ["workflow", *TOPOLOGY.stages, "workflow"]
        assert (events[-1].outcome, events[3].revision, events[3].workflow) == ("completed", 1, sent.id)
        later = [event async for event in client.events(sent.id, after=events[4].position)]
        assert later == events[5:]
        done = await client.wait(sent.id)
        assert (done.state, done.ended, done.raw["budget"]["limit"]) == ("completed", True, 1.5)
        begun, until = (datetime.fromisoformat(done.raw[name]) for name in ("created_at", "deadline"))
        assert (until - begun).total_seconds() == pytest.approx(600, abs=5)
        first = done.drops[0]
        assert first.artifact is not None
        assert hashlib.sha256(await client.artifact(first.artifact.sha256)).hexdigest() == first.artifact.sha256
        with pytest.raises(WorkflowEnded):
            await client.cancel(sent.id)


async def test_every_drop_is_told_however_many_pages_they_take(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PAGE", 4)
    async with asynchronous(served.url) as client:
        sent = await client.submit(PROMPT)
        await complete_all(served, sent.id)
        await client.add_drop(sent.id, {"stage": "x_a", "revision": 1, "artifact": {"text": "mine"}})
        assert sorted(drop.stage for drop in await client.drops(sent.id)) == sorted([*TOPOLOGY.stages, "x_a"])


async def test_errors_have_types(served: Served) -> None:
    async with asynchronous(served.url) as client:
        with pytest.raises(WorkflowNotFound) as unknown:
            await client.workflow(UNKNOWN)
        assert (unknown.value.status, unknown.value.code) == (404, "workflow_not_found")
        with pytest.raises(Invalid) as empty:
            await client.submit("")
        assert empty.value.errors
        await client.submit(PROMPT, idempotency_key="k")
        with pytest.raises(IdempotencyKeyReused):
            await client.submit("A command line tool for notes.", idempotency_key="k")
        with pytest.raises(NotFound):
            await client.workflow("../../artifacts")


@both
async def test_what_is_answered_with_not_now_or_cut_off_is_sent_again_and_done_once(
    served: Served, opened: Opened
) -> None:
    async with before(served.url) as faulty:
        faulty.plan += [
            says(503, "Retry-After: 0"),
            SWALLOW,
            says(429, "Retry-After: 0"),
            says(502, body="<html>"),
            b"",
        ]
        async with opened(faulty.url) as client:
            sent = await client.submit(PROMPT)
            assert faulty.plan == []
            listed = (await served.http.get("/v1/workflows")).json()["items"]
            assert [row["id"] for row in listed] == [sent.id]
        faulty.plan += [SWALLOW]
        async with opened(faulty.url) as client:
            await client.add_drop(sent.id, {"stage": "x_a", "revision": 1, "artifact": {"text": "one"}})
            assert faulty.plan == []
            with pytest.raises(DropExists):
                await client.add_drop(sent.id, {"stage": "x_a", "revision": 1, "artifact": {"text": "two"}})


async def test_what_asks_for_more_patience_than_there_is_is_told_at_once(served: Served) -> None:
    async with before(served.url) as faulty:
        faulty.plan += [says(503, "Retry-After: 3600")]
        async with asynchronous(faulty.url, 1.0) as client:
            with pytest.raises(NotNow) as away:
                await client.workflow(UNKNOWN)
        assert (away.value.retry_after, away.value.status) == (3600, 503)
    async with asynchronous("http://127.0.0.1:9", 0.2) as client:
        with pytest.raises(Unreachable):
            await client.workflow(UNKNOWN)
    for nonsense in ("127.0.0.1:8000", "ftp://x", "http://", "http://x:port"):
        with pytest.raises(QuantumLayerError):
            QuantumLayer(nonsense)


async def test_events_of_nothing_are_a_problem(served: Served) -> None:
    async with asynchronous(served.url) as client:
        with pytest.raises(WorkflowNotFound):
            await anext(client.events(UNKNOWN))


@both
async def test_events_go_on_after_cuts_each_once_and_in_order(served: Served, opened: Opened) -> None:
    async with before(served.url) as faulty, opened(served.url) as direct, opened(faulty.url) as client:
        sent = await direct.submit(PROMPT)
        await on_stream(served, sent.id)
        await complete_all(served, sent.id)
        whole = [event async for event in direct.events(sent.id)]
        faulty.plan += [2500, says(503), 4000, b"", 3000]
        assert [event async for event in client.events(sent.id)] == whole
        assert faulty.plan == []


@both
async def test_a_fork_is_begun_once(served: Served, opened: Opened) -> None:
    async with opened(served.url) as client:
        sent = await client.submit(PROMPT)
        await on_stream(served, sent.id)
        await complete_all(served, sent.id)
        words = {"documentation": "Write it as a poem."}
        plan = await client.fork(sent.id, from_stage="documentation", templates=words, dry_run=True)
        assert (plan.id, plan.parent, "code_generation" in plan.plan["reused"]) == ("", sent.id, True)
        with pytest.raises(Invalid) as strange:
            await client.fork(sent.id, from_stage="documentation", templates={"nobody": "?"}, dry_run=True)
        assert strange.value.code == "unknown_template"
        async with before(served.url) as faulty, opened(faulty.url) as cut:
            faulty.plan += [SWALLOW]
            forked = await cut.fork(sent.id, from_stage="documentation")
            assert faulty.plan == []
        assert (await client.workflow(forked.id)).state == "active"
        with pytest.raises(Problem) as refused:
            await client.fork(sent.id, from_stage="nonsense")
        assert refused.value.code == "unknown_stage"
        active = (await served.http.get("/v1/workflows", params={"state": "active"})).json()["items"]
        assert [row["id"] for row in active] == [forked.id]
        assert (await client.cancel(forked.id, reason="enough")).state == "cancelled"


@both
async def test_a_capsule_that_is_none_is_not_kept(served: Served, opened: Opened, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    async with opened(served.url) as client:
        sent = await client.submit(PROMPT)
        await on_stream(served, sent.id)
        archive = await complete_all(served, sent.id)
        with pytest.raises(BadCapsule):
            await client.capsule.download(sent.id, out)
        assert list(out.iterdir()) == []
        kept = await client.capsule.download(sent.id, out, verify=False)
        assert kept.path == out / f"{sent.id}.tar.gz"
        assert kept.path.read_bytes() == archive
        assert kept.sha256 == hashlib.sha256(archive).hexdigest()


@both
async def test_a_capsule_that_is_one_is_kept_as_long_as_its_bytes_are_those(
    served: Served, opened: Opened, tmp_path: Path
) -> None:
    async with opened(served.url) as client:
        sent = await client.submit(PROMPT)
        await on_stream(served, sent.id)
        archive = await complete_all(served, sent.id, pack("books", manifested(FILES)))
        kept = await client.capsule.download(sent.id, tmp_path / "books.tar.gz")
        assert (kept.name, kept.grade, set(kept.files)) == ("books", "A", set(FILES))
        assert kept.path.read_bytes() == archive
        again = pack("books", manifested({**FILES, "src/books.py": b"A = 2\n"}))
        await served.artifacts.put("default", again, key=f"capsules/default/{sent.id}.tar.gz")
        with pytest.raises(ArtifactLost):
            await client.capsule.download(sent.id, tmp_path / "other.tar.gz")
    assert [path.name for path in tmp_path.glob("*.tar.gz*")] == ["books.tar.gz"]
