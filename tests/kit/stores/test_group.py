"""Group commit: nobody waits for company, and nobody pays for another's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from workers.kit.stores.drops import StoreDown
from workers.kit.stores.pg.group import Group
from workers.kit.stores.pg.pool import Undone


class Server:
    """Answers a batch item by item, once `open` is set; raises what it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.bad: dict[str, Exception] = {}
        self.taken_back: list[str] = []

    async def run(self, items: Sequence[str]) -> Sequence[str | Exception]:
        self.batches.append(list(items))
        await self.open.wait()
        for item in items:
            if item in self.bad:
                raise self.bad[item]
        return [KeyError(item) if item == "refused" else item.upper() for item in items]

    async def take_back(self, item: str, answer: str) -> None:
        self.taken_back.append(answer)


async def settled(*asked: asyncio.Task[str]) -> list[str | BaseException]:
    return list(await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5))


def asks(group: Group[str, str], *items: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(group.ask(item)) for item in items]


async def some_steps() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_first_goes_at_once_and_the_rest_together() -> None:
    server = Server()
    group = Group(server.run)
    first = asks(group, "a")
    await some_steps()
    rest = asks(group, "b", "c", "d")
    await asyncio.sleep(0)
    assert server.batches == [["a"]]
    server.open.set()
    assert await settled(*first, *rest) == ["A", "B", "C", "D"]
    assert server.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_its_bound_and_flushers_theirs() -> None:
    server = Server()
    group = Group(server.run, flushers=2, most=2)
    asked = asks(group, *"abcdefg")
    await some_steps()
    assert server.batches == [["a", "b"], ["c", "d"]]
    server.open.set()
    assert await settled(*asked) == list("ABCDEFG")
    assert max(len(batch) for batch in server.batches) == 2


async def test_what_is_asked_as_a_flusher_ends_finds_another() -> None:
    server = Server()
    server.open.set()
    group = Group(server.run)
    for place in range(200):  # the caller goes on in the very step in which the flusher ends
        assert await asyncio.wait_for(group.ask(str(place)), 5) == str(place)


@pytest.mark.parametrize("error", [ValueError("bad"), Undone("deadlock")])
async def test_only_the_guilty_pays(error: Exception) -> None:
    server = Server()
    server.open.set()
    server.bad["c"] = error
    answers = await settled(*asks(Group(server.run), *"abcdefg"))
    assert answers[:2] + answers[3:] == list("ABDEFG")
    assert isinstance(answers[2], type(error) if isinstance(error, ValueError) else StoreDown)


async def test_an_exception_among_the_answers_is_one_callers() -> None:
    server = Server()
    server.open.set()
    a, refused, b = await settled(*asks(Group(server.run), "a", "refused", "b"))
    assert (a, b) == ("A", "B")
    assert isinstance(refused, KeyError)
    assert len(server.batches) == 1


async def test_a_store_that_is_down_is_down_for_all_and_asked_once() -> None:
    server = Server()
    server.open.set()
    server.bad["b"] = StoreDown("gone")
    group = Group(server.run)
    answers = await settled(*asks(group, "a", "b", "c"))
    assert [type(answer) for answer in answers] == [StoreDown] * 3
    assert len(server.batches) == 1
    assert len({id(answer) for answer in answers}) == 3
    server.bad.clear()
    assert await group.ask("a") == "A"


async def test_a_wrong_number_of_answers_is_an_error_for_all() -> None:
    async def short(items: Sequence[str]) -> Sequence[str]:
        return []

    answers = await settled(*asks(Group(short), "a", "b"))
    assert [type(answer) for answer in answers] == [ValueError, ValueError]


async def test_two_of_one_key_are_done_one_after_the_other() -> None:
    server = Server()
    server.open.set()
    group = Group(server.run, key=lambda item: item[0])
    assert await settled(*asks(group, "a1", "a2", "b1", "a3", "c1")) == ["A1", "A2", "B1", "A3", "C1"]
    assert server.batches == [["a1", "b1", "c1"], ["a2"], ["a3"]]


async def test_who_leaves_before_the_batch_is_not_served_and_harms_nobody() -> None:
    server = Server()
    group = Group(server.run, orphan=server.take_back)
    first = asks(group, "a")
    await some_steps()
    asked = asks(group, "b", "c")
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.sleep(0)
    server.open.set()
    answers = await settled(*first, *asked)
    assert (answers[0], answers[2]) == ("A", "C")
    assert server.batches == [["a"], ["c"]]
    assert not server.taken_back


async def test_what_is_done_for_one_who_left_is_handed_back() -> None:
    server = Server()
    group = Group(server.run, orphan=server.take_back)
    asked = asks(group, "a", "b")
    await some_steps()
    asked[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked[0]
    server.open.set()
    assert await settled(asked[1]) == ["B"]
    await some_steps()
    assert server.taken_back == ["A"]


async def test_what_is_answered_to_one_who_leaves_in_that_very_turn_is_handed_back() -> None:
    server = Server()
    server.open.set()
    asked: list[asyncio.Task[str]] = []

    async def run(items: Sequence[str]) -> Sequence[str | Exception]:
        answers = await server.run(items)
        asyncio.get_running_loop().call_soon(asked[0].cancel)  # after the answer is set, before its caller has it
        return answers

    asked += asks(Group(run, orphan=server.take_back), "a")
    assert isinstance((await settled(*asked))[0], asyncio.CancelledError)
    await some_steps()
    assert server.taken_back == ["A"]


async def test_nobody_waits_for_a_flusher_that_was_stopped() -> None:
    server = Server()
    group = Group(server.run)
    others = asyncio.all_tasks()
    asked = asks(group, "a")
    await some_steps()
    (flusher,) = asyncio.all_tasks() - others - set(asked)
    flusher.cancel()
    assert isinstance((await settled(*asked))[0], asyncio.CancelledError)
