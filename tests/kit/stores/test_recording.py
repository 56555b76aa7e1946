"""A workflow's ledger as a file: out of one database, into another, and never believed before it was checked."""

from __future__ import annotations

import re
from hashlib import sha256

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.stack import Stack
from tests.kit.stores.limits import WORKFLOW
from tests.kit.stores.test_calls import ANSWERED, ask, call
from tests.servers import fresh_database
from workers.kit.stores.artifacts import S3Artifacts
from workers.kit.stores.bodies import MAX_BYTES
from workers.kit.stores.calls import Answer, Entry, Spent
from workers.kit.stores.memory.ledger import recorded
from workers.kit.stores.pg import Pool, open_pool
from workers.kit.stores.pg.ledger import PgLedger
from workers.kit.stores.pg.recordings import PgRecordings
from workers.kit.stores.recording import BadRecording, Recording, read, write


def entry(asked: str = "[1]", answer: str = "yes", **other: object) -> Entry:
    fields: dict[str, object] = {
        "question": sha256(asked.encode()).hexdigest(), "asked": asked, "answer": answer, "finish_reason": "stop",
        "model": "a/x", "provider": "a", "tokens_in": 3, "tokens_out": 5, "cost": 0.25, "instead": "",
        "stage": "documentation", "task": "write", "role": "writer", "schema_name": "", "revision": 1, **other,
    }  # fmt: skip
    return msgspec.convert(fields, Entry)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TEXT, TEXT, max_size=5))
def test_a_recording_comes_back_as_it_was_and_always_in_the_same_bytes(said: dict[str, str]) -> None:
    entries = [entry(asked, answer) for asked, answer in said.items()]
    body = write("w", entries)
    found = read(body)
    assert {e.question: e for e in found.entries} == {e.question: e for e in entries}
    assert write("w", reversed(found.entries)) == body


@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    """Where the file still is a recording, its questions and answers are the ones that were recorded."""
    body = write("w", [entry("[1]", "yes"), entry("[2]", "no")])
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    try:
        found = read(changed)
    except BadRecording:
        return
    kept = {(e.question, e.asked, e.answer) for e in read(body).entries}
    assert {(e.question, e.asked, e.answer) for e in found.entries} == kept


@given(st.binary(max_size=200))
def test_no_other_file_is_a_recording(body: bytes) -> None:
    with pytest.raises(BadRecording):
        read(body)


def _changed(old: str, new: str) -> bytes:
    body = write("w", [entry("[1]"), entry("[2]")])
    assert re.search(old, body.decode())
    return re.sub(old, new, body.decode(), count=1).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" * 100_000, "its first line can't be read"),
        (_changed('"version":1', '"version":2'), "not a quantumlayer-ledger of version 1"),
        (_changed('"entries":2', '"entries":3'), "holds 2 entries, but its first line tells of 3"),
        (_changed("yes", "no"), "entry 1 holds another answer"),
        (_changed(r"\[[12]\]", "[3]"), "entry 1 does not hold the question"),
        (_changed('"cost":0.25', '"cost":-1'), "a number that no call can have"),
        (_changed('"cost":0.25', '"cost":1e300'), "a number that no call can have"),
        (_changed('"tokens_in":3', '"tokens_in":4294967296'), "a number that no call can have"),
        (_changed('"finish_reason":"stop"', '"finish_reason":"x"'), "the unknown finish 'x'"),
        (_changed('"role":"writer"', r'"role":"a\\u0000b"'), "a role that no call can have"),
        (_changed('"instead":""', r'"instead":"\\u0000"'), "a reason for a stand-in"),
        (_changed('"stage"', '"more":1,"stage"'), "unknown field `more`"),
        (_changed('"workflow":"w"', '"workflow":"' + "w" * 300 + '"'), "a workflow that no call can have"),
        (b"\n".join(sorted(write("w", [entry("[1]"), entry("[2]")]).splitlines(), reverse=True)), "can't be read"),
    ],
)
def test_what_no_recording_holds_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(BadRecording, match=re.escape(why)):
        read(body)


