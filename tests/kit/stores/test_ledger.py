"""The ledger, in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import threading
from hashlib import sha256

import pytest

from workers.kit.stores import ledger as ledgers
from workers.kit.stores.ledger import Answer, AnswerTooLong, Ledger, MemoryLedger, PgLedger
from workers.kit.stores.pg import Pool

QUESTION = sha256(b"question").hexdigest()


def answer(text: str) -> Answer:
    return Answer(text=text, finish_reason="stop", model="blueprint/default", tokens_in=3, tokens_out=5)


@pytest.fixture
def pg_ledger(worker_pool: Pool) -> PgLedger:
    return PgLedger(worker_pool)


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    if request.param == "memory":
        return MemoryLedger()
    found: Ledger = request.getfixturevalue("pg_ledger")
    return found


async def put(ledger: Ledger, text: str, tenant: str = "default") -> Answer:
    return await ledger.put(tenant, QUESTION, answer(text), workflow="W", stage="frd_generation", cost=0.25)


async def test_an_answer_comes_back_as_it_was(ledger: Ledger) -> None:
    assert await ledger.get("default", QUESTION) is None
    text = "def größe():\0\n\ud800" + "x" * 100_000
    assert await put(ledger, text) == answer(text)
    assert await ledger.get("default", QUESTION) == answer(text)


async def test_the_first_answer_stays(ledger: Ledger) -> None:
    await put(ledger, "first")
    assert await put(ledger, "second") == answer("first")
    found = await asyncio.gather(*(put(ledger, f"again {n}") for n in range(5)))
    assert set(found) == {answer("first")}


async def test_concurrent_answers_agree(ledger: Ledger) -> None:
    found = await asyncio.gather(*(put(ledger, str(n)) for n in range(8)))
    assert len(set(found)) == 1
    assert await ledger.get("default", QUESTION) == found[0]


async def test_answers_never_cross_tenants(ledger: Ledger) -> None:
    await put(ledger, "mine")
    assert await ledger.get("other", QUESTION) is None
    assert await put(ledger, "theirs", tenant="other") == answer("theirs")


async def test_what_is_too_long_is_refused(ledger: Ledger) -> None:
    noise = os.urandom(4 * 1024 * 1024 + 4096).hex()
    with pytest.raises(AnswerTooLong):
        await put(ledger, noise)
    assert await ledger.get("default", QUESTION) is None


@pytest.mark.parametrize(("text", "aside"), [("short", False), ("long" * 100_000, True)])
async def test_a_long_answer_is_unpacked_beside_the_loop(
    pg_ledger: PgLedger, monkeypatch: pytest.MonkeyPatch, text: str, aside: bool
) -> None:
    await put(pg_ledger, text)
    finished: list[bool] = []

    def decoded(packed: bytes) -> str:
        finished.append(threading.current_thread() is not threading.main_thread())
        return whole(packed)

    whole = ledgers._whole
    monkeypatch.setattr(ledgers, "_whole", decoded)
    assert await pg_ledger.get("default", QUESTION) == answer(text)
    assert finished == [aside] * aside


async def test_every_answer_paid_for_is_used(pg_ledger: PgLedger, worker_pool: Pool) -> None:
    await put(pg_ledger, "first")
    await put(pg_ledger, "second")
    await pg_ledger.get("default", QUESTION)
    row = await worker_pool.fetchrow("SELECT count(*), sum(cost)::float, sum(tokens_out) FROM usage")
    assert tuple(row or ()) == (2, 0.5, 10)
