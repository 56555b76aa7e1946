"""A worker that has too much in memory takes no more, and loses nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from contracts.artifacts import Submission
from tests.flow.noop import TENANT, Pipeline, Servers, pipeline
from tests.kit.runner.small import SMALL, STAGES, Draft
from tests.kit.runner.test_stopping import until
from workers.kit.runner import pressure
from workers.kit.runner.health import Checks, NotReady

LIMIT = 1 << 30


class Slow:
    """A draft that takes until it is told to end, while the process uses as much memory as one says."""

    def __init__(self) -> None:
        self.used = 0
        self.ends = asyncio.Event()
        self.began: list[str] = []

    async def __call__(self, submission: Submission) -> Draft:
        self.began.append(submission.prompt)
        if submission.prompt == "slow":
            await self.ends.wait()
        return Draft(text=submission.prompt)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow()
    monkeypatch.setattr(pressure, "LOOK_S", 0.02)
    monkeypatch.setattr(pressure, "resident", lambda: made.used)
    return made


def stages(slow: Slow) -> dict[str, object]:
    async def draft(submission: Submission) -> Draft:
        return await slow(submission)

    return {**STAGES, "draft": draft}


async def held(running: Pipeline) -> str:
    (worker,) = running.workers
    await until(lambda: worker.held)
    return worker.held


async def test_nothing_new_is_taken_above_the_limit_and_all_of_it_below(servers: Servers, slow: Slow) -> None:
    async with pipeline(servers, SMALL, stages(slow), memory_limit=LIMIT) as running:
        first = await running.submit("slow")
        await until(lambda: slow.began)
        slow.used = LIMIT + 1
        assert await held(running) == "no new work is taken: 1024 MiB of memory are used, of 1024"
        checks = Checks(running.nc, running.drops, list(STAGES), running.workers[0])
        with pytest.raises(NotReady, match="no new work is taken"):
            await checks.ready()
        await checks.live()
        later = [await running.submit(f"p{n}") for n in range(3)]
        running.workers[0].reconnected()  # it asks anew, and not for work
        await asyncio.sleep(0.5)
        assert slow.began == ["slow"]
        slow.used = LIMIT - 1  # not yet: it would go to and fro
        await asyncio.sleep(0.1)
        assert running.workers[0].held
        slow.used = LIMIT // 2
        assert [await running.end(workflow) for workflow in later] == ["completed"] * 3
        slow.ends.set()
        assert await running.end(first) == "completed"
        assert running.done("wakes") == 0
        await checks.ready()
        attempts = {row.attempts for w in (first, *later) for row in await running.reads.drops(TENANT, w)}
        assert attempts == {1}


async def test_with_nothing_in_flight_it_goes_on_whatever_the_memory(servers: Servers, slow: Slow) -> None:
    slow.used = LIMIT + 1
    async with pipeline(servers, SMALL, stages(slow), memory_limit=LIMIT) as running:
        workflows = [await running.submit(f"p{n}") for n in range(3)]
        assert [await running.end(workflow) for workflow in workflows] == ["completed"] * 3


async def test_a_process_knows_what_it_uses() -> None:
    before = pressure.resident()
    much = bytearray(b"x") * (64 << 20)
    assert pressure.resident() - before > 48 << 20
    assert len(much) == 64 << 20


@pytest.mark.parametrize(
    ("said", "left"), [(str(LIMIT), LIMIT), ("max", None), (str(2**63 - 4096), None), (None, None)]
)
def test_a_worker_has_a_limit_in_a_container_of_either_kind_and_without_one(
    tmp_path: Path, said: str | None, left: int | None
) -> None:
    file = tmp_path / "limit"
    if said is not None:
        file.write_text(f"{said}\n")
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [pressure.memory_share(each) for each in ([file, tmp_path / "none"], [tmp_path / "none", file])]
    assert limits == [int((left or machine) * pressure.SHARE)] * 2
