"""The checker sees every kind of damage: each is done to a finished run by hand, and named by it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import obstore
import pytest

from deploy.local.stack import NATS
from tests.chaos.checker import Expected, bucket, check
from tests.chaos.graph import Do, Plan
from tests.chaos.router import CALLS
from tests.chaos.world import TENANT, World, world

Damage = Callable[[World, str], Awaitable[object]]


def sql(statement: str) -> Damage:
    """The statement with the workflow as $1."""
    return lambda place, workflow: place.fetch(statement, workflow)


async def artifact(place: World, workflow: str) -> str:
    (row,) = await place.fetch("SELECT artifact_key FROM drops WHERE workflow_id = $1 AND stage = 'left'", workflow)
    key: str = row["artifact_key"]
    return key


async def delete(place: World, workflow: str) -> None:
    await obstore.delete_async(bucket(place), await artifact(place, workflow))


async def change(place: World, workflow: str) -> None:
    key = await artifact(place, workflow)
    length = len(await (await obstore.get_async(bucket(place), key)).bytes_async())
    await obstore.put_async(bucket(place), key, bytes(length))


async def tell_again(place: World, workflow: str) -> None:
    async with place.connected() as nc:
        await nc.jetstream().publish(f"ql.evt.{TENANT}.{workflow}.workflow.completed.1", b"{}")


async def pay_again(place: World, workflow: str) -> None:
    with (place.folder / CALLS).open("a") as calls:
        calls.write(f"{workflow} left 1\n")


FORGED_END = """
    INSERT INTO events SELECT workflow_id, replace(id, 'completed', 'failed'), tenant, stage,
        replace(subject, 'completed', 'failed'), body, created_at, published_seq
    FROM events WHERE workflow_id = $1 AND stage = 'workflow' AND subject LIKE '%completed%'
"""
OTHER_INPUT = """
    UPDATE drops SET inputs = replace(inputs::text, '"sha256": "', '"sha256": "0')::jsonb
    WHERE workflow_id = $1 AND stage = 'left'
"""
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a row deleted": (sql("DELETE FROM drops WHERE workflow_id = $1 AND stage = 'left'"), "left has 0 completed drops"),
    "a second end": (sql(FORGED_END), "it has 2 ends in PostgreSQL"),
    "an event untold": (
        sql("DELETE FROM events WHERE workflow_id = $1 AND stage = 'right'"),
        "right.1 completed is told by 0 events",
    ),
    "an event unpublished": (
        sql("UPDATE events SET published_seq = NULL WHERE workflow_id = $1 AND stage = 'left'"),
        "left.completed.1 is unpublished",
    ),
    "a wrong place": (
        sql("UPDATE events SET published_seq = published_seq + 1000 WHERE workflow_id = $1 AND stage = 'left'"),
        "and its row says",
    ),
    "a lease left": (
        sql("UPDATE drops SET lease_until = now() WHERE workflow_id = $1 AND stage = 'left'"),
        "left.1 is completed with a lease",
    ),
    "an open row": (
        sql("UPDATE drops SET state = 'retry' WHERE workflow_id = $1 AND stage = 'left'"),
        "left.1 is retry",
    ),
    "no end": (
        sql("UPDATE workflows SET state = 'active', ended_at = NULL WHERE id = $1"),
        "it is still active",
    ),
    "another input": (sql(OTHER_INPUT), "was made from a root 1 that is not there"),
    "an object deleted": (delete, "its artifact can't be read"),
    "an object changed": (change, "its artifact has changed"),
    "a message twice": (tell_again, "messages that no row knows, not 0"),
    "a call too many": (pay_again, "the model was called 2 times for left 1, not 1"),
}


@pytest.fixture(scope="module")
async def place(reachable: Path) -> AsyncIterator[World]:
    async with world(reachable / "checked") as made:
        yield made


@pytest.fixture(scope="module")
async def finished(place: World) -> dict[str, str]:
    """A workflow of its own for each damage, completed, and nobody there any more to repair it: no keeper either.

    One after the other: so no two share an object.
    """
    await place.staff(1)
    found: dict[str, str] = {}
    for name in DAMAGES:
        found[name] = await place.submit()
        await place.ended([found[name]])
    await place.staff(0)
    assert place.keeper is not None
    await place.keeper.stop()  # it takes a forged sequence for a lost stream, and makes another one
    assert await check(place, list(found.values())) == []
    return found


@pytest.mark.parametrize("name", list(DAMAGES))
async def test_damage_is_seen(place: World, finished: dict[str, str], name: str) -> None:
    damage, sentence = DAMAGES[name]
    await damage(place, finished[name])
    wrong = await check(place, [finished[name]])
    assert any(sentence in said for said in wrong), wrong


async def test_a_workflow_that_ended_otherwise_is_seen(place: World) -> None:
    place.keeper = await place.spawn("keep")
    await place.staff(1)
    failing = await place.submit(Plan(do={"left": Do(raises=9, fault="permanent")}))
    repaired = await place.submit(Plan(do={"left": Do(rejects=True)}))
    await place.ended([failing, repaired])
    assert await check(place, {failing: Expected(state="failed"), repaired: Expected()}) == []
    assert "it is failed instead of completed" in (await check(place, [failing]))[0]


async def test_an_unknown_workflow_is_seen(place: World) -> None:
    assert await check(place, ["nobody"]) == ["nobody is not there"]


async def test_a_wipe_that_wipes_nothing_is_seen(place: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await place.outage(NATS, 0, wipe=True)
    monkeypatch.setattr(place.stack, "wipe_nats", lambda: None)
    with pytest.raises(AssertionError, match="was not wiped"):
        await place.outage(NATS, 0, wipe=True)