def test_entries_in_disorder_are_refused() -> None:
    head, one, two = write("w", [entry("[1]"), entry("[2]")]).splitlines()
    for lines in ((head, two, one), (head, one, one)):
        with pytest.raises(BadRecording, match="not in order"):
            read(b"\n".join(lines))


async def test_a_recorded_run_answers_without_a_model() -> None:
    ledger = recorded(read(write("w", [entry("question", "answer", instead="no money")])).entries)
    answer = await ledger.known(call())
    assert answer is not None
    assert (answer.text, answer.instead) == ("answer", "no money")
    assert await ledger.known(call("other")) is None


async def test_what_a_workflow_used_goes_out_and_into_another_database(
    worker_pool: Pool, gateway_pool: Pool, stack: Stack
) -> None:
    """Also what another workflow asked first; not what it did not use, and no other tenant's."""
    ledger = PgLedger(worker_pool)
    await ask(ledger, call("shared", workflow="earlier"))
    await ledger.known(call("shared"))
    await ask(ledger, call("mine"))
    await ask(ledger, call("not mine", workflow="other"))
    await ask(ledger, call("theirs", tenant="other"))
    found = await PgRecordings(gateway_pool).export("default", WORKFLOW)
    assert {one.asked for one in found.entries} == {"shared", "mine"}
    assert await PgRecordings(gateway_pool).export("other", "none") == Recording(workflow="none", entries=())
    copy = read(write(found.workflow, found.entries))
    async with fresh_database(stack) as fresh, await open_pool(fresh.gateway, 2) as gateway:
        recordings = PgRecordings(gateway)
        assert await recordings.bring_in("default", copy) == 2
        assert await recordings.bring_in("default", copy) == 0
        async with await open_pool(fresh.worker, 2) as worker:
            answer = await PgLedger(worker).known(call("shared"))
            assert await PgLedger(worker).known(call("shared", tenant="other")) is None
        assert await recordings.export("default", WORKFLOW) == Recording(
            workflow=WORKFLOW, entries=tuple(one for one in copy.entries if one.asked == "shared")
        )
    assert answer is not None
    assert (answer.text, answer.model) == ("answer", "a/x")


async def test_the_gateway_can_not_say_that_a_model_was_asked(gateway_pool: Pool) -> None:
    async with gateway_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('ql.tenant', 'default', true)")
        statement = """
            INSERT INTO ledger (tenant, question, model, answer, finish_reason, tokens_in, tokens_out, cost,
                workflow_id, stage) VALUES ($1, $2, 'a/x', '', 'stop', 0, 0, 0, 'w', 's')
        """
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement, "default", bytes(32))


async def test_a_long_answer_lies_in_s3(worker_pool: Pool, stack: Stack, bucket: str) -> None:
    artifacts = S3Artifacts(stack.urls.s3, bucket)
    noise = "".join(chr(33 + (n * n * 7919 + n // 3) % 90) for n in range(64)) + sha256(b"x").hexdigest()
    text = "".join(sha256(f"{n}{noise}".encode()).hexdigest() for n in range(MAX_BYTES // 32 + 5000))
    ledger = PgLedger(worker_pool, artifacts)
    await ledger.settle(call(), "t", text, "stop", ANSWERED)
    row = await worker_pool.fetchrow("SELECT octet_length(answer) AS size, answer_ref FROM ledger")
    assert row is not None
    assert row["size"] == 0
    assert "ledger/default/" in row["answer_ref"]
    answer = await PgLedger(worker_pool, S3Artifacts(stack.urls.s3, bucket)).known(call())
    assert isinstance(answer, Answer)
    assert answer.text == text
    found = await PgRecordings(worker_pool, artifacts).export("default", WORKFLOW)
    assert [one.answer for one in found.entries] == [text]


async def test_a_stand_in_s_answer_stays_one_in_a_recording(worker_pool: Pool) -> None:
    await ask(PgLedger(worker_pool), call(), spent=Spent(outcome="stand_in", model="blueprint/default", detail="why"))
    found = await PgRecordings(worker_pool).export("default", WORKFLOW)
    assert [one.instead for one in found.entries] == ["why"]
