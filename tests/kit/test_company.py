"""Who waits for whom before something is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from workers.kit.company import APART_S, MANY, Company


@contextmanager
def many(company: Company, working: int = MANY) -> Iterator[None]:
    """So many are at work inside."""
    with ExitStack() as stack:
        for _ in range(working):
            stack.enter_context(company.working())
        yield


async def test_few_wait_for_nobody() -> None:
    company = Company()
    with many(company), company.working():
        pass  # whoever has ended is no company
    with many(company, MANY - 1), pytest.raises(StopIteration):
        company.wait().send(None)  # not even for one turn of the loop


async def test_many_go_together_and_the_next_a_while_after_them() -> None:
    company, went = Company(), []
    loop = asyncio.get_running_loop()

    async def go(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        await company.wait()
        went.append(loop.time())

    with many(company):
        await asyncio.gather(*(go(turns) for turns in range(4) for _ in range(MANY)))
    first, *starts = [later for before, later in zip([0.0, *went], went, strict=False) if later - before > APART_S / 2]
    assert len(went) == 4 * MANY
    assert first == went[0]
    assert len(starts) <= (went[-1] - first) / APART_S + 1e-3
    assert starts, "who came a turn later than the first has waited"


async def test_one_who_gives_up_holds_nobody() -> None:
    company = Company()
    with many(company):
        await company.wait()
        gone, other = asyncio.create_task(company.wait()), asyncio.create_task(company.wait())
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(5):
            await other
        assert gone.cancelled()
