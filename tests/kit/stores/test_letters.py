"""Dead letters: seen, edited and discarded by the tenant whose they are."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

import asyncpg
import pytest

from tests.kit.stores.world import TENANT, World
from tests.servers import Database
from workers.kit.stores.drops import DeadLetter, Failed, LetterHead
from workers.kit.stores.news import MAX_BODY
from workers.kit.stores.pg import letters, open_pool


async def bury(
    world: World,
    name: str,
    *,
    tenant: str = TENANT,
    kind: Literal["message", "work"] = "message",
    body: bytes = b"{",
    workflow: str = "W",
) -> None:
    letter = DeadLetter(
        id=name,
        tenant=tenant,
        workflow=workflow,
        stage="code",
        subject="ql.evt.x",
        headers="{}",
        body=body,
        sha256=sha256(body).hexdigest(),
        reason="no JSON",
        kind=kind,
    )
    await world.drops.bury(letter)


async def names(world: World, tenant: str = TENANT, before: str = "", limit: int = 10) -> list[str]:
    return [letter.id for letter in await world.reads.letters(tenant, before=before, limit=limit)]


async def test_letters_are_listed_newest_first_by_the_page(world: World) -> None:
    for name in ("a", "b", "c", "d"):
        await bury(world, name)
    assert await names(world, limit=2) == ["d", "c"]
    place = {letter.id: letter.place for letter in await world.reads.letters(TENANT, before="", limit=9)}
    assert await names(world, before=place["c"]) == ["b", "a"]
    assert await names(world, before=place["a"]) == []
    assert await world.reads.discard_letter(TENANT, "c")
    assert await names(world, before=place["c"]) == ["b", "a"], "its place stays where it was"


async def test_every_statement_says_whose_letters_it_means(pg_world: World, shared: Database) -> None:
    """As seen by a role that row-level security does not hold to one tenant."""
    for name, tenant in (("mine", TENANT), ("hers", "other"), ("lost", "unknown")):
        await bury(pg_world, name, tenant=tenant)
    async with await open_pool(shared.admin, 1) as pool, pool.acquire() as admin:
        assert [each.id for each in await letters.letters(admin, TENANT, "", 10, "")] == ["lost", "mine"]
        assert await letters.letters(admin, TENANT, "99999999", 10, "") == []
        assert await letters.letter(admin, TENANT, "hers") is None
        assert await letters.edit(admin, TENANT, "hers", b"x") is None
        assert not await letters.discard(admin, TENANT, "hers")
    assert await names(pg_world, "other") == ["hers"]


async def test_a_list_holds_no_bodies_and_may_be_one_workflows(world: World) -> None:
    for name, workflow in (("a", "W"), ("b", "V"), ("c", "W")):
        await bury(world, name, workflow=workflow)
    found = await world.reads.letters(TENANT, before="", limit=1, workflow="W")
    assert [(type(letter), letter.id, letter.workflow) for letter in found] == [(LetterHead, "c", "W")]
    (place,) = [letter.place for letter in await world.reads.letters(TENANT, before="", limit=9, workflow="V")]
    found = await world.reads.letters(TENANT, before=place, limit=10, workflow="W")
    assert [(letter.id, letter.stage, letter.reason, letter.kind) for letter in found] == [
        ("a", "code", "no JSON", "message")
    ]
    assert await world.reads.letters(TENANT, before="", limit=10, workflow="X") == []


async def test_a_resumed_workflow_leaves_no_letter_of_its_work(world: World) -> None:
    workflow, other = await world.submit(), await world.submit()
    await world.commit("plan", workflow, Failed(error="no"))
    await bury(world, "mine", kind="work", workflow=workflow)
    await bury(world, "unread", workflow=workflow)
    await bury(world, "others", kind="work", workflow=other)
    await bury(world, "namesake", tenant="other", kind="work", workflow=workflow)
    assert not (await world.reads.resume("other", workflow, deadline_s=60))
    assert set(await names(world)) == {"mine", "unread", "others"}
    await world.resume(workflow)
    assert set(await names(world)) == {"unread", "others"}
    assert await names(world, "other") == ["namesake"]


async def test_a_letter_says_what_it_is_of(world: World) -> None:
    await bury(world, "a", kind="work", body=b"\0\xff")
    found = await world.reads.letter(TENANT, "a")
    assert found
    assert (found.kind, found.body, found.reason, found.stage, bool(found.created_at)) == (
        "work",
        b"\0\xff",
        "no JSON",
        "code",
        True,
    )
    assert await world.reads.letter(TENANT, "b") is None


async def test_another_body_takes_the_place_of_the_first(world: World) -> None:
    await bury(world, "a")
    edited = await world.reads.edit_letter(TENANT, "a", b"{}")
    assert edited
    assert (edited.id, edited.body, edited.sha256) == ("a", b"{}", sha256(b"{}").hexdigest())
    assert await world.reads.letter(TENANT, "a") == edited
    assert await world.reads.edit_letter(TENANT, "b", b"{}") is None
    with pytest.raises(ValueError, match="at most 65536 bytes"):
        await world.reads.edit_letter(TENANT, "a", b" " * (MAX_BODY + 1))


async def test_a_letter_is_discarded_once(world: World) -> None:
    await bury(world, "a")
    assert await world.reads.discard_letter(TENANT, "a")
    assert not await world.reads.discard_letter(TENANT, "a")
    assert await names(world) == []


async def test_nobody_sees_or_touches_anothers_letters(world: World) -> None:
    await bury(world, "a")
    await bury(world, "u", tenant="unknown")
    assert await names(world, "other") == []
    assert await world.reads.letter("other", "a") is None
    assert await world.reads.edit_letter("other", "a", b"") is None
    assert not await world.reads.discard_letter("other", "a")
    assert not await world.reads.discard_letter("other", "u")
    assert await names(world) == ["u", "a"]


async def test_letters_of_nobody_are_the_only_tenants(world: World) -> None:
    await bury(world, "u", tenant="unknown")
    assert await names(world) == ["u"]
    assert await world.reads.edit_letter(TENANT, "u", b"{}")
    assert await world.reads.discard_letter(TENANT, "u")


async def test_with_a_second_tenant_letters_of_nobody_are_nobodys(pg_world: World, shared: Database) -> None:
    await bury(pg_world, "u", tenant="unknown")
    connection = await asyncpg.connect(shared.admin)
    try:
        await connection.execute("INSERT INTO tenants (tenant) VALUES ('second')")
        assert await names(pg_world) == []
        assert not await pg_world.reads.discard_letter(TENANT, "u")
    finally:
        await connection.execute("DELETE FROM tenants WHERE tenant = 'second'")
        await connection.close()
    assert await names(pg_world) == ["u"]
